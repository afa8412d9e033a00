import type { Task } from '../../v1/task.ts';
import { isDead, phaseOf } from '../../v1/task.ts';
import { agentUrl } from '../logs/sandbox.ts';

/** ContainerID of Mesos. */
export interface ContainerId {
  value: string;
  parent?: ContainerId;
}

/** Where a container of a task runs. */
export interface RunningContainer {
  /** Name in the spec. */
  name: string;
  /** `http://host:port` of the agent. */
  agent: string;
  id: ContainerId;
}

/** The container that is named, or the first of the task; else why there is none to enter. */
export function runningContainer(
  task: Task,
  named: string | undefined,
): RunningContainer | { reason: string } {
  const names = task.spec.containers.map(({ name }) => name);
  const name = named ?? names[0] ?? '';
  if (!names.includes(name)) {
    return { reason: `has no container "${name}"; it has ${names.join(', ')}` };
  }
  const { mesos, containers } = task.status ?? {};
  if (isDead(task)) return { reason: `has ended: it is ${phaseOf(task)}` };
  const root = mesos?.containerId;
  if (mesos?.agentAddress === undefined || root === undefined) {
    return { reason: `does not run yet: it is ${phaseOf(task)}` };
  }
  const agent = agentUrl(mesos.agentAddress);
  if (names.length === 1) return { name, agent, id: { value: root } };
  const value = containers?.find((container) => container.name === name)?.containerId;
  if (value === undefined) return { reason: `has not started its container "${name}" yet` };
  return { name, agent, id: { value, parent: { value: root } } };
}
