import { z } from 'zod';
import { conditionSchema } from '../machinery/conditions.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import type { Column } from '../machinery/resource.ts';
import { mendOfAutoscaler, validateAutoscaler } from './autoscaler-rules.ts';
import { keyedBy, mergedBy } from './list-types.ts';
import { ageColumn, defineResource } from './zod-resource.ts';

/** autoscaling/v2 HorizontalPodAutoscaler; what is stored. */

const quantity = z
  .union([z.string(), z.number()])
  .meta({ 'x-kubernetes-int-or-string': true, description: 'A quantity: 200m, 1, 64Mi.' });

/** A list that one manager owns as a whole. */
const atomic: Readonly<Record<string, unknown>> = { 'x-kubernetes-list-type': 'atomic' };

/** What is measured of tasks. */
export const measures = ['cpu', 'memory'] as const;
export type Measure = (typeof measures)[number];
const measure = z.enum(measures).describe('What is measured: cpu or memory.');
const container = z.string().min(1).describe('Name of the container.');

export const scaleTargetSchema = z.strictObject({
  apiVersion: z.string().optional().describe('Group and version of the kind: mesocosm.dev/v1.'),
  kind: z.string().min(1).describe('Kind of the target; it must have a scale subresource.'),
  name: z.string().min(1).describe('Name of the target.'),
});

const targetSchema = z.strictObject({
  type: z
    .enum(['Utilization', 'AverageValue'])
    .describe(
      'Utilization: in percent of what is requested. AverageValue: an amount of each task.',
    ),
  averageUtilization: z.int().optional().describe('Percent of the requests of all ready tasks.'),
  averageValue: quantity.optional().describe('What each task is to use on average.'),
});
export type MetricTarget = z.infer<typeof targetSchema>;

const metricSchema = z.strictObject({
  type: z
    .enum(['Resource', 'ContainerResource'])
    .describe('Resource: of whole tasks. ContainerResource: of one container of each.'),
  resource: z
    .strictObject({ name: measure, target: targetSchema.describe('What is aimed at.') })
    .optional()
    .describe('What is measured of whole tasks.'),
  containerResource: z
    .strictObject({ name: measure, container, target: targetSchema.describe('What is aimed at.') })
    .optional()
    .describe('What is measured of one container of each task.'),
});
export type MetricSpec = z.infer<typeof metricSchema>;

const policySchema = z.strictObject({
  type: z.enum(['Pods', 'Percent']).describe('Pods: a number of tasks. Percent: of what there is.'),
  value: z.int().describe('Most that may change within the period.'),
  periodSeconds: z.int().describe('Length of the period, up to 1800 seconds.'),
});

const rulesSchema = z.strictObject({
  stabilizationWindowSeconds: z
    .int()
    .optional()
    .describe('Time over which the most cautious recommendation counts; 0 up, 300 down if absent.'),
  selectPolicy: z
    .enum(['Max', 'Min', 'Disabled'])
    .optional()
    .describe('Which policy counts; Max if absent. Disabled: no scaling in this direction.'),
  policies: z.array(policySchema).meta(atomic).optional().describe('How fast it may go.'),
});
export type ScalingRules = z.infer<typeof rulesSchema>;

export const behaviorSchema = z.strictObject({
  scaleUp: rulesSchema.optional().describe('How replicas are added.'),
  scaleDown: rulesSchema.optional().describe('How replicas are taken away.'),
});

const specSchema = z.strictObject({
  scaleTargetRef: scaleTargetSchema.describe('What is scaled.'),
  minReplicas: z.int().optional().describe('Least number of replicas; 1 if absent.'),
  maxReplicas: z.int().describe('Greatest number of replicas.'),
  metrics: z
    .array(metricSchema)
    .meta(atomic)
    .optional()
    .describe('What decides: the greatest number that one asks for. 80 % of cpu if absent.'),
  behavior: behaviorSchema.optional().describe('How fast it goes, in either direction.'),
});
export type AutoscalerSpec = z.infer<typeof specSchema>;

