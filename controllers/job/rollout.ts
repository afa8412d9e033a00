import type { JobRevision } from '../../api/v1/job-revision.ts';
import { heldBackAnnotation } from '../../api/v1/runs.ts';
import type { Task } from '../../api/v1/task.ts';
import type { Decision, JobNumbers } from './decide.ts';
import { availableFrom } from './instances.ts';

type Budget = Pick<JobNumbers, 'maxUnavailable'>;

/** More instances are down than an update may take: one that got stuck must not take yet another. */
export function isExhausted(decisions: readonly Decision[], { maxUnavailable }: Budget): boolean {
  return unavailableOf(decisions) > maxUnavailable;
}

function unavailableOf(decisions: readonly Decision[]): number {
  return decisions.filter(({ available }) => !available).length;
}

/** Ends after which the instance goes on as it was, as after a death. */
const interruptions: readonly (string | undefined)[] = [
  undefined,
  'Unhealthy',
  'Maintenance',
  'Requested',
];

/**
 * The revision that an instance whose run has ended goes on with while the budget is exhausted: that of
 * the run, as with a ReplicaSet of a Deployment. Not if the run had died again and again: then its
 * template may be what is to be mended.
 */
export function keptRevision(
  last: Task,
  isCurrent: (task: Task) => boolean,
  revisions: readonly JobRevision[],
): JobRevision | undefined {
  const { restarts, revision, stop } = last.spec;
  if (isCurrent(last) || restarts > 0 || !interruptions.includes(stop?.reason)) return undefined;
  return revisions.find(({ metadata }) => metadata.name === revision);
}

/**
 * The outdated runs to stop now, lowest instance first. An instance is unavailable from the moment its
 * run is told to stop, so the sum of the unavailable never grows over `maxUnavailable` by this. A run
 * that is not Ready serves nobody: stopping it takes nothing away, and a broken template must not keep
 * its own correction out. One that is Ready, though not yet for minReadySeconds, is not free, nor is one
 * that was just begun on the older template because the rollout of `current` is stuck.
 */
export function runsToUpdate(
  decisions: readonly Decision[],
  budgeted: Budget,
  current: string,
): Task[] {
  let budget = budgeted.maxUnavailable - unavailableOf(decisions);
  const isStuck = isExhausted(decisions, budgeted);
  const chosen: Task[] = [];
  for (const { keeper, outdated, available } of decisions) {
    if (keeper === undefined || !outdated) continue;
    if (availableFrom(keeper, 0) !== undefined) {
      if (budget <= 0 || !available) continue;
      budget -= 1;
    } else if (isStuck && keeper.metadata.annotations?.[heldBackAnnotation] === current) {
      continue;
    }
    chosen.push(keeper);
  }
  return chosen;
}
