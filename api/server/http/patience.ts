import type { Clock } from '../../machinery/clock.ts';
import { limits } from './limits.ts';

/** How long one client keeps its answer waiting, in all; told once when that is too long. */
export class Patience {
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  #leftMs: number = limits.seatedMs;

  constructor(clock: Clock, onEnd: () => void) {
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  async during<T>(wait: () => Promise<T>): Promise<T> {
    if (this.#leftMs <= 0) return wait();
    const began = this.#clock.monotonic();
    const timer = this.#clock.after(this.#leftMs, () => this.#spend(this.#leftMs));
    try {
      return await wait();
    } finally {
      timer.cancel();
      // A wait may end at the very end of the patience, before the timer says so.
      this.#spend(this.#clock.monotonic() - began);
    }
  }

  #spend(ms: number): void {
    if (this.#leftMs <= 0) return;
    this.#leftMs -= ms;
    if (this.#leftMs <= 0) this.#onEnd();
  }
}
