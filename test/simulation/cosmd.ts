import { pino, type Logger } from 'pino';
import { createClient } from '../../api/client/resource-client.ts';
import { seededRandom } from '../../api/machinery/random.ts';
import { createApiServer } from '../../api/server/server.ts';
import { resources } from '../../api/v1/resources.ts';
import { createTerm } from '../../controllers/cosmd/term.ts';
import { LeaderElection } from '../../controllers/runtime/leader-election.ts';
import { Manager } from '../../controllers/runtime/manager.ts';
import type { BrakeLimits } from '../../controllers/serverset/brake.ts';
import type { SimulatedCluster } from '../../hack/emulator/cluster.ts';
import { ArmedFaults, type NetworkOptions } from './faults.ts';
import { Gate, ProcessClock } from './gate.ts';
import { MesosLink, type MesosLinkOptions } from './mesos-link.ts';
import type { MesosObserver } from './mesos-subscription.ts';
import { StoreLink } from './store-link.ts';
import type { ObservedStore } from './store.ts';
import type { Coverage } from './trace.ts';
import { ZooKeeperLink } from './zookeeper-link.ts';
import type { Ensemble } from './zookeeper/ensemble.ts';

export const clusterName = 'sim';
export const serverSetRoot = '/mesocosm';
const leaseSeconds = 9;
const addressCheckMs = 5_000;

export interface CosmdOptions {
  /** Unlike that of every other process. */
  identity: string;
  seed: number;
  store: ObservedStore;
  ensemble: Ensemble;
  mesos: SimulatedCluster;
  network: NetworkOptions;
  brake: BrakeLimits;
  coverage: Coverage;
  observer: MesosObserver;
  perturb: MesosLinkOptions['perturb'];
  ofAgents: MesosLinkOptions['ofAgents'];
  logger?: Logger;
}

export const silent: Logger = pino({ level: 'silent' });

/** One run of cosmd, with all roles, from its start to its death. */
export class SimulatedCosmd {
  readonly identity: string;
  readonly gate: Gate;
  readonly clock: ProcessClock;
  readonly store: StoreLink;
  readonly zookeeper: ZooKeeperLink;
  readonly mesos: MesosLink;
  readonly faults: Readonly<Record<'store' | 'zookeeper' | 'mesos', ArmedFaults>>;
  readonly #options: CosmdOptions;
  readonly #stop = new AbortController();

  constructor(options: CosmdOptions) {
    const { network, coverage, ensemble } = options;
    const gate = new Gate(network.clock);
    this.gate = gate;
    this.#options = options;
    this.identity = options.identity;
    this.clock = new ProcessClock(network.clock, gate);
    this.faults = {
      store: new ArmedFaults('store answer', coverage, network),
      zookeeper: new ArmedFaults('ZooKeeper answer', coverage, network),
      mesos: new ArmedFaults('Mesos answer', coverage, network),
    };
    this.store = new StoreLink({
      store: options.store.as(this.identity),
      gate,
      network,
      faults: this.faults.store,
    });
    this.zookeeper = new ZooKeeperLink({ ensemble, gate, faults: this.faults.zookeeper });
    this.mesos = new MesosLink({
      cluster: options.mesos,
      gate,
      network,
      faults: this.faults.mesos,
      observer: options.observer,
      perturb: options.perturb,
      ofAgents: options.ofAgents,
    });
  }

  /** Never rejects; resolves once the process has stopped in good order, which a dead one does not. */
  async run(): Promise<void> {
    const { logger = silent, seed, brake } = this.#options;
    const { clock, identity } = this;
    const random = seededRandom(seed);
    const server = createApiServer({
      storage: this.store.storage,
      resources,
      clock,
      random,
      logger,
      version: '0.0.0',
      authorization: 'AlwaysAllow',
      serverSetRoots: [{ prefix: `${serverSetRoot}/<namespace>` }],
    });
    await server.start();
    const client = createClient(
      server.transport({ name: 'system:mesocosm-controllers', groups: ['system:masters'] }),
    );
    const manager = new Manager({
      election: new LeaderElection({
        client,
        namespace: 'mesocosm-system',
        name: 'cosmd',
        identity,
        leaseDurationSeconds: leaseSeconds,
        clock,
        random,
        logger,
      }),
      logger,
      build: (leadership) =>
        createTerm({
          leadership,
          zookeeper: this.zookeeper,
          transport: this.mesos,
          master: this.mesos,
          agent: (address) => this.mesos.agent(address),
          addressCheckMs,
          clusterName,
          serverSetRoot,
          brake,
          mesos: {
            hostname: identity,
            user: 'root',
            roles: ['mesocosm'],
            failoverTimeoutSeconds: 604_800,
            orphans: 'Keep',
          },
          identity,
          clock,
          random,
          logger,
        }).runnables,
    });
    await manager.run(this.#stop.signal);
    await this.zookeeper.close();
    await server.stop();
  }

  /** TERM: it ends in good order. */
  stop(): void {
    this.#stop.abort();
  }

  /** KILL. */
  kill(): void {
    this.gate.kill();
  }

  /** All that is armed or broken about it is well again. */
  heal(): void {
    for (const faults of Object.values(this.faults)) faults.disarm();
    this.store.mend();
    this.mesos.mend();
    this.zookeeper.session.admit();
    this.clock.offsetMs = 0;
    this.gate.onCrossing = () => undefined;
    this.gate.thaw();
  }
}
