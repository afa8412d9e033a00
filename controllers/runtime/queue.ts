import type { Clock, Timer } from '../../api/machinery/clock.ts';
import { exponential } from './backoff.ts';

/** Keys that wait for work. */
export interface Queue {
  /** Asks for `key` to be worked on, now or once the work under way on it is done. */
  add(key: string): void;
  /** The next key, first in first out; undefined once the signal aborts. Must be followed by `done`. */
  get(signal: AbortSignal): Promise<string | undefined>;
  /** The work on a key that `get` gave out has ended. */
  done(key: string): void;
  /** Keys that wait. */
  readonly depth: number;
  /** How often a key came to wait, or was given out at once. */
  readonly added: number;
}

/**
 * A de-duplicating queue. Invariants: a key waits at most once; no two workers have the same key; a key
 * added while it is worked on is dirty and waits again when that work is done, so no change is missed.
 * Its bound is therefore one entry for each object there is.
 */
export class WorkQueue implements Queue {
  /** A Set keeps the order of insertion. */
  readonly #waiting = new Set<string>();
  readonly #processing = new Set<string>();
  readonly #dirty = new Set<string>();
  readonly #takers: ((key: string) => void)[] = [];
  #added = 0;

  get added(): number {
    return this.#added;
  }

  get depth(): number {
    return this.#waiting.size;
  }

  add(key: string): void {
    if (this.#processing.has(key)) {
      this.#dirty.add(key);
      return;
    }
    if (this.#waiting.has(key)) return;
    this.#added += 1;
    const taker = this.#takers.shift();
    if (taker === undefined) {
      this.#waiting.add(key);
    } else {
      this.#processing.add(key);
      taker(key);
    }
  }

  get(signal: AbortSignal): Promise<string | undefined> {
    if (signal.aborted) return Promise.resolve(undefined);
    for (const key of this.#waiting) {
      this.#waiting.delete(key);
      this.#processing.add(key);
      return Promise.resolve(key);
    }
    return new Promise((resolve) => {
      const taker = (key: string): void => {
        signal.removeEventListener('abort', giveUp);
        resolve(key);
      };
      const giveUp = (): void => {
        this.#takers.splice(this.#takers.indexOf(taker), 1);
        resolve(undefined);
      };
      this.#takers.push(taker);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  done(key: string): void {
    this.#processing.delete(key);
    if (this.#dirty.delete(key)) this.add(key);
  }
}

/** A queue that also takes keys for later. Of two wishes for one key the earlier holds. */
export class DelayingQueue implements Queue {
  readonly #queue: Queue;
  readonly #clock: Clock;
  readonly #timers = new Map<string, { due: number; timer: Timer }>();
  #ended = false;

  constructor(queue: Queue, clock: Clock) {
    this.#queue = queue;
    this.#clock = clock;
  }

  get depth(): number {
    return this.#queue.depth;
  }

  get added(): number {
    return this.#queue.added;
  }

  add(key: string): void {
    this.#queue.add(key);
  }

  get(signal: AbortSignal): Promise<string | undefined> {
    return this.#queue.get(signal);
  }

  done(key: string): void {
    this.#queue.done(key);
  }

  addAfter(key: string, ms: number): void {
    if (this.#ended) return;
    if (ms <= 0) {
      this.add(key);
      return;
    }
    const due = this.#clock.monotonic() + ms;
    const planned = this.#timers.get(key);
    if (planned !== undefined && planned.due <= due) return;
    planned?.timer.cancel();
    const timer = this.#clock.after(ms, () => {
      this.#timers.delete(key);
      this.add(key);
    });
    this.#timers.set(key, { due, timer });
  }

  /** Nobody works any more: plans nothing for later, now or from now on. A timer would keep the process. */
  end(): void {
    this.#ended = true;
    for (const { timer } of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }
}

export interface RateLimits {
  /** Delay after a key's first failure, doubled at each further one. */
  baseMs: number;
  capMs: number;
  /** Retries a second over all keys, and how many may come at once. */
  perSecond: number;
  burst: number;
}

/** Those of client-go, but for the cap: five minutes is long enough for what may heal. */
export const defaultRateLimits: RateLimits = {
  baseMs: 5,
  capMs: 300_000,
  perSecond: 10,
  burst: 100,
};

/** A delaying queue whose retries back off for each key and are limited over all of them. */
export class RateLimitedQueue extends DelayingQueue {
  readonly #limits: RateLimits;
  readonly #bucket: TokenBucket;
  readonly #failures = new Map<string, number>();
  #retried = 0;

  constructor(queue: Queue, clock: Clock, limits: RateLimits = defaultRateLimits) {
    super(queue, clock);
    this.#limits = limits;
    this.#bucket = new TokenBucket(clock, limits.perSecond, limits.burst);
  }

  /** Failures so far, over all keys. */
  get retried(): number {
    return this.#retried;
  }

  /** Adds a key whose work failed; returns the delay in milliseconds. */
  addRateLimited(key: string): number {
    const { baseMs, capMs } = this.#limits;
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#retried += 1;
    const delay = Math.max(exponential(baseMs, capMs, failures), this.#bucket.reserve());
    this.addAfter(key, delay);
    return delay;
  }

  /** The key's work succeeded, or shall not be retried. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }
}

/** Lets `perSecond` pass on average and `burst` at once. */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;

  constructor(clock: Clock, perSecond: number, burst: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = clock.monotonic();
  }

  /** Takes a token, in advance if need be; returns the milliseconds until it is there. */
  reserve(): number {
    this.#refill();
    this.#tokens -= 1;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#perSecond) * 1000;
  }

  /** Takes a token if there is one. */
  take(): boolean {
    this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    const earned = ((now - this.#at) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned);
    this.#at = now;
  }
}
