import { rfc3339 } from '../../api/machinery/clock.ts';
import { findCondition } from '../../api/machinery/conditions.ts';
import type { Job } from '../../api/v1/job.ts';
import { jobDefaults } from '../../api/v1/job.ts';
import type { JobRevision } from '../../api/v1/job-revision.ts';
import { runOf } from '../../api/v1/runs.ts';
import { serverSetFinalizer } from '../../api/v1/serverset.ts';
import type { Task } from '../../api/v1/task.ts';
import { isReady, phaseOf } from '../../api/v1/task.ts';
import { wantsAddresses } from '../network/claims.ts';
import { killedAsUnhealthy, unhealthyText } from '../scheduler/readiness.ts';
import type { NextRun } from './backoff.ts';
import type { Instance } from './instances.ts';
import { missingAddress } from './missing-address.ts';
import {
  countedFrom,
  isBelievable,
  isMissed,
  isStopping,
  isUnreachable,
  newest,
  serving,
  timeOf,
} from './instances.ts';

/** The Job's numbers with the defaults filled in. */
export interface JobNumbers {
  replicas: number;
  maxUnavailable: number;
  minReadySeconds: number;
  replaceAfterSeconds: number;
}

export function numbersOf({ spec }: Job): JobNumbers {
  return {
    replicas: spec.replicas ?? jobDefaults.replicas,
    maxUnavailable: spec.updateStrategy?.maxUnavailable ?? jobDefaults.maxUnavailable,
    minReadySeconds: spec.updateStrategy?.minReadySeconds ?? jobDefaults.minReadySeconds,
    replaceAfterSeconds: spec.unreachable?.replaceAfterSeconds ?? jobDefaults.replaceAfterSeconds,
  };
}

/** A Task to create. */
export interface TaskStart {
  instance: number;
  /** Of its instance, from 1. */
  run: number;
  restarts: number;
  cause: 'New' | 'Stopped' | 'Died' | 'Unreachable';
  /** The run before it, if there is one. */
  previous: Task | undefined;
  /** The older revision that it goes on with; undefined: that of the Job's present template. */
  kept: JobRevision | undefined;
}

/** Why a wanted instance is not available. */
export interface Blocker {
  instance: number;
  /** One word for programs. */
  reason:
    | 'BackOff'
    | 'CrashLoop'
    | 'Unreachable'
    | 'Stopping'
    | 'WithdrawBlocked'
    | 'Unschedulable'
    | 'AddressTaken'
    | 'AddressMissing'
    | 'Progressing'
    | 'HeldByAnother'
    | 'ReplacingHeld';
  message: string;
  /** Nothing that this Job's loop does, and no time that passes, is likely to end it. */
  stalled: boolean;
}

/** What is to be done about one wanted instance, and what there is to say about it. */
export interface Decision {
  instance: number;
  /** The run that serves the instance, or will. */
  keeper: Task | undefined;
  /** The keeper runs another template than the Job's present one, or must leave its agent. */
  outdated: boolean;
  available: boolean;
  /** Why the keeper is to be replaced though it runs; undefined if it is not. */
  unhealthy: string | undefined;
  /** Runs that another run of the instance has taken over from. */
  superseded: readonly Task[];
  start: TaskStart | undefined;
  blocker: Blocker | undefined;
  /** When to look again though nothing changes. */
  wakeAt: number | undefined;
}

/** Time after which a Task that finds no agent stalls its Job. */
const unschedulableMs = 60_000;

