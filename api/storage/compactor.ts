import { sleep, type Clock } from '../machinery/clock.ts';
import { compactRevisionKey } from './keys.ts';
import { StorageError, type Revision, type Storage } from './storage.ts';

/** How long history is kept at least, in milliseconds. */
const intervalMs = 5 * 60_000;

/** A state of the shared key, and the store's revision when it was seen. */
interface Seen {
  /** mod_revision of the key; 0: there was none. */
  keyRevision: Revision;
  storeRevision: Revision;
}

/**
 * Compacts the store every five minutes to where it was five minutes before. Any number may run: each
 * round is won by a compare-and-swap of a key under the prefix, and the losers note where the store is
 * and try again an interval later, so history is kept for at least one interval and, while one of them
 * lives, at most about two. The key's write also moves every watch forward when nothing else happens.
 */
export class Compactor {
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #onError: (error: StorageError) => void;

  constructor(options: {
    storage: Storage;
    clock: Clock;
    /** Told of a round that failed; the next one is tried all the same. */
    onError: (error: StorageError) => void;
  }) {
    this.#storage = options.storage;
    this.#clock = options.clock;
    this.#onError = options.onError;
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    let seen: Seen | undefined;
    while (!signal.aborted) {
      try {
        seen = seen === undefined ? await this.#look() : await this.#round(seen);
      } catch (error) {
        // What became of the swap is not known: look anew, and compact an interval later.
        seen = undefined;
        if (!(error instanceof StorageError)) throw error;
        this.#onError(error);
      }
      await sleep(this.#clock, intervalMs, signal);
    }
  }

  async #look(): Promise<Seen> {
    const storeRevision = await this.#storage.head();
    const key = await this.#storage.get(compactRevisionKey);
    return { keyRevision: key?.modRevision ?? 0, storeRevision };
  }

  async #round({ keyRevision, storeRevision }: Seen): Promise<Seen> {
    const value = new TextEncoder().encode(String(storeRevision));
    const swap =
      keyRevision === 0
        ? await this.#storage.create(compactRevisionKey, value)
        : await this.#storage.update(compactRevisionKey, value, keyRevision);
    if (swap.outcome === 'written') {
      await this.#compact(storeRevision);
      return { keyRevision: swap.revision, storeRevision: swap.revision };
    }
    const current = swap.outcome === 'conflict' ? swap.current : undefined;
    return { keyRevision: current?.modRevision ?? 0, storeRevision: swap.revision };
  }

  async #compact(revision: Revision): Promise<void> {
    try {
      await this.#storage.compact(revision);
    } catch (error) {
      // Somebody (an operator, etcd's own auto-compaction) was there before: just as well.
      if (!(error instanceof StorageError && error.code === 'compacted')) throw error;
    }
  }
}
