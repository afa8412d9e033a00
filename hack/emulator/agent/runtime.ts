import type {
  CommandInfo,
  ContainerID,
  ContainerInfo,
  NetworkInfo,
} from '../../../proto/mesos/generated/messages.ts';

/** What an agent asks of the machine (or of a simulation): containers with processes in them. */
export interface Runtime {
  /** Starts a container; exactly one of `started` and `failed` follows. */
  launch(spec: ContainerSpec, events: ContainerEvents): void;
  /**
   * Takes up a container of a former life of the agent. Events follow as after a launch that
   * already started; `terminated` if it is gone.
   */
  recover(spec: ContainerSpec, started: StartedContainer, events: ContainerEvents): void;
  /** Signals the processes of the container's command. */
  kill(id: string, signal: 'SIGTERM' | 'SIGKILL'): void;
  /** Another memory limit, in bytes: a task group joined the executor's container. */
  resize(id: string, memory: number): void;
  /** Ends what is left, detaches the networks, forgets the container. Harmless if done twice. */
  destroy(id: string, done: () => void): void;
  /** What the container and all within it have used so far; undefined once it is gone. */
  usage(id: string): ContainerUsage | undefined;
  /** Looks once, from inside the container; the caller minds the timeout. */
  probe(id: string, probe: Probe, done: (result: ProbeResult) => void): void;
}

export interface ContainerSpec {
  readonly id: ContainerID;
  readonly frameworkId: string;
  readonly executorId: string;
  /** Absent for the container of a default executor, which holds those of its tasks. */
  readonly taskId?: string;
  readonly command?: CommandInfo;
  readonly container?: ContainerInfo;
  /** Bytes for the container and those within; absent: no limit. */
  readonly memory?: number;
  readonly user: string;
  /** The executor tells an agent that comes back how its command ended; others are gone by then. */
  readonly waitsForAgent?: boolean;
}

export interface ContainerUsage {
  /** Seconds of one core. */
  readonly userSeconds: number;
  readonly systemSeconds: number;
  /** Without caches of files. */
  readonly memoryBytes: number;
}

export interface StartedContainer {
  /** As the agent reports them: hash order, with the addresses that the plugins gave. */
  readonly networks: readonly NetworkInfo[];
  readonly pid: number;
}

export interface ContainerEvents {
  started(container: StartedContainer): void;
  /** Mesos' words after "Failed to launch container: ", or "Executor terminated". */
  failed(failure: LaunchFailure): void;
  /** The command ended; `status` is the raw wait status. */
  exited(status: number): void;
  /** The executor itself ended, and everything in the container with it. */
  terminated(status: number, limit?: LimitExceeded): void;
}

export type LaunchFailure =
  | { readonly kind: 'launch'; readonly message: string }
  | { readonly kind: 'terminated'; readonly message: string };

export interface LimitExceeded {
  readonly message: string;
  /** Mebibytes. */
  readonly memory: number;
}

export type Probe =
  | { readonly type: 'COMMAND'; readonly command: CommandInfo; readonly timeout: number }
  | {
      readonly type: 'HTTP';
      readonly scheme: string;
      readonly port: number;
      readonly path: string;
      readonly ipv6: boolean;
      readonly timeout: number;
    }
  | {
      readonly type: 'TCP';
      readonly port: number;
      readonly ipv6: boolean;
      readonly timeout: number;
    };

/** Failed: the probe itself could not be done, for example it timed out. */
export type ProbeResult =
  | { readonly type: 'COMMAND'; readonly exitCode: number }
  | { readonly type: 'HTTP'; readonly statusCode: number }
  | { readonly type: 'TCP'; readonly succeeded: boolean }
  | { readonly type: 'failed' };

export const exitStatus = (code: number): number => code << 8;

const signalNames: Readonly<Record<number, string>> = {
  1: 'Hangup',
  2: 'Interrupt',
  3: 'Quit',
  4: 'Illegal instruction',
  6: 'Aborted',
  7: 'Bus error',
  8: 'Floating point exception',
  9: 'Killed',
  11: 'Segmentation fault',
  13: 'Broken pipe',
  14: 'Alarm clock',
  15: 'Terminated',
};

/** Mesos' words for a raw wait status. */
export function describeStatus(status: number): string {
  const signal = status & 0x7f;
  if (signal === 0) return `Command exited with status ${(status >> 8) & 0xff}`;
  const core = (status & 0x80) === 0 ? '' : ' (core dumped)';
  return `Command terminated with signal ${signalNames[signal] ?? `Unknown signal ${signal}`}${core}`;
}