export interface DecideContext {
  numbers: JobNumbers;
  /** Whether a Task is of the Job's present template. */
  isCurrent: (task: Task) => boolean;
  /** Whether the Job controls the Task. */
  isOurs: (task: Task) => boolean;
  /** Whether the agent of a Task goes into maintenance, so that the Task must go elsewhere. */
  isLeaving: (task: Task) => boolean;
  /** Whether runs that a reconciliation missed are not replaced for now. */
  replacingHeld: boolean;
  /** For how long this process has known the Task to be unreachable, in milliseconds. */
  outOfSightMs: (task: Task) => number;
  /** The older revision that the instance of a run that is over goes on with; see rollout.ts. */
  keptRevision: (last: Task) => JobRevision | undefined;
  /** From when on a run is as it should be, in milliseconds since the epoch; undefined if it is not. */
  availableFrom: (task: Task) => number | undefined;
  /** When and with what history the run after `last` begins; `kept`: on an older revision. */
  nextRun: (instance: number, last: Task | undefined, kept: JobRevision | undefined) => NextRun;
  /** Deaths in a row from which on an instance stalls its Job. */
  crashLoopRestarts: number;
  now: number;
}

/**
 * Decides about an instance below `replicas`. Law: a start only if no live run is in sight or about to
 * stop, so that two never hold an instance, except that one which was unreachable for long enough.
 */
export function decide(instance: Instance, context: DecideContext): Decision {
  const candidates = serving(instance).filter(context.isOurs);
  const keeper = candidates.pop();
  const { index } = instance;
  if (keeper === undefined) {
    const none = {
      keeper,
      outdated: false,
      available: false,
      unhealthy: undefined,
      superseded: candidates,
    };
    return { instance: index, ...none, ...succeed(instance, context) };
  }
  const outdated = !context.isCurrent(keeper) || context.isLeaving(keeper);
  const judgement = judge(index, keeper, context);
  return { instance: index, keeper, outdated, superseded: candidates, ...judgement };
}

type Judgement = Pick<Decision, 'available' | 'start' | 'blocker' | 'wakeAt' | 'unhealthy'>;

/** An instance that has a run: is it available, and if not, why? */
function judge(index: number, keeper: Task, context: DecideContext): Judgement {
  const { numbers, now } = context;
  const since = context.availableFrom(keeper);
  const from =
    since === undefined ? undefined : countedFrom(since, now) + numbers.minReadySeconds * 1000;
  if (from !== undefined && from <= now) {
    const done = { start: undefined, blocker: undefined, wakeAt: undefined };
    return { available: true, unhealthy: undefined, ...done };
  }
  return withoutAddress(index, keeper, now) ?? unavailable(index, keeper, from, context);
}

/** An instance that runs without its addresses, though onMissingAddress does not let it wait. */
function withoutAddress(index: number, keeper: Task, now: number): Judgement | undefined {
  const missing = missingAddress(keeper, now);
  if (missing === undefined) return undefined;
  const { action, dueAt, message: what } = missing;
  const isDue = dueAt <= now;
  const outcome = action === 'Replace' ? 'is replaced' : 'counts as failed';
  const message = `instance ${index} ${keeper.metadata.name} has not got its addresses (${what}) and ${outcome}${isDue ? '' : ` at ${rfc3339(dueAt)}`}`;
  const isFailed = isDue && action === 'Fail';
  return {
    available: false,
    unhealthy: isDue && action === 'Replace' ? message : undefined,
    start: undefined,
    blocker: { instance: index, reason: 'AddressMissing', message, stalled: isFailed },
    wakeAt: isDue ? undefined : dueAt,
  };
}

function unavailable(
  index: number,
  keeper: Task,
  from: number | undefined,
  { now, crashLoopRestarts }: DecideContext,
): Judgement {
  const { name } = keeper.metadata;
  const scheduled = findCondition(keeper.status?.conditions, 'Scheduled');
  const isTaken = phaseOf(keeper) === 'Pending' && scheduled?.reason === 'AddressTaken';
  const stuckAt = scheduled?.status === 'False' ? timeOf(scheduled.lastTransitionTime) : undefined;
  const stalledAt = stuckAt === undefined ? undefined : stuckAt + unschedulableMs;
  const isStuck = stalledAt !== undefined && stalledAt <= now;
  const isLooping = keeper.spec.restarts >= crashLoopRestarts;
  const deaths = isLooping ? `died ${keeper.spec.restarts} times in a row; ` : '';
  const blocker: Blocker = {
    instance: index,
    reason: isTaken
      ? 'AddressTaken'
      : isStuck
        ? 'Unschedulable'
        : isLooping
          ? 'CrashLoop'
          : 'Progressing',
    message: `instance ${index} ${deaths}${name} ${conditionText(keeper, from)}`,
    stalled: isTaken || isStuck || isLooping,
  };
  const wakeAt = from ?? (isStuck ? undefined : stalledAt);
  return { available: false, unhealthy: undefined, start: undefined, blocker, wakeAt };
}

