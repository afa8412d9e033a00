import { rfc3339 } from '../../api/machinery/clock.ts';
import { controllerOf, hasFinalizer } from '../../api/machinery/metadata.ts';
import type { Job, JobStatus } from '../../api/v1/job.ts';
import { tasksFinalizer } from '../../api/v1/job.ts';
import type { JobRevision } from '../../api/v1/job-revision.ts';
import type { ServerSet } from '../../api/v1/serverset.ts';
import { serverSetDefaults, serverSetFinalizer } from '../../api/v1/serverset.ts';
import type { Task, TaskSpec } from '../../api/v1/task.ts';
import { isDead } from '../../api/v1/task.ts';
import { killedAsUnhealthy, unhealthyText } from '../scheduler/readiness.ts';
import type { DecideContext, Decision, TaskStart } from './decide.ts';
import { decide, numbersOf } from './decide.ts';
import { instancesOf, isStopping, endedContainer } from './instances.ts';
import type { Offers } from './networks.ts';
import { prunableTasks } from './retention.ts';
import type { RevisionPlan } from './revisions.ts';
import { planRevision, prunableRevisions } from './revisions.ts';
import { isExhausted, keptRevision, runsToUpdate } from './rollout.ts';
import type { ServerSetPlan } from './serverset.ts';
import { planServerSet } from './serverset.ts';
import type { StatusInput } from './status.ts';
import { deletingStatus, jobStatus } from './status.ts';

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
  status: JobStatus;
  /** Wall time at which to plan again though nothing changes. */
  wakeAt: number | undefined;
}

const nothing: Omit<Plan, 'status'> = {
  finalizer: 'keep',
  adopt: { tasks: [], revisions: [] },
  revision: undefined,
  serverSet: { action: 'none' },
  stop: [],
  start: [],
  prune: { tasks: [], revisions: [] },
  wakeAt: undefined,
};

/** Decides everything about one Job. A pure function of its argument. */
export function planJob(state: JobState): Plan {
  if (state.job.metadata.deletionTimestamp !== undefined) return planDeletion(state);
  return planService(state);
}

function isOursOf(job: Job): (object: Task | JobRevision) => boolean {
  return (object) => controllerOf(object)?.uid === job.metadata.uid;
}

/** Stops every Task; the Job may go once none lives. Orphaning is the garbage collector's: it comes first. */
function planDeletion({ job, tasks, now }: JobState): Plan {
  const live = tasks.filter(isOursOf(job)).filter((task) => !isDead(task));
  const status = deletingStatus(job, live, now);
  if (hasFinalizer(job, 'orphan')) return { ...nothing, status };
  const mayGo = live.length === 0 && hasFinalizer(job, tasksFinalizer);
  const message = 'the Job is being deleted';
  return {
    ...nothing,
    finalizer: mayGo ? 'remove' : 'keep',
    stop: live
      .filter((task) => !isStopping(task))
      .map((task) => stopOf(job, task, 'Deleted', message, now)),
    status,
  };
}

function planService(state: JobState): Plan {
  const { job, isLeaving, replacingHeld, outOfSightMs, offers, now } = state;
  const { ours, orphans } = sorted(state);
  const owned = ours.length === state.tasks.length ? undefined : new Set(ours);
  const isOurs = (task: Task): boolean => owned?.has(task) ?? true;
  const revision = planRevision(job, state.revisions);
  const isCurrent = (task: Task): boolean => revision.upToDate.has(task.spec.revision);
  const numbers = numbersOf(job);
  const decisions = decisionsOf(state, {
    numbers,
    isCurrent,
    isOurs,
    isLeaving,
    replacingHeld,
    outOfSightMs,
    keptRevision: () => undefined,
    now,
  });
  const serverSet = planServerSet(job, state.serverSets);
  const surplus = ours
    .filter((task) => task.spec.instance >= numbers.replicas && !isDead(task))
    .sort((left, right) => right.spec.instance - left.spec.instance);
  const retention = prunableTasks(ours, now);
  const used = new Set(revision.upToDate);
  for (const { spec } of ours) used.add(spec.revision);
  const view = { job, decisions, surplus, revision, numbers, serverSet, offers, isCurrent, now };
  return {
    finalizer: hasFinalizer(job, tasksFinalizer) ? 'keep' : 'add',
    adopt: {
      tasks: orphans,
      revisions: state.revisions.filter(isAdoptable),
    },
    revision,
    serverSet,
    stop: stopsOf(view),
    start: decisions.map(({ start }) => start).filter((start) => start !== undefined),
    prune: { tasks: retention.prune, revisions: prunableRevisions(job, state.revisions, used) },
    status: jobStatus({ ...view, tasks: ours }),
    wakeAt: earliest([retention.wakeAt, ...decisions.map(({ wakeAt }) => wakeAt)]),
  };
}

