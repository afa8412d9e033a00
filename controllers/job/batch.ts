import { hasFinalizer } from '../../api/machinery/metadata.ts';
import { mostActive } from '../../api/v1/batch.ts';
import { tasksFinalizer } from '../../api/v1/job.ts';
import type { Task } from '../../api/v1/task.ts';
import { isDead, phaseOf } from '../../api/v1/task.ts';
import {
  deadlineOf,
  expiryOf,
  finishWith,
  isRecorded,
  nextBatchRun,
  progressOf,
  type Finish,
  type Progress,
} from './batch-progress.ts';
import { batchStatus } from './batch-status.ts';
import type { DecideContext, Decision } from './decide.ts';
import { decide, numbersOf } from './decide.ts';
import { instancesOf, isStopping, isUnreachable, timeOf } from './instances.ts';
import {
  awaitingRelease,
  earliest,
  isAdoptable,
  isOursOf,
  stopOf,
  type JobState,
  type Plan,
  type TaskStop,
} from './plan-parts.ts';
import { prunableTasks } from './retention.ts';
import { planRevision, prunableRevisions } from './revisions.ts';
import { planServerSet } from './serverset.ts';

/**
 * Decides everything about a Job that runs to completion. Laws: an instance that has succeeded gets no
 * further Task; a Task starts only while fewer than `parallelism` instances live; nothing starts once the
 * Job has ended; what has ended stays so. Tasks of an earlier Job of its name are not adopted: what they
 * did was done for another.
 */
export function planBatch(state: JobState): Plan {
  const { job, now } = state;
  const isOurs = isOursOf(job);
  const ours = state.tasks.filter(isOurs);
  const progress = progressOf(job, ours);
  const recorded = progressOf(job, []);
  const finish = finishWith(job, progress, now);
  const decisions = finish === undefined ? decisionsOf(state, ours, progress) : [];
  const revision = planRevision(job, state.revisions);
  const serverSet = planServerSet(job, state.serverSets);
  const retention = prunableTasks(ours, now);
  const used = new Set(revision.upToDate);
  for (const { spec } of ours) used.add(spec.revision);
  const expiry = expiryOf(job);
  const deadline = finish === undefined ? deadlineOf(job, now) : undefined;
  return {
    finalizer: hasFinalizer(job, tasksFinalizer) ? 'keep' : 'add',
    adopt: { tasks: [], revisions: state.revisions.filter(isAdoptable) },
    revision,
    serverSet,
    stop: stopsOf(state, ours, { progress, finish, decisions }),
    start: decisions.map(({ start }) => start).filter((start) => start !== undefined),
    prune: {
      tasks: retention.prune,
      revisions: prunableRevisions(job, state.revisions, used),
    },
    release: awaitingRelease(state.tasks).filter(
      (task) => !isOurs(task) || isRecorded(task, recorded),
    ),
    expire: expiry !== undefined && expiry <= now,
    status: batchStatus({ ...state, ours, progress, finish, decisions, revision, serverSet }),
    wakeAt: earliest([
      retention.wakeAt,
      deadline,
      expiry,
      ...decisions.map(({ wakeAt }) => wakeAt),
    ]),
  };
}

/** About every instance that has not succeeded yet. */
function decisionsOf(state: JobState, ours: readonly Task[], progress: Progress): Decision[] {
  const { job, tasks } = state;
  const numbers = numbersOf(job);
  const owned = new Set(ours);
  const { succeeded, failures } = progress;
  const context: DecideContext = {
    ...state,
    numbers,
    isCurrent: () => true,
    isOurs: (task) => owned.has(task),
    // A run that an agent's maintenance ends is run again; ended before, its work would be lost for sure.
    isLeaving: () => false,
    keptRevision: () => undefined,
    availableFrom: (task) =>
      phaseOf(task) === 'Running' ? (timeOf(task.status?.startTime) ?? 0) : undefined,
    nextRun: (instance, last) => nextBatchRun(last, failures.get(instance) ?? 0, state.now),
    // backoffLimit says when there have been too many.
    crashLoopRestarts: Infinity,
  };
  const relevant = tasks.filter((task) => owned.has(task) || !isDead(task));
  const decisions = instancesOf(relevant, numbers.replicas)
    .filter(({ index }) => index < numbers.replicas && !succeeded.has(index))
    .map((instance) => decide(instance, context));
  const room = mostActive(job.spec, undefined) - liveInstances(ours, succeeded);
  return withinParallelism(decisions, room);
}

/** One that has succeeded and has a run out of sight besides takes nobody's place. */
function liveInstances(ours: readonly Task[], succeeded: ReadonlySet<number>): number {
  const live = ours.filter(
    (task) => !isDead(task) && !(isUnreachable(task) && succeeded.has(task.spec.instance)),
  );
  return new Set(live.map(({ spec }) => spec.instance)).size;
}

/** Only so many starts that the instances which live stay few enough: the lowest first, the others wait. */
function withinParallelism(decisions: readonly Decision[], room: number): Decision[] {
  let left = room;
  return decisions.map((decision) => {
    // The instance of one that is unreachable lives already.
    if (decision.start === undefined || decision.start.cause === 'Unreachable') return decision;
    left -= 1;
    return left >= 0 ? decision : { ...decision, start: undefined, blocker: undefined };
  });
}

interface Outcome {
  progress: Progress;
  finish: Finish | undefined;
  decisions: readonly Decision[];
}

function stopsOf({ job, now }: JobState, ours: readonly Task[], outcome: Outcome): TaskStop[] {
  const { progress, finish, decisions } = outcome;
  const wanted = ours.filter((task) => !isDead(task) && !isStopping(task));
  const leftOver = wanted
    .filter(({ spec }) => progress.succeeded.has(spec.instance))
    .map((task) => {
      const message = `instance ${task.spec.instance} has succeeded in another run`;
      return stopOf(job, task, 'Completed', message, now);
    });
  if (finish !== undefined) {
    const others = wanted.filter(({ spec }) => !progress.succeeded.has(spec.instance));
    return [
      ...leftOver,
      ...others.map((task) => stopOf(job, task, 'JobFailed', finish.message, now)),
    ];
  }
  const judged = decisions.flatMap(({ superseded, keeper, unhealthy }) => [
    ...superseded.map((task) =>
      stopOf(job, task, 'Replaced', `${keeper?.metadata.name ?? 'another'} has replaced it`, now),
    ),
    ...(keeper === undefined || unhealthy === undefined
      ? []
      : [stopOf(job, keeper, 'Unhealthy', unhealthy, now)]),
  ]);
  return [...leftOver, ...judged];
}
