/**
 * Time as a dependency. Everything that waits or stamps takes a Clock, so that a simulation can own
 * time and two runs of one seed give the same trace.
 */
export interface Clock {
  /** Wall time in milliseconds since the Unix epoch. May jump; only for stamps that people read. */
  now(): number;
  /** Milliseconds from an arbitrary origin; never goes back. For deadlines, back-off and leases. */
  monotonic(): number;
  /** Runs `callback` once after `ms` (at least 0) milliseconds unless cancelled. */
  after(ms: number, callback: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** Waits `ms` milliseconds; returns early, without error, when the signal aborts. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = clock.after(ms, finish);
    signal?.addEventListener('abort', finish, { once: true });
  });
}

/** Milliseconds since the Unix epoch as RFC 3339 in UTC with second precision, the form of metav1.Time. */
export function rfc3339(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** Now, in the form of metav1.Time. */
export function timestamp(clock: Clock): string {
  return rfc3339(clock.now());
}

/** RFC 3339 in UTC with microseconds, the form of metav1.MicroTime. */
export function microTimestamp(clock: Clock): string {
  return `${new Date(clock.now()).toISOString().slice(0, 23)}000Z`;
}

/** The machine's own clock: the only place in the product that touches native timers. */
export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    after: (ms, callback) => {
      const handle = setTimeout(callback, Math.max(0, ms));
      return {
        cancel: () => {
          clearTimeout(handle);
        },
      };
    },
  };
}
