import type { Clock } from '../../machinery/clock.ts';

/** So many at once, and so many a second for good. */
export class Allowance {
  readonly #options: { burst: number; perSecond: number; clock: Clock };
  #left: number;
  #at: number;

  constructor(options: { burst: number; perSecond: number; clock: Clock }) {
    this.#options = options;
    this.#left = options.burst;
    this.#at = options.clock.monotonic();
  }

  /** Whether there was one left. */
  spend(): boolean {
    const { burst, perSecond, clock } = this.#options;
    const now = clock.monotonic();
    this.#left = Math.min(burst, this.#left + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
