import { rfc3339 } from '../../api/machinery/clock.ts';
import { controllerOf, hasFinalizer } from '../../api/machinery/metadata.ts';
import { trackingFinalizer } from '../../api/v1/batch.ts';
import type { Job, JobStatus } from '../../api/v1/job.ts';
import type { JobRevision } from '../../api/v1/job-revision.ts';
import type { ServerSet } from '../../api/v1/serverset.ts';
import { serverSetDefaults, serverSetFinalizer } from '../../api/v1/serverset.ts';
import type { Task, TaskSpec } from '../../api/v1/task.ts';
import { isDead } from '../../api/v1/task.ts';
import type { TaskStart } from './decide.ts';
import type { Offers } from './networks.ts';
import type { RevisionPlan } from './revisions.ts';
import type { ServerSetPlan } from './serverset.ts';

/** All that a plan looks at. */
export interface JobState {
  job: Job;
  /** Every Task of the namespace that names the Job, whoever controls it. */
  tasks: readonly Task[];
  /** Every JobRevision that the Job controls, and those of its name that nobody does. */
  revisions: readonly JobRevision[];
  /** The ServerSet of the Job's name, and others that it controls. */
  serverSets: readonly ServerSet[];
  /** Whether the Framework says that what a reconciliation missed is not replaced for now. */
  replacingHeld: boolean;
  /** Whether the agent of a Task goes into maintenance. */
  isLeaving: (task: Task) => boolean;
  /** For how long this process has known a Task to be unreachable, in milliseconds. */
  outOfSightMs: (task: Task) => number;
  offers: Offers;
  /** Wall time in milliseconds. */
  now: number;
}

export type Stop = NonNullable<TaskSpec['stop']>;

export interface TaskStop {
  task: Task;
  stop: Stop;
}

/**
 * What to write, in the order of the fields. Cutting it off anywhere is harmless: the next plan, made
 * of what was written, contains the rest.
 */
export interface Plan {
  finalizer: 'keep' | 'add' | 'remove';
  /** Objects of the Job's name that nobody controls, as after a delete that orphaned them. */
  adopt: { tasks: readonly Task[]; revisions: readonly JobRevision[] };
  revision: RevisionPlan | undefined;
  serverSet: ServerSetPlan;
  stop: readonly TaskStop[];
  start: readonly TaskStart[];
  prune: { tasks: readonly Task[]; revisions: readonly JobRevision[] };
  /** Dead Tasks that are being deleted and of which everything is recorded: they may go. */
  release: readonly Task[];
  /** The Job has ended, and is not to be kept any longer. */
  expire: boolean;
  status: JobStatus;
  /** Wall time at which to plan again though nothing changes. */
  wakeAt: number | undefined;
}

/** A plan that wants nothing. */
export const nothing: Omit<Plan, 'status'> = {
  finalizer: 'keep',
  adopt: { tasks: [], revisions: [] },
  revision: undefined,
  serverSet: { action: 'none' },
  stop: [],
  start: [],
  prune: { tasks: [], revisions: [] },
  release: [],
  expire: false,
  wakeAt: undefined,
};

export function isOursOf(job: Job): (object: Task | JobRevision) => boolean {
  return (object) => controllerOf(object)?.uid === job.metadata.uid;
}

export function isAdoptable(object: Task | JobRevision): boolean {
  return controllerOf(object) === undefined && object.metadata.deletionTimestamp === undefined;
}

/** Dead Tasks that wait to be deleted until a Batch Job has taken down what became of them. */
export function awaitingRelease(tasks: readonly Task[]): Task[] {
  return tasks.filter(
    (task) =>
      task.metadata.deletionTimestamp !== undefined &&
      isDead(task) &&
      hasFinalizer(task, trackingFinalizer),
  );
}

/** Time beyond drainSeconds in which a member is expected to be withdrawn. */
const withdrawMarginSeconds = 30;

export function stopOf(
  job: Job,
  task: Task,
  reason: Stop['reason'],
  message: string,
  now: number,
): TaskStop {
  const isPublished = job.spec.serverSet !== undefined || hasFinalizer(task, serverSetFinalizer);
  if (!isPublished) return { task, stop: { reason, message } };
  const drainSeconds = job.spec.serverSet?.drainSeconds ?? serverSetDefaults.drainSeconds;
  const deadline = rfc3339(now + (drainSeconds + withdrawMarginSeconds) * 1000);
  return { task, stop: { reason, message, deadline } };
}

export function earliest(times: readonly (number | undefined)[]): number | undefined {
  let first: number | undefined;
  for (const time of times) {
    if (time !== undefined && (first === undefined || time < first)) first = time;
  }
  return first;
}
