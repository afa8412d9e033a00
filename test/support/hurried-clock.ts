import { systemClock, type Clock, type Timer } from '../../api/machinery/clock.ts';

/** What a hurried wait takes, whatever it was to take. */
const hurriedMs = 300;

/**
 * The machine's clock, by which waits of certain lengths are short, so that a test of one bound need not
 * wait for it. All other bounds keep their length: on a busy machine they would be hit by accident.
 */
export class HurriedClock implements Clock {
  readonly #real = systemClock();
  readonly #hurried = new Set<number>();

  /** From now on what begins to wait for `ms` waits shortly. */
  hurry(ms: number): void {
    this.#hurried.add(ms);
  }

  now(): number {
    return this.#real.now();
  }

  monotonic(): number {
    return this.#real.monotonic();
  }

  after(ms: number, callback: () => void): Timer {
    return this.#real.after(this.#hurried.has(ms) ? hurriedMs : ms, callback);
  }
}
