import type {
  AutoscalerSpec,
  MetricSpec,
  MetricStatus,
} from '../../api/v1/horizontal-pod-autoscaler.ts';
import { sourceOf } from '../../api/v1/horizontal-pod-autoscaler.ts';
import { paced, type History, type Paced } from './behavior.ts';
import { aimOf, measure, MetricError, type Observed } from './measure.ts';
import { recommend, type Recommendation } from './recommend.ts';

/** What is to be done about the replicas of one target. */
export interface Decision {
  replicas: number;
  history: History;
  /** Why the number changes, for people. */
  reason: string;
  currentMetrics: MetricStatus[];
  active: Finding;
  /** Absent where nothing was measured. */
  able?: Finding | undefined;
  limited?: Finding | undefined;
}

/** A condition in the making. */
export interface Finding {
  ok: boolean;
  reason: string;
  message: string;
}

/** Metrics that could not be had, each with why. */
export interface Failure {
  reason: string;
  message: string;
}

export interface Situation {
  spec: AutoscalerSpec;
  /** Replicas that the target is to have. */
  current: number;
  /** What was seen; why it could not be if it was not. Not needed where bounds alone decide. */
  observed: Observed | Failure;
  /** On the monotonic clock. */
  at: number;
}

/** What follows without any measuring; undefined if measuring decides. */
export function decideByBounds(
  { minReplicas = 1, maxReplicas }: AutoscalerSpec,
  current: number,
  history: History,
): Decision | undefined {
  const decision = { history, currentMetrics: [] };
  if (current === 0) {
    return {
      ...decision,
      replicas: 0,
      reason: '',
      active: {
        ok: false,
        reason: 'ScalingDisabled',
        message: 'scaling is disabled since the replica count of the target is zero',
      },
    };
  }
  const bounded = (replicas: number, bound: 'MaxReplicas' | 'MinReplicas'): Decision => {
    const above = bound === 'MaxReplicas';
    const reason = `Current number of replicas ${above ? 'above' : 'below'} Spec.${bound}`;
    const limit = above ? 'TooManyReplicas' : 'TooFewReplicas';
    return {
      ...decision,
      replicas,
      reason,
      active: { ok: true, reason: 'ValidMetricFound', message: 'the bounds decide alone' },
      limited: { ok: true, reason: limit, message: reason },
    };
  };
  if (current > maxReplicas) return bounded(maxReplicas, 'MaxReplicas');
  if (current < minReplicas) return bounded(minReplicas, 'MinReplicas');
  return undefined;
}

/** The number of replicas for what was measured. Never fewer because something was not. */
export function decide(situation: Situation, history: History): Decision & { failures: Failure[] } {
  const { spec, current, at } = situation;
  const { metrics = [] } = spec;
  const asked = metrics.map((metric) => ask(metric, situation));
  const found = asked.filter((answer) => 'recommendation' in answer);
  const failures = asked.flatMap((answer) => ('recommendation' in answer ? [] : [answer]));
  const currentMetrics = found.map(({ status }) => status);
  const greatest = found.reduce<Answer | undefined>(
    (most, answer) =>
      most === undefined || answer.recommendation.replicas > most.recommendation.replicas
        ? answer
        : most,
    undefined,
  );
  const [failure] = failures;
  const wanted = greatest?.recommendation.replicas;
  // What was not measured may need every replica that there is.
  if (
    greatest === undefined ||
    wanted === undefined ||
    (failure !== undefined && wanted < current)
  ) {
    const why = failure ?? { reason: 'InvalidMetricSourceType', message: 'there is no metric' };
    return {
      replicas: current,
      history,
      reason: '',
      currentMetrics,
      active: { ok: false, ...why },
      failures,
    };
  }
  const { paced: pace, history: after } = paced(
    spec,
    { current, recommended: wanted, now: at },
    history,
  );
  return {
    replicas: pace.replicas,
    history: after,
    reason: pace.replicas > current ? `${greatest.name} above target` : 'All metrics below target',
    currentMetrics,
    active: {
      ok: true,
      reason: 'ValidMetricFound',
      message: `the HPA was able to successfully calculate a replica count from ${greatest.name}`,
    },
    able: ableOf(pace),
    limited: limitedOf(pace, greatest.recommendation, current),
    failures,
  };
}

interface Answer {
  name: string;
  status: MetricStatus;
  recommendation: Recommendation;
}

function ask(metric: MetricSpec, { current, observed }: Situation): Answer | Failure {
  const container = metric.type === 'ContainerResource';
  const reason = container ? 'FailedGetContainerResourceMetric' : 'FailedGetResourceMetric';
  const { name = '', container: of } = sourceOf(metric) ?? {};
  const failed = (why: string): Failure => ({
    reason,
    message: `the HPA was unable to compute the replica count: failed to get ${name} ${container ? `container metric value of ${of ?? ''}` : 'resource metric value'}: ${why}`,
  });
  if ('reason' in observed) return failed(observed.message);
  try {
    const aim = aimOf(metric);
    const recommendation = recommend(current, measure(metric, observed), aim);
    if (recommendation === undefined) {
      return failed('did not receive metrics for targeted pods (pods might be unready)');
    }
    const kind = 'utilization' in aim ? 'utilization (percentage of request)' : '';
    const said = container ? `${name} container resource` : `${name} resource`;
    return {
      name: `${said} ${kind}`.trim(),
      status: statusOf(metric, recommendation),
      recommendation,
    };
  } catch (error) {
    if (error instanceof MetricError) return failed(error.message);
    throw error;
  }
}

function statusOf(metric: MetricSpec, { utilization, average }: Recommendation): MetricStatus {
  const { type, resource, containerResource } = metric;
  const amount = (name: string): string =>
    name === 'cpu' ? `${Math.round(average * 1000)}m` : String(Math.round(average));
  const current = (name: string): NonNullable<MetricStatus['resource']>['current'] => ({
    ...(utilization === undefined ? {} : { averageUtilization: utilization }),
    averageValue: amount(name),
  });
  return {
    type,
    ...(resource === undefined
      ? {}
      : { resource: { name: resource.name, current: current(resource.name) } }),
    ...(containerResource === undefined
      ? {}
      : {
          containerResource: {
            name: containerResource.name,
            container: containerResource.container,
            current: current(containerResource.name),
          },
        }),
  };
}

function ableOf({ stabilized }: Paced): Finding {
  switch (stabilized) {
    case 'ScaleDownStabilized':
      return {
        ok: true,
        reason: stabilized,
        message:
          'recent recommendations were higher than current one, applying the highest recent recommendation',
      };
    case 'ScaleUpStabilized':
      return {
        ok: true,
        reason: stabilized,
        message:
          'recent recommendations were lower than current one, applying the lowest recent recommendation',
      };
    case undefined:
      return {
        ok: true,
        reason: 'ReadyForNewScale',
        message: 'recommended size matches current size',
      };
  }
}

function limitedOf({ limit }: Paced, { heldBy }: Recommendation, current: number): Finding {
  if (heldBy > 0) {
    const message = `fewer replicas would do by what is known, but ${heldBy} of the tasks tell no metrics: ${current} are kept`;
    return { ok: true, reason: 'MissingMetrics', message };
  }
  return { ok: limit.reason !== 'DesiredWithinRange', ...limit };
}
