import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { Certificates } from '../../hack/local/certificates.ts';
import { accepts, until } from '../../hack/local/wait.ts';

export interface CosmdOptions {
  /** What `cosmd.yaml` says besides `api`, or besides `controllers` where these are alone. */
  config: Readonly<Record<string, unknown>>;
  /** Of the API; of health and metrics where the controllers are alone. */
  port: number;
  certificates: Certificates;
  /** As on the command line; both if absent. */
  roles?: string | undefined;
}

/** One cosmd process, as an operator runs it. */
export class Cosmd {
  readonly port: number;
  readonly #directory: string;
  readonly #file: string;
  readonly #roles: readonly string[];
  #child: ChildProcess | undefined;
  #log = '';

  constructor({ config, port, certificates, roles }: CosmdOptions) {
    this.#roles = roles === undefined ? [] : ['--roles', roles];
    this.port = port;
    this.#directory = mkdtempSync(join(tmpdir(), 'mesocosm-cosmd-'));
    this.#file = join(this.#directory, 'cosmd.yaml');
    const listen = `127.0.0.1:${port}`;
    const api = {
      listen,
      certFile: certificates.server.certFile,
      keyFile: certificates.server.keyFile,
      clientCaFile: certificates.caFile,
    };
    const own = roles === 'controllers' ? { controllers: { listen } } : { api };
    writeFileSync(this.#file, stringify({ ...config, ...own }));
  }

  /** What it logged since it was first started. */
  get log(): string {
    return this.#log;
  }

  get running(): boolean {
    return (
      this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
    );
  }

  async start(): Promise<void> {
    const program = fileURLToPath(new URL('../../.local/build/cosmd.mjs', import.meta.url));
    // --pdeathsig: a test runner that is killed leaves no cosmd behind.
    const command = ['--pdeathsig', 'KILL', process.execPath, program, '--config', this.#file];
    const child = spawn('setpriv', [...command, ...this.#roles], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (this.#log += chunk.toString()));
    }
    const accepting = await until(async () => !this.running || (await accepts(this.port)), 60_000);
    if (!this.running) throw new Error(`cosmd ended:\n${this.#log}`);
    if (!accepting) throw new Error(`cosmd does not listen:\n${this.#log}`);
  }

  /** SIGKILL, SIGSTOP, SIGCONT… */
  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** As a crash of the machine would: nothing is finished or given back. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** As an operator stops it: it gives back what it holds. It can be started again. */
  async terminate(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #end(name: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.running) return;
    const ended = once(child, 'exit');
    child.kill(name);
    child.kill('SIGCONT');
    await ended;
  }
}
