import type { Clock } from '../../machinery/clock.ts';

/**
 * Lets long works go on one at a time, each in a turn of the event loop of its own: were all of them
 * resumed in one, as timers are, many slices of a few milliseconds would be one long one to everybody else.
 */
export class Turns {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #called = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when it is the caller's turn. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#call();
    });
  }

  #call(): void {
    if (this.#called || this.#waiting.length === 0) return;
    this.#called = true;
    this.#clock.after(0, () => {
      this.#called = false;
      this.#waiting.shift()?.();
      this.#call();
    });
  }
}
