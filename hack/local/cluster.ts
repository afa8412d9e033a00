import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { ensureCertificates, writeKubeconfig } from './certificates.ts';
import { EmulatedMesos } from './emulated-mesos.ts';
import { possibleMode } from './mode.ts';
import { Processes } from './processes.ts';
import { accepts, freePorts } from './wait.ts';
import { startZooKeeper } from './zookeeper.ts';

const stateSchema = z.strictObject({
  mode: z.enum(['process', 'simulated']),
  zookeeper: z.string(),
  api: z.string(),
});
export type ClusterState = z.infer<typeof stateSchema>;

/** Names of the processes, in the order in which they are started. */
const members = ['etcd', 'zookeeper', 'emulator', 'cosmd'] as const;

/**
 * etcd, ZooKeeper, an emulated Mesos and cosmd on this machine, all state under one directory. For
 * development: data is not synced to the disk, and everything goes with `down`.
 */
export class LocalCluster {
  readonly kubeconfig: string;
  readonly #root: string;
  readonly #directory: string;
  readonly #processes: Processes;
  readonly #mesos: EmulatedMesos;
  readonly #say: (words: string) => void;

  /** `root` is the checkout; `say` shows progress. */
  constructor(root: string, say: (words: string) => void) {
    this.#root = root;
    this.#directory = join(root, '.local/cluster');
    this.kubeconfig = join(root, '.local/kubeconfig');
    this.#processes = new Processes(this.#directory);
    this.#mesos = new EmulatedMesos(this.#processes, this.#directory);
    this.#say = say;
  }

  /** Starts what is needed; a cluster that runs whole is left as it is. */
  async up(): Promise<ClusterState> {
    const running = this.#processes.running();
    const state = this.#readState();
    if (state !== undefined && members.every((name) => running.includes(name))) {
      this.#say('the cluster already runs; hack/quickstart down stops it');
      return state;
    }
    if (existsSync(this.#directory)) {
      this.#say('removing what an earlier run left');
      await this.down();
    }
    mkdirSync(this.#directory, { recursive: true });
    return await this.#start();
  }

  /** Ends every process that `up` started and removes all that they made. */
  async down(): Promise<void> {
    if (!existsSync(this.#directory)) {
      this.#say('nothing runs');
      return;
    }
    await this.#sweepAfterCrash();
    await this.#processes.stopAll(60_000);
    rmSync(this.#directory, { recursive: true, force: true });
    rmSync(this.kubeconfig, { force: true });
    this.#say('everything is stopped and removed');
  }

  async #start(): Promise<ClusterState> {
    const [etcd, peer, zookeeper, api] = await freePorts(4);
    const mode = possibleMode();
    if (mode === 'simulated') {
      this.#say(
        'without root or CNI plugins the tasks and their networks are simulated: no process runs, no address answers',
      );
    }
    const state: ClusterState = {
      mode,
      zookeeper: `127.0.0.1:${zookeeper}`,
      api: `127.0.0.1:${api}`,
    };
    writeFileSync(join(this.#directory, 'state.json'), JSON.stringify(state));
    await this.#startEtcd(Number(etcd), Number(peer));
    this.#say('starting ZooKeeper');
    await startZooKeeper(this.#processes, join(this.#directory, 'zookeeper'), Number(zookeeper));
    const masters = await this.#startEmulator(state);
    await this.#startCosmd(state, `http://127.0.0.1:${etcd}`, masters);
    return state;
  }

  async #startEtcd(port: number, peer: number): Promise<void> {
    this.#say('starting etcd');
    const url = `http://127.0.0.1:${port}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    await this.#processes.launch(
      {
        name: 'etcd',
        program: 'etcd',
        args: [
          ...['--data-dir', join(this.#directory, 'etcd'), '--name', 'local'],
          ...['--listen-client-urls', url, '--advertise-client-urls', url],
          ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
          ...['--initial-cluster', `local=${peerUrl}`, '--log-level', 'warn', '--logger', 'zap'],
        ],
      },
      async () => (await answers(`${url}/health`)).includes('true'),
    );
  }

  /** Answers the masters' address for cosmd: `zk://…`. */
  async #startEmulator(state: ClusterState): Promise<string> {
    this.#say(`starting an emulated Mesos master and three ${state.mode} agents`);
    const { master } = await this.#mesos.start({
      mode: state.mode,
      masters: 1,
      agents: 3,
      zk: `zk://${state.zookeeper}/mesos`,
      networkPrefix: 'mcosm',
    });
    return master;
  }

  async #startCosmd(state: ClusterState, etcd: string, masters: string): Promise<void> {
    this.#say('starting cosmd');
    const certificates = ensureCertificates(join(this.#directory, 'certificates'));
    const config = {
      clusterName: 'local',
      mesos: { masters },
      etcd: { endpoints: [etcd] },
      zookeeper: { connect: state.zookeeper },
      api: {
        listen: state.api,
        certFile: certificates.server.certFile,
        keyFile: certificates.server.keyFile,
        clientCaFile: certificates.caFile,
        serviceAccounts: {
          issuer: `https://${state.api}`,
          signingKeyFile: certificates.serviceAccountKeyFile,
        },
      },
    };
    const file = join(this.#directory, 'cosmd.yaml');
    writeFileSync(file, stringify(config));
    writeKubeconfig(this.kubeconfig, `https://${state.api}`, certificates);
    await this.#processes.launch(
      {
        name: 'cosmd',
        program: process.execPath,
        args: [join(this.#root, '.local/build/cosmd.mjs'), '--config', file],
      },
      () => accepts(Number(state.api.split(':').pop())),
    );
  }

  /** An emulator that was killed leaves tasks, namespaces and bridges. */
  async #sweepAfterCrash(): Promise<void> {
    if (this.#processes.isRunning('emulator')) return;
    await this.#mesos.sweep();
  }

  #readState(): ClusterState | undefined {
    const file = join(this.#directory, 'state.json');
    return existsSync(file) ? stateSchema.parse(JSON.parse(readFileSync(file, 'utf8'))) : undefined;
  }
}

async function answers(url: string): Promise<string> {
  try {
    return await (await fetch(url)).text();
  } catch (error) {
    // Not listening yet.
    return error instanceof Error ? '' : String(error);
  }
}