const currentSchema = z.strictObject({
  averageUtilization: z.int().optional().describe('Percent of what is requested.'),
  averageValue: quantity.optional().describe('What each task uses on average.'),
});
const metricStatusSchema = z.strictObject({
  type: z.enum(['Resource', 'ContainerResource']).describe('As in the spec.'),
  resource: z
    .strictObject({ name: measure, current: currentSchema.describe('What was measured.') })
    .optional()
    .describe('What was measured of whole tasks.'),
  containerResource: z
    .strictObject({
      name: measure,
      container,
      current: currentSchema.describe('What was measured.'),
    })
    .optional()
    .describe('What was measured of one container of each task.'),
});
export type MetricStatus = z.infer<typeof metricStatusSchema>;

const statusSchema = z.strictObject({
  observedGeneration: z.int().optional().describe('Generation that this status is about.'),
  lastScaleTime: z.string().optional().describe('When it last changed the number of replicas.'),
  currentReplicas: z.int().optional().describe('Replicas that there are.'),
  desiredReplicas: z.int().optional().describe('Replicas that are wanted.'),
  currentMetrics: z
    .array(metricStatusSchema)
    .meta(atomic)
    .optional()
    .describe('What was measured last.'),
  conditions: z
    .array(conditionSchema)
    .meta({ ...keyedBy('type'), ...mergedBy('type') })
    .optional()
    .describe('AbleToScale, ScalingActive, ScalingLimited.'),
});
export type AutoscalerStatus = z.infer<typeof statusSchema>;

export interface HorizontalPodAutoscaler extends KubeObject {
  apiVersion: 'autoscaling/v2';
  kind: 'HorizontalPodAutoscaler';
  spec: AutoscalerSpec;
  status?: AutoscalerStatus | undefined;
}

/** What applies where nothing is said, as Kubernetes documents it. */
export const autoscalerDefaults = {
  minReplicas: 1,
  cpuUtilization: 80,
  scaleUp: {
    stabilizationWindowSeconds: 0,
    selectPolicy: 'Max',
    policies: [
      { type: 'Pods', value: 4, periodSeconds: 15 },
      { type: 'Percent', value: 100, periodSeconds: 15 },
    ],
  },
  scaleDown: {
    stabilizationWindowSeconds: 300,
    selectPolicy: 'Max',
    policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
  },
} as const;

/** The metric of those who name none. */
export function cpuMetric(averageUtilization: number): MetricSpec {
  const target = { type: 'Utilization' as const, averageUtilization };
  return { type: 'Resource', resource: { name: 'cpu', target } };
}

export function rulesOf(
  behavior: AutoscalerSpec['behavior'],
  direction: 'scaleUp' | 'scaleDown',
): Required<{ [field in keyof ScalingRules]: NonNullable<ScalingRules[field]> }> {
  const given = behavior?.[direction];
  const byDefault = autoscalerDefaults[direction];
  return {
    stabilizationWindowSeconds:
      given?.stabilizationWindowSeconds ?? byDefault.stabilizationWindowSeconds,
    selectPolicy: given?.selectPolicy ?? byDefault.selectPolicy,
    policies: given?.policies ?? byDefault.policies.map((policy) => ({ ...policy })),
  };
}

/** The window for fewer stays unsaid, as in Kubernetes. */
function behaviorWithDefaults(behavior: NonNullable<AutoscalerSpec['behavior']>) {
  const { selectPolicy, policies } = rulesOf(behavior, 'scaleDown');
  const window = behavior.scaleDown?.stabilizationWindowSeconds;
  return {
    scaleUp: rulesOf(behavior, 'scaleUp'),
    scaleDown: {
      ...(window === undefined ? {} : { stabilizationWindowSeconds: window }),
      selectPolicy,
      policies,
    },
  };
}

function withDefaults(autoscaler: HorizontalPodAutoscaler): HorizontalPodAutoscaler {
  const { spec } = autoscaler;
  const { metrics = [], behavior } = spec;
  return {
    ...autoscaler,
    spec: {
      ...spec,
      minReplicas: spec.minReplicas ?? autoscalerDefaults.minReplicas,
      metrics: metrics.length === 0 ? [cpuMetric(autoscalerDefaults.cpuUtilization)] : metrics,
      ...(behavior === undefined ? {} : { behavior: behaviorWithDefaults(behavior) }),
    },
  };
}

