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
  const [port, peerPort, healthPort] = await freePorts(3);
  const { tls } = options;
  const endpoint = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  const health = `http://127.0.0.1:${healthPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const parameters = [
    `--data-dir=${data}`,
    `--listen-client-urls=${endpoint}`,
    `--advertise-client-urls=${endpoint}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    `--listen-metrics-urls=${health}`,
    ...(tls === undefined
      ? []
      : [
          `--cert-file=${tls.cert}`,
          `--key-file=${tls.key}`,
          `--trusted-ca-file=${tls.ca}`,
          '--client-cert-auth',
        ]),
    '--logger=zap',
    '--log-level=error',
    ...(knowsUnsafeNoFsync() ? ['--unsafe-no-fsync'] : []),
    ...(options.arguments ?? []),
  ];

  let child = await launch(parameters, health);
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  return {
    endpoint,
    host: '127.0.0.1',
    port: port ?? 0,
    kill: () => end('SIGKILL'),
    restart: async ({ wipe = false } = {}) => {
      await end('SIGKILL');
      if (wipe) await rm(join(data, 'member'), { recursive: true, force: true });
      child = await launch(parameters, health);
    },
    stop: async () => {
      await end('SIGTERM');
      await rm(data, { recursive: true, force: true });
    },
  };
}

function knowsUnsafeNoFsync(): boolean {
  return spawnSync('etcd', ['--unsafe-no-fsync', '--version']).status === 0;
}

async function launch(parameters: readonly string[], health: string): Promise<ChildProcess> {
  // --pdeathsig: a test runner that is killed leaves no server behind.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'etcd', ...parameters], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    log = (log + chunk).slice(-4000);
  });
  const giveUp = performance.now() + 20_000;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}: ${log}`);
    if (await isHealthy(health)) return child;
    if (performance.now() > giveUp) {
      child.kill('SIGKILL');
      throw new Error(`etcd is not healthy after 20 s: ${log}`);
    }
    await delay(20);
  }
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(1000) });
    return (await response.text()).includes('"true"');
  } catch {
    return false;
  }
}

/** Ports of loopback that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => {
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
  return ports;
}
