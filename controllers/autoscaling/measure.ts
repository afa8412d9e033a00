import { findCondition } from '../../api/machinery/conditions.ts';
import { parseQuantity } from '../../api/machinery/quantity.ts';
import { sourceOf, type Measure, type MetricSpec } from '../../api/v1/horizontal-pod-autoscaler.ts';
import type { PodMetrics } from '../../api/v1/pod-metrics.ts';
import { isDead, phaseOf, type Task } from '../../api/v1/task.ts';
import type { Aim, Measured } from './recommend.ts';

/** Why a metric cannot be had. */
export class MetricError extends Error {
  override readonly name = 'MetricError';
}

export interface Observed {
  tasks: readonly Task[];
  /** By the uid of the Task. */
  metrics: ReadonlyMap<string, PodMetrics>;
  /** Milliseconds since the epoch. */
  now: number;
}

/** A young task uses more cpu than it will: until so long after its start, its metrics must follow it. */
const warmUpMs = 5 * 60_000;
/** A task that was not ready so long after its start has never been. */
const firstReadinessMs = 30_000;

/** What one metric aims at. */
export function aimOf(metric: MetricSpec): Aim {
  const target = sourceOf(metric)?.target;
  if (target?.averageUtilization !== undefined) return { utilization: target.averageUtilization };
  const average =
    target?.averageValue === undefined ? undefined : parseQuantity(target.averageValue);
  if (average === undefined || average <= 0) throw new MetricError('the metric aims at nothing');
  return { average };
}

/** The tasks that count, as one metric sees them. Throws MetricError. */
export function measure(metric: MetricSpec, { tasks, metrics, now }: Observed): Measured[] {
  const source = sourceOf(metric);
  if (source === undefined) throw new MetricError('the metric names no source');
  const { name, container, target } = source;
  const needed = target.averageUtilization !== undefined;
  const live = tasks.filter(counts);
  if (live.length === 0) {
    throw new MetricError('no pods returned by selector while calculating replica count');
  }
  return live.map((task) => {
    const request = needed ? requestOf(task, name, container) : 0;
    const phase = phaseOf(task);
    if (phase === 'Pending' || phase === 'Launching' || phase === 'Starting') {
      return { kind: 'unready', request };
    }
    const told = phase === 'Running' ? metrics.get(task.metadata.uid) : undefined;
    const usage = told === undefined ? undefined : usageOf(told, name, container);
    if (told === undefined || usage === undefined) return { kind: 'missing', request };
    const settled = name !== 'cpu' || isSettled(task, told, now);
    return settled ? { kind: 'measured', usage, request } : { kind: 'unready', request };
  });
}

/** Those that have ended, or are to, are nobody's replicas any more. */
function counts(task: Task): boolean {
  return (
    !isDead(task) && task.spec.stop === undefined && task.metadata.deletionTimestamp === undefined
  );
}

function requestOf(task: Task, name: Measure, container: string | undefined): number {
  const { containers } = task.spec;
  const wanted =
    container === undefined ? containers : containers.filter((one) => one.name === container);
  if (wanted.length === 0) {
    throw new MetricError(`container ${container ?? ''} is not in Pod ${task.metadata.name}`);
  }
  return wanted.reduce((total, one) => {
    const request = one.resources?.requests?.[name];
    const amount = request === undefined ? undefined : parseQuantity(request);
    if (amount === undefined || amount <= 0) {
      const where = `container ${one.name} of Pod ${task.metadata.name}`;
      throw new MetricError(`missing request for ${name} in ${where}`);
    }
    return total + amount;
  }, 0);
}

function usageOf(
  { containers, metadata }: PodMetrics,
  name: Measure,
  container: string | undefined,
): number | undefined {
  const wanted =
    container === undefined ? containers : containers.filter((one) => one.name === container);
  if (wanted.length === 0) {
    throw new MetricError(
      `container ${container ?? ''} not present in metrics for pod ${metadata.namespace ?? ''}/${metadata.name}: containers of a task of several are not measured apart`,
    );
  }
  const amounts = wanted.map(({ usage }) => parseQuantity(usage[name]));
  return amounts.includes(undefined)
    ? undefined
    : amounts.reduce<number>((total, amount) => total + (amount ?? 0), 0);
}

/** Whether what a task uses of cpu is what it uses once it works. */
function isSettled(task: Task, { timestamp, window }: PodMetrics, now: number): boolean {
  const { startTime, conditions } = task.status ?? {};
  const ready = findCondition(conditions, 'Ready');
  if (ready === undefined || startTime === undefined) return false;
  const started = Date.parse(startTime);
  const changed = Date.parse(ready.lastTransitionTime);
  const isReady = ready.status === 'True';
  if (now < started + warmUpMs) {
    const windowMs = Number.parseFloat(window) * 1000;
    return isReady && Date.parse(timestamp) >= changed + windowMs;
  }
  return isReady || changed >= started + firstReadinessMs;
}
