import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A real, standalone ZooKeeper on loopback with its own data directory. */
export interface RealZooKeeper {
  readonly host: string;
  readonly port: number;
  /** `host:port`, as a client's connect string. */
  readonly connectString: string;
  /** Port for TLS; 0 without the option `tls`. */
  readonly securePort: number;
  /** The answer to a four-letter command (`dump`, `cons`, `wchp`, …); empty while the server is away. */
  command(word: string): Promise<string>;
  /** What the server printed since it was first started. */
  log(): string;
  /** Stops the server if it runs and starts it again on the same port, with its data unless wiped. */
  restart(options?: { wipe?: boolean }): Promise<void>;
  /** SIGKILL: nothing is said to clients, nothing is flushed. */
  kill(): Promise<void>;
  /** Stops the server and removes its data. */
  stop(): Promise<void>;
}

export interface ZooKeeperServerOptions {
  /** Milliseconds; sessions are rounded up to it, the shortest session is two of it. Default 500. */
  readonly tickTime?: number;
  /** Further lines of zoo.cfg. */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  /** Opens a second port, for TLS. */
  readonly tls?: ZooKeeperTls;
}

/** PEM files. */
export interface ZooKeeperTls {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** Whether clients must show a certificate of the authority. Default `none`. */
  readonly clientAuth?: 'none' | 'need';
}

// netty-codec is missing from the manifest of Debian's jar, and without it TLS ports cut everyone.
const classPath = [
  '/usr/share/java/zookeeper.jar',
  '/usr/share/java/netty-codec.jar',
  '/usr/share/java/slf4j-simple.jar',
].join(':');

// --pdeathsig: a test runner that is killed leaves no server behind.
const serverCommand = [
  ...['setpriv', '--pdeathsig', 'KILL', 'java'],
  ...['-Xmx64m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
  // The machine does not crash, only processes do: a slow disk need not hold up every answer.
  '-Dzookeeper.forceSync=no',
  ...['-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', classPath],
  'org.apache.zookeeper.server.quorum.QuorumPeerMain',
] as const;

const readyWithinMs = 60_000;

export async function startZooKeeper(options: ZooKeeperServerOptions = {}): Promise<RealZooKeeper> {
  await access('/usr/share/java/zookeeper.jar');
  const directory = await mkdtemp(join(tmpdir(), 'mesocosm-zookeeper-'));
  for (let attempt = 1; ; attempt += 1) {
    const securePort = options.tls === undefined ? 0 : await freePort();
    const server = new Server(directory, await freePort(), securePort, options);
    try {
      await server.start();
      return server;
    } catch (error) {
      // Somebody may have taken the port between the probe and the bind.
      await server.kill();
      if (attempt < 3) continue;
      await server.stop();
      throw error;
    }
  }
}

class Server implements RealZooKeeper {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly securePort: number;
  readonly #directory: string;
  readonly #options: ZooKeeperServerOptions;
  #child: ChildProcess | undefined;
  #output = '';

  constructor(
    directory: string,
    port: number,
    securePort: number,
    options: ZooKeeperServerOptions,
  ) {
    this.#directory = directory;
    this.port = port;
    this.securePort = securePort;
    this.#options = options;
  }

  get connectString(): string {
    return `${this.host}:${this.port}`;
  }

  log(): string {
    return this.#output;
  }

  async start(): Promise<void> {
    const configFile = join(this.#directory, 'zoo.cfg');
    await mkdir(this.#dataDirectory, { recursive: true });
    const { tls } = this.#options;
    const secure = tls === undefined ? {} : await this.#secure(tls);
    await writeFile(configFile, this.#config(secure));
    const [program, ...options] = serverCommand;
    const child = spawn(program, [...options, configFile], { stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (text: Buffer): void => {
      this.#output = (this.#output + text.toString()).slice(-64 * 1024);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    this.#child = child;
    await this.#ready(child);
  }

  command(word: string, patienceMs = 15_000): Promise<string> {
    return new Promise((resolve) => {
      let answer = '';
      const socket = connect(this.port, this.host, () => socket.write(word));
      socket.setTimeout(patienceMs, () => socket.destroy());
      socket.on('data', (text) => (answer += text.toString()));
      socket.on('error', () => socket.destroy());
      socket.on('close', () => resolve(answer));
    });
  }

  async restart(options: { wipe?: boolean } = {}): Promise<void> {
    await this.#end('SIGTERM');
    if (options.wipe === true) await rm(this.#dataDirectory, { recursive: true, force: true });
    await this.start();
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
    await rm(this.#directory, { recursive: true, force: true });
  }

  get #dataDirectory(): string {
    return join(this.#directory, 'data');
  }

  /** The port is that of the second, Netty's, connection factory: the default one has no TLS. */
  async #secure(tls: ZooKeeperTls): Promise<Record<string, string | number>> {
    const keyStore = join(this.#directory, 'server.pem');
    const trustStore = join(this.#directory, 'authority.pem');
    const pair = [await readFile(tls.keyFile), await readFile(tls.certFile)];
    await writeFile(keyStore, Buffer.concat(pair), { mode: 0o600 });
    await writeFile(trustStore, await readFile(tls.caFile));
    return {
      serverCnxnFactory: 'org.apache.zookeeper.server.NettyServerCnxnFactory',
      secureClientPort: this.securePort,
      secureClientPortAddress: this.host,
      'ssl.keyStore.location': keyStore,
      'ssl.trustStore.location': trustStore,
      'ssl.clientAuth': tls.clientAuth ?? 'none',
    };
  }

  #config(secure: Record<string, string | number>): string {
    const tickTime = this.#options.tickTime ?? 500;
    const settings = {
      tickTime,
      dataDir: this.#dataDirectory,
      clientPort: this.port,
      clientPortAddress: this.host,
      'admin.enableServer': false,
      '4lw.commands.whitelist': '*',
      minSessionTimeout: 2 * tickTime,
      maxSessionTimeout: 60_000,
      maxClientCnxns: 0,
      ...secure,
      ...this.#options.config,
    };
    return Object.entries(settings)
      .map(([key, value]) => `${key}=${String(value)}\n`)
      .join('');
  }

  async #ready(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + readyWithinMs;
    // What it is asked in its first moment it may never answer.
    let patienceMs = 500;
    while (child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
      const asked = Date.now();
      // `conf` proves that it is this server that answers on the port, `srvr` that it serves.
      const conf = await this.command('conf', patienceMs);
      const isOurs = conf.includes(this.#dataDirectory);
      if (isOurs && (await this.command('srvr', patienceMs)).includes('Mode:')) return;
      if (Date.now() - asked >= patienceMs) patienceMs *= 2;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`ZooKeeper on port ${this.port} did not become ready:\n${this.#output}`);
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
}

async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}