/** What a metric measures, and what it aims at. Undefined for one that says neither. */
export function sourceOf(
  metric: MetricSpec,
): { name: Measure; container: string | undefined; target: MetricTarget } | undefined {
  if (metric.type === 'Resource') {
    return metric.resource === undefined ? undefined : { container: undefined, ...metric.resource };
  }
  return metric.containerResource;
}

function sameSource(metric: MetricSpec, status: MetricStatus): boolean {
  const one = metric.containerResource ?? metric.resource;
  const other = status.containerResource ?? status.resource;
  return (
    metric.type === status.type &&
    one?.name === other?.name &&
    metric.containerResource?.container === status.containerResource?.container
  );
}

/** As kubectl prints them: `cpu: 50%/80%`; at most two. */
export function shownTargets({
  spec,
  status,
}: Pick<HorizontalPodAutoscaler, 'spec' | 'status'>): string {
  const { metrics = [] } = spec;
  const shown = metrics.slice(0, 2).map((metric) => {
    const source = sourceOf(metric);
    const found = status?.currentMetrics?.find((each) => sameSource(metric, each));
    const current = (found?.containerResource ?? found?.resource)?.current;
    const { averageUtilization, averageValue } = source?.target ?? {};
    const isValue = averageValue !== undefined;
    const now = isValue ? current?.averageValue : percent(current?.averageUtilization);
    const aim = isValue ? averageValue : percent(averageUtilization);
    return `${source?.name ?? ''}: ${now ?? '<unknown>'}/${aim ?? '<auto>'}`;
  });
  const more = metrics.length - shown.length;
  if (shown.length === 0) return '<none>';
  return shown.join(', ') + (more === 0 ? '' : ` + ${more} more...`);
}

function percent(value: number | undefined): string | undefined {
  return value === undefined ? undefined : `${value}%`;
}

/** What both versions print; `targets` tells a version's own. */
export function autoscalerColumns<T extends KubeObject>(
  shown: (autoscaler: T) => Pick<HorizontalPodAutoscaler, 'spec' | 'status'>,
): Column<T>[] {
  return [
    {
      name: 'Reference',
      type: 'string',
      description: 'What is scaled.',
      priority: 0,
      cell: (one: T) => {
        const { kind, name } = shown(one).spec.scaleTargetRef;
        return `${kind}/${name}`;
      },
    },
    {
      name: 'Targets',
      type: 'string',
      description: 'What was measured, and what is aimed at.',
      priority: 0,
      cell: (one: T) => shownTargets(shown(one)),
    },
    {
      name: 'MinPods',
      type: 'string',
      description: 'Least number of replicas.',
      priority: 0,
      cell: (one: T) => String(shown(one).spec.minReplicas ?? '<unset>'),
    },
    {
      name: 'MaxPods',
      type: 'integer',
      description: 'Greatest number of replicas.',
      priority: 0,
      cell: (one: T) => shown(one).spec.maxReplicas,
    },
    {
      name: 'Replicas',
      type: 'integer',
      description: 'Replicas that there are.',
      priority: 0,
      cell: (one: T) => shown(one).status?.currentReplicas ?? 0,
    },
    ageColumn,
  ];
}

/** What the kind is in both of its versions. */
export const autoscalerKind = {
  group: 'autoscaling',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  shortNames: ['hpa'],
  categories: ['all'],
  namespaced: true,
  strategicMerge: true,
};

export const horizontalPodAutoscalerResource = defineResource<HorizontalPodAutoscaler>({
  ...autoscalerKind,
  version: 'v2',
  description: 'Holds the replicas of a target between two numbers, by what its tasks use.',
  fields: {
    spec: specSchema.describe('What is scaled, between which numbers, and by what.'),
    status: statusSchema.optional().describe('What was measured and done; written by controllers.'),
  },
  subresources: { status: true },
  columns: autoscalerColumns((autoscaler) => autoscaler),
  defaults: withDefaults,
  mendOf: mendOfAutoscaler,
  validate: ({ spec }, { old }) => validateAutoscaler(spec, old),
});
