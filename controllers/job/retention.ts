import type { Task } from '../../api/v1/task.ts';
import { isDead } from '../../api/v1/task.ts';
import { instancesOf, timeOf } from './instances.ts';

/** Dead Tasks that are kept: the last two of an instance, for a day. */
const keptRuns = 2;
const keptMs = 24 * 3600 * 1000;

/** Which dead Tasks to delete, and when the next of those that are kept is due. */
export function prunableTasks(
  tasks: readonly Task[],
  now: number,
): { prune: Task[]; wakeAt: number | undefined } {
  const prune: Task[] = [];
  let wakeAt: number | undefined;
  const dead = tasks.filter(
    (task) => isDead(task) && task.metadata.deletionTimestamp === undefined,
  );
  for (const { dead: runs } of instancesOf(dead, 0)) {
    const surplus = runs.length - keptRuns;
    for (const [position, task] of runs.entries()) {
      const died =
        timeOf(task.status?.finishTime) ?? timeOf(task.metadata.creationTimestamp) ?? now;
      const due = died + keptMs;
      if (position < surplus || due <= now) prune.push(task);
      else wakeAt = Math.min(wakeAt ?? due, due);
    }
  }
  return { prune, wakeAt };
}