function conditionText(task: Task, availableAt: number | undefined): string {
  if (availableAt !== undefined) return `is ready, and available from ${rfc3339(availableAt)} on`;
  const phase = phaseOf(task);
  const type = phase === 'Pending' ? 'Scheduled' : 'Ready';
  const condition = findCondition(task.status?.conditions, type);
  const detail = condition?.status === 'True' ? undefined : condition?.message;
  const state = phase === 'Running' && !isReady(task) ? 'runs and is not ready' : `is ${phase}`;
  return detail === undefined || detail === '' ? state : `${state}: ${detail}`;
}

/** An instance without a run: may the next one start? */
function succeed(
  instance: Instance,
  context: DecideContext,
): Pick<Decision, 'start' | 'blocker' | 'wakeAt'> {
  const { index, live } = instance;
  const inSight = live.find((task) => !isUnreachable(task));
  if (inSight !== undefined) return stillHeld(index, inSight, context);
  const last = newest(instance);
  if (context.replacingHeld && last !== undefined && isMissed(last)) return held(index, last);
  return live.length > 0 ? replaceUnreachable(instance, context) : startInTime(instance, context);
}

/** Starts the next run once its time has come: the more often one has died, the later. */
function startInTime(
  instance: Instance,
  context: DecideContext,
): Pick<Decision, 'start' | 'blocker' | 'wakeAt'> {
  const { index, live } = instance;
  const last = newest(instance);
  const kept = last === undefined ? undefined : context.keptRevision(last);
  const { restarts, notBefore } = context.nextRun(index, last, kept);
  if (notBefore > context.now) {
    const reason = restarts >= context.crashLoopRestarts ? 'CrashLoop' : 'BackOff';
    const message =
      `instance ${index} ${restarts === 0 ? 'was lost' : `died ${times(restarts)}`}${lastWords(last)}; ` +
      `next run at ${rfc3339(notBefore)}`;
    const blocker: Blocker = { instance: index, reason, message, stalled: reason === 'CrashLoop' };
    return { start: undefined, blocker, wakeAt: notBefore };
  }
  if (live.length > 0) return started(instance, restarts, 'Unreachable', kept);
  const cause = last === undefined ? 'New' : restarts > 0 || !isStopping(last) ? 'Died' : 'Stopped';
  return started(instance, restarts, cause, kept);
}

function started(
  instance: Instance,
  restarts: number,
  cause: TaskStart['cause'],
  kept: JobRevision | undefined,
): Pick<Decision, 'start' | 'blocker' | 'wakeAt'> {
  const previous = newest(instance);
  const run = (previous === undefined ? 0 : runOf(previous)) + 1;
  const blocker: Blocker = {
    instance: instance.index,
    reason: 'Progressing',
    message: `instance ${instance.index} is being started`,
    stalled: false,
  };
  const start = { instance: instance.index, run, restarts, cause, previous, kept };
  return { start, blocker, wakeAt: undefined };
}

