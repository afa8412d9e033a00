import { jsonEqual } from '../../api/machinery/json.ts';
import {
  isDead,
  mesosTaskIds,
  phaseOf,
  type ContainerStatus,
  type Task,
  type TaskPhase,
  type TaskStatus,
} from '../../api/v1/task.ts';
import type { TaskStatus as MesosTaskStatus } from '../../proto/mesos/generated/messages.ts';
import {
  networksAfterDeath,
  observeAddresses,
  summarizeAddresses,
  withoutAddresses,
} from '../network/addresses.ts';
import { checkResult } from './check-result.ts';
import { conditionsOf } from './readiness.ts';

/**
 * What a status update of Mesos does to a Task: a pure function from what is stored and what was said
 * to what is to be stored. The rules are DESIGN.md's "Stopping and deleting" and "Addresses".
 */

const deadStates: readonly string[] = [
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
];

/** Lost sight of: each of these can be followed by TASK_RUNNING. */
const unreachableStates: readonly string[] = ['TASK_UNREACHABLE', 'TASK_LOST', 'TASK_UNKNOWN'];

const progress: readonly string[] = [
  'TASK_STAGING',
  'TASK_STARTING',
  'TASK_RUNNING',
  'TASK_KILLING',
];

export function isDeadState(state: string): boolean {
  return deadStates.includes(state);
}

export function isUnreachableState(state: string): boolean {
  return unreachableStates.includes(state);
}

export interface UpdateContext {
  /** RFC 3339. */
  now: string;
  /**
   * Whether "the master does not know this task" means anything: only on a subscription opened after the
   * task's ACCEPT, or 60 s after its 202. Otherwise the launch may still be on its way.
   */
  trustAbsence: boolean;
  /** The update answers an explicit reconciliation. */
  reconciled: boolean;
}

/** The status after an update, or undefined if it changes nothing that is worth a write. */
export function applyUpdate(
  task: Task,
  update: MesosTaskStatus,
  context: UpdateContext,
): TaskStatus | undefined {
  const { status } = task;
  if (status?.mesos === undefined || isDead(task)) return undefined;
  if (!context.trustAbsence && isAbsence(update) && phaseOf(task) === 'Launching') return undefined;
  const containers = updateContainers(task, update);
  if (containers === undefined) return undefined;
  const next = assemble(task, status, update, containers, context);
  return jsonEqual(next, status) ? undefined : next;
}

/** Answers by which a master says that it does not know the task. */
function isAbsence(update: MesosTaskStatus): boolean {
  return (
    update.reason === 'REASON_RECONCILIATION' &&
    (update.state === 'TASK_GONE' ||
      update.state === 'TASK_UNKNOWN' ||
      update.state === 'TASK_LOST')
  );
}

/** The containers with the update applied; undefined if it is about none of them. */
function updateContainers(task: Task, update: MesosTaskStatus): ContainerStatus[] | undefined {
  const ids = mesosTaskIds(task);
  if (!ids.some(({ taskId }) => taskId === update.task_id.value)) return undefined;
  return ids.map(({ container: name, taskId }) => {
    const previous = task.status?.containers?.find((container) => container.name === name);
    return taskId === update.task_id.value
      ? updateContainer(previous ?? { name, taskId }, update, ids.length > 1)
      : (previous ?? { name, taskId });
  });
}

function updateContainer(
  previous: ContainerStatus,
  update: MesosTaskStatus,
  inGroup: boolean,
): ContainerStatus {
  const { state } = update;
  const known = previous.state;
  if (known !== undefined && (isDeadState(known) || isRegress(known, state))) return previous;
  // The end of a group says of every container that it was unhealthy, whichever of them was.
  const healthy = (inGroup && isDeadState(state) ? undefined : update.healthy) ?? previous.healthy;
  const containerId = update.container_status?.container_id?.value ?? previous.containerId;
  // An answer that only repeats the state keeps the words of the update that made it.
  const words = known === state ? previous : update;
  const isEnding = state === 'TASK_KILLING' || isDeadState(state);
  const endingTimestamp = previous.endingTimestamp ?? (isEnding ? update.timestamp : undefined);
  return {
    name: previous.name,
    taskId: previous.taskId,
    state,
    ...(words.reason === undefined ? {} : { reason: words.reason }),
    ...(words.message === undefined ? {} : { message: words.message }),
    ...(healthy === undefined ? {} : { healthy }),
    ...checkResult(update, previous),
    ...(endingTimestamp === undefined ? {} : { endingTimestamp }),
    ...(containerId === undefined ? {} : { containerId }),
  };
}

/** An update overtaken by a later one, sent again: STARTING after RUNNING. */
function isRegress(known: string, state: string): boolean {
  const from = progress.indexOf(known);
  const to = progress.indexOf(state);
  return from >= 0 && to >= 0 && to < from;
}

