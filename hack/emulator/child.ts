import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { z } from 'zod';

const ready = z.object({ ready: z.literal(true), port: z.number() });

/** An agent undoes its networks before it ends; this is far more than that takes. */
const endWithinMs = 30_000;

/** One process of the cluster, started again on the same port as often as wanted. */
export class Child {
  readonly name: string;
  port: number;
  readonly #entry: string;
  readonly #arguments: (port: number) => string[];
  readonly #started: (name: string, pid: number) => void;
  readonly #log: (message: string) => void;
  #process: ChildProcess | undefined;

  constructor(options: {
    name: string;
    entry: string;
    port: number;
    arguments: (port: number) => string[];
    started: (name: string, pid: number) => void;
    log: (message: string) => void;
  }) {
    this.name = options.name;
    this.port = options.port;
    this.#entry = options.entry;
    this.#arguments = options.arguments;
    this.#started = options.started;
    this.#log = options.log;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get running(): boolean {
    return this.#process !== undefined;
  }

  /** Resolves once the process says that it is ready. */
  async start(): Promise<void> {
    if (this.#process !== undefined) return;
    const child = fork(this.#entry, this.#arguments(this.port), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#process = child;
    if (child.pid !== undefined) this.#started(this.name, child.pid);
    const ended = new Promise<never>((_, reject) => {
      child.once('exit', (code, signal) => {
        this.#log(`${this.name} ended: ${signal ?? String(code)}`);
        if (this.#process === child) this.#process = undefined;
        reject(new Error(`${this.name} ended: ${signal ?? String(code)}`));
      });
    });
    const message = new Promise<number>((resolve) => {
      child.once('message', (value) => {
        resolve(ready.parse(value).port);
      });
    });
    // Later ends are not errors of this start.
    ended.catch(() => undefined);
    this.port = await Promise.race([message, ended]);
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    child.kill(signal);
    if (signal !== 'SIGKILL' && signal !== 'SIGTERM') return;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const limit = setTimeout(() => {
      this.#log(`${this.name} does not end, killing it`);
      child.kill('SIGKILL');
    }, endWithinMs);
    await once(child, 'exit');
    clearTimeout(limit);
  }

  /** Asks the process to end in a way that no signal says. */
  async ask(what: 'unregister'): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    child.send({ do: what });
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
}
