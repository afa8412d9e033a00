import type { Logger } from 'pino';
import type { Client, ResourceClient, Scale } from '../../api/client/client.ts';
import { TransportError } from '../../api/client/transport.ts';
import { timestamp, type Clock } from '../../api/machinery/clock.ts';
import { isApiError } from '../../api/machinery/errors.ts';
import { jsonEqual } from '../../api/machinery/json.ts';
import { objectKey, splitKey, type KubeObject } from '../../api/machinery/metadata.ts';
import type { AnyResource } from '../../api/machinery/resource.ts';
import { matches, parseLabelSelector, SelectorError } from '../../api/machinery/selectors.ts';
import type { CustomResourceDefinition } from '../../api/v1/custom-resource-types.ts';
import {
  horizontalPodAutoscalerResource,
  type AutoscalerSpec,
  type HorizontalPodAutoscaler,
} from '../../api/v1/horizontal-pod-autoscaler.ts';
import { podMetricsResource } from '../../api/v1/pod-metrics.ts';
import type { Task } from '../../api/v1/task.ts';
import { Controller, type Result } from '../runtime/controller.ts';
import type { EventRecorder } from '../runtime/event-recorder.ts';
import type { Informer } from '../runtime/informer.ts';
import { noHistory, withChange, type History } from './behavior.ts';
import { decide, decideByBounds, type Decision, type Failure, type Finding } from './decide.ts';
import type { Observed } from './measure.ts';
import { statusAfter, type Observation } from './status.ts';
import { scaledKind, targetOf } from './targets.ts';

export interface AutoscalingOptions {
  /** Fenced: every write is refused once somebody else leads. */
  client: Client;
  /** The informers of autoscalers and of Tasks must have the indexers below. */
  autoscalers: Informer<HorizontalPodAutoscaler>;
  tasks: Informer<Task>;
  definitions: Informer<CustomResourceDefinition>;
  /** The kinds of this program. */
  own: readonly AnyResource[];
  events: Pick<EventRecorder, 'record'>;
  clock: Clock;
  logger: Logger;
}

/** Kubernetes' time between two looks at one autoscaler. */
const syncMs = 15_000;
/** Autoscalers looked at at the same time: most of the time goes by while agents answer. */
const concurrency = 10;

const byNamespace = 'autoscaling/namespace';

/** Tasks by their namespace. */
export const scaledTaskIndexers = {
  [byNamespace]: ({ metadata }: Task): string[] => [metadata.namespace ?? ''],
};

/** Holds the replicas of targets to what their tasks use, every so often. */
export function createAutoscalingController(options: AutoscalingOptions): Controller {
  const { autoscalers, tasks, definitions, clock, logger } = options;
  const autoscaling = new Autoscaling(options);
  const controller = new Controller({
    name: 'horizontal-pod-autoscaler',
    reconcile: (key) => autoscaling.reconcile(key),
    waitFor: [autoscalers, tasks, definitions],
    clock,
    logger,
    concurrency,
  });
  /** What was last wanted: its own status is no reason to look again. */
  const wanted = new Map<string, AutoscalerSpec>();
  autoscalers.onChange(({ type, object }) => {
    const key = objectKey(object.metadata);
    const same = type !== 'deleted' && jsonEqual(wanted.get(key), object.spec);
    if (type === 'deleted') wanted.delete(key);
    else wanted.set(key, object.spec);
    if (!same) controller.enqueue(key);
  });
  return controller;
}

const byTarget = 'autoscaling/target';

/** Autoscalers by what they scale. */
export const autoscalerIndexers = {
  [byTarget]: (autoscaler: HorizontalPodAutoscaler): string[] => [targetOf(autoscaler)],
};

interface Target {
  client: ResourceClient<KubeObject>;
  ref: { namespace: string | undefined; name: string };
  scale: Scale;
}

class Autoscaling {
  readonly #options: AutoscalingOptions;
  readonly #histories = new Map<string, History>();

  constructor(options: AutoscalingOptions) {
    this.#options = options;
  }

  async reconcile(key: string): Promise<Result> {
    const { client } = this.#options;
    const autoscaler = await client.of(horizontalPodAutoscalerResource).find(splitKey(key));
    if (autoscaler === undefined || autoscaler.metadata.deletionTimestamp !== undefined) {
      this.#histories.delete(key);
      return {};
    }
    const target = await this.#target(autoscaler);
    if ('reason' in target) {
      this.#options.events.record(autoscaler, 'Warning', target.reason, target.message);
      const able = { ok: false, ...target };
      await this.#tell(autoscaler, { findings: { AbleToScale: able }, scaled: false });
    } else {
      await this.#follow(key, autoscaler, target);
    }
    return { requeueAfterMs: syncMs };
  }

