import type { Task } from '../../api/v1/task.ts';
import { isDead } from '../../api/v1/task.ts';
import { countedFrom, isStopping, timeOf } from './instances.ts';

/** Delay after the first death in a row, doubled at each further one. */
const baseMs = 1_000;
const capMs = 300_000;
/** A run as long as this was a healthy one: deaths before it are forgotten. */
export const healthyRunMs = 600_000;

/** When and with what history the next run of an instance may begin. */
export interface NextRun {
  /** Runs that died in a row before it: the new Task's spec.restarts. */
  restarts: number;
  /** Milliseconds since the epoch. */
  notBefore: number;
}

/**
 * What follows `last`, the newest run. A death that we asked for, or one of another template, is no
 * failure; one that we asked for because it was no good is. A clock that was set back must not add hours to the wait.
 */
export function nextRun(last: Task | undefined, isCurrent: boolean, now: number): NextRun {
  if (last === undefined) return { restarts: 0, notBefore: now };
  if (!isDead(last)) return { restarts: last.spec.restarts, notBefore: now };
  const endWasWanted = isStopping(last) && last.spec.stop?.reason !== 'Unhealthy';
  if (endWasWanted || !isCurrent) return { restarts: 0, notBefore: now };
  const finished = timeOf(last.status?.finishTime) ?? now;
  const started = timeOf(last.status?.startTime);
  const ranLong = started !== undefined && finished - started >= healthyRunMs;
  if (ranLong) return { restarts: 0, notBefore: now };
  const restarts = last.spec.restarts + 1;
  const delay = restartDelay(restarts);
  return { restarts, notBefore: countedFrom(finished, now) + delay };
}

/** Milliseconds between the last of `restarts` deaths in a row and the next run. */
export function restartDelay(restarts: number): number {
  return restarts === 0 ? 0 : Math.min(capMs, baseMs * 2 ** Math.min(restarts - 1, 20));
}
