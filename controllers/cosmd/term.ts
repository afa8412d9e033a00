import type { Logger } from 'pino';
import type { Clock } from '../../api/machinery/clock.ts';
import type { KubeObject } from '../../api/machinery/metadata.ts';
import { Metrics } from '../../api/machinery/metrics.ts';
import type { Random } from '../../api/machinery/random.ts';
import type { Resource } from '../../api/machinery/resource.ts';
import { addressClaimResource } from '../../api/v1/address-claim.ts';
import { agentResource } from '../../api/v1/agent.ts';
import { configMapResource } from '../../api/v1/config-map.ts';
import { customResourceDefinitionResource } from '../../api/v1/custom-resource-definition.ts';
import { frameworkResource } from '../../api/v1/framework.ts';
import { namespaceResource } from '../../api/v1/core.ts';
import { horizontalPodAutoscalerResource } from '../../api/v1/horizontal-pod-autoscaler.ts';
import { jobRevisionResource } from '../../api/v1/job-revision.ts';
import { jobResource } from '../../api/v1/job.ts';
import { networkResource } from '../../api/v1/network.ts';
import { resourceQuotaResource } from '../../api/v1/resource-quota.ts';
import { resources } from '../../api/v1/resources.ts';
import { secretResource } from '../../api/v1/secret.ts';
import { serverSetResource } from '../../api/v1/serverset.ts';
import { taskResource } from '../../api/v1/task.ts';
import type { MasterClient } from '../../proto/mesos/operator-client.ts';
import type { SchedulerTransport } from '../../proto/mesos/transport.ts';
import type { ZooKeeperClient } from '../../proto/zookeeper/client.ts';
import {
  autoscalerIndexers,
  createAutoscalingController,
  scaledTaskIndexers,
} from '../autoscaling/controller.ts';
import { Caches, ownerIndexers } from '../gc/caches.ts';
import { createCollector } from '../gc/collector.ts';
import { KindFollower, Kinds } from '../gc/kinds.ts';
import { createNamespaceController } from '../gc/namespaces.ts';
import { createQuotaController } from '../gc/quotas.ts';
import {
  agentIndexers,
  jobIndexers,
  revisionIndexers,
  taskIndexers as jobTaskIndexers,
} from '../job/caches.ts';
import { createJobController } from '../job/controller.ts';
import { claimTaskIndexers, createClaimController } from '../network/claim-controller.ts';
import { ClaimView } from '../network/claim-view.ts';
import { createConflictDetector } from '../network/conflict-detector.ts';
import { Controller } from '../runtime/controller.ts';
import { EventRecorder } from '../runtime/event-recorder.ts';
import { Informer, type InformerOptions } from '../runtime/informer.ts';
import type { Leadership } from '../runtime/leadership.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { createContradictionsController } from '../network/contradictions.ts';
import { createAddressObserver, observerIndexers, type AgentAccess } from '../network/observer.ts';
import { networkNames } from '../scheduler/network-names.ts';
import { createScheduler, type Scheduler, type SchedulerConfig } from '../scheduler/scheduler.ts';
import { serverSetIndexers, taskIndexers as memberTaskIndexers } from '../serverset/caches.ts';
import { createServerSetController } from '../serverset/controller.ts';
import { epochPathOf } from '../serverset/fence.ts';
import type { Config } from './config.ts';
import { registerTermMetrics } from './term-metrics.ts';

/** Where a term meets the world: a network in production, a simulation in tests. */
export interface TermEdges {
  zookeeper: ZooKeeperClient;
  transport: SchedulerTransport;
  master: Pick<MasterClient, 'getAgents'>;
  agent: AgentAccess;
}

export interface TermOptions extends TermEdges {
  leadership: Leadership;
  clusterName: string;
  serverSetRoot: string;
  brake: Config['brake'];
  mesos: Omit<SchedulerConfig, 'clusterName'>;
  /** Time between two questions to one agent for its addresses, in milliseconds. */
  addressCheckMs: number;
  /** Who leads, for people who read the epoch node. */
  identity: string;
  /** Of the process; nobody sees those of a term if absent. */
  metrics?: Metrics;
  clock: Clock;
  random: Random;
  logger: Logger;
}

export interface Term {
  readonly runnables: readonly Runnable[];
  readonly scheduler: Scheduler;
}

