import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { ensureCertificates, writeKubeconfig } from './certificates.ts';
import { Processes, type Command } from './processes.ts';
import { accepts, freePorts, until } from './wait.ts';

const stateSchema = z.strictObject({
  mode: z.enum(['process', 'simulated']),
  zookeeper: z.string(),
  api: z.string(),
});
export type ClusterState = z.infer<typeof stateSchema>;

const readySchema = z.object({
  master: z.string(),
  agents: z.array(z.object({ address: z.string() })),
});

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
  readonly #say: (words: string) => void;

  /** `root` is the checkout; `say` shows progress. */
  constructor(root: string, say: (words: string) => void) {
    this.#root = root;
    this.#directory = join(root, '.local/cluster');
    this.kubeconfig = join(root, '.local/kubeconfig');
    this.#processes = new Processes(this.#directory);
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
    const mode = processMode();
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
    await this.#startZooKeeper(Number(zookeeper));
    const masters = await this.#startEmulator(state);
    await this.#startCosmd(state, `http://127.0.0.1:${etcd}`, masters);
    return state;
  }

  async #startEtcd(port: number, peer: number): Promise<void> {
    this.#say('starting etcd');
    const url = `http://127.0.0.1:${port}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    await this.#launch(
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

  async #startZooKeeper(port: number): Promise<void> {
    this.#say('starting ZooKeeper');
    const directory = join(this.#directory, 'zookeeper');
    mkdirSync(directory, { recursive: true });
    const config = join(directory, 'zoo.cfg');
    writeFileSync(
      config,
      [
        'tickTime=500',
        `dataDir=${join(directory, 'data')}`,
        `clientPort=${port}`,
        'clientPortAddress=127.0.0.1',
        'admin.enableServer=false',
        'maxSessionTimeout=60000',
        '',
      ].join('\n'),
    );
    const jars = ['zookeeper', 'slf4j-simple'].map((name) => `/usr/share/java/${name}.jar`);
    await this.#launch(
      {
        name: 'zookeeper',
        program: 'java',
        args: [
          ...['-Xmx64m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
          '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
          ...['-cp', jars.join(':'), 'org.apache.zookeeper.server.quorum.QuorumPeerMain', config],
        ],
      },
      () => accepts(port),
    );
  }

  /** Answers the masters' address for cosmd: `zk://…`. */
  async #startEmulator(state: ClusterState): Promise<string> {
    this.#say(`starting an emulated Mesos master and three ${state.mode} agents`);
    const log = this.#processes.logOf('emulator');
    await this.#launch(this.#emulator(state), () => readReady(log) !== undefined);
    return readReady(log)?.master ?? '';
  }

  #emulator(state: ClusterState): Command {
    return {
      name: 'emulator',
      program: process.execPath,
      args: [
        join(this.#root, '.local/build/emulator.mjs'),
        ...['--mode', state.mode, '--masters', '1', '--agents', '3'],
        ...['--zk', `zk://${state.zookeeper}/mesos`],
        ...['--work-dir', join(this.#directory, 'mesos'), '--network-prefix', 'mcosm'],
      ],
    };
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
      },
    };
    const file = join(this.#directory, 'cosmd.yaml');
    writeFileSync(file, stringify(config));
    writeKubeconfig(this.kubeconfig, `https://${state.api}`, certificates);
    await this.#launch(
      {
        name: 'cosmd',
        program: process.execPath,
        args: [join(this.#root, '.local/build/cosmd.mjs'), '--config', file],
      },
      () => accepts(Number(state.api.split(':').pop())),
    );
  }

  async #launch(command: Command, ready: () => Promise<boolean> | boolean): Promise<void> {
    this.#processes.start(command);
    const ended = (): boolean => !this.#processes.isRunning(command.name);
    await until(async () => ended() || (await ready()), 60_000);
    const failure = ended() ? 'ended' : 'did not get ready';
    if (!ended() && (await ready())) return;
    const log = this.#processes.logOf(command.name);
    const tail = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
    throw new Error(`${command.name} ${failure}; ${log} says:\n${tail}`);
  }

  /**
   * An emulator that was killed leaves tasks, namespaces and bridges; one that starts on its directory
   * removes them, and one that ends removes its own.
   */
  async #sweepAfterCrash(): Promise<void> {
    const work = join(this.#directory, 'mesos');
    const state = this.#readState();
    if (this.#processes.isRunning('emulator') || !existsSync(work) || state === undefined) return;
    this.#say('cleaning up after an emulator that was killed');
    const command = this.#emulator(state);
    const zk = command.args.indexOf('--zk');
    const args = command.args.filter((_, index) => index !== zk && index !== zk + 1);
    const log = this.#processes.logOf('sweep');
    await this.#launch({ ...command, name: 'sweep', args }, () => readReady(log) !== undefined);
  }

  #readState(): ClusterState | undefined {
    const file = join(this.#directory, 'state.json');
    return existsSync(file) ? stateSchema.parse(JSON.parse(readFileSync(file, 'utf8'))) : undefined;
  }
}

/** Real processes on real networks need root and the CNI plugins. */
function processMode(): ClusterState['mode'] {
  if (process.getuid?.() !== 0) return 'simulated';
  try {
    accessSync('/usr/lib/cni/bridge', constants.X_OK);
    return 'process';
  } catch {
    return 'simulated';
  }
}

/** The line of JSON that the emulator prints once everything answers. */
function readReady(log: string): z.infer<typeof readySchema> | undefined {
  if (!existsSync(log)) return undefined;
  const line = readFileSync(log, 'utf8')
    .split('\n')
    .find((text) => text.startsWith('{"mode"'));
  return line === undefined ? undefined : readySchema.parse(JSON.parse(line));
}

async function answers(url: string): Promise<string> {
  try {
    return await (await fetch(url)).text();
  } catch (error) {
    // Not listening yet.
    return error instanceof Error ? '' : String(error);
  }
}
