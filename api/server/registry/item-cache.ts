import { sleep, type Clock } from '../../machinery/clock.ts';
import { Notifier } from '../../storage/notifier.ts';
import { RevisionLog } from '../../storage/revision-log.ts';
import { SortedMap } from '../../storage/sorted-map.ts';
import { StorageError, type KeyEvent, type Revision, type Storage } from '../../storage/storage.ts';
import type { CacheBatch, CacheEvent, ItemCache } from './cache.ts';
import { CorruptValueError, decodeAt, decodeItem, type Item } from './item.ts';

export interface ItemCacheOptions {
  storage: Storage;
  clock: Clock;
  /** Whether a key is one of the objects that are served; others under the prefix are not looked at. */
  serves: (key: string) => boolean;
  /** Events kept for watchers that resume or lag; 20,000 if absent. */
  historyLimit?: number;
  /** Told of what the cache survives: a value that is no object, a store that went away. */
  onProblem: (problem: unknown) => void;
}

type LoggedEvent = CacheEvent & { readonly modRevision: Revision };

const defaultHistory = 20_000;

/** Events that a watcher takes at a time. */
const batchEvents = 500;

/** Pause before the store is listed again after its watch failed, in milliseconds. */
const retryPause = 500;

/**
 * The whole store as decoded objects, kept up to date by one watch, and the recent changes, from which
 * every watcher reads at its own pace. A watcher costs no buffer: one that falls behind the history is
 * told to list again.
 */
export class StorageItemCache implements ItemCache {
  readonly #options: ItemCacheOptions;
  readonly #changed = new Notifier();
  readonly #stop = new AbortController();
  #items = SortedMap.empty<Item>();
  #log = new RevisionLog<LoggedEvent>(0);
  #revision: Revision = 0;
  #running: Promise<void> | undefined;

  constructor(options: ItemCacheOptions) {
    this.#options = options;
  }

  /** Resolves once the cache holds the store's present state. */
  async start(): Promise<void> {
    await this.#list();
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#changed.notify();
    await this.#running;
  }

  get revision(): Revision {
    return this.#revision;
  }

  peek(key: string): Item | undefined {
    return this.#items.get(key);
  }

  range(prefix: string, from?: string): Iterable<Item> {
    return this.#items.range(prefix, from);
  }

  async reached(revision: Revision, timeoutMs: number): Promise<boolean> {
    if (this.#revision >= revision) return true;
    const patience = new AbortController();
    const timer = this.#options.clock.after(timeoutMs, () => patience.abort());
    try {
      while (this.#revision < revision && !patience.signal.aborted && !this.#stopped()) {
        await this.#changed.wait(patience.signal);
      }
    } finally {
      timer.cancel();
    }
    return this.#revision >= revision;
  }

  async *watch(
    prefix: string,
    after: Revision,
    signal: AbortSignal,
  ): AsyncGenerator<CacheBatch, void, undefined> {
    let position = after;
    while (!signal.aborted && !this.#stopped()) {
      // A position in the future waits for its revision, as upstream does.
      const events = position > this.#revision ? [] : this.#log.read(position, batchEvents);
      const last = events.at(-1);
      const reached = last?.modRevision ?? this.#revision;
      if (reached <= position) {
        await this.#changed.wait(signal);
        continue;
      }
      position = reached;
      yield { revision: position, events: events.filter(({ key }) => key.startsWith(prefix)) };
    }
  }

  #stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  async #run(): Promise<void> {
    const { storage, clock, onProblem } = this.#options;
    while (!this.#stopped()) {
      try {
        const batches = storage.watch('/', this.#revision + 1, this.#stop.signal);
        for await (const batch of batches) this.#take(batch.events, batch.revision);
        if (!this.#stopped()) await sleep(clock, retryPause, this.#stop.signal);
      } catch (error) {
        onProblem(error);
        await sleep(clock, retryPause, this.#stop.signal);
        if (error instanceof StorageError && error.code === 'compacted') await this.#relist();
      }
    }
  }

  /** After a compaction the changes in between are lost: watchers that were not past it must list. */
  async #relist(): Promise<void> {
    try {
      await this.#list();
    } catch (error) {
      this.#options.onProblem(error);
    }
  }

  async #list(): Promise<void> {
    const { items, revision } = await this.#options.storage.list('/');
    const decoded = items.flatMap((stored) => {
      if (!this.#options.serves(stored.key)) return [];
      const known = this.#items.get(stored.key);
      if (known?.revision === stored.modRevision) return [known];
      const item = this.#decoded(() => decodeItem(stored));
      return item === undefined ? [] : [item];
    });
    this.#items = SortedMap.fromSorted(decoded);
    this.#log = new RevisionLog(revision);
    this.#revision = revision;
    this.#changed.notify();
  }

  #take(events: readonly KeyEvent[], revision: Revision): void {
    for (const event of events) if (this.#options.serves(event.key)) this.#apply(event);
    this.#revision = Math.max(this.#revision, revision);
    const limit = this.#options.historyLimit ?? defaultHistory;
    while (this.#log.size > limit) this.#log.dropOldest();
    this.#changed.notify();
  }

  #apply({ key, value, modRevision, createRevision }: KeyEvent): void {
    const previous = this.#items.get(key);
    const item =
      value === undefined
        ? undefined
        : this.#decoded(() => decodeAt(key, value, modRevision, createRevision));
    if (item !== undefined) this.#items = this.#items.set(item);
    else if (previous !== undefined) this.#items = this.#items.delete(key);
    else return;
    this.#log.append({ revision: modRevision, modRevision, key, item, previous });
  }

  /** What is no object of ours is as good as absent, but somebody must be told. */
  #decoded(decode: () => Item): Item | undefined {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof CorruptValueError)) throw error;
      this.#options.onProblem(error);
      return undefined;
    }
  }
}
