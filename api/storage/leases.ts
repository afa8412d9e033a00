import type { Clock } from '../machinery/clock.ts';

/** Keys that one lease may carry: its expiry deletes them all in one revision. */
export const keysPerLease = 1000;

/** Leases of different length that are open for more keys at a time. */
const openLeases = 16;

/** Seconds that a key may outlive its time to live so that neighbours can share a lease. */
export function sharingSeconds(ttlSeconds: number): number {
  return Math.min(60, Math.max(1, Math.floor(ttlSeconds / 20)));
}

/**
 * Lets keys written near each other share a lease, as a lease a key is what makes etcd slow with many
 * events: `grant` is asked for a lease that is longer by the time in which more keys may join it.
 */
export class LeasePool<L> {
  readonly #clock: Clock;
  readonly #grant: (seconds: number) => L;
  readonly #open = new Map<number, { lease: L; until: number; keys: number }>();

  constructor(options: { clock: Clock; grant: (seconds: number) => L }) {
    this.#clock = options.clock;
    this.#grant = options.grant;
  }

  /** A lease that lasts at least `ttlSeconds` from now, for one key. */
  take(ttlSeconds: number): L {
    const now = this.#clock.monotonic();
    const open = this.#open.get(ttlSeconds);
    if (open !== undefined && now < open.until && open.keys < keysPerLease) {
      open.keys += 1;
      return open.lease;
    }
    const sharing = sharingSeconds(ttlSeconds);
    const lease = this.#grant(ttlSeconds + sharing);
    this.#open.delete(ttlSeconds);
    this.#open.set(ttlSeconds, { lease, until: now + sharing * 1000, keys: 1 });
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= openLeases) break;
      this.#open.delete(oldest);
    }
    return lease;
  }

  /** Never hands out `lease` again: it could not be granted. */
  forget(lease: L): void {
    for (const [ttl, open] of this.#open) if (open.lease === lease) this.#open.delete(ttl);
  }

  /** Never hands out a lease of before again: the store has lost some. */
  forgetAll(): void {
    this.#open.clear();
  }
}
