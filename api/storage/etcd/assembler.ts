import { StorageError, type KeyEvent, type Revision, type WatchBatch } from '../storage.ts';

/** What the assembler needs of etcd's WatchResponse. */
export interface WatchPart {
  /** The header's revision: the store's, when the part was sent. */
  revision: Revision;
  events: readonly KeyEvent[];
  /** More parts of the same response follow; the next event may belong to the last one's revision. */
  fragment: boolean;
}

/**
 * Turns the parts that etcd sends into batches of whole revisions. A response holds whole revisions
 * (etcd's watcher cuts its batches between them), but is split by size when fragments are asked for:
 * of an unfinished response the events of its last revision so far are held back, so what is held is at
 * most one revision. Events at or below what is complete are dropped, as etcd may repeat some.
 */
export class BatchAssembler {
  #complete: Revision;
  #held: KeyEvent[] = [];

  /** `complete`: the revision up to which everything has been delivered. */
  constructor(complete: Revision) {
    this.#complete = complete;
  }

  /** The batch that `part` completes, if any. A part without events is progress. */
  add(part: WatchPart): WatchBatch | undefined {
    const progress = part.events.length === 0 && !part.fragment && this.#held.length === 0;
    if (progress) return this.#finish(part.revision, []);
    const events = [
      ...this.#held,
      ...part.events.filter((event) => event.modRevision > this.#complete),
    ];
    for (const [index, event] of events.entries()) {
      if (event.modRevision < (events[index - 1]?.modRevision ?? 0)) {
        throw new StorageError('unavailable', 'etcd sent events out of order');
      }
    }
    const last = events.at(-1)?.modRevision;
    if (last === undefined) return undefined;
    const ready = part.fragment ? events.filter((event) => event.modRevision < last) : events;
    this.#held = events.slice(ready.length);
    return this.#finish(ready.at(-1)?.modRevision ?? this.#complete, ready);
  }

  #finish(revision: Revision, events: KeyEvent[]): WatchBatch | undefined {
    if (revision <= this.#complete) return undefined;
    this.#complete = revision;
    return { revision, events };
  }
}
