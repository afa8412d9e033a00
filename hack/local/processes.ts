import { spawn } from 'node:child_process';
import { mkdirSync, openSync, closeSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { until } from './wait.ts';

const entrySchema = z.strictObject({
  name: z.string(),
  pid: z.int(),
  /** Field 22 of /proc/PID/stat: with the pid it names one process for as long as the machine runs. */
  startTime: z.string(),
});
type Entry = z.infer<typeof entrySchema>;

export interface Command {
  name: string;
  program: string;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  cwd?: string;
}

/**
 * The background processes of the local cluster, remembered in a file so that a later run can end them:
 * only those, and only if the pid is still the process that was started.
 */
export class Processes {
  readonly #file: string;
  readonly #logs: string;

  constructor(directory: string) {
    this.#file = join(directory, 'processes.json');
    this.#logs = join(directory, 'logs');
  }

  logOf(name: string): string {
    return join(this.#logs, `${name}.log`);
  }

  /** Starts a process of its own session that goes on when we end; its output goes to its log. */
  start(command: Command): number {
    mkdirSync(this.#logs, { recursive: true });
    const log = openSync(this.logOf(command.name), 'a');
    const child = spawn(command.program, command.args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...command.env },
      ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    });
    closeSync(log);
    child.unref();
    // That it could not be started shows in that it has no pid.
    child.once('error', () => undefined);
    const { pid } = child;
    if (pid === undefined) throw new Error(`${command.program} cannot be started`);
    this.record(command.name, pid);
    return pid;
  }

  /** Remembers a process that somebody else started. */
  record(name: string, pid: number): void {
    const entry = { name, pid, startTime: startTimeOf(pid) ?? '' };
    this.#write([...this.#read().filter((other) => other.name !== name), entry]);
  }

  /** Starts a process and waits until it is ready; throws with the end of its log if it ends. */
  async launch(command: Command, ready: () => Promise<boolean> | boolean): Promise<void> {
    this.start(command);
    const ended = (): boolean => !this.isRunning(command.name);
    await until(async () => ended() || (await ready()), 60_000);
    const failure = ended() ? 'ended' : 'did not get ready';
    if (!ended() && (await ready())) return;
    const log = this.logOf(command.name);
    const tail = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
    throw new Error(`${command.name} ${failure}; ${log} says:\n${tail}`);
  }

  isRunning(name: string): boolean {
    const entry = this.#read().find((one) => one.name === name);
    return entry !== undefined && isAlive(entry);
  }

  /** Names of the processes that run, in the order of their start. */
  running(): string[] {
    return this.#read()
      .filter(isAlive)
      .map(({ name }) => name);
  }

  /** TERM, patience, KILL; in the reverse order of their start. */
  async stopAll(patienceMs: number): Promise<void> {
    for (const entry of this.#read().reverse()) await this.#stop(entry, patienceMs);
  }

  async #stop(entry: Entry, patienceMs: number): Promise<void> {
    if (isAlive(entry)) {
      process.kill(entry.pid, 'SIGTERM');
      // One that is stopped would not hear it.
      process.kill(entry.pid, 'SIGCONT');
      const gone = await until(() => !isAlive(entry), patienceMs);
      if (!gone) process.kill(entry.pid, 'SIGKILL');
      if (!gone && !(await until(() => !isAlive(entry), 5000))) {
        throw new Error(`${entry.name} (pid ${entry.pid}) does not end`);
      }
    }
    this.#write(this.#read().filter(({ name }) => name !== entry.name));
  }

  #read(): Entry[] {
    try {
      return z.array(entrySchema).parse(JSON.parse(readFileSync(this.#file, 'utf8')));
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
      throw error;
    }
  }

  #write(entries: readonly Entry[]): void {
    mkdirSync(dirname(this.#file), { recursive: true });
    writeFileSync(`${this.#file}.new`, JSON.stringify(entries));
    renameSync(`${this.#file}.new`, this.#file);
  }
}

function isAlive({ pid, startTime }: Entry): boolean {
  return startTimeOf(pid) === startTime;
}

/** When the process started, in ticks since boot; undefined if it is gone or a zombie. */
function startTimeOf(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return undefined;
    throw error;
  }
  // The command in parentheses may hold blanks; the state follows it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? undefined : fields[19];
}
