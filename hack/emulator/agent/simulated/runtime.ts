import type { Clock, Timer } from '../../../../api/machinery/clock.ts';
import type { NetworkInfo } from '../../../../proto/mesos/generated/messages.ts';
import { hostNetwork, namedNetworks, networkProblem, reportedNetworks } from '../../networks.ts';
import {
  exitStatus,
  type ContainerEvents,
  type ContainerSpec,
  type ContainerUsage,
  type LaunchFailure,
  type Probe,
  type ProbeResult,
  type Runtime,
  type StartedContainer,
} from '../runtime.ts';
import type { Lease, SimulatedNetworks } from './networks.ts';
import { programOf, type Step } from './program.ts';

export interface SimulatedRuntimeOptions {
  clock: Clock;
  networks: SimulatedNetworks;
  /** Networks that this agent was not configured with. */
  lacks?: (network: string) => boolean;
  /** The agent's advertised address, which containers on the host's network report. */
  ip: string;
  /** Milliseconds that a container takes to start. */
  launchDelay?: (spec: ContainerSpec) => number;
  /** Milliseconds from a signal to the end of the command. */
  signalDelay?: (spec: ContainerSpec, signal: 'SIGTERM' | 'SIGKILL') => number;
  /** Milliseconds that a look of a check takes. */
  probeDelay?: (probe: Probe) => number;
  /** What commands do; by default a reading of the shell text. */
  program?: (spec: ContainerSpec) => Step[];
}

interface SimulatedContainer {
  readonly spec: ContainerSpec;
  events: ContainerEvents;
  readonly files: Set<string>;
  readonly ports: Set<number>;
  leases: readonly Lease[];
  networks: readonly NetworkInfo[];
  timer: Timer | undefined;
  ignoresTerm: boolean;
  started: boolean;
  /** On the monotonic clock. */
  startedAt: number | undefined;
  over: boolean;
  /** A signal that ends it was sent. */
  dying: boolean;
  /** The wait status that the command ended with. */
  ended: number | undefined;
}

/** Containers that are states on a clock: no process, no namespace, made-up addresses. */
export class SimulatedRuntime implements Runtime {
  readonly #options: SimulatedRuntimeOptions;
  readonly #containers = new Map<string, SimulatedContainer>();
  #pids = 1000;

  constructor(options: SimulatedRuntimeOptions) {
    this.#options = options;
  }

