import { sleep, type Clock } from '../../api/machinery/clock.ts';
import { objectKey } from '../../api/machinery/metadata.ts';
import { jitter, type Random } from '../../api/machinery/random.ts';
import { phaseOf, type Task } from '../../api/v1/task.ts';
import type { SchedulerCallReconcileTask } from '../../proto/mesos/generated/messages.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { reconcileCall } from './calls.ts';
import type { LaunchLog } from './launches.ts';
import { isLive, liveTaskIds } from './lifecycle.ts';
import { RetrySchedule, type Due } from './retry-schedule.ts';
import type { Session } from './session.ts';
import type { TaskView } from './task-view.ts';

export interface ReconcilerOptions {
  session: () => Session | undefined;
  view: TaskView;
  launches: LaunchLog;
  clock: Clock;
  random: Random;
}

/** Time between two implicit reconciliations, and before the first one of a term. */
const implicitMs = 900_000;
const firstImplicitMs = 30_000;
/** Tasks in one call. */
const batchSize = 500;

/**
 * Asks Mesos what became of tasks: of every live one after each subscription, of single ones when there is
 * a reason, each again with back-off until an update about it comes. Agents that have not registered
 * with a new master yet give no answer at all.
 */
export class Reconciler implements Runnable {
  readonly name = 'reconciler';
  readonly #options: ReconcilerOptions;
  /** Keys of Tasks by Mesos task id. */
  readonly #asked: RetrySchedule<string>;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    const { clock, random } = options;
    const delays = { baseMs: 5_000, capMs: 300_000, spacingMs: 200 };
    this.#asked = new RetrySchedule({ clock, random, ...delays });
  }

  /** Mesos tasks that were asked about, or will be, and have not been answered. */
  get size(): number {
    return this.#asked.size;
  }

  /** A subscription has begun. */
  begin(): void {
    this.#asked.clear();
    for (const task of this.#options.view.live()) this.ask(task, 0);
  }

  ask(task: Task, inMs: number): void {
    const key = objectKey(task.metadata);
    for (const taskId of liveTaskIds(task)) this.#asked.set(taskId, key, inMs);
  }

  askAboutUnreachable(matches: (task: Task) => boolean, inMs: number): void {
    for (const task of this.#options.view.live()) {
      if (phaseOf(task) === 'Unreachable' && matches(task)) this.ask(task, inMs);
    }
  }

  answered(taskId: string): void {
    this.#asked.delete(taskId);
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#explicit(signal), this.#implicit(signal)]);
  }

  async #explicit(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const due = await this.#asked.next(signal);
      const tasks = due.flatMap((one) => this.#question(one));
      const session = this.#options.session();
      if (session === undefined) continue;
      for (let at = 0; at < tasks.length; at += batchSize) {
        await session.call(reconcileCall(tasks.slice(at, at + batchSize)));
      }
    }
  }

  /** Nothing is asked about a task that died meanwhile, or that Mesos has not been told of yet. */
  #question({ key: taskId, value: key }: Due<string>): SchedulerCallReconcileTask[] {
    const { view, launches } = this.#options;
    const task = view.get(key);
    if (task === undefined || !isLive(task)) {
      this.#asked.delete(taskId);
      return [];
    }
    if (launches.isBinding(key)) return [];
    const agentId = task.status?.mesos?.agentId;
    const question: SchedulerCallReconcileTask = { task_id: { value: taskId } };
    return [agentId === undefined ? question : { ...question, agent_id: { value: agentId } }];
  }

  /** An implicit reconciliation is not answered for tasks that the master has lost sight of. */
  async #implicit(signal: AbortSignal): Promise<void> {
    const { clock, random, session } = this.#options;
    await sleep(clock, firstImplicitMs, signal);
    while (!signal.aborted) {
      await session()?.call(reconcileCall([]));
      this.askAboutUnreachable(() => true, 0);
      await sleep(clock, jitter(random, implicitMs, 0.05), signal);
    }
  }
}
