import { isDead, mesosTaskId, mesosTaskIds, phaseOf, type Task } from './task.ts';

export type LogStream = 'stdout' | 'stderr';

/** Where the files of one container of a task are, as the agent that ran it serves them. */
export interface Sandbox {
  container: string;
  /** AgentID. */
  agentId: string;
  /** Virtual path: the agent finds the run without its container id. */
  directory: string;
}

/**
 * The sandboxes of a task's containers, or why there are none yet. Paths follow from the name of the
 * task alone: no status can lead to the files of another.
 */
export function sandboxesOf(task: Task): { sandboxes: Sandbox[] } | { reason: string } {
  const { agentId, frameworkId } = task.status?.mesos ?? {};
  if (agentId === undefined || frameworkId === undefined) {
    return { reason: `has written nothing yet: it is ${phaseOf(task)} and on no agent so far` };
  }
  // The executor of a task, its own or that of its group, has the id of the task.
  const run = `/frameworks/${frameworkId}/executors/${mesosTaskId(task)}/runs/latest`;
  const ids = mesosTaskIds(task);
  return {
    sandboxes: ids.map(({ container, taskId }) => ({
      container,
      agentId,
      directory: ids.length > 1 ? `${run}/tasks/${taskId}` : run,
    })),
  };
}

/** The tasks of a job whose logs are of interest: the live ones; if none lives, the last of each instance. */
export function tasksToRead(tasks: readonly Task[]): Task[] {
  const launched = tasks.filter((task) => 'sandboxes' in sandboxesOf(task));
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
