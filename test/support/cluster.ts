import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '../../api/client/client.ts';
import { httpsTransport, type HttpsTransport } from '../../api/client/https.ts';
import { createClient } from '../../api/client/resource-client.ts';
import { systemClock } from '../../api/machinery/clock.ts';
import { systemRandom } from '../../api/machinery/random.ts';
import { leaseResource } from '../../api/v1/core.ts';
import { networkResource } from '../../api/v1/network.ts';
import {
  clientCertificate,
  ensureCertificates,
  writeKubeconfig,
  type Certificates,
} from '../../hack/local/certificates.ts';
import { freePorts, until } from '../../hack/local/wait.ts';
import { masterClient, type MasterClient } from '../../proto/mesos/operator-client.ts';
import type { ZooKeeperClient } from '../../proto/zookeeper/client.ts';
import { openZooKeeper } from '../../proto/zookeeper/network-client.ts';
import { Cosmd } from './cosmd.ts';
import { TestEmulator, type EmulatorOptions } from './emulator.ts';
import { startEtcd, type EtcdServer } from './etcd.ts';
import { MesosTap } from './mesos-tap.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { startZooKeeper, type RealZooKeeper, type ZooKeeperServerOptions } from './zookeeper.ts';

export interface TestClusterOptions {
  emulator?: EmulatorOptions;
  /** How many cosmd share the cluster; 1 if absent. */
  cosmds?: number;
  /** What each of them does, as on its command line; both if absent. The first serves the API. */
  roles?: readonly string[];
  /** More of cosmd.yaml. */
  config?: Readonly<Record<string, unknown>>;
  /** More of its `mesos`. */
  mesos?: Readonly<Record<string, unknown>>;
  /** Each cosmd reaches the one master through a tap of its own; masters do not use ZooKeeper then. */
  tapped?: boolean;
  /** cosmd reaches ZooKeeper through a proxy that can fail. */
  zookeeperProxied?: boolean;
  /** How ZooKeeper runs; with `tls`, cosmd uses the port for TLS. */
  zookeeperServer?: ZooKeeperServerOptions;
  /** More of cosmd.yaml's `zookeeper`. */
  zookeeper?: Readonly<Record<string, unknown>>;
}

interface Servers {
  etcd: EtcdServer;
  zookeeper: RealZooKeeper;
  emulator: TestEmulator;
  taps: readonly MesosTap[];
  zookeeperProxy: TcpProxy | undefined;
}

/** Real etcd, real ZooKeeper, an emulated Mesos, and cosmd as operators run it. */
export class TestCluster {
  readonly etcd: EtcdServer;
  readonly zookeeper: RealZooKeeper;
  readonly emulator: TestEmulator;
  readonly cosmds: readonly Cosmd[];
  /** By cosmd; empty unless asked for. */
  readonly taps: readonly MesosTap[];
  /** Between the cosmds and ZooKeeper, if asked for. */
  readonly zookeeperProxy: TcpProxy | undefined;
  /** The operator API of the leading master. */
  readonly mesos: MasterClient;
  /** A client of the first cosmd, as an administrator. */
  readonly client: Client;
  /** Reads what was published. */
  readonly zk: ZooKeeperClient;
  readonly kubeconfig: string;
  readonly #transports: readonly HttpsTransport[];
  readonly #directory: string;

  private constructor(
    servers: Servers,
    cosmds: readonly Cosmd[],
    certificates: Certificates,
    directory: string,
  ) {
    this.etcd = servers.etcd;
    this.zookeeper = servers.zookeeper;
    this.emulator = servers.emulator;
    this.cosmds = cosmds;
    this.taps = servers.taps;
    this.zookeeperProxy = servers.zookeeperProxy;
    this.mesos = masterClient({
      clock: systemClock(),
      detector: { detect: () => leadingMaster(servers.emulator.masters) },
    });
    this.#directory = directory;
    this.#transports = cosmds.map(({ port }) => transportTo(port, certificates));
    this.client = this.clientOf(0);
    this.kubeconfig = join(directory, 'kubeconfig');
    writeKubeconfig(this.kubeconfig, `https://127.0.0.1:${cosmds[0]?.port ?? 0}`, certificates);
    this.zk = openZooKeeper({
      connectString: servers.zookeeper.connectString,
      clock: systemClock(),
      random: systemRandom(),
    });
  }

