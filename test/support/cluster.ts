import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '../../api/client/client.ts';
import { httpsTransport, type HttpsTransport } from '../../api/client/https.ts';
import { createClient } from '../../api/client/resource-client.ts';
import { systemClock } from '../../api/machinery/clock.ts';
import { systemRandom } from '../../api/machinery/random.ts';
import { networkResource } from '../../api/v1/network.ts';
import {
  ensureCertificates,
  writeKubeconfig,
  type Certificates,
} from '../../hack/local/certificates.ts';
import { freePorts, until } from '../../hack/local/wait.ts';
import type { ZooKeeperClient } from '../../proto/zookeeper/client.ts';
import { openZooKeeper } from '../../proto/zookeeper/network-client.ts';
import { Cosmd } from './cosmd.ts';
import { TestEmulator, type EmulatorOptions } from './emulator.ts';
import { startEtcd, type EtcdServer } from './etcd.ts';
import { startZooKeeper, type RealZooKeeper } from './zookeeper.ts';

export interface TestClusterOptions {
  emulator?: EmulatorOptions;
  /** How many cosmd share the cluster; 1 if absent. */
  cosmds?: number;
  /** More of cosmd.yaml. */
  config?: Readonly<Record<string, unknown>>;
}

/** Real etcd, real ZooKeeper, an emulated Mesos, and cosmd as operators run it. */
export class TestCluster {
  readonly etcd: EtcdServer;
  readonly zookeeper: RealZooKeeper;
  readonly emulator: TestEmulator;
  readonly cosmds: readonly Cosmd[];
  /** A client of the first cosmd, as an administrator. */
  readonly client: Client;
  /** Reads what was published. */
  readonly zk: ZooKeeperClient;
  readonly kubeconfig: string;
  readonly #transports: readonly HttpsTransport[];
  readonly #directory: string;

  private constructor(
    servers: { etcd: EtcdServer; zookeeper: RealZooKeeper; emulator: TestEmulator },
    cosmds: readonly Cosmd[],
    certificates: Certificates,
    directory: string,
  ) {
    this.etcd = servers.etcd;
    this.zookeeper = servers.zookeeper;
    this.emulator = servers.emulator;
    this.cosmds = cosmds;
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
      const zookeeper = await startZooKeeper();
      undo.push(() => zookeeper.stop());
      const emulator = await TestEmulator.start({
        zk: `zk://${zookeeper.connectString}/mesos`,
        ...options.emulator,
      });
      undo.push(() => emulator.stop());
      const certificates = ensureCertificates(join(directory, 'certificates'));
      const ports = await freePorts(options.cosmds ?? 1);
      const config = {
        clusterName: 'test',
        mesos: { masters: emulator.master },
        etcd: { endpoints: [etcd.endpoint] },
        zookeeper: { connect: zookeeper.connectString, sessionTimeoutSeconds: 4 },
        ...options.config,
      };
      const cosmds = ports.map((port) => new Cosmd({ config, port, certificates }));
      const cluster = new TestCluster(
        { etcd, zookeeper, emulator },
        cosmds,
        certificates,
        directory,
      );
      undo.unshift(() => cluster.#stopOurs());
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

  async stop(): Promise<void> {
    await this.#stopOurs();
    await this.emulator.stop();
    await this.zookeeper.stop();
    await this.etcd.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #stopOurs(): Promise<void> {
    for (const transport of this.#transports) await transport.close();
    await this.zk.close();
    for (const cosmd of this.cosmds) await cosmd.stop();
  }
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
  condition: () => Promise<T | undefined | false>,
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
