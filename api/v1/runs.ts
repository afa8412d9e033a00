import type { Task } from './task.ts';

/** On a Task: which run of its instance it is, from 1. Orders runs, since creation times may be equal. */
export const runAnnotation = 'mesocosm.dev/run';

/** On a Task of an older revision: the newer one whose rollout it has to wait for. */
export const heldBackAnnotation = 'mesocosm.dev/held-back-from';

export function runOf(task: Task): number {
  const run = Number(task.metadata.annotations?.[runAnnotation]);
  return Number.isSafeInteger(run) ? run : 0;
}

/** Orders the runs of one instance, the newest last. */
export function byRun(left: Task, right: Task): number {
  return (
    runOf(left) - runOf(right) ||
    compare(left.metadata.creationTimestamp, right.metadata.creationTimestamp) ||
    compare(left.metadata.name, right.metadata.name)
  );
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The run of the same instance before this one, if it is still kept. */
export function previousRun(task: Task, tasks: Iterable<Task>): Task | undefined {
  const { job, instance } = task.spec;
  let previous: Task | undefined;
  for (const other of tasks) {
    if (other.spec.job !== job || other.spec.instance !== instance) continue;
    if (other.metadata.namespace !== task.metadata.namespace || byRun(other, task) >= 0) continue;
    if (previous === undefined || byRun(previous, other) < 0) previous = other;
  }
  return previous;
}
