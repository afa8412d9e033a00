import { controllerOf, hasFinalizer } from '../../api/machinery/metadata.ts';
import { isBatch } from '../../api/v1/batch.ts';
import { tasksFinalizer } from '../../api/v1/job.ts';
import type { JobRevision } from '../../api/v1/job-revision.ts';
import type { Task } from '../../api/v1/task.ts';
import { isDead } from '../../api/v1/task.ts';
import { killedAsUnhealthy, unhealthyText } from '../scheduler/readiness.ts';
import { nextRun } from './backoff.ts';
import { planBatch } from './batch.ts';
import type { DecideContext, Decision } from './decide.ts';
import { decide, numbersOf } from './decide.ts';
import { availableFrom, endedContainer, instancesOf, isStopping } from './instances.ts';
import {
  awaitingRelease,
  earliest,
  isAdoptable,
  isOursOf,
  nothing,
  stopOf,
  type JobState,
  type Plan,
  type TaskStop,
} from './plan-parts.ts';
import { prunableTasks } from './retention.ts';
import { planRevision, prunableRevisions } from './revisions.ts';
import { isExhausted, keptRevision, runsToUpdate } from './rollout.ts';
import { planServerSet } from './serverset.ts';
import type { StatusInput } from './status.ts';
import { deletingStatus, jobStatus } from './status.ts';

/** Deaths in a row from which on an instance counts as crash-looping. */
const crashLoopRestarts = 3;

/** Decides everything about one Job. A pure function of its argument. */
export function planJob(state: JobState): Plan {
  if (state.job.metadata.deletionTimestamp !== undefined) return planDeletion(state);
  return isBatch(state.job) ? planBatch(state) : planService(state);
}

/** Stops every Task; the Job may go once none lives. Orphaning is the garbage collector's: it comes first. */
function planDeletion({ job, tasks, now }: JobState): Plan {
  const live = tasks.filter(isOursOf(job)).filter((task) => !isDead(task));
  const status = deletingStatus(job, live, now);
  if (hasFinalizer(job, 'orphan')) {
    return { ...nothing, release: awaitingRelease(tasks), status };
  }
  const mayGo = live.length === 0 && hasFinalizer(job, tasksFinalizer);
  const message = 'the Job is being deleted';
  return {
    ...nothing,
    finalizer: mayGo ? 'remove' : 'keep',
    stop: live
      .filter((task) => !isStopping(task))
      .map((task) => stopOf(job, task, 'Deleted', message, now)),
    release: awaitingRelease(tasks),
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
    availableFrom: (task) => availableFrom(task, 0),
    nextRun: (_instance, last, kept) =>
      nextRun(last, last !== undefined && (kept !== undefined || isCurrent(last)), now),
    crashLoopRestarts,
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
    release: awaitingRelease(state.tasks),
    expire: false,
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