/** The loops of one term of leadership, each with caches that begin in it. */
export function createTerm(options: TermOptions): Term {
  const { leadership, clusterName, clock, random, metrics = new Metrics() } = options;
  const { client } = leadership;
  const log = options.logger.child({ epoch: leadership.epoch });
  const informer = <T extends KubeObject>(
    resource: Resource<T>,
    indexers: NonNullable<InformerOptions<T>['indexers']> = {},
  ): Informer<T> =>
    new Informer({
      client: client.of(resource),
      indexers: { ...ownerIndexers, ...indexers },
      clock,
      random,
      logger: log,
    });
  const informers = {
    jobs: informer(jobResource, jobIndexers),
    tasks: informer(taskResource, {
      ...jobTaskIndexers,
      ...memberTaskIndexers,
      ...claimTaskIndexers,
      ...observerIndexers,
      ...scaledTaskIndexers,
    }),
    revisions: informer(jobRevisionResource, revisionIndexers),
    serverSets: informer(serverSetResource, serverSetIndexers),
    agents: informer(agentResource, agentIndexers),
    networks: informer(networkResource),
    claims: informer(addressClaimResource),
    frameworks: informer(frameworkResource),
    namespaces: informer(namespaceResource),
    quotas: informer(resourceQuotaResource),
    definitions: informer(customResourceDefinitionResource),
  };
  // Only what refers to them depends on them: a Secret that cannot be read must stop nothing else.
  const autoscalers = informer(horizontalPodAutoscalerResource, autoscalerIndexers);
  const contents = { secrets: informer(secretResource), configMaps: informer(configMapResource) };
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
    zookeeper: options.zookeeper,
    caches: informers,
    events: recorder('serverset-controller'),
    clusterName,
    epochPath: epochPathOf(options.serverSetRoot, clusterName),
    holder: options.identity,
    brake: options.brake,
    logger: log.child({ component: 'serverset' }),
  });
  informers.frameworks.onChange(({ object }) => {
    if (object.status?.id !== undefined) serverSet.setFrameworkId(object.status.id);
  });
  const claims = new ClaimView();
  claims.follow(informers.claims);
  const claimLoop = createClaimController({
    ...context,
    informers,
    view: claims,
    cniNameOf: networkNames(informers),
    recorder: recorder('claim-controller'),
    logger: log.child({ component: 'claims' }),
  });
  const scheduler = createScheduler({
    ...context,
    claims,
    informers,
    contents,
    logger: log.child({ component: 'scheduler' }),
    events: recorder('scheduler'),
    transport: options.transport,
    master: options.master,
    config: { ...options.mesos, clusterName },
  });
  const contradictions = createContradictionsController({
    ...context,
    caches: informers,
    logger: log.child({ component: 'network' }),
  });
  const observer = createAddressObserver({
    ...context,
    caches: informers,
    agent: options.agent,
    intervalMs: options.addressCheckMs,
    events: recorder('address-observer'),
    drifts: metrics.counter(
      'mesocosm_address_drifts_total',
      'Tasks whose stored addresses were not those that their agents told.',
    ),
    logger: log.child({ component: 'network' }),
  });
  const conflicts = createConflictDetector({
    ...context,
    caches: informers,
    events: recorder('address-conflicts'),
    logger: log.child({ component: 'network' }),
  });
  const garbage = { client, clock, logger: log.child({ component: 'gc' }) };
  const caches = new Caches([...Object.values(informers), autoscalers]);
  const kinds = new Kinds({ client, own: resources });
  const follower = new KindFollower({
    ...garbage,
    caches,
    own: resources,
    definitions: informers.definitions,
    random,
  });
  const collector = createCollector({ ...garbage, caches });
  const namespace = createNamespaceController({
    ...garbage,
    namespaces: informers.namespaces,
    kinds,
  });
  const quota = createQuotaController({
    ...garbage,
    quotas: informers.quotas,
    caches,
    kinds,
  });
  const autoscaling = createAutoscalingController({
    client,
    autoscalers,
    tasks: informers.tasks,
    definitions: informers.definitions,
    own: resources,
    events: recorder('horizontal-pod-autoscaler'),
    clock,
    logger: log.child({ component: 'autoscaling' }),
  });
  const loops = [
    job,
    claimLoop,
    serverSet,
    scheduler,
    contradictions,
    observer,
    conflicts.controller,
    collector,
    namespace,
    quota,
    autoscaling,
    follower,
  ];
  registerTermMetrics({
    metrics,
    informers,
    controllers: loops.filter((loop) => loop instanceof Controller),
    duplicates: conflicts.duplicates,
    signal: leadership.signal,
  });
  const caching = [...Object.values(informers), autoscalers, ...Object.values(contents)];
  return { runnables: [...caching, ...loops], scheduler };
}
