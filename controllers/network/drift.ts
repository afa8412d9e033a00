import { mesosTaskId, type NetworkStatus, type Task, type TaskStatus } from '../../api/v1/task.ts';
import type {
  AgentResponseGetContainersContainer,
  TaskStatus as MesosTaskStatus,
} from '../../proto/mesos/generated/messages.ts';
import { applyUpdate } from '../scheduler/status.ts';

/** A Task whose stored addresses are not those that its agent tells. */
export interface Drift {
  /** The status with the addresses of the agent. */
  status: TaskStatus;
  /** What differs, in a sentence. */
  message: string;
}

/**
 * Compares a running Task with what its agent says of its container (mesos.v1.agent GET_CONTAINERS),
 * read as if it were a status update: what the agent does not say, of this container of our framework,
 * is no difference.
 */
export function driftOf(
  task: Task,
  containers: readonly AgentResponseGetContainersContainer[],
  now: string,
): Drift | undefined {
  const { phase, mesos, networks = [], containers: known = [] } = task.status ?? {};
  const running = known.find(({ state }) => state === 'TASK_RUNNING');
  if (phase !== 'Running' || mesos === undefined || running === undefined) return undefined;
  const infos = containerOf(task, mesos, containers)?.container_status?.network_infos;
  if (networks.length === 0 || infos === undefined) return undefined;
  const update: MesosTaskStatus = {
    task_id: { value: running.taskId },
    state: 'TASK_RUNNING',
    container_status: { network_infos: infos },
  };
  const status = applyUpdate(task, update, { now, trustAbsence: false, reconciled: false });
  if (status === undefined) return undefined;
  const changes = networks.flatMap((before) => {
    const after = status.networks?.find(({ name }) => name === before.name);
    if (after === undefined || textOf(after) === textOf(before)) return [];
    return [`${before.name} has ${textOf(after)} on the agent, and ${textOf(before)} was stored`];
  });
  return changes.length === 0 ? undefined : { status, message: changes.join('; ') };
}

/** The executor's container: the one that a command task and the tasks of a group share. */
export function containerOf(
  task: Task,
  mesos: NonNullable<TaskStatus['mesos']>,
  containers: readonly AgentResponseGetContainersContainer[],
): AgentResponseGetContainersContainer | undefined {
  const { frameworkId, containerId, executorId = mesosTaskId(task) } = mesos;
  return containers.find(
    ({ framework_id: framework, executor_id: executor, container_id: { value, parent } }) =>
      parent === undefined &&
      frameworkId !== undefined &&
      framework?.value === frameworkId &&
      executor?.value === executorId &&
      (containerId === undefined || value === containerId),
  );
}

function textOf({ ips }: NetworkStatus): string {
  return ips.length === 0 ? 'no address' : ips.join(' and ');
}
