import { findCondition } from '../../api/machinery/conditions.ts';
import { byRun } from '../../api/v1/runs.ts';
import type { ContainerStatus, Task } from '../../api/v1/task.ts';
import { isDead, isReady, phaseOf } from '../../api/v1/task.ts';
import { isDeadState } from '../scheduler/status.ts';

/** All Tasks of one instance of a Job. Both lists are in the order of the runs, the newest last. */
export interface Instance {
  index: number;
  /** Not dead: they hold the instance, also while they stop or are unreachable. */
  live: readonly Task[];
  dead: readonly Task[];
}

/** Groups tasks by instance, in the order of the instances. Every index below `replicas` is there. */
export function instancesOf(tasks: readonly Task[], replicas: number): Instance[] {
  const byIndex = new Map<number, { index: number; live: Task[]; dead: Task[] }>();
  for (let index = 0; index < replicas; index += 1) {
    byIndex.set(index, { index, live: [], dead: [] });
  }
  for (const task of tasks) {
    const index = task.spec.instance;
    let instance = byIndex.get(index);
    if (instance === undefined) byIndex.set(index, (instance = { index, live: [], dead: [] }));
    (isDead(task) ? instance.dead : instance.live).push(task);
  }
  const instances = [...byIndex.values()].sort((left, right) => left.index - right.index);
  for (const { live, dead } of instances) {
    if (live.length > 1) live.sort(byRun);
    if (dead.length > 1) dead.sort(byRun);
  }
  return instances;
}

/** The newest run, whatever became of it. */
export function newest(instance: Instance): Task | undefined {
  return [...instance.live, ...instance.dead].sort(byRun).at(-1);
}

/** Somebody has asked for its end: it counts as unavailable from then on. */
export function isStopping(task: Task): boolean {
  return task.spec.stop !== undefined || task.metadata.deletionTimestamp !== undefined;
}

/** Mesos has lost sight of it. It may run, and may come back. */
export function isUnreachable(task: Task): boolean {
  return phaseOf(task) === 'Unreachable';
}

/** A reconciliation, not an event, said that it is gone: with many others, Mesos or we may be at fault. */
export function isMissed(task: Task): boolean {
  return !isStopping(task) && task.status?.mesos?.reason === 'REASON_RECONCILIATION';
}

/** A container that has ended while others of its Task go on: nobody starts it again. */
export function endedContainer(task: Task): ContainerStatus | undefined {
  if (isDead(task) || isUnreachable(task)) return undefined;
  return task.status?.containers?.find(({ state }) => state !== undefined && isDeadState(state));
}

/** Live, wanted, and in sight: the runs that serve the instance, or will. */
export function serving(instance: Instance): readonly Task[] {
  return instance.live.filter((task) => !isStopping(task) && !isUnreachable(task));
}

/** Milliseconds since the epoch; undefined if the text is absent or no time. */
export function timeOf(text: string | undefined): number | undefined {
  const time = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}

/** Clocks of two machines differ by less. */
const clockSkewMs = 60_000;

/** Whether a stamp may be right: absent ones are, those from the future are not. */
export function isBelievable(stamped: number | undefined, now: number): boolean {
  return stamped === undefined || stamped <= now + clockSkewMs;
}

/**
 * A stamp, as one can count from it: one further ahead than clocks differ was made by a clock that was
 * wrong, and counts as long past. Until the clock is there again hours might pass.
 */
export function countedFrom(stamped: number, now: number): number {
  return isBelievable(stamped, now) ? stamped : 0;
}

/**
 * From when on the task counts as available: Ready for `minReadySeconds`. Undefined if it is not Ready.
 * The time may lie in the future.
 */
export function availableFrom(task: Task, minReadySeconds: number): number | undefined {
  if (isStopping(task) || phaseOf(task) !== 'Running' || !isReady(task)) return undefined;
  const ready = findCondition(task.status?.conditions, 'Ready');
  const since = timeOf(ready?.lastTransitionTime);
  return since === undefined ? undefined : since + minReadySeconds * 1000;
}
