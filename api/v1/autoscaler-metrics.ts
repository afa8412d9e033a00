import { z } from 'zod';
import {
  measures,
  type Measure,
  type MetricSpec,
  type MetricStatus,
  type MetricTarget,
} from './horizontal-pod-autoscaler.ts';

/** Metrics of a HorizontalPodAutoscaler in both of its versions: v1 writes them in annotations. */

const amount = z.union([z.string(), z.number()]);
const target = {
  name: z.enum(measures),
  targetAverageUtilization: z.int().optional(),
  targetAverageValue: amount.optional(),
};
const current = {
  name: z.enum(measures),
  currentAverageUtilization: z.int().optional(),
  currentAverageValue: amount.optional(),
};

const types = z.enum(['Resource', 'ContainerResource']);
const container = z.string().min(1);

/** How v1 writes a metric; a metric that is not acted on does not conform. */
export const oldMetrics = z.array(
  z.strictObject({
    type: types,
    resource: z.strictObject(target).optional(),
    containerResource: z.strictObject({ ...target, container }).optional(),
  }),
);
type OldMetric = z.infer<typeof oldMetrics>[number];

export const oldStatuses = z.array(
  z.strictObject({
    type: types,
    resource: z.strictObject(current).optional(),
    containerResource: z.strictObject({ ...current, container }).optional(),
  }),
);
type OldStatus = z.infer<typeof oldStatuses>[number];

/** What a metric says of what it measures, in whichever version. */
interface Metric<Says> {
  type: MetricSpec['type'];
  resource?: ({ name: Measure } & Says) | undefined;
  containerResource?: ({ name: Measure; container: string } & Says) | undefined;
}

function converted<From, To>(
  { type, resource, containerResource }: Metric<From>,
  convert: (from: From) => To,
): Metric<To> {
  const metric: Metric<To> = { type };
  if (resource !== undefined) metric.resource = { name: resource.name, ...convert(resource) };
  if (containerResource !== undefined) {
    const { name, container } = containerResource;
    metric.containerResource = { name, ...convert(containerResource), container };
  }
  return metric;
}

export function oldMetric(metric: MetricSpec): OldMetric {
  return converted(metric, ({ target: { type, averageUtilization, averageValue } }) =>
    type === 'Utilization'
      ? { targetAverageUtilization: averageUtilization }
      : { targetAverageValue: averageValue },
  );
}

export function newMetric(metric: OldMetric): MetricSpec {
  return converted(metric, (source): { target: MetricTarget } => {
    const { targetAverageUtilization, targetAverageValue } = source;
    const type = targetAverageUtilization === undefined ? 'AverageValue' : 'Utilization';
    return { target: { type, ...averages(targetAverageUtilization, targetAverageValue) } };
  });
}

export function oldStatus(status: MetricStatus): OldStatus {
  return converted(status, ({ current: { averageUtilization, averageValue } }) => ({
    ...(averageUtilization === undefined ? {} : { currentAverageUtilization: averageUtilization }),
    ...(averageValue === undefined ? {} : { currentAverageValue: averageValue }),
  }));
}

export function newStatus(status: OldStatus): MetricStatus {
  return converted(status, ({ currentAverageUtilization, currentAverageValue }) => ({
    current: averages(currentAverageUtilization, currentAverageValue),
  }));
}

function averages(
  averageUtilization: number | undefined,
  averageValue: string | number | undefined,
): { averageUtilization?: number; averageValue?: string | number } {
  return {
    ...(averageUtilization === undefined ? {} : { averageUtilization }),
    ...(averageValue === undefined ? {} : { averageValue }),
  };
}