  /** The scale of what is scaled, as it is in the store. */
  async #target(autoscaler: HorizontalPodAutoscaler): Promise<Target | Failure> {
    const { client, own, definitions } = this.#options;
    const { scaleTargetRef } = autoscaler.spec;
    const failed = (why: string): Failure => ({
      reason: 'FailedGetScale',
      message: `the HPA controller was unable to get the target's current scale: ${why}`,
    });
    const kind = scaledKind(scaleTargetRef, own, definitions.list());
    if (kind === undefined) {
      const { apiVersion, kind: wanted } = scaleTargetRef;
      const mend = apiVersion === undefined ? '; scaleTargetRef.apiVersion says of which' : '';
      return failed(`no kind ${wanted} of ${apiVersion ?? 'v1'} has a scale subresource${mend}`);
    }
    const { namespace } = autoscaler.metadata;
    const ref = { namespace, name: scaleTargetRef.name };
    if (!kind.namespaced) return failed(`${kind.plural} have no namespace`);
    try {
      return { client: client.of(kind), ref, scale: await client.of(kind).getScale(ref) };
    } catch (error) {
      if (isApiError(error, 'NotFound', 'Forbidden')) return failed(error.message);
      throw error;
    }
  }

  async #follow(key: string, autoscaler: HorizontalPodAutoscaler, target: Target): Promise<void> {
    const { clock, events } = this.#options;
    const { spec } = autoscaler;
    const current = target.scale.replicas;
    const history = this.#histories.get(key) ?? noHistory;
    const unmeasured = this.#shared(autoscaler, current) ?? decideByBounds(spec, current, history);
    const decision = unmeasured ?? (await this.#measured(autoscaler, target, history));
    this.#histories.set(key, decision.history);
    const { replicas, currentMetrics, active, limited } = decision;
    let able = decision.able ?? got;
    const scaled = replicas !== current;
    if (scaled) {
      try {
        // Its status may be another by now, but who wants another number is heard first.
        const { replicas: wanted, resourceVersion } = await target.client.getScale(target.ref);
        if (wanted !== current) return;
        await target.client.setScale(target.ref, replicas, { resourceVersion });
      } catch (error) {
        // Who has changed the target meanwhile may have stopped it: the next look sees.
        if (!isApiError(error, 'Conflict', 'NotFound', 'Forbidden', 'Invalid')) throw error;
        const message = `New size: ${replicas}; reason: ${decision.reason}; error: ${error.message}`;
        events.record(autoscaler, 'Warning', 'FailedRescale', message);
        const why = `the HPA controller was unable to update the target scale: ${error.message}`;
        const failed = { ok: false, reason: 'FailedUpdateScale', message: why };
        await this.#tell(autoscaler, {
          currentReplicas: target.scale.statusReplicas,
          desiredReplicas: current,
          currentMetrics,
          findings: { AbleToScale: failed, ScalingActive: active },
          scaled: false,
        });
        return;
      }
      this.#histories.set(key, withChange(decision.history, current, replicas, clock.monotonic()));
      const message = `New size: ${replicas}; reason: ${decision.reason}`;
      events.record(autoscaler, 'Normal', 'SuccessfulRescale', message);
      const why = `the HPA controller was able to update the target scale to ${replicas}`;
      able = { ok: true, reason: 'SucceededRescale', message: why };
    }
    await this.#tell(autoscaler, {
      currentReplicas: target.scale.statusReplicas,
      desiredReplicas: replicas,
      currentMetrics,
      findings: {
        AbleToScale: able,
        ScalingActive: active,
        ...(limited === undefined ? {} : { ScalingLimited: limited }),
      },
      scaled,
    });
  }

  async #measured(
    autoscaler: HorizontalPodAutoscaler,
    { scale }: Target,
    history: History,
  ): Promise<Decision> {
    const { clock, events } = this.#options;
    const observed = await this.#observe(autoscaler, scale.selector);
    const at = clock.monotonic();
    const situation = { spec: autoscaler.spec, current: scale.replicas, observed, at };
    const decision = decide(situation, history);
    for (const { reason, message } of decision.failures) {
      events.record(autoscaler, 'Warning', reason, message);
    }
    return decision;
  }

  /** The tasks of a target and what they use, or why that cannot be seen. */
  async #observe(
    { metadata: { namespace = '' } }: HorizontalPodAutoscaler,
    selector: string,
  ): Promise<Observed | Failure> {
    const { client, tasks, clock } = this.#options;
    if (selector === '') {
      const message = "the HPA target's scale is missing a selector";
      return { reason: 'InvalidSelector', message };
    }
    try {
      const requirements = parseLabelSelector(selector);
      const metrics = await client
        .of(podMetricsResource)
        .list({ namespace, labelSelector: selector });
      const selected = tasks
        .byIndex(byNamespace, namespace)
        .filter(({ metadata }) => matches(requirements, metadata.labels));
      return {
        tasks: selected,
        metrics: new Map(metrics.items.map((item) => [item.metadata.uid, item])),
        now: clock.now(),
      };
    } catch (error) {
      const known = isApiError(error) || error instanceof TransportError;
      if (!known && !(error instanceof SelectorError)) throw error;
      const reason = error instanceof SelectorError ? 'InvalidSelector' : 'FailedGetResourceMetric';
      return { reason, message: `unable to fetch metrics: ${error.message}` };
    }
  }

  /** Two autoscalers of one target would undo each other's work: neither does any. */
  #shared(autoscaler: HorizontalPodAutoscaler, current: number): Decision | undefined {
    const others = this.#options.autoscalers
      .byIndex(byTarget, targetOf(autoscaler))
      .filter(({ metadata }) => metadata.uid !== autoscaler.metadata.uid);
    if (others.length === 0) return undefined;
    const names = others.map(({ metadata }) => metadata.name).sort();
    const message = `the target is scaled by other autoscalers, too: ${names.join(', ')}`;
    return {
      replicas: current,
      history: noHistory,
      reason: '',
      currentMetrics: [],
      active: { ok: false, reason: 'AmbiguousSelector', message },
    };
  }

  async #tell(autoscaler: HorizontalPodAutoscaler, seen: Observation): Promise<void> {
    const { client, clock } = this.#options;
    const status = statusAfter(autoscaler, seen, timestamp(clock));
    if (jsonEqual(status, autoscaler.status)) return;
    try {
      await client.of(horizontalPodAutoscalerResource).updateStatus({ ...autoscaler, status });
    } catch (error) {
      // It was changed, and is looked at again for that, or it is gone.
      if (!isApiError(error, 'Conflict', 'NotFound')) throw error;
    }
  }
}

const got: Finding = {
  ok: true,
  reason: 'SucceededGetScale',
  message: "the HPA controller was able to get the target's current scale",
};
