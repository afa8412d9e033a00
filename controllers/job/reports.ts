import { findCondition, isConditionTrue } from '../../api/machinery/conditions.ts';
import { isBatch } from '../../api/v1/batch.ts';
import type { Job, JobStatus } from '../../api/v1/job.ts';
import type { Task } from '../../api/v1/task.ts';
import { phaseOf } from '../../api/v1/task.ts';
import type { EventRecorder } from '../runtime/event-recorder.ts';
import type { TaskStart } from './decide.ts';
import { lastWords } from './decide.ts';
import type { TaskStop } from './plan-parts.ts';
import { listed } from './status.ts';

/** What people are told about a Job: few Events, each about many Tasks if many did the same. */

export function reportStarts(
  recorder: EventRecorder,
  job: Job,
  started: readonly { start: TaskStart; task: Task }[],
): void {
  const died = started.filter(({ start }) => start.cause === 'Died');
  const lost = started.filter(({ start }) => start.cause === 'Unreachable');
  const plain = started.filter(({ start }) => start.cause === 'New' || start.cause === 'Stopped');
  if (plain.length > 0) {
    const names = listed(plain.map(({ task }) => task.metadata.name));
    recorder.record(job, 'Normal', 'Created', `created ${names}`);
  }
  if (died.length > 0) {
    const texts = died.map(
      ({ start, task }) => `${task.metadata.name} after ${ending(start.previous, start.restarts)}`,
    );
    recorder.record(job, 'Warning', 'Restarted', `created ${listed(texts, 3)}`);
  }
  if (lost.length > 0) {
    const texts = lost.map(
      ({ start, task }) =>
        `${task.metadata.name} for ${start.previous?.metadata.name ?? 'a task'}, which is unreachable`,
    );
    recorder.record(job, 'Warning', 'Replaced', `created ${listed(texts, 3)}`);
  }
}

function ending(previous: Task | undefined, restarts: number): string {
  if (previous === undefined) return 'a run that is gone';
  const count = restarts > 1 ? `, ${restarts} deaths in a row` : '';
  return `${previous.metadata.name} ${phaseOf(previous)}${lastWords(previous)}${count}`;
}

export function reportStops(recorder: EventRecorder, job: Job, stopped: readonly TaskStop[]): void {
  const byMessage = new Map<string, string[]>();
  for (const { task, stop } of stopped) {
    const message = stop.message ?? stop.reason;
    byMessage.set(message, [...(byMessage.get(message) ?? []), task.metadata.name]);
  }
  for (const [message, names] of byMessage) {
    recorder.record(job, 'Normal', 'Killing', `stopping ${listed(names)}: ${message}`);
  }
}

/** `job` is as it was before `status`. */
export function reportStatus(recorder: EventRecorder, job: Job, status: JobStatus): void {
  const before = job.status;
  const stalled = findCondition(status.conditions, 'Stalled');
  const wasStalled = findCondition(before?.conditions, 'Stalled');
  if (
    stalled?.status === 'True' &&
    (wasStalled?.status !== 'True' || wasStalled.reason !== stalled.reason)
  ) {
    recorder.record(job, 'Warning', stalled.reason, stalled.message);
  }
  const contradicted = findCondition(status.conditions, 'Contradicted');
  const known = findCondition(before?.conditions, 'Contradicted');
  if (
    contradicted?.status === 'True' &&
    (known?.status !== 'True' || known.message !== contradicted.message)
  ) {
    recorder.record(job, 'Warning', contradicted.reason, contradicted.message);
  }
  if (isBatch(job)) {
    reportCompletion(recorder, job, status);
    return;
  }
  const isDone =
    isConditionTrue(status.conditions, 'Ready') &&
    !isConditionTrue(status.conditions, 'Reconciling');
  if (isDone && isConditionTrue(before?.conditions, 'Reconciling')) {
    const message = `revision ${status.currentRevision ?? ''} is available in ${status.availableReplicas ?? 0} instances`;
    recorder.record(job, 'Normal', 'RolledOut', message);
  }
}

function reportCompletion(recorder: EventRecorder, job: Job, status: JobStatus): void {
  const complete = findCondition(status.conditions, 'Complete');
  if (complete?.status !== 'True' || isConditionTrue(job.status?.conditions, 'Complete')) return;
  recorder.record(job, 'Normal', complete.reason, complete.message);
}
