import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { CommandInfo } from '../../../../proto/mesos/generated/messages.ts';
import type { EnterRequest, NestedEvents, NestedProcess } from '../nested/process.ts';
import { argumentsOf } from './command.ts';
import { enterScript, terminalScript } from './enter-scripts.ts';
import { childrenOf, descendantsOf } from './proc.ts';

/** The container that is entered. */
export interface EnteredContainer {
  /** The executor: first process of the container's PID namespace. */
  readonly pid: number;
  readonly sandbox: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The memory cgroup that the command joins. */
  readonly cgroup: string | undefined;
}

/** Milliseconds. */
const startInterval = 2;

/** In the container's namespaces, so that the kernel ends the command together with it. */
export function enterContainer(
  container: EnteredContainer,
  request: EnterRequest,
  events: NestedEvents,
): NestedProcess {
  const { command, directory, terminal } = request;
  const cwd = directory === undefined ? container.sandbox : join(container.sandbox, directory);
  mkdirSync(cwd, { recursive: true });
  const { program, argv } = argumentsOf(command);
  const inside = [
    ...['nsenter', `--target=${container.pid}`, '--net', '--pid', '--mount', '--uts', '--'],
    ...['perl', '-e', enterScript, '--', cwd, program, ...argv],
  ];
  const { rows = 24, columns = 80 } = terminal ?? {};
  const outside =
    terminal === undefined
      ? inside
      : ['perl', '-e', terminalScript, '--', String(rows), String(columns), ...inside];
  const joinGroup = 'test -z "$1" || echo $$ >"$1/cgroup.procs" || exit 126; shift; exec "$@"';
  const child = spawn('/bin/sh', ['-c', joinGroup, 'sh', container.cgroup ?? '', ...outside], {
    cwd: container.sandbox,
    env: { ...container.environment, ...ownVariables(command) },
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    // A process group of its own: what the command leaves behind ends with it.
    detached: true,
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('the command could not be started');
  listen(child, pid, directory === undefined ? undefined : cwd, events);
  const control = child.stdio[3];
  // Those who entered tell how the command ended: they get no signal.
  const inner = (): number[] => {
    const entered = terminal === undefined ? pid : childrenOf(pid)[0];
    return entered === undefined ? [] : descendantsOf(entered);
  };
  const started = async (): Promise<void> => {
    while (inner().length === 0 && child.exitCode === null && child.signalCode === null) {
      await delay(startInterval);
    }
  };
  return {
    pid,
    started: started(),
    write: (data) => {
      send(child.stdin, data);
    },
    endInput: () => {
      child.stdin.end();
    },
    resize: (size) => {
      if (terminal !== undefined && control !== undefined && control !== null && 'write' in control)
        send(control, `${size.rows} ${size.columns}\n`);
    },
    signal: (number) => {
      for (const descendant of inner()) signalIfAlive(descendant, number);
    },
  };
}

function ownVariables(command: CommandInfo): Record<string, string> {
  const variables = command.environment?.variables ?? [];
  return Object.fromEntries(variables.map(({ name, value }) => [name, value ?? '']));
}

/** With a directory of its own, a container's output goes into files there too, as a task's. */
function listen(
  child: ChildProcess,
  pid: number,
  directory: string | undefined,
  events: NestedEvents,
): void {
  for (const [name, stream] of [
    ['stdout', child.stdout],
    ['stderr', child.stderr],
  ] as const) {
    const type = name === 'stdout' ? 'STDOUT' : 'STDERR';
    stream?.on('data', (data: Buffer) => {
      events.output(type, data);
    });
    if (directory !== undefined) stream?.pipe(createWriteStream(join(directory, name)));
  }
  // Whoever writes to a command that has ended is told by its end.
  child.stdin?.on('error', () => undefined);
  child.stdio[3]?.on('error', () => undefined);
  child.once('exit', () => {
    signalIfAlive(-pid, constants.signals.SIGKILL);
  });
  child.once('close', (code, name) => {
    events.exited(name === null ? (code ?? 0) << 8 : constants.signals[name]);
  });
}

function send(stream: Writable | null, data: Uint8Array | string): void {
  if (stream?.writable === true) stream.write(data);
}

function signalIfAlive(pid: number, number: number): void {
  try {
    process.kill(pid, number);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
