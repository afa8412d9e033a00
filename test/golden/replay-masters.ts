import type { Clock } from '../../api/machinery/clock.ts';
import { seededRandom } from '../../api/machinery/random.ts';
import { ElectedMaster } from '../../hack/emulator/master/elected-master.ts';
import { masterInfo } from '../../hack/emulator/master/info.ts';
import type { Master } from '../../hack/emulator/master/master.ts';
import { memoryRegistry } from '../../hack/emulator/master/registry.ts';
import type { MasterTimings } from '../../hack/emulator/master/state.ts';
import { SimulatedClient } from '../simulation/zookeeper/client.ts';
import type { Connection } from '../simulation/zookeeper/connection.ts';
import { Ensemble } from '../simulation/zookeeper/ensemble.ts';

/** A ZooKeeper that can be stopped and started: sessions do not expire while it is down. */
class RestartableEnsemble extends Ensemble {
  #down = false;
  readonly #silent: [bigint, Connection][] = [];

  stop(): void {
    this.#down = true;
  }

  start(): void {
    this.#down = false;
    for (const [id, connection] of this.#silent.splice(0)) this.silence(id, connection);
  }

  override silence(id: bigint, connection: Connection): void {
    if (this.#down) this.#silent.push([id, connection]);
    else super.silence(id, connection);
  }
}

interface Running {
  readonly master: ElectedMaster;
  readonly session: SimulatedClient;
}

/** The recorded masters, by their ports, which elect a leader in a ZooKeeper of their own. */
export class ReplayMasters {
  readonly #clock: Clock;
  readonly #random = seededRandom(2);
  readonly #ensemble: RestartableEnsemble;
  readonly #timings: Partial<MasterTimings>;
  readonly #registry = memoryRegistry();
  readonly #running = new Map<number, Running>();
  #ledSince = 0;
  readonly #follow: (leader: Master | undefined) => void;

  constructor(options: {
    clock: Clock;
    timings: Partial<MasterTimings>;
    /** Agents connect to the leader, or to nobody. */
    follow: (leader: Master | undefined) => void;
  }) {
    this.#clock = options.clock;
    this.#timings = options.timings;
    this.#follow = options.follow;
    this.#ensemble = new RestartableEnsemble({
      clock: options.clock,
      random: this.#random,
      replicas: 1,
    });
  }

  /** When the leader began to lead: its allocations count from then. */
  get ledSince(): number {
    return this.#ledSince;
  }

  get(port: number): ElectedMaster | undefined {
    return this.#running.get(port)?.master;
  }

  get leading(): Master | undefined {
    return [...this.#running.values()].find(({ master }) => master.leading !== undefined)?.master
      .leading;
  }

  start(port: number): void {
    const session = new SimulatedClient({ ensemble: this.#ensemble });
    const master = new ElectedMaster({
      clock: this.#clock,
      random: this.#random,
      info: masterInfo(this.#random.uuid(), '127.0.0.1', port),
      registry: this.#registry,
      timings: this.#timings,
      zooKeeper: { client: session, path: '/mesos' },
      leads: (leader) => {
        this.#ledSince = this.#clock.monotonic();
        this.#follow(leader);
      },
      exit: () => {
        this.kill(port);
      },
      log: () => undefined,
    });
    this.#running.set(port, { master, session });
    master.start();
  }

  /** kill -9: its session is left to expire. */
  kill(port: number): void {
    const running = this.#running.get(port);
    if (running === undefined) return;
    const led = running.master.leading !== undefined;
    this.#running.delete(port);
    running.session.keepAway();
    running.master.stopLeading();
    if (led) this.#follow(undefined);
  }

  stopZooKeeper(): void {
    this.#ensemble.stop();
    for (const { session } of this.#running.values()) session.keepAway();
  }

  startZooKeeper(): void {
    this.#ensemble.start();
    for (const { session } of this.#running.values()) session.admit();
  }

  stop(): void {
    for (const port of [...this.#running.keys()]) this.kill(port);
  }
}
