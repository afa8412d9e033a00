import type { Clock } from '../../api/machinery/clock.ts';
import { jitter, type Random } from '../../api/machinery/random.ts';
import { exponential } from '../runtime/backoff.ts';
import { Wakeup } from './wakeup.ts';

export interface RetryScheduleOptions {
  clock: Clock;
  random: Random;
  /** Delay after the first time an entry was due, doubled at each further one. */
  baseMs: number;
  capMs: number;
  /** Least time between two batches: what becomes due meanwhile goes together. */
  spacingMs: number;
}

export interface Due<T> {
  key: string;
  value: T;
}

interface Entry<T> {
  value: T;
  attempts: number;
  due: number;
}

/**
 * What is to be asked for again and again, less and less often, until somebody deletes it: an entry is
 * due at the time it was set for, and after each time it was given out once more, later.
 */
export class RetrySchedule<T> {
  readonly #options: RetryScheduleOptions;
  readonly #entries = new Map<string, Entry<T>>();
  readonly #wakeup: Wakeup;
  /** Not later than the due time of any entry. */
  #earliest = Infinity;
  #lastBatch = -Infinity;

  constructor(options: RetryScheduleOptions) {
    this.#options = options;
    this.#wakeup = new Wakeup(options.clock);
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)?.value;
  }

  /** Plans `key` in `inMs` milliseconds as if it had never been due; replaces what was planned. */
  set(key: string, value: T, inMs = 0): void {
    const due = this.#options.clock.monotonic() + inMs;
    this.#entries.set(key, { value, attempts: 0, due });
    if (due >= this.#earliest) return;
    this.#earliest = due;
    this.#wakeup.wake();
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Makes every entry due now, with its delays begun anew. */
  restart(): void {
    for (const [key, { value }] of this.#entries) this.set(key, value);
  }

  /** The entries that are due, as soon as there is one; none once the signal aborts. */
  async next(signal: AbortSignal): Promise<Due<T>[]> {
    const { clock, spacingMs } = this.#options;
    while (!signal.aborted) {
      const now = clock.monotonic();
      const at = Math.max(this.#earliest, this.#lastBatch + spacingMs);
      if (at <= now) {
        const due = this.#take(now);
        if (due.length > 0) return due;
      } else {
        await this.#wakeup.wait(signal, at - now);
      }
    }
    return [];
  }

  #take(now: number): Due<T>[] {
    const { baseMs, capMs, random } = this.#options;
    const due: Due<T>[] = [];
    this.#earliest = Infinity;
    for (const [key, entry] of this.#entries) {
      if (entry.due <= now) {
        due.push({ key, value: entry.value });
        entry.due = now + jitter(random, exponential(baseMs, capMs, entry.attempts), 0.2);
        entry.attempts += 1;
      }
      this.#earliest = Math.min(this.#earliest, entry.due);
    }
    if (due.length > 0) this.#lastBatch = now;
    return due;
  }
}
