import type { Clock } from '../../../api/machinery/clock.ts';
import type { Random } from '../../../api/machinery/random.ts';
import type { MasterInfo } from '../../../proto/mesos/generated/messages.ts';
import { serve, type ListeningServer } from '../http/server.ts';
import { acceptAgents } from '../link-socket.ts';
import { masterApi, type MasterNode } from './api.ts';
import { Election } from './election.ts';
import { masterInfo } from './info.ts';
import { Master } from './master.ts';
import type { Registry } from './registry.ts';
import type { MasterTimings } from './state.ts';

export interface MasterServerOptions {
  clock: Clock;
  random: Random;
  host: string;
  port: number;
  registry: Registry;
  timings?: Partial<MasterTimings>;
  /** Without it this is the only master and leads at once. */
  zk?: string;
  zkSessionTimeout?: number;
  /** This master has begun to lead. */
  leads?: (master: Master) => void;
  /** A leader that lost its ZooKeeper session exits. */
  exit: () => void;
  log: (message: string) => void;
}

/** One master process: HTTP, agents' connections, and leadership. */
export class MasterServer implements MasterNode {
  leading: Master | undefined;
  leader: MasterInfo | undefined;
  readonly #options: MasterServerOptions;
  #server: ListeningServer | undefined;
  #election: Election | undefined;

  constructor(options: MasterServerOptions) {
    this.#options = options;
  }

  get port(): number {
    return this.#server?.port ?? this.#options.port;
  }

  async start(): Promise<void> {
    const { clock, random, host, port, zk, zkSessionTimeout, exit, log } = this.#options;
    this.#server = await serve(masterApi(this), { host, port });
    acceptAgents(this.#server.server, this);
    const info = masterInfo(random.uuid(), host, this.#server.port);
    if (zk === undefined) {
      this.#lead(info);
      return;
    }
    this.#election = new Election({
      clock,
      random,
      zk,
      info,
      ...(zkSessionTimeout === undefined ? {} : { sessionTimeout: zkSessionTimeout }),
      changed: (leader) => {
        log(leader === undefined ? 'no master leads' : `${leader.pid ?? leader.id} leads`);
        this.leader = leader;
        if (leader?.id === info.id) this.#lead(info);
      },
      lost: () => {
        log('lost leadership: the ZooKeeper session is gone');
        exit();
      },
      log,
    });
  }

  async stop(): Promise<void> {
    this.leading?.stop();
    this.leading = undefined;
    await this.#election?.close();
    await this.#server?.close();
  }

  #lead(info: MasterInfo): void {
    const { clock, random, registry, timings } = this.#options;
    this.leader = info;
    this.leading = new Master({
      clock,
      random,
      info,
      registry,
      ...(timings === undefined ? {} : { timings }),
    });
    this.leading.start();
    this.#options.leads?.(this.leading);
  }
}
