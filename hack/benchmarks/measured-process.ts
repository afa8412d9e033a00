import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { until } from '../local/wait.ts';

export interface MeasuredProcessOptions {
  name: string;
  program: string;
  args: readonly string[];
  /** Its standard output and error. */
  logFile: string;
  /** It is a Node program with the memory probe: see `memoryProbe`. */
  probed?: boolean;
}

export interface Usage {
  /** User and system time since its start. */
  cpuSeconds: number;
  rssBytes: number;
  /** The most that RSS has ever been. */
  peakRssBytes: number;
}

const memorySchema = z.object({
  rss: z.number(),
  heapTotal: z.number(),
  heapUsed: z.number(),
  external: z.number(),
  /** heapUsed right after a full collection: what is really kept. */
  heapLive: z.number(),
});
export type NodeMemory = z.infer<typeof memorySchema>;

/** Makes a Node program tell its memory when asked over IPC; nothing of it runs until then. */
export const memoryProbe = [
  '--expose-gc',
  '--import',
  `data:text/javascript,${encodeURIComponent(
    `process.on('message', () => {
       const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
       gc();
       const heapLive = process.memoryUsage().heapUsed;
       process.send({ rss, heapTotal, heapUsed, external, heapLive });
     });
     process.channel.unref();`,
  )}`,
];

/** Ticks of /proc/PID/stat a second: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;
const stopWithinMs = 20_000;

/** A process of the benchmark. It dies with us, however we die. */
export class MeasuredProcess {
  readonly #options: MeasuredProcessOptions;
  readonly #child: ChildProcess;

  constructor(options: MeasuredProcessOptions) {
    this.#options = options;
    const log = openSync(options.logFile, 'a');
    this.#child = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', '--', options.program, ...options.args],
      { stdio: ['ignore', log, log, ...(options.probed === true ? (['ipc'] as const) : [])] },
    );
    closeSync(log);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it said. */
  get log(): string {
    return readFileSync(this.#options.logFile, 'utf8');
  }

  /** Waits for `condition`; throws with the end of its log if it ends or the time is over. */
  async ready(condition: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
    const reached = await until(async () => !this.isRunning || (await condition()), timeoutMs);
    if (reached && this.isRunning) return;
    const tail = this.log.trimEnd().split('\n').slice(-15).join('\n');
    const what = this.isRunning ? `is not ready after ${timeoutMs / 1000} s` : 'has ended';
    throw new Error(`${this.#options.name} ${what}; it says:\n${tail}`);
  }

  usage(): Usage {
    const stat = readFileSync(`/proc/${this.#pid}/stat`, 'utf8');
    // The command in parentheses may hold blanks. Fields 14 and 15 of proc(5): user and system time.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const status = readFileSync(`/proc/${this.#pid}/status`, 'utf8');
    const kib = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]);
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
      rssBytes: kib('VmRSS') * 1024,
      peakRssBytes: kib('VmHWM') * 1024,
    };
  }

  async memory(): Promise<NodeMemory> {
    const answer = once(this.#child, 'message', { signal: AbortSignal.timeout(30_000) });
    this.#child.send('memory');
    const [message] = (await answer) as unknown[];
    return memorySchema.parse(message);
  }

  /** At once, with no chance to say good-bye. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await until(() => !this.isRunning, stopWithinMs);
  }

  /** TERM, patience, KILL. */
  async stop(): Promise<void> {
    if (!this.isRunning) return;
    this.#child.kill('SIGTERM');
    if (await until(() => !this.isRunning, stopWithinMs)) return;
    this.#child.kill('SIGKILL');
    await until(() => !this.isRunning, stopWithinMs);
  }

  get #pid(): number {
    const { pid } = this.#child;
    if (pid === undefined || !this.isRunning)
      throw new Error(`${this.#options.name} does not run; it says:\n${this.log.slice(-2000)}`);
    return pid;
  }
}
