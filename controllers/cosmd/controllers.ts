import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { Client } from '../../api/client/client.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import type { Metrics } from '../../api/machinery/metrics.ts';
import type { Random } from '../../api/machinery/random.ts';
import type { HttpOptions } from '../../proto/mesos/http.ts';
import { agentClient, masterClient } from '../../proto/mesos/operator-client.ts';
import { mesosSchedulerClient } from '../../proto/mesos/scheduler-client.ts';
import type { ZooKeeperClient } from '../../proto/zookeeper/client.ts';
import { LeaderElection } from '../runtime/leader-election.ts';
import type { Leadership } from '../runtime/leadership.ts';
import { Manager } from '../runtime/manager.ts';
import type { Runnable } from '../runtime/runnable.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import { ConfigError, type Config } from './config.ts';
import { accessOf, findMasters, type Masters } from './masters.ts';
import { createTerm } from './term.ts';
import { openServerSets } from './zookeeper.ts';

export interface ControllersContext {
  config: Config;
  /** Not fenced: the election makes the fenced ones. */
  client: Client;
  metrics: Metrics;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/** Everything that only the leader does, for as long as this process leads. */
export class Controllers implements Runnable {
  readonly name = 'controllers';
  readonly #context: ControllersContext;
  readonly #identity: string;
  readonly #http: HttpOptions;
  readonly #masters: Masters;
  readonly #zookeeper: ZooKeeperClient;
  readonly #manager: Manager;
  #scheduler: Scheduler | undefined;

  constructor(context: ControllersContext) {
    const { config, client, clock, random, logger } = context;
    const { mesos, zookeeper } = config;
    if (mesos === undefined) throw new ConfigError('mesos: is needed where the controllers run');
    if (zookeeper === undefined) {
      throw new ConfigError('zookeeper: is needed where the controllers run');
    }
    this.#context = context;
    this.#identity = `${hostname()}_${random.uuid()}`;
    this.#http = { clock, ...accessOf(mesos) };
    this.#masters = findMasters(mesos.masters, this.#http, { clock, random });
    this.#zookeeper = openServerSets(zookeeper, {
      clock,
      random,
      logger: logger.child({ component: 'zookeeper' }),
    });
    this.#manager = new Manager({
      election: new LeaderElection({
        client,
        namespace: 'mesocosm-system',
        name: 'cosmd',
        identity: this.#identity,
        leaseDurationSeconds: config.leaseSeconds,
        clock,
        random,
        logger: logger.child({ component: 'election' }),
      }),
      logger,
      build: (leadership) => this.#build(leadership),
    });
  }

  /** Why the framework is not what it should be; a process that does not lead has no such reason. */
  problem(): string | undefined {
    const state = this.#scheduler?.ready();
    return state === undefined || state.ok ? undefined : state.reason;
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#manager.run(signal);
    } finally {
      await this.#zookeeper.close();
      await this.#masters.close();
    }
  }

  #build(leadership: Leadership): readonly Runnable[] {
    const { config, metrics, clock, random, logger } = this.#context;
    const { mesos } = config;
    if (mesos === undefined) throw new ConfigError('mesos: is needed where the controllers run');
    const { detector } = this.#masters;
    const { runnables, scheduler } = createTerm({
      leadership,
      zookeeper: this.#zookeeper,
      transport: mesosSchedulerClient({
        ...this.#http,
        detector,
        onMalformedEvent: (error) =>
          logger.error({ err: error }, 'an event of Mesos does not decode; it is skipped'),
      }),
      master: masterClient({ ...this.#http, detector }),
      agent: (agent) => agentClient({ ...this.#http, agent }),
      addressCheckMs: mesos.addressCheckSeconds * 1000,
      clusterName: config.clusterName,
      serverSetRoot: config.serverSetRoot,
      brake: config.brake,
      mesos: { hostname: hostname(), ...mesos },
      identity: this.#identity,
      metrics,
      clock,
      random,
      logger,
    });
    this.#scheduler = scheduler;
    leadership.signal.addEventListener('abort', () => (this.#scheduler = undefined), {
      once: true,
    });
    return runnables;
  }
}
