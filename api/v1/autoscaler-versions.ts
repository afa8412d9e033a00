import { z } from 'zod';
import { conditionSchema } from '../machinery/conditions.ts';
import type { FieldError } from '../machinery/errors.ts';
import { isObject, valueAt, without } from '../machinery/json.ts';
import type { ObjectMeta } from '../machinery/metadata.ts';
import {
  newMetric,
  newStatus,
  oldMetric,
  oldMetrics,
  oldStatus,
  oldStatuses,
} from './autoscaler-metrics.ts';
import { ownersAsV1, ownersFromV1 } from './autoscaler-owners.ts';
import { refusedInAutoscaler } from './autoscaler-rules.ts';
import {
  autoscalerDefaults,
  behaviorSchema,
  cpuMetric,
  type AutoscalerSpec,
  type AutoscalerStatus,
  type HorizontalPodAutoscaler,
  type MetricSpec,
  type MetricStatus,
} from './horizontal-pod-autoscaler.ts';
import type { HorizontalPodAutoscalerV1 } from './horizontal-pod-autoscaler-v1.ts';

/** Kubernetes' names of what v1 has no field for. */
export const autoscalerAnnotations = {
  metrics: 'autoscaling.alpha.kubernetes.io/metrics',
  behavior: 'autoscaling.alpha.kubernetes.io/behavior',
  currentMetrics: 'autoscaling.alpha.kubernetes.io/current-metrics',
  conditions: 'autoscaling.alpha.kubernetes.io/conditions',
} as const;

/** The metric that v1 has a field for. */
function isCpuUtilization({ type, resource }: MetricSpec): boolean {
  return type === 'Resource' && resource?.name === 'cpu' && resource.target.type === 'Utilization';
}

/** What is stored, as v1 shows it. */
export function asV1(stored: HorizontalPodAutoscaler): HorizontalPodAutoscalerV1 {
  const { metadata, spec, status } = stored;
  const { metrics = [], behavior, ...rest } = spec;
  const cpu = metrics.find(isCpuUtilization);
  const others = metrics.filter((metric) => metric !== cpu);
  const percentage = cpu?.resource?.target.averageUtilization;
  const { currentMetrics = [], conditions = [], ...counts } = status ?? {};
  const used = currentMetrics.find(
    ({ type, resource }) => type === 'Resource' && resource?.name === 'cpu',
  );
  const usedPercentage = used?.resource?.current.averageUtilization;
  const noted = {
    ...written('metrics', others.map(oldMetric)),
    ...written('behavior', capitalised(behavior)),
    ...written('currentMetrics', currentMetrics.map(oldStatus)),
    ...written('conditions', conditions),
  };
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: withNotes(metadata, noted, percentage !== undefined),
    spec: {
      ...rest,
      ...(percentage === undefined ? {} : { targetCPUUtilizationPercentage: percentage }),
    },
    ...(status === undefined
      ? {}
      : {
          status: {
            ...counts,
            ...(usedPercentage === undefined
              ? {}
              : { currentCPUUtilizationPercentage: usedPercentage }),
          },
        }),
  };
}

/**
 * What v1 shows, as it is stored. What annotations say of the status counts as it was before: whoever may
 * write annotations may not write a status.
 */
export function fromV1(
  shown: HorizontalPodAutoscalerV1,
  before: HorizontalPodAutoscalerV1 | undefined,
): HorizontalPodAutoscaler {
  const { metadata, spec, status } = shown;
  const { targetCPUUtilizationPercentage: percentage, ...rest } = spec;
  const behavior = noteOf(metadata, 'behavior', notes.behavior);
  const metrics = [
    ...(noteOf(metadata, 'metrics', notes.metrics) ?? []).map(newMetric),
    ...(percentage === undefined ? [] : [cpuMetric(percentage)]),
  ];
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: withoutNotes(metadata),
    spec: {
      ...rest,
      metrics: metrics.length === 0 ? [cpuMetric(autoscalerDefaults.cpuUtilization)] : metrics,
      ...(behavior === undefined ? {} : { behavior }),
    },
    ...(status === undefined ? {} : { status: newerStatus(status, before) }),
  };
}

function newerStatus(
  status: NonNullable<HorizontalPodAutoscalerV1['status']>,
  before: HorizontalPodAutoscalerV1 | undefined,
): AutoscalerStatus {
  const conditions =
    before === undefined ? undefined : noteOf(before.metadata, 'conditions', notes.conditions);
  const currentMetrics = currentMetricsOf(status, before);
  return {
    ...without(status, 'currentCPUUtilizationPercentage'),
    ...(currentMetrics.length === 0 ? {} : { currentMetrics }),
    ...(conditions === undefined ? {} : { conditions }),
  };
}

function currentMetricsOf(
  {
    currentCPUUtilizationPercentage: averageUtilization,
  }: NonNullable<HorizontalPodAutoscalerV1['status']>,
  before: HorizontalPodAutoscalerV1 | undefined,
): MetricStatus[] {
  if (averageUtilization === before?.status?.currentCPUUtilizationPercentage) {
    const noted =
      before === undefined ? [] : noteOf(before.metadata, 'currentMetrics', notes.currentMetrics);
    return (noted ?? []).map(newStatus);
  }
  if (averageUtilization === undefined) return [];
  return [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization } } }];
}

