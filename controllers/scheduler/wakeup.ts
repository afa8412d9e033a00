import { sleep, type Clock } from '../../api/machinery/clock.ts';

/** Lets one loop sleep until something happened. A wake() while nobody waits is kept for the next wait. */
export class Wakeup {
  readonly #clock: Clock;
  #woken = false;
  #resume: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wake(): void {
    this.#woken = true;
    this.#resume?.();
  }

  /** Resolves when woken, when `ms` have passed, or when the signal aborts: with false only then. */
  wait(signal: AbortSignal, ms = Infinity): Promise<boolean> {
    if (this.#woken || signal.aborted) {
      this.#woken = false;
      return Promise.resolve(!signal.aborted);
    }
    return new Promise((resolve) => {
      const finish = (): void => {
        this.#woken = false;
        this.#resume = undefined;
        timer?.cancel();
        signal.removeEventListener('abort', finish);
        resolve(!signal.aborted);
      };
      const timer = Number.isFinite(ms) ? this.#clock.after(ms, finish) : undefined;
      this.#resume = finish;
      signal.addEventListener('abort', finish, { once: true });
    });
  }
}

/** Waits `ms` milliseconds; resolves with false, at once, if the signal aborts. */
export async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  await sleep(clock, ms, signal);
  return !signal.aborted;
}
