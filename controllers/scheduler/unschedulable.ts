import type { Clock } from '../../api/machinery/clock.ts';
import { objectKey } from '../../api/machinery/metadata.ts';
import type { Task } from '../../api/v1/task.ts';
import type { Unplaced } from './placement.ts';

/** A task must have waited so long before its Task says that it finds no agent. */
const patienceMs = 10_000;
/** Least time between two messages about one task. */
const repeatMs = 60_000;

interface Wait {
  since: number;
  /** When it was last said, and what. */
  said: { at: number; message: string } | undefined;
}

/**
 * Decides when it is worth a write to say that a task finds no agent: most find one at the next offer,
 * and the reasons change with every offer.
 */
export class UnschedulableLog {
  readonly #clock: Clock;
  readonly #waits = new Map<string, Wait>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The ones to be said now, of everything that is waiting; forgets those that wait no more. Without an
   * offer there is no news about a task of which something was said before.
   */
  worthSaying(unplaced: readonly Unplaced[], offered: boolean): Unplaced[] {
    const now = this.#clock.monotonic();
    const keys = new Set(unplaced.map(({ task }) => keyOf(task)));
    for (const key of this.#waits.keys()) if (!keys.has(key)) this.#waits.delete(key);
    return unplaced.filter(({ task, message }) => {
      const wait = this.#waits.get(keyOf(task)) ?? { since: now, said: undefined };
      this.#waits.set(keyOf(task), wait);
      if (now - wait.since < patienceMs || wait.said?.message === message) return false;
      if (wait.said !== undefined && (!offered || now - wait.said.at < repeatMs)) return false;
      wait.said = { at: now, message };
      return true;
    });
  }
}

const keyOf = (task: Task): string => objectKey(task.metadata);
