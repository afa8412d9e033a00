import type { Clock } from '../../api/machinery/clock.ts';

/** When so many members would go at once that a partition is likelier than so many deaths. */
export interface BrakeLimits {
  /** So many members may go, whatever the share. */
  members: number;
  /** Or this share of all members, in percent. */
  percent: number;
  /** Losses within this time are counted together. */
  windowSeconds: number;
}

export const defaultBrake: BrakeLimits = { members: 10, percent: 20, windowSeconds: 300 };

/** Whether `lost` of `published` members (the lost ones among them) are above max(members, percent). */
export function isTooMany(lost: number, published: number, limits: BrakeLimits): boolean {
  return lost > Math.max(limits.members, (published * limits.percent) / 100);
}

/**
 * Counts, over the cluster, the published tasks that became unreachable within the window, and says
 * which of their members stay. Whom it holds it holds until the task is in sight again, dead, or
 * released: the end of the window frees nobody. After a failover the count begins from the Tasks'
 * unreachableTime and the holds from the ServerSets' Held conditions.
 */
export class Brake {
  readonly #limits: BrakeLimits;
  readonly #clock: Clock;
  /** Monotonic time at which each task was lost. */
  readonly #lost = new Map<string, number>();
  readonly #held = new Set<string>();
  readonly #released = new Set<string>();

  constructor(limits: BrakeLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** A published task is unreachable, for `agoMs` already when it is first seen so. */
  lost(uid: string, agoMs = 0): void {
    if (this.#lost.has(uid) || this.#held.has(uid) || this.#released.has(uid)) return;
    this.#lost.set(uid, this.#clock.monotonic() - agoMs);
  }

  /** The task is in sight again: it counts no longer. */
  recovered(uid: string): void {
    this.#lost.delete(uid);
    this.#held.delete(uid);
    this.#released.delete(uid);
  }

  /** The task will not come back: it is held no longer, and counts until the window has passed. */
  ended(uid: string): void {
    this.#held.delete(uid);
    this.#released.delete(uid);
  }

  /** A former leader held it. */
  resumeHold(uid: string): void {
    this.#held.add(uid);
  }

  /** An operator says that it may go. */
  release(uid: string): void {
    this.#held.delete(uid);
    this.#released.add(uid);
  }

  /** Decides about the member of an unreachable task. `published`: tasks that have members, with it. */
  holds(uid: string, published: number): boolean {
    if (this.#released.has(uid)) return false;
    if (this.#held.has(uid)) return true;
    this.#expire();
    const lost = new Set([...this.#lost.keys(), ...this.#held, uid]).size;
    if (!isTooMany(lost, published, this.#limits)) return false;
    this.#held.add(uid);
    return true;
  }

  #expire(): void {
    const from = this.#clock.monotonic() - this.#limits.windowSeconds * 1000;
    for (const [uid, at] of this.#lost) if (at < from) this.#lost.delete(uid);
  }
}
