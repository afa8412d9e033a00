import type { Clock } from '../../../api/machinery/clock.ts';
import type { Random } from '../../../api/machinery/random.ts';
import type { MasterInfo } from '../../../proto/mesos/generated/messages.ts';
import type { ZooKeeperClient } from '../../../proto/zookeeper/client.ts';
import type { MasterNode } from './api.ts';
import { Election } from './election.ts';
import { Master } from './master.ts';
import { standbyMetrics } from './metrics.ts';
import type { Registry } from './registry.ts';
import type { MasterTimings } from './state.ts';

export interface ElectedMasterOptions {
  clock: Clock;
  random: Random;
  info: MasterInfo;
  registry: Registry;
  timings?: Partial<MasterTimings>;
  /** Without it this is the only master and leads at once. */
  zooKeeper?: {
    client: ZooKeeperClient;
    path: string;
    sessionTimeout?: number;
  };
  /** This master has begun to lead. */
  leads?: (master: Master) => void;
  /** A leader that lost its ZooKeeper session exits. */
  exit: () => void;
  log: (message: string) => void;
}

/** A master that leads while it is elected, and knows who does otherwise. */
export class ElectedMaster implements MasterNode {
  leading: Master | undefined;
  leader: MasterInfo | undefined;
  readonly #options: ElectedMasterOptions;
  /** One that was never started: what a master knows before it leads. */
  readonly #standby: Master;
  #election: Election | undefined;

  constructor(options: ElectedMasterOptions) {
    this.#options = options;
    this.#standby = new Master(options);
  }

  start(): void {
    const { clock, info, zooKeeper, exit, log } = this.#options;
    if (zooKeeper === undefined) {
      this.#lead();
      return;
    }
    this.#election = new Election({
      clock,
      ...zooKeeper,
      info,
      changed: (leader) => {
        log(leader === undefined ? 'no master leads' : `${leader.pid ?? leader.id} leads`);
        this.leader = leader;
        if (leader?.id === info.id) this.#lead();
      },
      lost: () => {
        log('lost leadership: the ZooKeeper session is gone');
        exit();
      },
      log,
    });
  }

  /** Stops leading at once; the session, if there is one, lives until it is closed or expires. */
  stopLeading(): void {
    this.leading?.stop();
    this.leading = undefined;
  }

  async stop(): Promise<void> {
    this.stopLeading();
    await this.#election?.close();
  }

  standbyMetrics(): Record<string, number> {
    return standbyMetrics(this.#standby.state);
  }

  #lead(): void {
    this.leader = this.#options.info;
    this.leading = new Master(this.#options);
    this.leading.start();
    this.#options.leads?.(this.leading);
  }
}
