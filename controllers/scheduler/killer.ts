import type { Clock } from '../../api/machinery/clock.ts';
import type { Random } from '../../api/machinery/random.ts';
import type { SchedulerCallKill } from '../../proto/mesos/generated/messages.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { killCall } from './calls.ts';
import { RetrySchedule } from './retry-schedule.ts';
import type { Session } from './session.ts';

export interface KillerOptions {
  session: () => Session | undefined;
  clock: Clock;
  random: Random;
}

/** Asks Mesos to kill tasks, again and again with back-off, until it is said that they are dead. */
export class Killer implements Runnable {
  readonly name = 'killer';
  readonly #session: () => Session | undefined;
  /** By Mesos task id. */
  readonly #orders: RetrySchedule<SchedulerCallKill>;

  constructor({ session, clock, random }: KillerOptions) {
    this.#session = session;
    this.#orders = new RetrySchedule({
      clock,
      random,
      baseMs: 10_000,
      capMs: 120_000,
      spacingMs: 10,
    });
  }

  /** Tasks that are to be killed and are not known to be dead. */
  get size(): number {
    return this.#orders.size;
  }

  want(order: SchedulerCallKill): void {
    const taskId = order.task_id.value;
    if (this.#orders.get(taskId) === undefined) this.#orders.set(taskId, order);
  }

  /** The task is in sight again: a call that was lost on it is made once more. */
  urge(taskId: string): void {
    const order = this.#orders.get(taskId);
    if (order !== undefined) this.#orders.set(taskId, order);
  }

  forget(taskId: string): void {
    this.#orders.delete(taskId);
  }

  /** A subscription has begun: what was called on an earlier one may be lost. */
  begin(): void {
    this.#orders.restart();
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const due = await this.#orders.next(signal);
      const session = this.#session();
      for (const { value } of due) void session?.call(killCall(value));
    }
  }
}
