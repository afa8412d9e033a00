import { isBatch } from './batch.ts';
import { jobDefaults, type Job } from './job.ts';
import { byRun } from './runs.ts';
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

/** The tasks of a job that go on: the live ones; if none lives, the last of each instance. */
export function tasksToRead(tasks: readonly Task[]): Task[] {
  const launched = launchedOf(tasks);
  const live = launched.filter((task) => !isDead(task));
  return byInstance(live.length > 0 ? live : lastOfEach(launched, byRun));
}

/**
 * The tasks that have written what there is of a job by now: of each instance that it still has, the live
 * ones or, if none lives, the last; in a Batch Job the one that succeeded.
 */
export function tasksThatWrote(tasks: readonly Task[], job: Job): Task[] {
  const launched = launchedOf(tasks);
  const live = launched.filter((task) => !isDead(task));
  const alive = new Set(live.map(({ spec }) => spec.instance));
  const replicas = job.spec.replicas ?? jobDefaults.replicas;
  const ended = launched.filter(
    ({ spec }) => !alive.has(spec.instance) && spec.instance < replicas,
  );
  const order = isBatch(job) ? bySuccess : byRun;
  return byInstance([...live, ...lastOfEach(ended, order)]);
}

type Order = (left: Task, right: Task) => number;

/** A run that was stopped since another had succeeded says less than that one. */
const bySuccess: Order = (left, right) =>
  Number(phaseOf(left) === 'Finished') - Number(phaseOf(right) === 'Finished') ||
  byRun(left, right);

function launchedOf(tasks: readonly Task[]): Task[] {
  return tasks.filter((task) => 'sandboxes' in sandboxesOf(task));
}

function byInstance(tasks: readonly Task[]): Task[] {
  return tasks.toSorted(
    (left, right) => left.spec.instance - right.spec.instance || byRun(left, right),
  );
}

function lastOfEach(tasks: readonly Task[], order: Order): Task[] {
  const last = new Map(tasks.toSorted(order).map((task) => [task.spec.instance, task]));
  return [...last.values()];
}
