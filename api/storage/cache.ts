/**
 * The watch cache: one list and one watch over the whole prefix serve every list and every watcher.
 *
 * **When is a list consistent?** It must show every write acknowledged before it was asked for. The cache
 * takes the store's head revision by a linearizable read and waits until it has reached it. The choices:
 * - The greatest mod_revision under the prefix would not do: a delete leaves no key to carry one, so a
 *   deleted object could be served as existing. (It also costs etcd a scan: 80 ms of 21,000 keys, where
 *   the head takes half a millisecond.)
 * - A request for progress on the watch is safe only from etcd 3.4.25, 3.5.8 on; Debian has 3.4.23.
 * - So the head is the revision of the whole store. All that Mesocosm writes, leases and the compactor's
 *   key too, lies under the prefix, hence in the one watch, so on an etcd of our own every revision
 *   arrives as an event. If others write to the same etcd, the head may be a revision of theirs, which
 *   no event announces: the wait then ends after 100 ms and the list is read from etcd at that very
 *   revision. Sharing an etcd costs time, never correctness.
 */
import { sleep, type Clock } from '../machinery/clock.ts';
import { jitter, type Random } from '../machinery/random.ts';
import {
  CacheState,
  type AtRevision,
  type CachedEntry,
  type CachedResource,
  type CacheEvent,
  type CacheLimits,
  type Decode,
  type LoggedEvent,
} from './cache-state.ts';
import { compactedError } from './keys.ts';
import { Notifier } from './notifier.ts';
import { StorageError, type Revision, type Storage, type WatchOptions } from './storage.ts';

export { unserialised } from './cache-state.ts';
export type { CachedEntry, CacheEvent, CacheLimits, Decode } from './cache-state.ts';

/** Objects under a prefix as of one revision. It stays as it is while the cache moves on. */
export interface Snapshot<T> {
  readonly revision: Revision;
  /** In order of key, from `from` on if given. May be called again. */
  entries(from?: string): Iterable<CachedEntry<T>>;
}

/**
 * All events of one or more whole revisions, in order. After it, everything up to `revision` has been
 * delivered; without events it is a bookmark.
 */
export interface CacheBatch<T> {
  readonly revision: Revision;
  readonly events: readonly CacheEvent<T>[];
}

/** What a reader that does not wait has to take in. */
export type Changes<T> =
  /** Everything there is: what it knew is void. */
  | { whole: true; entries: Iterable<CachedEntry<T>> }
  /** In order; a broken event means that nothing is known of its key. */
  | { whole: false; events: readonly LoggedEvent<T>[] };

export interface SubscribeOptions {
  signal: AbortSignal;
  /** A bookmark comes when nothing else has for this many milliseconds; never if absent. */
  bookmarkMs?: number;
}

export interface WatchCacheOptions<T> {
  storage: Storage;
  clock: Clock;
  random: Random;
  decode: Decode<T>;
  /**
   * What was deleted is the object that the cache has, as of the deletion: the store need not tell. It is
   * asked to if absent.
   */
  atRevision?: AtRevision<T>;
  /** 10,000 events for each resource and 64 MiB for all together, if not told otherwise. */
  limits?: Partial<CacheLimits>;
  /** Told when the connection to the store failed and is tried anew. */
  onError: (error: StorageError) => void;
}

/** How long a list waits for the cache before it is read from the store, in milliseconds. */
const catchUpMs = 100;

/**
 * How long a single read waits for the cache, and for how long none does after one has waited in vain: on an
 * etcd that others write to the cache may never reach the head.
 */
const briefMs = 20;
const despairMs = 1_000;

/** About how many events a subscriber gets at a time; a revision is never split. */
const batchEvents = 256;

const maxBackoffMs = 2_000;

/** Objects of a long list are decoded for so long at a time, in milliseconds. */
const sliceMs = 10;

const unchanged: Changes<never> = { whole: false, events: [] };

export class WatchCache<T> {
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onError: (error: StorageError) => void;
  readonly #watchOptions: WatchOptions;
  readonly #state: CacheState<T>;
  readonly #advanced = new Notifier();
  #connected = false;
  /** When single reads begin to wait for the cache again. */
  #hopefulAt = 0;
  #headRead: Promise<Revision> | undefined;
  #nextHeadRead: Promise<Revision> | undefined;

