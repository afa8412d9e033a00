import { rulesOf, type AutoscalerSpec } from '../../api/v1/horizontal-pod-autoscaler.ts';

/** How fast recommendations are followed: windows, policies and bounds, as Kubernetes documents them. */

/** At a time of the monotonic clock, in milliseconds. */
export interface Timed {
  at: number;
  replicas: number;
}

/** What is remembered of one autoscaler, in memory alone: a new leader begins with the present number. */
export interface History {
  /** What was recommended, before windows and policies. */
  recommendations: readonly Timed[];
  /** How many replicas were added, or taken away, and when. */
  added: readonly Timed[];
  removed: readonly Timed[];
}

export const noHistory: History = { recommendations: [], added: [], removed: [] };

export interface Paced {
  replicas: number;
  /** Whether a window has held it, and from which side. */
  stabilized: 'ScaleUpStabilized' | 'ScaleDownStabilized' | undefined;
  /** Reason of the condition ScalingLimited, and what it says. */
  limit: { reason: Limit; message: string };
}

type Limit =
  'DesiredWithinRange' | 'ScaleUpLimit' | 'TooManyReplicas' | 'ScaleDownLimit' | 'TooFewReplicas';

/** Longest window and period that there are. */
const rememberedMs = 3600 * 1000;
/** After so long without a recommendation a window begins anew: it has seen nothing of that time. */
const silenceMs = 2 * 60_000;

/** The number of replicas to be had now. It is between the bounds if the present one is. */
export function paced(
  spec: AutoscalerSpec,
  { current, recommended, now }: { current: number; recommended: number; now: number },
  history: History,
): { paced: Paced; history: History } {
  const last = history.recommendations.at(-1);
  const begun =
    last === undefined || now - last.at > silenceMs
      ? { ...history, recommendations: [{ at: now, replicas: current }] }
      : history;
  const stable = stabilize(spec, { current, recommended, now }, begun.recommendations);
  const limited = limit(spec, { current, wanted: stable.replicas, now }, begun);
  const young = ({ at }: Timed): boolean => now - at <= rememberedMs;
  return {
    paced: { ...limited, stabilized: stable.held },
    history: {
      recommendations: [...begun.recommendations.filter(young), { at: now, replicas: recommended }],
      added: begun.added.filter(young),
      removed: begun.removed.filter(young),
    },
  };
}

/** The history with a change that was made. */
export function withChange(history: History, before: number, after: number, at: number): History {
  if (after > before) {
    return { ...history, added: [...history.added, { at, replicas: after - before }] };
  }
  return { ...history, removed: [...history.removed, { at, replicas: before - after }] };
}

/** Up no further than the least of the window, down no further than the greatest. */
function stabilize(
  { behavior }: AutoscalerSpec,
  { current, recommended, now }: { current: number; recommended: number; now: number },
  recommendations: readonly Timed[],
): { replicas: number; held: Paced['stabilized'] } {
  const within = (seconds: number): number[] =>
    recommendations.filter(({ at }) => now - at < seconds * 1000).map(({ replicas }) => replicas);
  const up = rulesOf(behavior, 'scaleUp').stabilizationWindowSeconds;
  const down = rulesOf(behavior, 'scaleDown').stabilizationWindowSeconds;
  const least = Math.min(recommended, ...within(up));
  const greatest = Math.max(recommended, ...within(down));
  const replicas = Math.min(Math.max(current, least), greatest);
  if (replicas === recommended) return { replicas, held: undefined };
  return { replicas, held: replicas < recommended ? 'ScaleUpStabilized' : 'ScaleDownStabilized' };
}

function limit(
  spec: AutoscalerSpec,
  { current, wanted, now }: { current: number; wanted: number; now: number },
  history: History,
): Omit<Paced, 'stabilized'> {
  const least = spec.minReplicas ?? 1;
  if (wanted > current) {
    const fastest = Math.max(current, furthest(spec, 'scaleUp', current, now, history));
    const most = Math.min(spec.maxReplicas, fastest);
    if (wanted > most)
      return bounded(most, most < spec.maxReplicas ? 'ScaleUpLimit' : 'TooManyReplicas');
  } else if (wanted < current) {
    const fastest = Math.min(current, furthest(spec, 'scaleDown', current, now, history));
    const fewest = Math.max(least, fastest);
    if (wanted < fewest)
      return bounded(fewest, fewest > least ? 'ScaleDownLimit' : 'TooFewReplicas');
  }
  return bounded(wanted, 'DesiredWithinRange');
}

const sayings: Readonly<Record<Limit, string>> = {
  DesiredWithinRange: 'the desired count is within the acceptable range',
  ScaleUpLimit: 'the desired replica count is increasing faster than the maximum scale rate',
  TooManyReplicas: 'the desired replica count is more than the maximum replica count',
  ScaleDownLimit: 'the desired replica count is decreasing faster than the maximum scale rate',
  TooFewReplicas: 'the desired replica count is less than the minimum replica count',
};

function bounded(replicas: number, reason: Limit): Omit<Paced, 'stabilized'> {
  return { replicas, limit: { reason, message: sayings[reason] } };
}

/** The number that the policies of a direction allow now. */
function furthest(
  { behavior }: AutoscalerSpec,
  direction: 'scaleUp' | 'scaleDown',
  current: number,
  now: number,
  { added, removed }: History,
): number {
  const { selectPolicy, policies } = rulesOf(behavior, direction);
  if (selectPolicy === 'Disabled') return current;
  const sign = direction === 'scaleUp' ? 1 : -1;
  const allowed = policies.map(({ type, value, periodSeconds }) => {
    const within = (changes: readonly Timed[]): number =>
      changes
        .filter(({ at }) => now - at < periodSeconds * 1000)
        .reduce((total, { replicas }) => total + replicas, 0);
    const before = current - within(added) + within(removed);
    if (type === 'Pods') return before + sign * value;
    const changed = before * (1 + (sign * value) / 100);
    return sign > 0 ? Math.ceil(changed - 1e-9) : Math.floor(changed + 1e-9);
  });
  const farthest = (selectPolicy === 'Max') === (direction === 'scaleUp');
  return farthest ? Math.max(...allowed) : Math.min(...allowed);
}