function assemble(
  task: Task,
  status: TaskStatus,
  update: MesosTaskStatus,
  containers: ContainerStatus[],
  context: UpdateContext,
): TaskStatus {
  const phase = phaseFrom(containers, status.phase);
  const decisive = containers.find(({ taskId }) => taskId === update.task_id.value);
  const addresses = addressesFor(task, status, phase, update, context);
  // Address fields are rebuilt as a whole: what addressesFor leaves out is meant to go.
  const kept = withoutAddressFields(status);
  const base: TaskStatus = {
    ...kept,
    phase,
    containers,
    mesos: mesosStatus(status, update, decisive),
    ...addresses,
  };
  stampTimes(base, status, phase, context.now);
  base.conditions = conditionsOf(task, base, context.now);
  return base;
}

function withoutAddressFields(status: TaskStatus): TaskStatus {
  const kept = { ...status };
  delete kept.ip;
  delete kept.ips;
  delete kept.lastKnown;
  return kept;
}

function mesosStatus(
  status: TaskStatus,
  update: MesosTaskStatus,
  container: ContainerStatus | undefined,
): NonNullable<TaskStatus['mesos']> {
  const previous = status.mesos ?? { taskId: update.task_id.value };
  const executorId = update.executor_id?.value ?? previous.executorId;
  const cid = update.container_status?.container_id;
  const containerId = cid?.parent?.value ?? cid?.value ?? previous.containerId;
  const same = previous.state === container?.state;
  const words = same ? previous : update;
  return {
    ...previous,
    ...(executorId === undefined ? {} : { executorId }),
    ...(containerId === undefined ? {} : { containerId }),
    ...(container?.state === undefined ? {} : { state: container.state }),
    source: words.source,
    reason: words.reason,
    message: words.message,
    timestamp: words.timestamp,
  };
}

/** A Task is as far as its slowest container, and dead only when all of them are. */
function phaseFrom(containers: readonly ContainerStatus[], current: TaskPhase): TaskPhase {
  const states = containers.map(({ state }) => state);
  const live = states.filter((state) => state === undefined || !isDeadState(state));
  if (live.length === 0) {
    if (states.every((state) => state === 'TASK_FINISHED')) return 'Finished';
    const failed = states.some((state) => state !== 'TASK_KILLED' && state !== 'TASK_FINISHED');
    return failed ? 'Failed' : 'Killed';
  }
  if (live.some((state) => state !== undefined && isUnreachableState(state))) return 'Unreachable';
  if (live.includes('TASK_KILLING')) return 'Stopping';
  if (live.every((state) => state === 'TASK_RUNNING')) return 'Running';
  if (live.some((state) => state === 'TASK_STARTING' || state === 'TASK_RUNNING'))
    return 'Starting';
  return current === 'Pending' ? 'Pending' : 'Launching';
}

function addressesFor(
  task: Task,
  status: TaskStatus,
  phase: TaskPhase,
  update: MesosTaskStatus,
  context: UpdateContext,
): Pick<TaskStatus, 'ip' | 'ips' | 'networks' | 'lastKnown'> {
  const previous = status.networks ?? [];
  if (previous.length === 0) return {};
  if (phase === 'Finished' || phase === 'Failed' || phase === 'Killed') {
    const failure = {
      state: update.state,
      reason: update.reason,
      message: update.message,
      started: status.startTime !== undefined || status.phase === 'Starting',
    };
    return { networks: networksAfterDeath(previous, failure, context.now) };
  }
  if (phase === 'Unreachable') {
    const known = summarizeAddresses(previous);
    const lastKnown = known.ip === undefined ? status.lastKnown : { ...known, networks: previous };
    return {
      networks: withoutAddresses(previous, context.now),
      ...(lastKnown === undefined ? {} : { lastKnown }),
    };
  }
  const runs = update.state === 'TASK_RUNNING';
  const networks = runs
    ? observeAddresses(previous, task.spec.networks ?? [], {
        infos: update.container_status?.network_infos,
        reconciled: context.reconciled,
        now: context.now,
      })
    : previous;
  const summary = summarizeAddresses(networks);
  const lastKnown = summary.ip === undefined ? status.lastKnown : undefined;
  return { ...summary, networks, ...(lastKnown === undefined ? {} : { lastKnown }) };
}

function stampTimes(next: TaskStatus, previous: TaskStatus, phase: TaskPhase, now: string): void {
  if (phase === 'Running') next.startTime ??= now;
  if (phase === 'Unreachable') next.unreachableTime = previous.unreachableTime ?? now;
  else delete next.unreachableTime;
  if (phase === 'Finished' || phase === 'Failed' || phase === 'Killed') next.finishTime ??= now;
}