  constructor(options: WatchCacheOptions<T>) {
    this.#storage = options.storage;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#onError = options.onError;
    this.#watchOptions = { previous: options.atRevision === undefined };
    this.#state = new CacheState({
      decode: options.decode,
      atRevision: options.atRevision,
      limits: { events: 10_000, bytes: 64 * 1024 * 1024, ...options.limits },
    });
  }

  /** Everything up to this revision is in the cache; 0 until it has been loaded once. */
  get revision(): Revision {
    return this.#state.revision;
  }

  /** Whether the cache is loaded and follows the store. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Objects in the store that cannot be decoded. Their resources refuse lists until they are mended. */
  get broken(): StorageError[] {
    return this.#state.broken;
  }

  /** How many objects there are under each prefix `/<group>/<plural>/`. */
  sizes(): [prefix: string, count: number][] {
    return this.#state.sizes;
  }

  /** Loads and follows the store until the signal aborts or the storage is closed. */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        const everything = await this.#storage.list('/');
        this.#state.load(await this.#inSlices(this.#state.decoded(everything)));
        this.#connected = true;
        this.#advanced.notify();
        const from = this.revision + 1;
        for await (const batch of this.#storage.watch('/', from, signal, this.#watchOptions)) {
          failures = 0;
          this.#state.apply(batch);
          this.#advanced.notify();
        }
        return;
      } catch (error) {
        this.#onError(asStorageError(error));
      } finally {
        this.#connected = false;
      }
      const pause = Math.min(maxBackoffMs, 50 * 2 ** Math.min(failures, 10));
      await sleep(this.#clock, jitter(this.#random, pause, 0.3), signal);
    }
  }

  /** Resolves to whether the cache has reached `revision` within the time. */
  async waitFor(revision: Revision, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    const end = this.#clock.monotonic() + timeoutMs;
    while (this.revision < Math.max(revision, 1)) {
      const ms = end - this.#clock.monotonic();
      if (ms <= 0 || signal?.aborted === true) return false;
      await this.#advanced.wait(signal, { clock: this.#clock, ms });
    }
    return true;
  }

  /**
   * Whether the cache has, within a moment, reached a state no older than this call: `get` is then as good
   * as a read from the store, at a fraction of its cost, since readers share the question for the head.
   */
  async catchUp(): Promise<boolean> {
    if (this.#clock.monotonic() < this.#hopefulAt) return false;
    if (await this.waitFor(await this.#head(), briefMs)) return true;
    this.#hopefulAt = this.#clock.monotonic() + despairMs;
    return false;
  }

  /** What the cache has at `key` now, which may be old. */
  get(key: string): CachedEntry<T> | undefined {
    const resource = this.#state.resource(key);
    const broken = resource.broken.get(key);
    if (broken !== undefined) throw broken;
    return resource.entries.get(key);
  }

  /**
   * What the cache has under `prefix` now, which may be old: the answer to resourceVersion 0. The prefix
   * lies within one resource. StorageError `internal` if an object there cannot be decoded, `unavailable`
   * before the first load.
   */
  snapshot(prefix: string): Snapshot<T> {
    if (this.revision === 0) throw new StorageError('unavailable', 'the cache is not loaded yet');
    const resource = this.#state.resource(prefix);
    resource.assertReadable(prefix);
    const { entries } = resource;
    return { revision: this.revision, entries: (from) => entries.range(prefix, from) };
  }

  /** What is stored under `prefix`, at a revision not before this call. */
  async list(prefix: string): Promise<Snapshot<T>> {
    const head = await this.#head();
    if (await this.waitFor(head, catchUpMs)) return this.snapshot(prefix);
    const list = await this.#storage.list(prefix, { revision: head });
    const entries = await this.#inSlices(this.#state.entriesOf(list));
    return {
      revision: list.revision,
      entries: (from = '') => entries.filter((entry) => entry.key >= from),
    };
  }

  /**
   * A reader of one resource that never waits: each call answers what has changed since the one before,
   * as far as the cache is; everything at first, and whenever the changes are no longer known. Objects
   * that cannot be decoded are left out. Throws StorageError `unavailable` before the first load.
   */
  reader(prefix: string): () => Changes<T> {
    let known: CachedResource<T> | undefined;
    let after = 0;
    return () => {
      if (this.revision === 0) throw new StorageError('unavailable', 'the cache is not loaded yet');
      const resource = this.#state.resource(prefix);
      const { log, entries } = resource;
      if (resource !== known || after < log.floor) {
        known = resource;
        after = this.revision;
        return { whole: true, entries: entries.range(prefix) };
      }
      const newest = log.newest?.modRevision ?? 0;
      if (newest <= after) return unchanged;
      const events = log.read(after, Number.POSITIVE_INFINITY);
      after = newest;
      return { whole: false, events };
    };
  }

  /**
   * Every change under `prefix`, within one resource, after revision `after`; then live. Throws at once,
   * or ends with, StorageError `compacted` if some of them are no longer known, and `internal` if an
   * object there cannot be decoded: the subscriber must list again.
   *
   * A subscriber has no buffer of its own: it reads the resource's events from where it is. One that
   * reads more slowly than the cache drops them (see `limits`) ends with `compacted`.
   */
  subscribe(
    prefix: string,
    after: Revision,
    options: SubscribeOptions,
  ): AsyncGenerator<CacheBatch<T>, void> {
    if (this.revision === 0) throw new StorageError('unavailable', 'the cache is not loaded yet');
    const resource = this.#state.resource(prefix);
    resource.assertReadable(prefix);
    if (after < resource.log.floor) throw compactedError(after, resource.log.floor);
    return this.#follow(resource, prefix, after, options);
  }

  async *#follow(
    resource: CachedResource<T>,
    prefix: string,
    start: Revision,
    { signal, bookmarkMs }: SubscribeOptions,
  ): AsyncGenerator<CacheBatch<T>, void> {
    let after = start;
    let bookmarkAt = this.#clock.monotonic() + (bookmarkMs ?? 0);
    const changes = resource.changed.listen(signal);
    try {
      while (!signal.aborted) {
        if (resource.replaced) throw compactedError(after);
        const logged = resource.log.read(after, batchEvents);
        const all = logged.at(-1) === resource.log.newest || logged.length === 0;
        after = Math.max(after, all ? this.revision : (logged.at(-1)?.modRevision ?? 0));
        const events = logged.filter((event) => event.key.startsWith(prefix)).map(sound);
        // A subscriber may begin at a revision that is yet to come; it cannot have reached it.
        const reached = after <= this.revision;
        const due = bookmarkMs !== undefined && reached && this.#clock.monotonic() >= bookmarkAt;
        if (events.length > 0 || due) {
          yield { revision: after, events };
          bookmarkAt = this.#clock.monotonic() + (bookmarkMs ?? 0);
        } else if (all) {
          const ms = Math.max(bookmarkAt - this.#clock.monotonic(), reached ? 0 : 1_000);
          await changes.next(bookmarkMs === undefined ? undefined : { clock: this.#clock, ms });
        }
      }
    } finally {
      changes.end();
    }
  }

  /** Does work that pauses, with turns for others while it lasts. */
  async #inSlices<R>(work: Generator<void, R>): Promise<R> {
    let began = this.#clock.monotonic();
    for (let step = work.next(); ; step = work.next()) {
      if (step.done === true) return step.value;
      if (this.#clock.monotonic() - began < sliceMs) continue;
      await sleep(this.#clock, 0);
      began = this.#clock.monotonic();
    }
  }

  /**
   * The store's revision by a read that begins after this call; calls that come while one is under way
   * share the next one, so that many lists cost few reads.
   */
  #head(): Promise<Revision> {
    if (this.#headRead === undefined) return this.#readHead();
    this.#nextHeadRead ??= this.#headRead
      .catch(() => undefined)
      .then(() => {
        this.#nextHeadRead = undefined;
        return this.#readHead();
      });
    return this.#nextHeadRead;
  }

  #readHead(): Promise<Revision> {
    const read = this.#storage.head().finally(() => {
      if (this.#headRead === read) this.#headRead = undefined;
    });
    this.#headRead = read;
    return read;
  }
}

function sound<T>(event: LoggedEvent<T>): CacheEvent<T> {
  if (event.type === 'broken') throw event.error;
  return event;
}

function asStorageError(error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new StorageError('internal', `the watch cache failed: ${message}`, { cause: error });
}
