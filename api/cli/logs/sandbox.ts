import type { Task } from '../../v1/task.ts';
import { isDead, mesosTaskIds, phaseOf } from '../../v1/task.ts';

export type LogStream = 'stdout' | 'stderr';

/** A file in the sandbox of a task, as the agent that ran it serves it. */
export interface LogFile {
  /** Name of the task, or TASK/CONTAINER if it has several. */
  label: string;
  /** `http://host:port` of the agent. */
  agent: string;
  /** Virtual path: the agent finds the run without its container id. */
  path: string;
}

export type Located = { files: LogFile[] } | { files?: never; reason: string };

/** Where the output of a task's containers (or of the one named) is; or why it is nowhere. */
export function locateLogs(task: Task, stream: LogStream, container?: string): Located {
  const containers = task.spec.containers.map(({ name }) => name);
  if (container !== undefined && !containers.includes(container)) {
    return { reason: `has no container "${container}"; it has ${containers.join(', ')}` };
  }
  const mesos = task.status?.mesos;
  if (mesos?.agentAddress === undefined || mesos.frameworkId === undefined) {
    return { reason: `has written nothing yet: it is ${phaseOf(task)} and on no agent so far` };
  }
  const agent = agentUrl(mesos.agentAddress);
  const group = containers.length > 1;
  // A command executor has the id of its task.
  const executorId = mesos.executorId ?? (group ? undefined : mesos.taskId);
  if (executorId === undefined) return { reason: 'has no executor yet' };
  const sandbox = `/frameworks/${mesos.frameworkId}/executors/${executorId}/runs/latest`;
  const files = mesosTaskIds(task)
    .filter(({ container: name }) => container === undefined || name === container)
    .map(({ container: name, taskId }) => ({
      label: group ? `${task.metadata.name}/${name}` : task.metadata.name,
      agent,
      path: group ? `${sandbox}/tasks/${taskId}/${stream}` : `${sandbox}/${stream}`,
    }));
  return { files };
}

/** `http://host:port` of an agent's API. */
export function agentUrl(address: {
  ip?: string | undefined;
  hostname: string;
  port: number;
}): string {
  const host = address.ip ?? address.hostname;
  return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
}

/** The tasks of a job whose logs are of interest: the live ones; if none lives, the last of each instance. */
export function tasksToRead(tasks: readonly Task[]): Task[] {
  const launched = tasks.filter((task) => task.status?.mesos?.agentAddress !== undefined);
  const live = launched.filter((task) => !isDead(task));
  const chosen = live.length > 0 ? live : lastOfEach(launched);
  return chosen.sort((left, right) => left.spec.instance - right.spec.instance);
}

function lastOfEach(tasks: readonly Task[]): Task[] {
  const last = new Map<number, Task>();
  for (const task of tasks) {
    const other = last.get(task.spec.instance);
    const newer =
      other === undefined || task.metadata.creationTimestamp > other.metadata.creationTimestamp;
    if (newer) last.set(task.spec.instance, task);
  }
  return [...last.values()];
}
