import type { Clock } from '../../machinery/clock.ts';
import { limits } from './limits.ts';

/**
 * What many streams write a moment from now, done together: a change reaches a thousand watchers in one
 * turn of the event loop, with one timer. If it takes long, others get their turn in between.
 */
export class Flushes {
  readonly #clock: Clock;
  readonly #onFault: (error: unknown) => void;
  readonly #due = new Set<() => void>();
  #called = false;

  /** `onFault` is told what a flush throws, which keeps none of the others from being called. */
  constructor(clock: Clock, onFault: (error: unknown) => void) {
    this.#clock = clock;
    this.#onFault = onFault;
  }

  /** Has `flush` called once, a moment from now. */
  add(flush: () => void): void {
    this.#due.add(flush);
    this.#call();
  }

  remove(flush: () => void): void {
    this.#due.delete(flush);
  }

  #call(): void {
    if (this.#called || this.#due.size === 0) return;
    this.#called = true;
    this.#clock.after(0, () => {
      this.#called = false;
      this.#run();
      this.#call();
    });
  }

  #run(): void {
    const end = this.#clock.monotonic() + limits.sliceMs;
    for (const flush of this.#due) {
      this.#due.delete(flush);
      try {
        flush();
      } catch (error) {
        this.#onFault(error);
      }
      if (this.#clock.monotonic() >= end) return;
    }
  }
}
