import { isObject, type JsonObject } from '../machinery/json.ts';
import type { ManagedFields } from '../machinery/managed-fields.ts';

/**
 * metadata.managedFields of a HorizontalPodAutoscaler in either version: whoever owns a field owns what
 * stands for it in the other.
 */

/** A field of one version, and what stands for it in the other. */
interface Move {
  from: readonly string[];
  to: readonly (readonly string[])[];
}

/** What is in an autoscaler that v1 shows in annotations of these names, or in fields of its own. */
export interface Noted {
  /** `spec.metrics` has one that is `targetCPUUtilizationPercentage`. */
  percentage: boolean;
  /** Annotations that there are, for `spec.metrics`, `spec.behavior`… */
  annotations: {
    metrics?: string;
    behavior?: string;
    currentMetrics?: string;
    conditions?: string;
  };
}

const spec = ['f:spec'];
const status = ['f:status'];
const percentage = [...spec, 'f:targetCPUUtilizationPercentage'];
const usedPercentage = [...status, 'f:currentCPUUtilizationPercentage'];
const fields = {
  metrics: [...spec, 'f:metrics'],
  behavior: [...spec, 'f:behavior'],
  currentMetrics: [...status, 'f:currentMetrics'],
  conditions: [...status, 'f:conditions'],
} as const;

function annotation(name: string): readonly string[] {
  return ['f:metadata', 'f:annotations', `f:${name}`];
}

export function ownersAsV1(
  entries: ManagedFields | undefined,
  noted: Noted,
): ManagedFields | undefined {
  const noteOf = (name: string | undefined) => (name === undefined ? [] : [annotation(name)]);
  const { metrics, behavior, currentMetrics, conditions } = noted.annotations;
  return moved(entries, 'autoscaling/v1', [
    { from: fields.metrics, to: [...(noted.percentage ? [percentage] : []), ...noteOf(metrics)] },
    { from: fields.behavior, to: noteOf(behavior) },
    { from: fields.currentMetrics, to: [usedPercentage, ...noteOf(currentMetrics)] },
    { from: fields.conditions, to: noteOf(conditions) },
  ]);
}

export function ownersFromV1(
  entries: ManagedFields | undefined,
  names: Readonly<Record<keyof typeof fields, string>>,
): ManagedFields | undefined {
  return moved(entries, 'autoscaling/v2', [
    { from: percentage, to: [fields.metrics] },
    { from: annotation(names.metrics), to: [fields.metrics] },
    { from: annotation(names.behavior), to: [fields.behavior] },
    { from: usedPercentage, to: [fields.currentMetrics] },
    { from: annotation(names.currentMetrics), to: [fields.currentMetrics] },
    { from: annotation(names.conditions), to: [fields.conditions] },
  ]);
}

function moved(
  entries: ManagedFields | undefined,
  apiVersion: string,
  moves: readonly Move[],
): ManagedFields | undefined {
  return entries?.map(({ fieldsV1, ...entry }) => ({
    ...entry,
    apiVersion,
    ...(isObject(fieldsV1) ? { fieldsV1: withMoves(fieldsV1, moves) } : {}),
  }));
}

function withMoves(set: JsonObject, moves: readonly Move[]): JsonObject {
  const found = moves.filter(({ from }) => has(set, from));
  const rest = found.reduce((left, { from }) => removed(left, from) ?? {}, set);
  return found.flatMap(({ to }) => to).reduce(added, rest);
}

function has(set: JsonObject, [step, ...rest]: readonly string[]): boolean {
  if (step === undefined) return true;
  const child = set[step];
  return isObject(child) && has(child, rest);
}

/** Without a field and all below it; a node that nothing is left of goes with it. */
function removed(set: JsonObject, [step = '', ...rest]: readonly string[]): JsonObject | undefined {
  const { [step]: child, ...others } = set;
  const left = rest.length === 0 || !isObject(child) ? undefined : removed(child, rest);
  const kept = left === undefined ? others : { ...others, [step]: left };
  return Object.keys(kept).some((key) => key !== '.') ? kept : undefined;
}

function added(set: JsonObject, [step, ...rest]: readonly string[]): JsonObject {
  if (step === undefined) return set;
  const child = set[step];
  return { ...set, [step]: added(isObject(child) ? child : {}, rest) };
}