/** The Job's own Tasks. What it adopts first counts as its own: it holds its instance already. */
function sorted({ job, tasks }: JobState): { ours: Task[]; orphans: Task[] } {
  const ours: Task[] = [];
  const orphans: Task[] = [];
  for (const task of tasks) {
    const controller = controllerOf(task);
    if (controller?.uid === job.metadata.uid) ours.push(task);
    else if (isAdoptable(task)) {
      ours.push(task);
      orphans.push(task);
    }
  }
  return { ours, orphans };
}

function isAdoptable(object: Task | JobRevision): boolean {
  return controllerOf(object) === undefined && object.metadata.deletionTimestamp === undefined;
}

/** About every wanted instance. Dead Tasks of others say nothing about ours. */
function decisionsOf({ tasks, revisions }: JobState, context: DecideContext): Decision[] {
  const relevant = tasks.filter((task) => context.isOurs(task) || !isDead(task));
  const { replicas } = context.numbers;
  const wanted = instancesOf(relevant, replicas).filter(({ index }) => index < replicas);
  const decisions = wanted.map((instance) => decide(instance, context));
  if (!isExhausted(decisions, context.numbers)) return decisions;
  const kept = (last: Task): JobRevision | undefined =>
    keptRevision(last, context.isCurrent, revisions);
  const holding = { ...context, keptRevision: kept };
  return decisions.map((decision, at) => {
    const instance = wanted[at];
    return instance === undefined || decision.keeper !== undefined
      ? decision
      : decide(instance, holding);
  });
}

/** The highest instances go first when there are too many, the lowest when they are updated. */
function stopsOf(view: Omit<StatusInput, 'tasks'>): TaskStop[] {
  const { job, decisions, surplus, numbers, revision, isCurrent, now } = view;
  const scaledDown = surplus
    .filter((task) => !isStopping(task))
    .map((task) => stopOf(job, task, 'ScaleDown', `scaled down to ${numbers.replicas}`, now));
  const replaced = decisions.flatMap(({ superseded, keeper }) =>
    superseded.map((task) =>
      stopOf(job, task, 'Replaced', `${keeper?.metadata.name ?? 'another'} has replaced it`, now),
    ),
  );
  const broken = decisions.flatMap(({ keeper, unhealthy }) => {
    const why = keeper === undefined ? undefined : (endedReason(keeper) ?? unhealthy);
    return keeper === undefined || why === undefined
      ? []
      : [stopOf(job, keeper, 'Unhealthy', why, now)];
  });
  const stopping = new Set(broken.map(({ task }) => task));
  const updated = runsToUpdate(decisions, numbers, revision.current.name)
    .filter((task) => !stopping.has(task))
    .map((task) =>
      isCurrent(task)
        ? stopOf(job, task, 'Maintenance', 'its agent goes into maintenance', now)
        : stopOf(job, task, 'Update', `updated to revision ${revision.current.number}`, now),
    );
  return [...scaledDown, ...replaced, ...broken, ...updated];
}

function endedReason(keeper: Task): string | undefined {
  const ended = endedContainer(keeper);
  if (ended === undefined || keeper.status === undefined) return undefined;
  const killed = killedAsUnhealthy(keeper, keeper.status);
  if (killed !== undefined) return unhealthyText(keeper, killed);
  return `container ${ended.name} ended (${ended.state ?? ''}); the task is started anew as a whole`;
}

/** Time beyond drainSeconds in which a member is expected to be withdrawn. */
const withdrawMarginSeconds = 30;

function stopOf(
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

function earliest(times: readonly (number | undefined)[]): number | undefined {
  let first: number | undefined;
  for (const time of times) {
    if (time !== undefined && (first === undefined || time < first)) first = time;
  }
  return first;
}
