import type { Revision } from './storage.ts';
import { compactedError } from './keys.ts';

/**
 * Recent events in order of revision, dropped from the old end by whole revisions. Readers keep no
 * place in it but the revision they have read up to: one that is slower than the log is dropped learns
 * so by `compacted`, and no reader costs a buffer.
 */
export class RevisionLog<E extends { readonly modRevision: Revision }> {
  #events: E[] = [];
  /** Events before this index have been dropped; the array is trimmed when they are half of it. */
  #start = 0;
  #floor: Revision;

  /** `floor`: events of this revision and before are not in the log. */
  constructor(floor: Revision) {
    this.#floor = floor;
  }

  /** The log is complete for revisions after this one. */
  get floor(): Revision {
    return this.#floor;
  }

  get size(): number {
    return this.#events.length - this.#start;
  }

  get oldest(): E | undefined {
    return this.#events[this.#start];
  }

  get newest(): E | undefined {
    return this.#start < this.#events.length ? this.#events.at(-1) : undefined;
  }

  /** The event that `count` others have followed. */
  newestBut(count: number): E | undefined {
    const index = this.#events.length - 1 - count;
    return index < this.#start ? undefined : this.#events[index];
  }

  append(event: E): void {
    this.#events.push(event);
  }

  /**
   * Events of revisions after `after`: about `limit` of them, as a revision is never split. Throws
   * StorageError `compacted` if some have been dropped.
   */
  read(after: Revision, limit: number): E[] {
    if (after < this.#floor) throw compactedError(after, this.#floor);
    const first = this.#indexAfter(after);
    const cut = this.#events[first + limit - 1];
    if (cut === undefined) return this.#events.slice(first);
    return this.#events.slice(first, this.#indexAfter(cut.modRevision));
  }

  /** Drops the events of the oldest revision that the log has, and returns them. */
  dropOldest(): E[] {
    const oldest = this.oldest;
    return oldest === undefined ? [] : this.dropThrough(oldest.modRevision);
  }

  /** Drops the events up to and including `revision`, and returns them. */
  dropThrough(revision: Revision): E[] {
    const end = this.#indexAfter(revision);
    const dropped = this.#events.slice(this.#start, end);
    this.#start = end;
    this.#floor = Math.max(this.#floor, revision);
    if (this.#start > this.#events.length / 2) {
      this.#events = this.#events.slice(this.#start);
      this.#start = 0;
    }
    return dropped;
  }

  /** Index of the first event after `revision`. */
  #indexAfter(revision: Revision): number {
    let low = this.#start;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const event = this.#events[middle];
      if (event !== undefined && event.modRevision <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
