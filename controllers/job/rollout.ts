import type { Task } from '../../api/v1/task.ts';
import type { Decision, JobNumbers } from './decide.ts';
import { availableFrom } from './instances.ts';

/**
 * The outdated runs to stop now, lowest instance first. An instance is unavailable from the moment its
 * run is told to stop, so the sum of the unavailable never grows over `maxUnavailable` by this. A run
 * that is not Ready serves nobody: stopping it takes nothing away, and a broken template must not keep
 * its own correction out. One that is Ready, though not yet for minReadySeconds, is not free.
 */
export function runsToUpdate(
  decisions: readonly Decision[],
  { maxUnavailable }: Pick<JobNumbers, 'maxUnavailable'>,
): Task[] {
  const unavailable = decisions.filter(({ available }) => !available).length;
  let budget = maxUnavailable - unavailable;
  const chosen: Task[] = [];
  for (const { keeper, outdated, available } of decisions) {
    if (keeper === undefined || !outdated) continue;
    if (availableFrom(keeper, 0) !== undefined) {
      if (budget <= 0 || !available) continue;
      budget -= 1;
    }
    chosen.push(keeper);
  }
  return chosen;
}
