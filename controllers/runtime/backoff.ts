import type { Random } from '../../api/machinery/random.ts';
import { jitter } from '../../api/machinery/random.ts';

export interface BackoffOptions {
  /** First delay in milliseconds. */
  base: number;
  /** Longest delay in milliseconds, before jitter. */
  cap: number;
  random: Random;
}

/** Exponential back-off, doubled at each failure and spread by ±20 % so that many do not act in step. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  get failures(): number {
    return this.#failures;
  }

  /** Milliseconds to wait after one more failure. */
  next(): number {
    const { base, cap, random } = this.#options;
    const delay = exponential(base, cap, this.#failures);
    this.#failures += 1;
    return jitter(random, delay, 0.2);
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** `base` doubled `failures` times, at most `cap`. */
export function exponential(base: number, cap: number, failures: number): number {
  return Math.min(cap, base * 2 ** Math.min(failures, 50));
}