  launch(spec: ContainerSpec, events: ContainerEvents): void {
    const container: SimulatedContainer = {
      spec,
      events,
      files: new Set(),
      ports: new Set(),
      leases: [],
      networks: [],
      timer: undefined,
      ignoresTerm: false,
      started: false,
      startedAt: undefined,
      over: false,
      dying: false,
      ended: undefined,
    };
    this.#containers.set(spec.id.value, container);
    const requested = namedNetworks(spec.container?.network_infos);
    const { networks, lacks } = this.#options;
    const problem = networkProblem(
      requested,
      (name) => networks.has(name) && lacks?.(name) !== true,
    );
    if (problem !== undefined) {
      container.timer = this.#options.clock.after(refusalDelay, () => {
        events.failed({ kind: 'launch', message: problem });
      });
      return;
    }
    const delay = this.#options.launchDelay?.(spec) ?? defaultLaunchDelay;
    container.timer = this.#options.clock.after(delay, () => {
      const failure = this.#attach(container);
      if (failure !== undefined) events.failed(failure);
      else this.#start(container);
    });
  }

  recover(spec: ContainerSpec, started: StartedContainer, events: ContainerEvents): void {
    const container = this.#containers.get(spec.id.value);
    if (container !== undefined) {
      container.events = events;
      container.networks = started.networks;
      if (!container.over) return;
    }
    const status = container?.ended;
    this.#options.clock.after(0, () => {
      // A default executor waits for the agent; a command executor leaves after a second.
      const waits = spec.id.parent !== undefined || spec.waitsForAgent === true;
      if (waits && status !== undefined) events.exited(status);
      else events.terminated(9);
    });
  }

  kill(id: string, signal: 'SIGTERM' | 'SIGKILL'): void {
    const container = this.#containers.get(id);
    if (container === undefined || container.over) return;
    if (signal === 'SIGTERM' && container.ignoresTerm) return;
    // What SIGTERM has ended is only not buried yet.
    if (container.dying) return;
    container.dying = true;
    const status = signal === 'SIGTERM' ? 15 : 9;
    container.timer?.cancel();
    const delay = this.#options.signalDelay?.(container.spec, signal) ?? defaultSignalDelay;
    container.timer = this.#options.clock.after(delay, () => {
      this.#exit(container, status);
    });
  }

  /** A twentieth of a core, and half of the memory. */
  usage(id: string): ContainerUsage | undefined {
    const container = this.#containers.get(id);
    if (container?.startedAt === undefined || container.over) return undefined;
    const seconds = (this.#options.clock.monotonic() - container.startedAt) / 1000;
    return {
      userSeconds: seconds * 0.04,
      systemSeconds: seconds * 0.01,
      memoryBytes: Math.floor((container.spec.memory ?? defaultMemory) / 2),
    };
  }

  resize(): void {
    // Only `exhaustMemory` looks at the limit, and then at the one the container started with.
  }

  destroy(id: string, done: () => void): void {
    const container = this.#containers.get(id);
    this.#containers.delete(id);
    if (container !== undefined) {
      container.over = true;
      container.timer?.cancel();
      for (const { release } of container.leases) release();
    }
    this.#options.clock.after(0, done);
  }

  probe(id: string, probe: Probe, done: (result: ProbeResult) => void): void {
    const delay = this.#options.probeDelay?.(probe) ?? defaultProbeDelay;
    this.#options.clock.after(delay, () => {
      const container = this.#containers.get(id);
      done(container === undefined ? { type: 'failed' } : this.#look(container, probe));
    });
  }

  /** Ids of the tasks whose command has begun and not ended. */
  runningTasks(): string[] {
    return [...this.#containers.values()].flatMap(({ spec, started, over }) =>
      spec.taskId === undefined || !started || over ? [] : [spec.taskId],
    );
  }

  /** Ends a task's command from outside. */
  finish(taskId: string, status: number): boolean {
    const container = this.#find(taskId);
    if (container === undefined) return false;
    container.timer?.cancel();
    this.#exit(container, status);
    return true;
  }

  /** What the plugins gave to the container of a running task. */
  networksOf(taskId: string): readonly NetworkInfo[] {
    return this.#find(taskId)?.networks ?? [];
  }

  /**
   * Attaches every container anew while the agent is down: addresses that nobody asked for become
   * others. Returns the new ones by the old ones; the agent learns them by its checkpoint.
   */
  reattach(): ReadonlyMap<string, string> {
    const moved = new Map<string, string>();
    for (const container of this.#containers.values()) {
      const requested = namedNetworks(container.spec.container?.network_infos);
      container.leases = container.leases.map((lease, index) => {
        const { name = '', ip_addresses: asked = [] } = requested[index] ?? {};
        const next = asked.length > 0 ? undefined : this.#options.networks.lease(name);
        if (next === undefined) return lease;
        lease.release();
        moved.set(lease.ipv4, next.ipv4);
        if (lease.ipv6 !== undefined) moved.set(lease.ipv6, next.ipv6 ?? '');
        return next;
      });
    }
    return moved;
  }

  /** Kills the executor of a task (kill -9): everything in it dies unreported. */
  crashExecutor(taskId: string): boolean {
    const task = this.#find(taskId);
    const executor = this.#containers.get(task?.spec.id.parent?.value ?? task?.spec.id.value ?? '');
    if (executor === undefined) return false;
    for (const container of this.#family(executor)) {
      container.over = true;
      container.timer?.cancel();
    }
    executor.events.terminated(9);
    return true;
  }

  #find(taskId: string): SimulatedContainer | undefined {
    return [...this.#containers.values()].find(({ spec, over }) => spec.taskId === taskId && !over);
  }

  #family(executor: SimulatedContainer): SimulatedContainer[] {
    const id = executor.spec.id.value;
    return [...this.#containers.values()].filter(
      (container) => container === executor || container.spec.id.parent?.value === id,
    );
  }

  #attach(container: SimulatedContainer): LaunchFailure | undefined {
    const { networks, ip } = this.#options;
    const { spec } = container;
    const requested = namedNetworks(spec.container?.network_infos);
    const parent = this.#containers.get(spec.id.parent?.value ?? '');
    if (requested.length === 0) {
      container.networks = parent?.networks ?? hostNetwork(ip);
    } else {
      const leases: Lease[] = [];
      for (const { name = '', ip_addresses: asked = [] } of requested) {
        const ips = asked.map(({ ip_address: ip = '' }) => ip);
        const lease = networks.lease(name, ips);
        if (lease === undefined) {
          for (const { release } of leases) release();
          return {
            kind: 'launch',
            message: exhausted(spec.id.value, name, networks.describe(name)),
          };
        }
        leases.push(lease);
      }
      container.leases = leases;
      if (!requested.every(({ name = '' }) => networks.isReadable(name))) {
        return { kind: 'terminated', message: 'Executor terminated' };
      }
      container.networks = reportedNetworks(
        requested.map((network, index) => ({ requested: network, ...leases[index] })),
      );
    }
    const missing = spec.command?.uris?.find(({ value }) => value.startsWith('file:///no/such/'));
    if (missing === undefined) return undefined;
    return {
      kind: 'launch',
      message: `Failed to fetch all URIs for container '${spec.id.value}': exited with status 1`,
    };
  }

  #start(container: SimulatedContainer): void {
    container.timer = undefined;
    container.started = true;
    container.startedAt = this.#options.clock.monotonic();
    const { spec } = container;
    container.events.started({ networks: container.networks, pid: this.#pids++ });
    if (spec.command === undefined) return;
    const { clock, program } = this.#options;
    const steps = program === undefined ? programOf(spec.command) : program(spec);
    // Not before TASK_RUNNING was said.
    container.timer = clock.after(commandDelay, () => {
      this.#step(container, steps);
    });
  }

  #step(container: SimulatedContainer, steps: readonly Step[]): void {
    const [step, ...rest] = steps;
    if (container.over) return;
    const next = (): void => {
      this.#step(container, rest);
    };
    switch (step?.do) {
      case undefined:
        this.#exit(container, exitStatus(0));
        return;
      case 'sleep':
        container.timer = this.#options.clock.after(step.ms, next);
        return;
      case 'exit':
        this.#exit(container, exitStatus(step.code));
        return;
      case 'signal':
        this.#exit(container, step.signal);
        return;
      case 'exhaustMemory':
        this.#exhaust(container);
        return;
      case 'forever':
        return;
      case 'flap':
        if (!container.ports.delete(step.port)) container.ports.add(step.port);
        container.timer = this.#options.clock.after(step.ms, () => {
          this.#step(container, steps);
        });
        return;
      case 'ignoreTerm':
        container.ignoresTerm = true;
        break;
      case 'listen':
        container.ports.add(step.port);
        break;
      case 'touch':
        container.files.add(step.file);
        break;
      case 'remove':
        container.files.delete(step.file);
    }
    next();
  }

  #exit(container: SimulatedContainer, status: number): void {
    if (container.over) return;
    container.over = true;
    container.ended = status;
    container.events.exited(status);
  }

  #exhaust(container: SimulatedContainer): void {
    const memory = (container.spec.memory ?? 0) / 2 ** 20;
    container.over = true;
    container.events.terminated(9, {
      message: `Memory limit exceeded: Requested: ${memory}MB Maximum Used: ${memory}MB\n\nMEMORY STATISTICS: \n\n`,
      memory,
    });
  }

  #look(container: SimulatedContainer, probe: Probe): ProbeResult {
    if (probe.type === 'COMMAND') {
      const test = /^test -[ef] (\S+)$/.exec(probe.command.value ?? '');
      if (test !== null) {
        return { type: 'COMMAND', exitCode: container.files.has(test[1] ?? '') ? 0 : 1 };
      }
      const end = programOf(probe.command).find((step) => step.do === 'exit');
      return { type: 'COMMAND', exitCode: end?.do === 'exit' ? end.code : 0 };
    }
    // Loopback is the namespace's: nested containers of one executor share it.
    const executor = this.#containers.get(container.spec.id.parent?.value ?? '') ?? container;
    const open = this.#family(executor).some(({ ports }) => ports.has(probe.port));
    if (probe.type === 'TCP') return { type: 'TCP', succeeded: open };
    return open ? { type: 'HTTP', statusCode: 200 } : { type: 'failed' };
  }
}

const defaultMemory = 64 * 2 ** 20;
const defaultLaunchDelay = 20;
const commandDelay = 20;
const defaultSignalDelay = 30;
/** What Mesos refuses before it calls a plugin, it refuses at once. */
const refusalDelay = 20;
const defaultProbeDelay = 5;

function exhausted(containerId: string, network: string, range: string): string {
  const answer = JSON.stringify(
    {
      code: 999,
      msg: `failed to allocate for range 0: no IP addresses available in range set: ${range}`,
    },
    undefined,
    4,
  );
  return `Collect failed: The CNI plugin '/usr/lib/cni/bridge' failed to attach container ${containerId} to CNI network '${network}': stdout='${answer}', stderr=''`;
}
