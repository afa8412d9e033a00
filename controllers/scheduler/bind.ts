import { setCondition } from '../../api/machinery/conditions.ts';
import { mesosTaskId, type Task, type TaskStatus } from '../../api/v1/task.ts';
import type { TaskStatus as MesosTaskStatus } from '../../proto/mesos/generated/messages.ts';
import { requestedNetworks } from '../network/addresses.ts';
import type { Requested } from '../network/claims.ts';
import type { Placement } from './placement.ts';
import { conditionsOf } from './readiness.ts';

export interface BindContext {
  frameworkId: string;
  cniNameOf: (network: string) => string;
  /** Addresses to ask for, whose claims the task holds. */
  requested: Requested;
  /** RFC 3339. */
  now: string;
}

/** The status by which the store learns, before Mesos does, that a task is about to be launched. */
export function boundStatus({ task, offer, ports }: Placement, context: BindContext): TaskStatus {
  const { frameworkId, cniNameOf, requested, now } = context;
  const networks = requestedNetworks(task.spec.networks ?? [], cniNameOf, now, requested);
  const { agentId, hostname, address } = offer;
  const status: TaskStatus = {
    phase: 'Launching',
    mesos: {
      taskId: mesosTaskId(task),
      frameworkId,
      agentId,
      agentHostname: hostname,
      ...(address === undefined ? {} : { agentAddress: address }),
    },
    ...(networks.length === 0 ? {} : { networks }),
    ...(ports.length === 0 ? {} : { ports: [...ports] }),
    scheduledTime: now,
  };
  const scheduled = setCondition(
    task.status?.conditions,
    {
      type: 'Scheduled',
      status: 'True',
      reason: 'Bound',
      message: `bound to agent ${hostname}`,
    },
    now,
  );
  return { ...status, conditions: conditionsOf(task, { ...status, conditions: scheduled }, now) };
}

/** A Task that finds no agent; undefined if that has been said already. */
export function unschedulableStatus(
  task: Task,
  message: string,
  now: string,
): TaskStatus | undefined {
  return unscheduledStatus(task, { reason: 'Unschedulable', message }, now);
}

/** A Task that is not bound, and why; undefined if that has been said already. */
export function unscheduledStatus(
  task: Task,
  { reason, message }: { reason: string; message: string },
  now: string,
): TaskStatus | undefined {
  const known = task.status?.conditions?.find(({ type }) => type === 'Scheduled');
  const isSaid = known?.status === 'False' && known.reason === reason;
  if (isSaid && known.message === message) return undefined;
  const conditions = setCondition(
    task.status?.conditions,
    { type: 'Scheduled', status: 'False', reason, message },
    now,
  );
  return { ...task.status, phase: 'Pending', conditions };
}

/** A Task that was to stop before it was bound: Mesos never hears of it. */
export function discardedStatus(task: Task, now: string): TaskStatus {
  const status: TaskStatus = { ...task.status, phase: 'Killed', finishTime: now };
  return { ...status, conditions: conditionsOf(task, status, now) };
}

/** What Mesos would say of a launch that we know never to have reached it. */
export function droppedUpdate(taskId: string, message: string): MesosTaskStatus {
  return { task_id: { value: taskId }, state: 'TASK_DROPPED', message };
}
