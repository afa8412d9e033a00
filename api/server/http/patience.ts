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
    const timer = this.#clock.after(this.#leftMs, () => {
      this.#leftMs = 0;
      this.#onEnd();
    });
    try {
      return await wait();
    } finally {
      timer.cancel();
      this.#leftMs -= this.#clock.monotonic() - began;
    }
  }
}
