import { rfc3339, type Clock } from '../../machinery/clock.ts';
import { deepFreeze } from '../../machinery/json.ts';
import type { Resource, Verb } from '../../machinery/resource.ts';
import type { MesosAddress } from '../../../proto/mesos/transport.ts';
import {
  allContainers,
  podMetricsResource,
  type ContainerMetrics,
  type PodMetrics,
} from '../../v1/pod-metrics.ts';
import { mesosTaskId, phaseOf, taskResource, type Task } from '../../v1/task.ts';
import type { Served } from '../catalog.ts';
import { methodNotAllowed, notFound } from '../errors.ts';
import { agentsIn, PodAgents } from '../pods/agents.ts';
import type { PodsOptions } from '../pods/endpoint.ts';
import { taskOf, tasksAsPods } from '../pods/task-source.ts';
import * as queries from '../query.ts';
import { erased } from '../registry/erase.ts';
import { itemOf, type Item } from '../registry/item.ts';
import { Lister } from '../registry/lister.ts';
import { itemAnswer, listAnswer, viewOf } from '../represent.ts';
import type { Answer, AuthenticatedRequest } from '../request.ts';
import type { ResourceRequestInfo } from '../request-info.ts';
import { refOf } from '../write-request.ts';
import { UsageCollector, type AgentUsage } from './collector.ts';
import type { Usage } from './usage.ts';

export interface PodMetricsOptions extends Omit<PodsOptions, 'random'> {
  logger: { info(fields: Readonly<Record<string, unknown>>, message: string): void };
}

/** PodMetrics, if there are Tasks to measure. */
export function podMetricsOf(
  endpoints: readonly PodsOptions['tasks'][],
  options: Omit<PodMetricsOptions, 'tasks'>,
): PodMetricsEndpoint[] {
  return endpoints
    .filter(({ resource: { gvk } }) => gvk.group === taskResource.gvk.group && gvk.kind === 'Task')
    .map((tasks) => new PodMetricsEndpoint({ ...options, tasks }));
}

/** What Tasks use, by their agents: read alone, and made anew for every reader. */
export class PodMetricsEndpoint implements Served {
  readonly resource: Resource = erased(podMetricsResource);
  readonly #clock: Clock;
  readonly #lister: Lister;
  readonly #agents: PodAgents;
  readonly #collector: UsageCollector<MesosAddress>;

  constructor(options: PodMetricsOptions) {
    const { clock, cache, logger } = options;
    this.#clock = clock;
    this.#lister = new Lister({ ...options, resource: tasksAsPods(options.tasks.resource) });
    this.#agents = new PodAgents({ access: options.agents, clock, agents: agentsIn(cache) });
    this.#collector = new UsageCollector({
      ask: (agent, signal) => this.#agents.containers(agent, signal),
      onSilent: (agent, error) => {
        const reason = error instanceof Error ? error.message : String(error);
        logger.info({ agent, reason }, 'an agent does not tell what its containers use');
      },
      clock,
      stopping: options.stopping,
    });
  }

  serves({ namespace, name, subresource }: ResourceRequestInfo): boolean {
    return subresource === undefined && (namespace !== undefined || name === undefined);
  }

  handle(verb: Verb, info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    switch (verb) {
      case 'get':
        return this.#get(info, request);
      case 'list':
        return this.#list(info, request);
      default:
        throw methodNotAllowed(this.resource, verb);
    }
  }

  async #get(info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    const view = viewOf(this.resource, request, this.#clock);
    const { namespace, name } = refOf(info);
    const fields = [{ path: 'metadata.name', value: name, equal: true }];
    const options = { ...queries.parseListOptions(new URLSearchParams()), fields };
    const { items } = await this.#lister.list(namespace, options);
    const [metrics] = await this.#measured(items, request.signal);
    if (metrics === undefined) throw notFound(this.resource, name);
    return itemAnswer(view, metrics, 200);
  }

  async #list(info: ResourceRequestInfo, request: AuthenticatedRequest): Promise<Answer> {
    const view = viewOf(this.resource, request, this.#clock);
    const options = queries.parseListOptions(request.query);
    const list = await this.#lister.list(info.namespace, options);
    return listAnswer(view, { ...list, items: await this.#measured(list.items, request.signal) });
  }

  /** Metrics of those that run and whose agents tell: nobody else has any. */
  async #measured(tasks: readonly Item[], signal: AbortSignal): Promise<Item[]> {
    const running = tasks.filter(({ object }) => runs(taskOf(object)));
    const ids = running.flatMap(({ object }) => taskOf(object).status?.mesos?.agentId ?? []);
    const usages = await this.#collector.usages(this.#agents.addresses(new Set(ids)), signal);
    return running.flatMap(({ key, object, modRevision }) => {
      const task = taskOf(object);
      const usage = usages.get(task.status?.mesos?.agentId ?? '');
      const metrics = usage === undefined ? undefined : metricsOf(task, usage);
      return metrics === undefined ? [] : itemOf(key, deepFreeze(metrics), modRevision);
    });
  }
}

function runs(task: Task): boolean {
  const phase = phaseOf(task);
  return phase === 'Running' || phase === 'Stopping';
}

/** Undefined if the agent told nothing of the task. */
export function metricsOf(task: Task, { at, usages }: AgentUsage): PodMetrics | undefined {
  const whole = usages.find(
    ({ parent, executorId, frameworkId }) =>
      parent === undefined &&
      executorId === mesosTaskId(task) &&
      frameworkId === task.status?.mesos?.frameworkId,
  );
  if (whole === undefined) return undefined;
  const { name, namespace, uid, resourceVersion, creationTimestamp, labels } = task.metadata;
  return {
    apiVersion: 'metrics.k8s.io/v1beta1',
    kind: 'PodMetrics',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      uid,
      resourceVersion,
      creationTimestamp,
      ...(labels === undefined ? {} : { labels }),
    },
    timestamp: rfc3339(at),
    window: `${whole.windowSeconds.toFixed(3)}s`,
    containers: containersOf(task, whole, usages),
  };
}

/** Each container where each is measured; all of them as one where only the whole is. */
function containersOf(task: Task, whole: Usage, usages: readonly Usage[]): ContainerMetrics[] {
  const { containers } = task.spec;
  const [only, ...others] = containers;
  if (others.length === 0 && only !== undefined) return [named(only.name, whole)];
  const each = containers.flatMap(({ name }) => {
    const seen = task.status?.containers?.find((container) => container.name === name);
    const usage = usages.find(({ id, parent }) => id === seen?.containerId && parent === whole.id);
    return usage === undefined ? [] : [named(name, usage)];
  });
  return each.length === containers.length ? each : [named(allContainers, whole)];
}

function named(name: string, { cpu, memory }: Usage): ContainerMetrics {
  const usage = { cpu: `${Math.round(cpu * 1e9)}n`, memory: `${Math.ceil(memory / 1024)}Ki` };
  return { name, usage };
}
