import type { Clock, Timer } from '../machinery/clock.ts';

/** Wakes everybody who waits. */
export class Notifier {
  readonly #waiting = new Set<() => void>();
  readonly #listeners = new Set<Listener>();

  notify(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
    for (const listener of this.#listeners) listener.wake();
  }

  /**
   * Resolves at the next `notify`, when the signal aborts, or when `timeout` has passed. Whoever begins to
   * wait later waits for the call after.
   */
  wait(signal?: AbortSignal, timeout?: { clock: Clock; ms: number }): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal?.removeEventListener('abort', wake);
        timer?.cancel();
        resolve();
      };
      const timer = timeout?.clock.after(timeout.ms, wake);
      this.#waiting.add(wake);
      signal?.addEventListener('abort', wake, { once: true });
    });
  }

  /** For one who waits again and again; to be ended. */
  listen(signal: AbortSignal): Listener {
    const listener = new Listener(signal, () => this.#listeners.delete(listener));
    this.#listeners.add(listener);
    return listener;
  }
}

/**
 * One who waits again and again, at no more than a promise each time: a thousand watchers wait for every
 * change. What happens between two waits ends the next one.
 */
export class Listener {
  readonly #signal: AbortSignal;
  readonly #onEnd: () => void;
  #called = false;
  #resolve: (() => void) | undefined;
  #timer: { at: number; timer: Timer } | undefined;

  constructor(signal: AbortSignal, onEnd: () => void) {
    this.#signal = signal;
    this.#onEnd = onEnd;
    signal.addEventListener('abort', this.wake);
  }

  readonly wake = (): void => {
    const resolve = this.#resolve;
    this.#resolve = undefined;
    if (resolve === undefined) this.#called = true;
    else resolve();
  };

  /**
   * Resolves when it was woken since the last time, when the signal has aborted, or after at most `ms`: a
   * timer that was set before is left as it is if it is early enough.
   */
  async next(timeout?: { clock: Clock; ms: number }): Promise<void> {
    if (this.#called || this.#signal.aborted) {
      this.#called = false;
      return;
    }
    if (timeout !== undefined) this.#setTimer(timeout);
    await new Promise<void>((resolve) => {
      this.#resolve = resolve;
    });
  }

  #setTimer({ clock, ms }: { clock: Clock; ms: number }): void {
    const at = clock.monotonic() + ms;
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.timer.cancel();
    const timer = clock.after(ms, () => {
      this.#timer = undefined;
      this.wake();
    });
    this.#timer = { at, timer };
  }

  end(): void {
    this.#timer?.timer.cancel();
    this.#signal.removeEventListener('abort', this.wake);
    this.#onEnd();
  }
}