function stillHeld(
  index: number,
  task: Task,
  { isOurs, now }: DecideContext,
): Pick<Decision, 'start' | 'blocker' | 'wakeAt'> {
  const { name, finalizers } = task.metadata;
  if (!isOurs(task)) {
    const message = `instance ${index} is held by ${name}, which is not of this Job`;
    const blocker: Blocker = { instance: index, reason: 'HeldByAnother', message, stalled: true };
    return { start: undefined, blocker, wakeAt: undefined };
  }
  const deadline = timeOf(task.spec.stop?.deadline);
  const isWithdrawing = finalizers?.includes(serverSetFinalizer) === true;
  const isBlocked = isWithdrawing && deadline !== undefined && deadline <= now;
  const message = isBlocked
    ? `instance ${index}: ${name} is to stop, but its ServerSet member is not withdrawn; is ZooKeeper away?`
    : `instance ${index}: ${name} is stopping`;
  return {
    start: undefined,
    blocker: {
      instance: index,
      reason: isBlocked ? 'WithdrawBlocked' : 'Stopping',
      message,
      stalled: isBlocked,
    },
    wakeAt: isWithdrawing && !isBlocked ? deadline : undefined,
  };
}

/** Many were lost at once: whether they are is for the scheduler, or an operator, to say. */
function held(
  index: number,
  { metadata: { name } }: Task,
): Pick<Decision, 'start' | 'blocker' | 'wakeAt'> {
  const message = `instance ${index}: ${name} was lost with many others; replacing is held, see the Framework`;
  const blocker: Blocker = { instance: index, reason: 'ReplacingHeld', message, stalled: true };
  return { start: undefined, blocker, wakeAt: undefined };
}

/** Every live run is out of sight: one more is started once all have been so for long enough. */
function replaceUnreachable(
  instance: Instance,
  context: DecideContext,
): Pick<Decision, 'start' | 'blocker' | 'wakeAt'> {
  const { numbers, now, outOfSightMs } = context;
  const holding = instance.live.find(wantsAddresses);
  if (holding !== undefined) return awaitDeath(instance, holding);
  // Two live runs are the price of a wrong time here, so a stamp from the future is not believed at
  // all: what counts then is for how long this process has known.
  const since = instance.live.map((task) => {
    const stamped = timeOf(task.status?.unreachableTime);
    return isBelievable(stamped, now) ? stamped : now - outOfSightMs(task);
  });
  // Without the time nobody can say that it was long enough; silence alone starts nothing.
  const known = since.filter((time) => time !== undefined);
  const due =
    known.length === since.length
      ? Math.max(...known) + numbers.replaceAfterSeconds * 1000
      : undefined;
  // What was started meanwhile may have died: then it is as with any other that dies.
  if (due !== undefined && due <= now) return startInTime(instance, context);
  const names = instance.live.map(({ metadata }) => metadata.name).join(', ');
  const blocker: Blocker = {
    instance: instance.index,
    reason: 'Unreachable',
    message:
      `instance ${instance.index}: ${names} is unreachable` +
      (due === undefined ? '' : `; replaced at ${rfc3339(due)}`),
    stalled: false,
  };
  return { start: undefined, blocker, wakeAt: due };
}

/** It may return, and nobody else may have its addresses meanwhile. */
function awaitDeath(
  { index }: Instance,
  { metadata }: Task,
): Pick<Decision, 'start' | 'blocker' | 'wakeAt'> {
  const message = `instance ${index}: ${metadata.name} is unreachable and holds addresses that are its own: it is not replaced until it is dead, whatever unreachable.replaceAfterSeconds says; if it is, say so with cosm delete task ${metadata.name} --confirm-dead`;
  const blocker: Blocker = { instance: index, reason: 'Unreachable', message, stalled: true };
  return { start: undefined, blocker, wakeAt: undefined };
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times in a row`;
}

/** Why the run died: what Mesos said, or which container was unhealthy, which Mesos does not say. */
export function lastWords(task: Task | undefined): string {
  const killed = task?.status === undefined ? undefined : killedAsUnhealthy(task, task.status);
  if (task !== undefined && killed !== undefined) return ` (${unhealthyText(task, killed)})`;
  const message = task?.status?.mesos?.message;
  return message === undefined || message === '' ? '' : ` (${message.slice(0, 200)})`;
}
