import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import type { Client } from '../../api/client/client.ts';
import { httpsTransport, type HttpsTransport } from '../../api/client/https.ts';
import { createClient } from '../../api/client/resource-client.ts';
import { systemClock } from '../../api/machinery/clock.ts';
import { systemRandom } from '../../api/machinery/random.ts';
import { EtcdClient } from '../../api/storage/etcd/client.ts';
import { frameworkResource } from '../../api/v1/framework.ts';
import { networkResource } from '../../api/v1/network.ts';
import type { ZooKeeperClient } from '../../proto/zookeeper/client.ts';
import { openZooKeeper } from '../../proto/zookeeper/network-client.ts';
import { startZooKeeper, type RealZooKeeper } from '../../test/support/zookeeper.ts';
import { ensureCertificates, type Certificates } from '../local/certificates.ts';
import { accepts, freePorts, until } from '../local/wait.ts';
import { withDirectory, type Undo } from './directory.ts';
import { MeasuredProcess, memoryProbe, type Usage } from './measured-process.ts';
import { WireTap } from './wire-tap.ts';

export interface BenchClusterOptions {
  /** The checkout. */
  root: string;
  /** The bundle of cosmd to measure. */
  cosmd: string;
  /** Simulated agents, each with room for everything. */
  agents: number;
  /** Where cosmd leaves a CPU profile when it ends. */
  profileDir?: string | undefined;
  /** The leader's term. */
  leaseSeconds: number;
  /** Whether a WireTap lies between cosmd and the master. */
  tapped?: boolean;
}

export type Member = 'cosmd' | 'etcd' | 'emulator';

/** What a cluster is made of. */
interface Parts {
  processes: Readonly<Record<Member, MeasuredProcess>>;
  transport: HttpsTransport;
  etcd: EtcdClient;
  zookeeper: ZooKeeperClient;
  zookeeperServer: RealZooKeeper;
  tap: WireTap | undefined;
  startStandby: () => Promise<MeasuredProcess>;
}

const readySchema = z.object({ master: z.string() });

/** Every task joins these. */
export const networks = ['dev-net', 'data-net'] as const;

/**
 * etcd that syncs to the disk under the checkout, ZooKeeper, an emulated master with simulated agents, and
 * cosmd as operators run it: each a process of its own.
 */
export class BenchCluster {
  readonly transport: HttpsTransport;
  readonly client: Client;
  readonly etcd: EtcdClient;
  readonly zookeeper: ZooKeeperClient;
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.transport = parts.transport;
    this.client = createClient(parts.transport);
    this.etcd = parts.etcd;
    this.zookeeper = parts.zookeeper;
  }

  /** Runs `work` on a new cluster and removes the cluster, whatever comes of it, also on INT and TERM. */
  static async with<T>(
    options: BenchClusterOptions,
    work: (cluster: BenchCluster) => Promise<T>,
  ): Promise<T> {
    return withDirectory(options.root, (directory, undo) =>
      start(options, directory, undo).then(work),
    );
  }

  static of(parts: Parts): BenchCluster {
    return new BenchCluster(parts);
  }

  process(name: Member): MeasuredProcess {
    return this.#parts.processes[name];
  }

  /** Watches of the data of nodes that ZooKeeper keeps for all its clients; it counts no others. */
  async watches(): Promise<number> {
    const answer = await this.#parts.zookeeperServer.command('wchs');
    return Number(/Total watches:(\d+)/.exec(answer)?.[1] ?? 0);
  }

  /** Throws unless the cluster was made with `tapped`. */
  get tap(): WireTap {
    const { tap } = this.#parts;
    if (tap === undefined) throw new Error('the cluster has no tap');
    return tap;
  }

  /** Another cosmd, which follows and takes over when the first is gone. Resolves once it serves. */
  startStandby(): Promise<MeasuredProcess> {
    return this.#parts.startStandby();
  }

  /** What every process, and this one, has used so far. */
  usage(): Record<Member | 'bench', Usage> {
    const { user, system } = process.cpuUsage();
    const { rss } = process.memoryUsage();
    const bench = { cpuSeconds: (user + system) / 1e6, rssBytes: rss, peakRssBytes: rss };
    const { cosmd, etcd, emulator } = this.#parts.processes;
    return { cosmd: cosmd.usage(), etcd: etcd.usage(), emulator: emulator.usage(), bench };
  }

  /** etcd's revision: each write counts one. */
  async revision(): Promise<number> {
    const answer = await this.etcd.once((etcd, options) =>
      etcd.kv.range({ key: Buffer.from('/bench/revision'), count_only: true }, options),
    );
    return Number(answer.header.revision);
  }
}

