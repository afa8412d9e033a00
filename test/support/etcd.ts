import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A real etcd of one member with its own data, on loopback. */
export interface EtcdServer {
  /** `http://127.0.0.1:<port>`, the same over restarts. */
  readonly endpoint: string;
  readonly host: string;
  readonly port: number;
  /** Ends the process (SIGTERM), if it runs, and removes its data. */
  stop(): Promise<void>;
  /** Ends the process at once (SIGKILL); its data stay. */
  kill(): Promise<void>;
  /**
   * Starts the process again on the same port, after killing it if it runs, with its data unless they
   * are wiped.
   */
  restart(options?: { wipe?: boolean }): Promise<void>;
}

export interface EtcdServerOptions {
  /** More command line arguments, such as `--quota-backend-bytes=…`. */
  arguments?: readonly string[];
  /** Files in PEM: serve TLS only, and to clients with a certificate of this authority only. */
  tls?: { ca: string; cert: string; key: string };
}

export async function startEtcd(options: EtcdServerOptions = {}): Promise<EtcdServer> {
  if (spawnSync('etcd', ['--version']).status !== 0) {
    throw new Error('these tests need the program etcd: apt-get install etcd-server');
  }
  const data = await mkdtemp(join(tmpdir(), 'mesocosm-etcd-'));
  for (let attempt = 1; ; attempt += 1) {
    const server = new Server(data, await freePorts(), options);
    try {
      await server.restart();
      return server;
    } catch (error) {
      // Somebody may have taken a port between the probe and the bind.
      await server.kill();
      if (attempt < 3) continue;
      await server.stop();
      throw error;
    }
  }
}

interface Ports {
  client: number;
  peer: number;
  health: number;
}

class Server implements EtcdServer {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly endpoint: string;
  readonly #data: string;
  readonly #health: string;
  readonly #parameters: readonly string[];
  #child: ChildProcess | undefined;

  constructor(data: string, ports: Ports, { tls, arguments: more = [] }: EtcdServerOptions) {
    this.port = ports.client;
    this.endpoint = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${ports.client}`;
    this.#data = data;
    this.#health = `http://127.0.0.1:${ports.health}`;
    const peer = `http://127.0.0.1:${ports.peer}`;
    this.#parameters = [
      `--data-dir=${data}`,
      `--listen-client-urls=${this.endpoint}`,
      `--advertise-client-urls=${this.endpoint}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      `--listen-metrics-urls=${this.#health}`,
      '--logger=zap',
      '--log-level=error',
      ...(tls === undefined ? [] : tlsParameters(tls)),
      ...(knowsUnsafeNoFsync() ? ['--unsafe-no-fsync'] : []),
      ...more,
    ];
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  async restart({ wipe = false } = {}): Promise<void> {
    await this.kill();
    if (wipe) await rm(join(this.#data, 'member'), { recursive: true, force: true });
    // --pdeathsig: a test runner that is killed leaves no server behind.
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', 'etcd', ...this.#parameters], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await healthy(this.#child, this.#health);
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
    await rm(this.#data, { recursive: true, force: true });
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
}

function tlsParameters({ ca, cert, key }: NonNullable<EtcdServerOptions['tls']>): string[] {
  return [
    `--cert-file=${cert}`,
    `--key-file=${key}`,
    `--trusted-ca-file=${ca}`,
    '--client-cert-auth',
  ];
}

function knowsUnsafeNoFsync(): boolean {
  return spawnSync('etcd', ['--unsafe-no-fsync', '--version']).status === 0;
}

async function healthy(child: ChildProcess, url: string): Promise<void> {
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    log = (log + chunk).slice(-4000);
  });
  const giveUp = performance.now() + 60_000;
  while (!(await isHealthy(url))) {
    if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}: ${log}`);
    if (performance.now() > giveUp) throw new Error(`etcd is not healthy after 60 s: ${log}`);
    await delay(20);
  }
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5000) });
    return (await response.text()).includes('"true"');
  } catch {
    return false;
  }
}

/** Ports of loopback that were free a moment ago. */
async function freePorts(): Promise<Ports> {
  const servers = Array.from({ length: 3 }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const [client = 0, peer = 0, health = 0] = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(
    servers.map((server) => {
      const closed = once(server, 'close');
      server.close();
      return closed;
    }),
  );
  return { client, peer, health };
}
