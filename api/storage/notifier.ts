import type { Clock } from '../machinery/clock.ts';

/** Wakes everybody who waits. Those who begin to wait later wait for the next call. */
export class Notifier {
  readonly #waiting = new Set<() => void>();

  notify(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Resolves at the next `notify`, when the signal aborts, or when `timeout` has passed. */
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
}
