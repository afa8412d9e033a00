import type { FieldError } from '../machinery/errors.ts';
import { valueAt } from '../machinery/json.ts';
import { apiVersionOf, type KubeObject } from '../machinery/metadata.ts';
import { parseQuantity } from '../machinery/quantity.ts';
import { group, version } from './group.ts';
import type { AutoscalerSpec, MetricSpec, ScalingRules } from './horizontal-pod-autoscaler.ts';

const measuredAlone =
  'only the cpu and memory of tasks are measured: use type Resource or ContainerResource, or set the replicas by the subresource scale yourself';

/** Kubernetes' bounds, in seconds. */
const maxStabilizationSeconds = 3600;
const maxPeriodSeconds = 1800;

/**
 * The rules of a HorizontalPodAutoscaler beyond its shape, in Kubernetes' words. `old`: the stored object,
 * on update.
 */
export function validateAutoscaler(
  spec: AutoscalerSpec,
  old: KubeObject | undefined,
): FieldError[] {
  const { metrics = [], behavior } = spec;
  return [
    ...replicaErrors(spec),
    ...targetRefErrors(spec.scaleTargetRef, old),
    ...metrics.flatMap((metric, index) => metricErrors(metric, `spec.metrics[${index}]`)),
    ...rulesErrors(behavior?.scaleUp, 'spec.behavior.scaleUp'),
    ...rulesErrors(behavior?.scaleDown, 'spec.behavior.scaleDown'),
  ];
}

export function replicaErrors({
  minReplicas,
  maxReplicas,
}: Pick<AutoscalerSpec, 'minReplicas' | 'maxReplicas'>): FieldError[] {
  const errors: FieldError[] = [];
  if (minReplicas !== undefined && minReplicas < 1) {
    errors.push(wrong('spec.minReplicas', minReplicas, 'must be greater than or equal to 1'));
  }
  if (maxReplicas < 1) {
    errors.push(wrong('spec.maxReplicas', maxReplicas, 'must be greater than 0'));
  }
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    const why = 'must be greater than or equal to `minReplicas`';
    errors.push(wrong('spec.maxReplicas', maxReplicas, why));
  }
  return errors;
}

/** As of Kubernetes 1.34; what is stored already and is not changed may stay. */
function targetRefErrors(
  { apiVersion = '', kind }: AutoscalerSpec['scaleTargetRef'],
  old: KubeObject | undefined,
): FieldError[] {
  const before = (name: string): unknown => valueAt(old, ['spec', 'scaleTargetRef', name]);
  const isUnchanged = before('kind') === kind && (before('apiVersion') ?? '') === apiVersion;
  if (isUnchanged || /^[^/]+\/[^/]+$/.test(apiVersion)) return [];
  const field = 'spec.scaleTargetRef.apiVersion';
  const ours = apiVersionOf({ group, version });
  const mend =
    kind === 'Job' ? `write ${ours}` : `write group and version of the kind, ${ours} for a Job`;
  return [apiVersion === '' ? missing(field, mend) : wrong(field, apiVersion, mend)];
}

const mends: Readonly<Record<string, string>> = {
  pods: measuredAlone,
  object: measuredAlone,
  external: measuredAlone,
  tolerance: 'the tolerance is a tenth, and cannot be set: remove it',
};

/** By the name of a field of Kubernetes that is not acted on: what to write instead. */
export function refusedInAutoscaler(name: string): string | undefined {
  return Object.hasOwn(mends, name) ? mends[name] : undefined;
}

export function mendOfAutoscaler(path: readonly PropertyKey[]): string | undefined {
  const [top, section, , name] = path.map(String);
  const isKnown = top === 'spec' && (section === 'metrics' || section === 'behavior');
  return isKnown && path.length === 4 && name !== undefined ? refusedInAutoscaler(name) : undefined;
}

function metricErrors(metric: MetricSpec, path: string): FieldError[] {
  const wanted = metric.type === 'Resource' ? 'resource' : 'containerResource';
  const other = metric.type === 'Resource' ? 'containerResource' : 'resource';
  const source = metric[wanted];
  const errors: FieldError[] = [];
  if (metric[other] !== undefined) {
    const message = `Forbidden: must populate the given metric source only: a metric of type ${metric.type} has no ${other}`;
    errors.push({ field: `${path}.${other}`, message, reason: 'FieldValueForbidden' });
  }
  if (source === undefined) {
    const message = `Required value: must populate information for the given metric source`;
    return [...errors, { field: `${path}.${wanted}`, message, reason: 'FieldValueRequired' }];
  }
  return [...errors, ...targetErrors(source.target, `${path}.${wanted}.target`)];
}

type Target = NonNullable<MetricSpec['resource']>['target'];

function targetErrors(target: Target, path: string): FieldError[] {
  const { type, averageUtilization, averageValue } = target;
  const utilization = `${path}.averageUtilization`;
  const value = `${path}.averageValue`;
  if (averageUtilization !== undefined && averageValue !== undefined) {
    const message = 'Forbidden: may not set both a target raw value and a target utilization';
    return [{ field: value, message, reason: 'FieldValueForbidden' }];
  }
  if (averageUtilization === undefined && averageValue === undefined) {
    return [missing(utilization, 'must set either a target raw value or a target utilization')];
  }
  if (type === 'Utilization') {
    if (averageUtilization === undefined) {
      return [missing(utilization, 'must set a target utilization for the type Utilization')];
    }
    return averageUtilization < 1
      ? [wrong(utilization, averageUtilization, 'must be greater than 0')]
      : [];
  }
  if (averageValue === undefined) {
    return [missing(value, 'must set a target raw value for the type AverageValue')];
  }
  const amount = parseQuantity(averageValue);
  if (amount === undefined) {
    return [wrong(value, averageValue, 'must be a quantity such as 200m or 64Mi')];
  }
  return amount > 0 ? [] : [wrong(value, averageValue, 'must be positive')];
}

function rulesErrors(rules: ScalingRules | undefined, path: string): FieldError[] {
  if (rules === undefined) return [];
  const { stabilizationWindowSeconds: window, policies } = rules;
  const errors: FieldError[] = [];
  if (window !== undefined) {
    const field = `${path}.stabilizationWindowSeconds`;
    if (window < 0) errors.push(wrong(field, window, 'must be greater than or equal to zero'));
    if (window > maxStabilizationSeconds) {
      const why = `must be less than or equal to ${maxStabilizationSeconds}`;
      errors.push(wrong(field, window, why));
    }
  }
  if (policies?.length === 0) {
    errors.push(missing(`${path}.policies`, 'must specify at least one Policy'));
  }
  for (const [index, { value, periodSeconds }] of (policies ?? []).entries()) {
    const at = `${path}.policies[${index}]`;
    if (value < 1) errors.push(wrong(`${at}.value`, value, 'must be greater than zero'));
    const period = `${at}.periodSeconds`;
    if (periodSeconds < 1) errors.push(wrong(period, periodSeconds, 'must be greater than zero'));
    if (periodSeconds > maxPeriodSeconds) {
      const why = `must be less than or equal to ${maxPeriodSeconds}`;
      errors.push(wrong(period, periodSeconds, why));
    }
  }
  return errors;
}

function missing(field: string, why: string): FieldError {
  return { field, message: `Required value: ${why}`, reason: 'FieldValueRequired' };
}

function wrong(field: string, value: string | number, why: string): FieldError {
  const message = `Invalid value: ${JSON.stringify(value)}: ${why}`;
  return { field, message, reason: 'FieldValueInvalid' };
}