type NoteName = keyof typeof autoscalerAnnotations;

function written(name: NoteName, value: unknown): { [name in NoteName]?: string } {
  const empty = value === undefined || (Array.isArray(value) && value.length === 0);
  return empty ? {} : { [name]: JSON.stringify(value) };
}

function withNotes(
  metadata: ObjectMeta,
  noted: { [name in NoteName]?: string },
  percentage: boolean,
): ObjectMeta {
  const names = noteNames.filter((name) => noted[name] !== undefined);
  const added: Record<string, string> = {};
  for (const name of names) added[autoscalerAnnotations[name]] = noted[name] ?? '';
  const annotations = Object.fromEntries(names.map((name) => [name, autoscalerAnnotations[name]]));
  const managedFields = ownersAsV1(metadata.managedFields, { percentage, annotations });
  return {
    ...metadata,
    ...(names.length === 0 ? {} : { annotations: { ...metadata.annotations, ...added } }),
    ...(managedFields === undefined ? {} : { managedFields }),
  };
}

const notes = {
  metrics: oldMetrics,
  behavior: z.preprocess(uncapitalised, behaviorSchema),
  currentMetrics: oldStatuses,
  conditions: z.array(conditionSchema),
} as const;
const noteNames = ['metrics', 'behavior', 'currentMetrics', 'conditions'] as const;
/** Kubernetes writes this one annotation by the names that the fields have in Go… */
function capitalised(value: unknown): unknown {
  return renamed(value, (name) => name.charAt(0).toUpperCase() + name.slice(1));
}

/** …and reads them in either form; null is what is not there. */
function uncapitalised(value: unknown): unknown {
  return renamed(value, (name) => name.charAt(0).toLowerCase() + name.slice(1));
}

/** No behavior has more levels. */
const maxDepth = 8;

function renamed(value: unknown, name: (name: string) => string, depth = 0): unknown {
  if (depth > maxDepth) return value;
  if (Array.isArray(value)) return value.map((item: unknown) => renamed(item, name, depth + 1));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, child]) => child !== null && child !== undefined)
      .map(([key, child]) => [name(key), renamed(child, name, depth + 1)]),
  );
}

/** What an annotation says; it has been checked, or it was written here. */
function noteOf<T>(
  { annotations }: ObjectMeta,
  name: NoteName,
  schema: z.ZodType<T>,
): T | undefined {
  const text = annotations?.[autoscalerAnnotations[name]];
  const value: unknown = text === undefined ? undefined : JSON.parse(text);
  return value === undefined ? undefined : schema.parse(value);
}

/** What annotations of v1 say of the spec; of those that are refused, nothing. */
export function notedSpec(metadata: ObjectMeta): Pick<AutoscalerSpec, 'metrics' | 'behavior'> {
  if (noteErrors(metadata).length > 0) return {};
  const metrics = noteOf(metadata, 'metrics', notes.metrics);
  const behavior = noteOf(metadata, 'behavior', notes.behavior);
  return {
    ...(metrics === undefined ? {} : { metrics: metrics.map(newMetric) }),
    ...(behavior === undefined ? {} : { behavior }),
  };
}

function withoutNotes({ annotations = {}, ...rest }: ObjectMeta): ObjectMeta {
  const kept = without(annotations, ...Object.values(autoscalerAnnotations));
  const managedFields = ownersFromV1(rest.managedFields, autoscalerAnnotations);
  return {
    ...rest,
    ...(Object.keys(kept).length === 0 ? {} : { annotations: kept }),
    ...(managedFields === undefined ? {} : { managedFields }),
  };
}

/** What is wrong with an annotation that stands for a field. */
export function noteErrors(metadata: ObjectMeta): FieldError[] {
  return (['metrics', 'behavior'] as const).flatMap((name): FieldError[] => {
    const annotation = autoscalerAnnotations[name];
    const schema = notes[name];
    const text = metadata.annotations?.[annotation];
    const why = text === undefined ? undefined : problemOf(text, schema);
    if (why === undefined) return [];
    const field = `metadata.annotations[${annotation}]`;
    return [{ field, message: `Invalid value: ${why}`, reason: 'FieldValueInvalid' }];
  });
}

function problemOf(text: string, schema: z.ZodType): string | undefined {
  const value = jsonOf(text);
  if (value === undefined) return `is no JSON: ${newerVersion}`;
  const result = schema.safeParse(value);
  if (result.success) return undefined;
  const [issue] = result.error.issues;
  const why = `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'has another shape'}`;
  return `${why}: ${issue === undefined ? newerVersion : mendOfNote(issue, value)}`;
}

const newerVersion = 'use autoscaling/v2, which has a field for it';

/** v2 does not help with what is not acted on. */
function mendOfNote(issue: z.core.$ZodIssue, value: unknown): string {
  const type = issue.path.at(-1) === 'type' ? valueAt(value, issue.path.map(String)) : undefined;
  const names =
    issue.code === 'unrecognized_keys'
      ? issue.keys
      : typeof type === 'string'
        ? [type.toLowerCase()]
        : [];
  const [mend] = names.flatMap((name) => refusedInAutoscaler(name) ?? []);
  return mend ?? newerVersion;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
