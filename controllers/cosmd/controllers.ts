import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { Client } from '../../api/client/client.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import type { KubeObject } from '../../api/machinery/metadata.ts';
import type { Random } from '../../api/machinery/random.ts';
import type { Resource } from '../../api/machinery/resource.ts';
import { agentResource } from '../../api/v1/agent.ts';
import { frameworkResource } from '../../api/v1/framework.ts';
import { jobRevisionResource } from '../../api/v1/job-revision.ts';
import { jobResource } from '../../api/v1/job.ts';
import { networkResource } from '../../api/v1/network.ts';
import { serverSetResource } from '../../api/v1/serverset.ts';
import { taskResource } from '../../api/v1/task.ts';
import type { HttpOptions } from '../../proto/mesos/http.ts';
import { masterClient } from '../../proto/mesos/operator-client.ts';
import { mesosSchedulerClient } from '../../proto/mesos/scheduler-client.ts';
import type { ZooKeeperClient } from '../../proto/zookeeper/client.ts';
import { openZooKeeper } from '../../proto/zookeeper/network-client.ts';
import { revisionIndexers, taskIndexers as jobTaskIndexers } from '../job/caches.ts';
import { createJobController } from '../job/controller.ts';
import { EventRecorder } from '../runtime/event-recorder.ts';
import { Informer, type InformerOptions } from '../runtime/informer.ts';
import { LeaderElection } from '../runtime/leader-election.ts';
import type { Leadership } from '../runtime/leadership.ts';
import { Manager } from '../runtime/manager.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { createScheduler, type Scheduler } from '../scheduler/scheduler.ts';
import { serverSetIndexers, taskIndexers as memberTaskIndexers } from '../serverset/caches.ts';
import { createServerSetController } from '../serverset/controller.ts';
import { epochPathOf } from '../serverset/fence.ts';
import { ConfigError, readText, type Config } from './config.ts';
import { findMasters, type Masters } from './masters.ts';

export interface ControllersContext {
  config: Config;
  /** Not fenced: the election makes the fenced ones. */
  client: Client;
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
    this.#http = { clock, ...credentialOf(mesos) };
    this.#masters = findMasters(mesos.masters, this.#http, { clock, random });
    this.#zookeeper = openZooKeeper({
      connectString: zookeeper.connect,
      clock,
      random,
      sessionTimeoutMs: zookeeper.sessionTimeoutSeconds * 1000,
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

  /** The loops of one term, each with caches that begin in it. */
  #build(leadership: Leadership): Runnable[] {
    const { config, clock, random, logger } = this.#context;
    const { client } = leadership;
    const log = logger.child({ epoch: leadership.epoch });
    const informer = <T extends KubeObject>(
      resource: Resource<T>,
      indexers: NonNullable<InformerOptions<T>['indexers']> = {},
    ): Informer<T> =>
      new Informer({ client: client.of(resource), indexers, clock, random, logger: log });
    const informers = {
      jobs: informer(jobResource),
      tasks: informer(taskResource, { ...jobTaskIndexers, ...memberTaskIndexers }),
      revisions: informer(jobRevisionResource, revisionIndexers),
      serverSets: informer(serverSetResource, serverSetIndexers),
      agents: informer(agentResource),
      networks: informer(networkResource),
      frameworks: informer(frameworkResource),
    };
    const recorder = (component: string): EventRecorder =>
      new EventRecorder({ client, component, clock, random, logger: log });
    const context = { leadership, client, clock, random };

    const job = createJobController({
      ...context,
      caches: informers,
      recorder: recorder('job-controller'),
      logger: log.child({ component: 'job' }),
    });
    const serverSet = createServerSetController({
      ...context,
      zookeeper: this.#zookeeper,
      caches: informers,
      events: recorder('serverset-controller'),
      clusterName: config.clusterName,
      epochPath: epochPathOf(config.serverSetRoot, config.clusterName),
      holder: this.#identity,
      brake: config.brake,
      logger: log.child({ component: 'serverset' }),
    });
    informers.frameworks.onChange(({ object }) => {
      if (object.status?.id !== undefined) serverSet.setFrameworkId(object.status.id);
    });
    const scheduler = this.#newScheduler(leadership, informers, recorder('scheduler'), log);
    return [...Object.values(informers), job, serverSet, scheduler];
  }

  #newScheduler(
    leadership: Leadership,
    informers: Parameters<typeof createScheduler>[0]['informers'],
    events: EventRecorder,
    log: Logger,
  ): Scheduler {
    const { config, clock, random } = this.#context;
    const { detector } = this.#masters;
    const { mesos } = config;
    if (mesos === undefined) throw new ConfigError('mesos: is needed where the controllers run');
    const logger = log.child({ component: 'scheduler' });
    const scheduler = createScheduler({
      leadership,
      informers,
      clock,
      random,
      logger,
      events,
      transport: mesosSchedulerClient({
        ...this.#http,
        detector,
        onMalformedEvent: (error) =>
          logger.error({ err: error }, 'an event of Mesos does not decode; it is skipped'),
      }),
      master: masterClient({ ...this.#http, detector }),
      config: { clusterName: config.clusterName, hostname: hostname(), ...mesos },
    });
    this.#scheduler = scheduler;
    leadership.signal.addEventListener('abort', () => (this.#scheduler = undefined), {
      once: true,
    });
    return scheduler;
  }
}

function credentialOf(mesos: NonNullable<Config['mesos']>): Pick<HttpOptions, 'credential'> {
  const { principal, secretFile } = mesos;
  if (principal === undefined || secretFile === undefined) return {};
  const secret = readText(secretFile, 'mesos.secretFile').trim();
  return { credential: { principal, secret } };
}
