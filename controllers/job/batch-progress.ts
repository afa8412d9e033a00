import { findCondition } from '../../api/machinery/conditions.ts';
import { batchDefaults, completedOf, finishOf, type BatchFinish } from '../../api/v1/batch.ts';
import type { Job } from '../../api/v1/job.ts';
import { runOf } from '../../api/v1/runs.ts';
import type { Task } from '../../api/v1/task.ts';
import { isDead, phaseOf } from '../../api/v1/task.ts';
import { healthyRunMs, restartDelay, type NextRun } from './backoff.ts';
import { numbersOf } from './decide.ts';
import { countedFrom, timeOf } from './instances.ts';

/**
 * How far the instances of a Batch Job are: what its status says, and what its Tasks say besides. Both
 * only grow, so that taking something down twice, or in another order, changes nothing.
 */
export interface Progress {
  succeeded: ReadonlySet<number>;
  /** Failed tasks by instance. */
  failures: ReadonlyMap<number, number>;
}

export function progressOf(job: Job, tasks: readonly Task[]): Progress {
  const { replicas } = numbersOf(job);
  const succeeded = new Set(completedOf(job));
  const failures = new Map<number, number>();
  for (const { instance, failed } of job.status?.failures ?? []) failures.set(instance, failed);
  for (const task of tasks) {
    const { instance } = task.spec;
    if (instance >= replicas) continue;
    if (phaseOf(task) === 'Finished') succeeded.add(instance);
    const failed = failuresUpTo(task);
    if (failed > (failures.get(instance) ?? 0)) failures.set(instance, failed);
  }
  return { succeeded, failures };
}

/** Whether everything that a dead Task has to tell is in the status of its Job: only then may it go. */
export function isRecorded(task: Task, recorded: Progress): boolean {
  const { instance } = task.spec;
  if (phaseOf(task) === 'Finished') return recorded.succeeded.has(instance);
  return failuresUpTo(task) <= (recorded.failures.get(instance) ?? 0);
}

/** A Task carries how many of its instance had failed before it. */
function failuresUpTo(task: Task): number {
  return task.spec.restarts + (isFailure(task) ? 1 : 0);
}

/** Ends that say nothing about the task: the agent went, the launch never arrived, an operator knows. */
const lostStates: readonly string[] = ['TASK_DROPPED', 'TASK_GONE', 'TASK_GONE_BY_OPERATOR'];
const lostReasons: readonly string[] = ['REASON_AGENT_DRAINING'];

/** Whether a run counts for backoffLimit. What Mesos lost, or somebody asked for, does not. */
export function isFailure(task: Task): boolean {
  if (!isDead(task) || phaseOf(task) === 'Finished' || wasAskedFor(task)) return false;
  const { mesos, containers = [] } = task.status ?? {};
  if (mesos?.reason !== undefined && lostReasons.includes(mesos.reason)) return false;
  const states = [mesos?.state, ...containers.map(({ state }) => state)];
  return !states.some((state) => state !== undefined && lostStates.includes(state));
}

/**
 * Its end was wanted before it came; unless because it was no good. One that is deleted is killed: what
 * failed did so by itself, and was deleted later.
 */
function wasAskedFor(task: Task): boolean {
  const { spec, metadata, status } = task;
  if (spec.stop !== undefined) return spec.stop.reason !== 'Unhealthy';
  if (phaseOf(task) !== 'Killed') return false;
  const deleted = timeOf(metadata.deletionTimestamp);
  const ended = timeOf(status?.finishTime);
  return deleted !== undefined && (ended === undefined || deleted <= ended);
}

/** When the run after `last` may begin: the more runs an instance has had, the later. */
export function nextBatchRun(last: Task | undefined, failed: number, now: number): NextRun {
  if (last === undefined || !isDead(last) || wasAskedFor(last)) {
    return { restarts: failed, notBefore: now };
  }
  const ended = timeOf(last.status?.finishTime) ?? now;
  const began = timeOf(last.status?.startTime);
  const ranLong = began !== undefined && ended - began >= healthyRunMs;
  const delay = restartDelay(ranLong ? 1 : Math.max(1, runOf(last)));
  return { restarts: failed, notBefore: countedFrom(ended, now) + delay };
}

/** How a Batch Job ends. */
export interface Finish {
  type: BatchFinish;
  reason: string;
  message: string;
}

/** Undefined while it goes on. What the status says already is final, whatever is changed since. */
export function finishWith(job: Job, progress: Progress, now: number): Finish | undefined {
  const type = finishOf(job);
  if (type !== undefined) {
    const { reason = type, message = '' } = findCondition(job.status?.conditions, type) ?? {};
    return { type, reason, message };
  }
  const { replicas } = numbersOf(job);
  if (progress.succeeded.size >= replicas) {
    const message = `${replicas} of ${replicas} instances have succeeded`;
    return { type: 'Complete', reason: 'Completed', message };
  }
  const failed = failedIn(progress);
  const limit = job.spec.backoffLimit ?? batchDefaults.backoffLimit;
  if (failed > limit) {
    const message = `${failed} tasks have failed, and backoffLimit is ${limit}`;
    return { type: 'Failed', reason: 'BackoffLimitExceeded', message };
  }
  const deadline = deadlineOf(job, now);
  if (deadline === undefined || deadline > now) return undefined;
  const message = `the Job has been active for longer than ${job.spec.activeDeadlineSeconds ?? 0} s`;
  return { type: 'Failed', reason: 'DeadlineExceeded', message };
}

export function failedIn({ failures }: Progress): number {
  return [...failures.values()].reduce((sum, failed) => sum + failed, 0);
}

/** Wall time in milliseconds at which the Job fails; undefined: never. */
export function deadlineOf({ spec, status }: Job, now: number): number | undefined {
  if (spec.activeDeadlineSeconds === undefined) return undefined;
  return (timeOf(status?.startTime) ?? now) + spec.activeDeadlineSeconds * 1000;
}

/** Wall time from which on a Job that is recorded to have ended is not kept; undefined: for ever. */
export function expiryOf(job: Job): number | undefined {
  const type = finishOf(job);
  const ttl = job.spec.ttlSecondsAfterFinished;
  if (type === undefined || ttl === undefined) return undefined;
  const ended = timeOf(findCondition(job.status?.conditions, type)?.lastTransitionTime);
  return ended === undefined ? undefined : ended + ttl * 1000;
}