  /** Starts everything and offers dev-net and data-net. What was started is ended if it fails. */
  static async start(options: TestClusterOptions = {}): Promise<TestCluster> {
    const directory = mkdtempSync(join(tmpdir(), 'mesocosm-cluster-'));
    const undo: (() => Promise<void>)[] = [];
    try {
      const etcd = await startEtcd();
      undo.push(() => etcd.stop());
      const zookeeper = await startZooKeeper(options.zookeeperServer);
      undo.push(() => zookeeper.stop());
      const emulator = await TestEmulator.start({
        ...(options.tapped === true ? {} : { zk: `zk://${zookeeper.connectString}/mesos` }),
        ...options.emulator,
      });
      undo.push(() => emulator.stop());
      const taps: MesosTap[] = [];
      const zookeeperProxy =
        options.zookeeperProxied === true ? await startTcpProxy(zookeeper) : undefined;
      undo.push(async () => zookeeperProxy?.stop());
      const secured = zookeeper.securePort === 0 ? zookeeper.port : zookeeper.securePort;
      const { host, port } = zookeeperProxy ?? { host: zookeeper.host, port: secured };
      const certificates = ensureCertificates(join(directory, 'certificates'));
      const ports = await freePorts(options.cosmds ?? 1);
      const kubeconfig = join(directory, 'controllers.kubeconfig');
      const server = `https://127.0.0.1:${ports[0] ?? 0}`;
      const admin = clientCertificate(
        join(directory, 'certificates'),
        'system:mesocosm-controllers',
        [],
      );
      writeKubeconfig(kubeconfig, server, { ...certificates, admin });
      while (options.tapped === true && taps.length < ports.length) {
        const tap = await MesosTap.start(emulator.master);
        undo.push(() => tap.stop());
        taps.push(tap);
      }
      const config = {
        clusterName: 'test',
        // Of controllers without the API: they reach that of the first.
        kubeconfig,
        etcd: { endpoints: [etcd.endpoint] },
        zookeeper: {
          connect: `${host}:${port}`,
          sessionTimeoutSeconds: 4,
          ...options.zookeeper,
        },
        ...options.config,
      };
      const cosmds = ports.map((port, index) => {
        const tap = taps[index];
        const masters = tap === undefined ? emulator.master : [tap.address];
        return new Cosmd({
          config: { ...config, mesos: { ...options.mesos, masters } },
          port,
          certificates,
          roles: options.roles?.[index],
        });
      });
      const cluster = new TestCluster(
        { etcd, zookeeper, emulator, taps, zookeeperProxy },
        cosmds,
        certificates,
        directory,
      );
      undo.push(() => cluster.#stopOurs());
      for (const cosmd of cosmds) await cosmd.start();
      await cluster.offerNetworks();
      return cluster;
    } catch (error) {
      for (const step of undo.reverse()) await step();
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  clientOf(index: number): Client {
    const transport = this.#transports[index];
    if (transport === undefined) throw new Error(`there is no cosmd ${index}`);
    return createClient(transport);
  }

  /** Index of the cosmd that leads, by the Lease that `client` shows. */
  async leader(client = this.client): Promise<number> {
    const lease = await client
      .of(leaseResource)
      .get({ namespace: 'mesocosm-system', name: 'cosmd' });
    const identity = lease.spec?.holderIdentity ?? '';
    const index = this.cosmds.findIndex(({ log }) => log.includes(`"identity":"${identity}"`));
    if (identity === '' || index < 0) throw new Error(`nobody here is ${identity}`);
    return index;
  }

  async offerNetworks(): Promise<void> {
    for (const name of ['dev-net', 'data-net']) {
      await this.client.of(networkResource).create({
        apiVersion: 'mesocosm.dev/v1',
        kind: 'Network',
        metadata: { name },
        spec: {},
      });
    }
  }

  /** Bodies of the members under a path, by node; empty if there is no such path. */
  async members(path: string): Promise<Map<string, string>> {
    if ((await this.zk.exists(path)) === undefined) return new Map();
    const { children } = await this.zk.getChildren(path);
    const nodes = children.filter((name) => name.startsWith('member_')).sort();
    const bodies = await Promise.all(
      nodes.map(async (name) =>
        Buffer.from((await this.zk.getData(`${path}/${name}`)).data).toString(),
      ),
    );
    return new Map(nodes.map((name, index) => [name, bodies[index] ?? '']));
  }

  /** Ends and removes everything; what does not end keeps nothing else from it. */
  async stop(): Promise<void> {
    const steps = [
      () => this.#stopOurs(),
      ...this.taps.map((tap) => () => tap.stop()),
      async () => this.zookeeperProxy?.stop(),
      () => this.emulator.stop(),
      () => this.zookeeper.stop(),
      () => this.etcd.stop(),
    ];
    const failures: unknown[] = [];
    this.#keepLogs(process.env['MESOCOSM_TEST_LOGS']);
    for (const step of steps) await step().catch((error: unknown) => failures.push(error));
    rmSync(this.#directory, { recursive: true, force: true });
    if (failures.length > 0) throw new AggregateError(failures, 'the cluster did not end cleanly');
  }

  /** For whoever wants to know why a test failed. */
  #keepLogs(directory: string | undefined): void {
    if (directory === undefined) return;
    mkdirSync(directory, { recursive: true });
    for (const { port, log } of this.cosmds)
      writeFileSync(join(directory, `cosmd-${port}.log`), log);
    writeFileSync(join(directory, 'emulator.log'), this.emulator.log);
  }

  async #stopOurs(): Promise<void> {
    for (const transport of this.#transports) await transport.close();
    await this.zk.close();
    for (const cosmd of this.cosmds) await cosmd.stop();
  }
}

/** The master that answers for itself: others redirect, dead ones do not answer. */
async function leadingMaster(
  masters: readonly string[],
): Promise<{ hostname: string; port: number }> {
  for (const master of masters) {
    try {
      const { status } = await fetch(`http://${master}/state`, { redirect: 'manual' });
      const [hostname = '', port] = master.split(':');
      if (status === 200) return { hostname, port: Number(port) };
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }
  throw new Error(`none of ${masters.join(', ')} leads`);
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
    userAgent: 'test',
  });
}

/**
 * Waits until `condition` answers something other than undefined or false, and answers it. Failing reads
 * are part of what some tests do to the servers, so errors count as "not yet"; the last is in the message.
 */
export async function eventually<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 60_000,
): Promise<T> {
  let answer: T | undefined | false;
  let last: unknown;
  const reached = await until(async () => {
    try {
      answer = await condition();
      last = undefined;
    } catch (error) {
      answer = undefined;
      last = error;
    }
    return answer !== undefined && answer !== false;
  }, timeoutMs);
  if (reached && answer !== undefined && answer !== false) return answer;
  throw new Error(`did not come true: ${what}`, { cause: last });
}
