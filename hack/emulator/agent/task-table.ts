import type { Task, TaskStatus } from '../../../proto/mesos/generated/messages.ts';
import { commandKey, type Executor } from './command-executor.ts';

/** An agent's executors, and the tasks whose end nobody has acknowledged yet. */
export class TaskTable {
  readonly executors = new Map<string, Executor>();
  /** Terminal tasks that the framework has not acknowledged, without an executor. */
  readonly #finished = new Map<string, Task>();

  all(): Task[] {
    const live = [...this.executors.values()].flatMap(({ runs }) => runs.map(({ task }) => task));
    return [...live, ...this.#finished.values()];
  }

  find(frameworkId: string, taskId: string): Task | undefined {
    return (
      this.#finished.get(`${frameworkId}/${taskId}`) ??
      this.executorOf(frameworkId, taskId)?.runs.find(({ id }) => id === taskId)?.task
    );
  }

  executor(frameworkId: string, executorId: string): Executor | undefined {
    return (
      this.executors.get(`${frameworkId}/${executorId}`) ??
      this.executors.get(commandKey(frameworkId, executorId))
    );
  }

  executorOf(frameworkId: string, taskId: string): Executor | undefined {
    const own = this.executors.get(commandKey(frameworkId, taskId));
    if (own !== undefined) return own;
    return [...this.executors.values()].find(
      (executor) =>
        executor.frameworkId === frameworkId && executor.runs.some(({ id }) => id === taskId),
    );
  }

  /** Ends executors without a word; `changed` after each, `done` after the last. */
  discard(matches: (executor: Executor) => boolean, changed: () => void, done: () => void): void {
    const ending = [...this.executors].filter(([, executor]) => matches(executor));
    let left = ending.length;
    if (left === 0) done();
    for (const [key, executor] of ending) {
      executor.discard(() => {
        this.executors.delete(key);
        changed();
        if (--left === 0) done();
      });
    }
  }

  finished(task: Task): void {
    this.#finished.set(`${task.framework_id.value}/${task.task_id.value}`, task);
  }

  acknowledged(frameworkId: string, taskId: string): void {
    this.#finished.delete(`${frameworkId}/${taskId}`);
  }

  unacknowledged(): Task[] {
    return [...this.#finished.values()];
  }

  /** Those of one framework, or all. */
  forgetFinished(frameworkId?: string): void {
    for (const key of [...this.#finished.keys()]) {
      if (frameworkId === undefined || key.startsWith(`${frameworkId}/`))
        this.#finished.delete(key);
    }
  }
}

/** The status now on its way to the framework; what a reconciliation will answer. */
export function forwarded(task: Task, status: TaskStatus): void {
  task.status_update_state = status.state;
  if (status.uuid !== undefined) task.status_update_uuid = status.uuid;
}