async function start(
  options: BenchClusterOptions,
  directory: string,
  undo: Undo[],
): Promise<BenchCluster> {
  const [etcdPort = 0, peerPort = 0] = await freePorts(2);
  const launch: Launch = (name, program, args, probed = false) => {
    const logFile = join(directory, `${name}.log`);
    const child = new MeasuredProcess({ name, program, args, logFile, probed });
    undo.push(() => child.stop());
    return child;
  };
  const etcd = await startEtcd(launch, directory, etcdPort, peerPort);
  const zookeeper = await startZooKeeper();
  undo.push(() => zookeeper.stop());
  const { emulator, master } = await startEmulator(launch, options, directory);
  const tap = options.tapped === true ? await WireTap.start(master) : undefined;
  undo.push(() => tap?.stop());
  const certificates = ensureCertificates(join(directory, 'certificates'));
  const config = {
    clusterName,
    mesos: { masters: [tap?.address ?? master] },
    etcd: { endpoints: [`http://127.0.0.1:${etcdPort}`] },
    zookeeper: { connect: zookeeper.connectString },
    leaseSeconds: options.leaseSeconds,
    log: { level: 'warn' },
  };
  const world = { clock: systemClock(), random: systemRandom() };
  const startOne = (name: 'cosmd' | 'standby'): Promise<Serving> =>
    startCosmd(launch, options, directory, { name, config, certificates });
  const { child: cosmd, port } = await startOne('cosmd');
  const transport = transportTo(port, certificates);
  undo.push(() => transport.close());
  const etcdClient = new EtcdClient({ endpoints: config.etcd.endpoints, ...world });
  undo.push(() => {
    etcdClient.close();
  });
  const zookeeperClient = openZooKeeper({ connectString: zookeeper.connectString, ...world });
  undo.push(() => zookeeperClient.close());
  await zookeeperClient.whenConnected();
  const cluster = BenchCluster.of({
    processes: { cosmd, etcd, emulator },
    transport,
    etcd: etcdClient,
    zookeeper: zookeeperClient,
    zookeeperServer: zookeeper,
    tap,
    startStandby: async () => (await startOne('standby')).child,
  });
  await prepare(cluster);
  return cluster;
}

/** Also in the name of the node in ZooKeeper that carries the epoch. */
const clusterName = 'bench';
export const epochPath = `/mesocosm/.mesocosm/${clusterName}/epoch`;

interface Serving {
  child: MeasuredProcess;
  port: number;
}

type Launch = (
  name: Member | 'standby',
  program: string,
  args: string[],
  probed?: boolean,
) => MeasuredProcess;

async function startEtcd(
  launch: Launch,
  directory: string,
  port: number,
  peerPort: number,
): Promise<MeasuredProcess> {
  const url = `http://127.0.0.1:${port}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const etcd = launch('etcd', 'etcd', [
    ...['--data-dir', join(directory, 'etcd'), '--name', 'bench'],
    ...['--listen-client-urls', url, '--advertise-client-urls', url],
    ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
    ...['--initial-cluster', `bench=${peerUrl}`, '--log-level', 'error', '--logger', 'zap'],
    ...['--quota-backend-bytes', String(8 * 1024 ** 3)],
  ]);
  await etcd.ready(() => accepts(port));
  return etcd;
}

async function startEmulator(
  launch: Launch,
  { root, agents }: BenchClusterOptions,
  directory: string,
): Promise<{ emulator: MeasuredProcess; master: string }> {
  const file = join(directory, 'emulator.yaml');
  const agent = { cpus: 10_000, mem: 10_000_000, disk: 10_000_000 };
  const config = {
    mode: 'simulated',
    agents: Array.from({ length: agents }, () => agent),
    workDir: join(directory, 'mesos'),
  };
  writeFileSync(file, stringify(config, { aliasDuplicateObjects: false }));
  const program = join(root, '.local/build/emulator.mjs');
  const emulator = launch('emulator', process.execPath, [program, '--config', file]);
  // The last piece is a line that is still being written, or nothing.
  const line = (): string | undefined =>
    emulator.log
      .split('\n')
      .slice(0, -1)
      .find((text) => text.startsWith('{"mode"'));
  await emulator.ready(() => line() !== undefined);
  return { emulator, master: readySchema.parse(JSON.parse(line() ?? '')).master };
}

async function startCosmd(
  launch: Launch,
  options: BenchClusterOptions,
  directory: string,
  access: {
    name: 'cosmd' | 'standby';
    config: Record<string, unknown>;
    certificates: Certificates;
  },
): Promise<Serving> {
  const { name, config, certificates } = access;
  const [port = 0] = await freePorts(1);
  const file = join(directory, `${name}.yaml`);
  const api = {
    listen: `127.0.0.1:${port}`,
    certFile: certificates.server.certFile,
    keyFile: certificates.server.keyFile,
    clientCaFile: certificates.caFile,
  };
  writeFileSync(file, stringify({ ...config, api }));
  const profiling =
    options.profileDir === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', options.profileDir];
  const args = [...profiling, ...memoryProbe, options.cosmd, '--config', file];
  const child = launch(name, process.execPath, args, true);
  await child.ready(() => accepts(port));
  return { child, port };
}

function transportTo(port: number, { caFile, admin }: Certificates): HttpsTransport {
  return httpsTransport({
    access: {
      server: `https://127.0.0.1:${port}`,
      ca: readFileSync(caFile, 'utf8'),
      clientCertificate: readFileSync(admin.certFile, 'utf8'),
      clientKey: readFileSync(admin.keyFile, 'utf8'),
    },
    clock: systemClock(),
    userAgent: 'bench',
  });
}

/** Offers the networks and waits until the framework is subscribed. */
async function prepare({ client }: BenchCluster): Promise<void> {
  const offered = client.of(networkResource);
  const apiVersion = 'mesocosm.dev/v1' as const;
  for (const name of networks) {
    await untilAnswered(() =>
      offered.create({ apiVersion, kind: 'Network', metadata: { name }, spec: {} }),
    );
  }
  const frameworks = client.of(frameworkResource);
  const subscribed = await until(async () => {
    const framework = await frameworks.find({ name: clusterName });
    return framework?.status?.state === 'Subscribed';
  }, 60_000);
  if (!subscribed) throw new Error('cosmd did not subscribe to the emulated master');
}

/** The API listens before it has loaded what it serves. */
async function untilAnswered(ask: () => Promise<unknown>): Promise<void> {
  let last: unknown;
  const answered = await until(async () => {
    try {
      await ask();
      return true;
    } catch (error) {
      last = error;
      return false;
    }
  }, 30_000);
  if (!answered) throw last;
}
