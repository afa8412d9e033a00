import type { Clock } from '../../machinery/clock.ts';
import type { ApiError } from '../../machinery/errors.ts';
import type { Random } from '../../machinery/random.ts';
import type { Resource } from '../../machinery/resource.ts';
import { StorageError, type Revision, type Storage } from '../../storage/storage.ts';
import { toApiError, tooOldResourceVersion } from '../errors.ts';
import type { WatchOptions } from '../query.ts';
import type { CacheEvent, ItemCache } from './cache.ts';
import { Item, withRevision } from './item.ts';
import { listPrefix } from './keys.ts';
import { matcherOf, type Matcher } from './selection.ts';

export type WatchFrame =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; item: Item }
  | { type: 'BOOKMARK'; revision: Revision }
  | { type: 'ERROR'; error: ApiError };

/** How long a watch that begins at the newest state waits for the cache, in milliseconds. */
const beginWait = 3_000;

/** Objects of the initial state that are handed on at a time. */
const portion = 200;

const bookmarkPeriod = 60_000;
const shortestLife = 30 * 60_000;

/** Watches of one kind. */
export class Watcher {
  readonly #resource: Resource;
  readonly #storage: Storage;
  readonly #cache: ItemCache;
  readonly #clock: Clock;
  readonly #random: Random;
  /** The last state of what an event deleted, with the event's revision; one for all watchers. */
  readonly #deleted = new WeakMap<CacheEvent, Item>();

  constructor(options: {
    resource: Resource;
    storage: Storage;
    cache: ItemCache;
    clock: Clock;
    random: Random;
  }) {
    this.#resource = options.resource;
    this.#storage = options.storage;
    this.#cache = options.cache;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  /**
   * Opens a watch: checks everything that an HTTP code can still refuse. The frames begin with the
   * present state as ADDED unless the client names the version that it has.
   */
  async open(
    namespace: string | undefined,
    options: WatchOptions,
    signal: AbortSignal,
  ): Promise<AsyncIterable<readonly WatchFrame[]>> {
    const matcher = matcherOf(this.#resource, options);
    const prefix = listPrefix(this.#resource, namespace);
    if (options.resourceVersion === undefined) {
      await this.#cache.reached(await this.#storage.head(), beginWait);
    }
    return this.#frames(prefix, matcher, options, signal);
  }

  async *#frames(
    prefix: string,
    matcher: Matcher,
    options: WatchOptions,
    signal: AbortSignal,
  ): AsyncGenerator<readonly WatchFrame[], void, undefined> {
    const life = new AbortController();
    const end = (): void => life.abort();
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    const timer = this.#clock.after(this.#lifetime(options), end);
    const { resourceVersion = 0 } = options;
    const position = { revision: resourceVersion };
    try {
      if (resourceVersion === 0) {
        position.revision = this.#cache.revision;
        for (const items of this.#present(prefix, matcher)) {
          yield items.map((item) => ({ type: 'ADDED', item }) as const);
        }
      }
      yield* this.#changes(prefix, matcher, position, options.allowBookmarks, life.signal);
      if (options.allowBookmarks && !signal.aborted) {
        yield [{ type: 'BOOKMARK', revision: position.revision }];
      }
    } catch (error) {
      yield [{ type: 'ERROR', error: this.#refusal(error, position.revision) }];
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', end);
      end();
    }
  }

  /** The matching objects as they are now, in portions; the whole is taken at once. */
  #present(prefix: string, matcher: Matcher): Item[][] {
    const items = [...this.#cache.range(prefix)].filter(({ object }) => matcher.matches(object));
    const portions: Item[][] = [];
    for (let at = 0; at < items.length; at += portion) portions.push(items.slice(at, at + portion));
    return portions;
  }

  /** Frames of the changes after `position`, which moves along; with a bookmark about every minute. */
  async *#changes(
    prefix: string,
    matcher: Matcher,
    position: { revision: Revision },
    bookmarks: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<readonly WatchFrame[], void, undefined> {
    const batches = this.#cache.watch(prefix, position.revision, signal)[Symbol.asyncIterator]();
    let due = this.#clock.monotonic() + bookmarkPeriod;
    let next = batches.next();
    try {
      for (;;) {
        const got = bookmarks ? await this.#orElapsed(next, due) : await next;
        if (got === 'elapsed') {
          due = this.#clock.monotonic() + bookmarkPeriod;
          yield [{ type: 'BOOKMARK', revision: position.revision }];
          continue;
        }
        if (got.done === true) return;
        const { events, revision } = got.value;
        const frames = events.flatMap((event) => this.#frameOf(event, matcher) ?? []);
        if (frames.length > 0) yield frames;
        position.revision = Math.max(position.revision, revision);
        next = batches.next();
      }
    } finally {
      await batches.return?.();
    }
  }

  /** `pending`, or 'elapsed' once the clock has reached `due`. */
  async #orElapsed<T>(pending: Promise<T>, due: number): Promise<T | 'elapsed'> {
    let cancel = (): void => undefined;
    const elapsed = new Promise<'elapsed'>((resolve) => {
      const timer = this.#clock.after(Math.max(0, due - this.#clock.monotonic()), () =>
        resolve('elapsed'),
      );
      cancel = () => timer.cancel();
    });
    try {
      return await Promise.race([pending, elapsed]);
    } finally {
      cancel();
    }
  }

  /** What one change is to a watcher: objects come and go by its selectors, too. */
  #frameOf(event: CacheEvent, matcher: Matcher): WatchFrame | undefined {
    const { item, previous } = event;
    const before = previous !== undefined && matcher.matches(previous.object);
    if (item !== undefined && matcher.matches(item.object)) {
      return { type: before ? 'MODIFIED' : 'ADDED', item };
    }
    return before ? { type: 'DELETED', item: this.#lastState(event, previous) } : undefined;
  }

  #lastState(event: CacheEvent, previous: Item): Item {
    let item = this.#deleted.get(event);
    if (item === undefined) {
      const object = withRevision(previous.object, event.revision);
      item = new Item(previous.key, object, event.revision, previous.createRevision);
      this.#deleted.set(event, item);
    }
    return item;
  }

  #lifetime({ timeoutSeconds }: WatchOptions): number {
    return timeoutSeconds === undefined
      ? shortestLife * (1 + this.#random.next())
      : timeoutSeconds * 1000;
  }

  #refusal(error: unknown, from: Revision): ApiError {
    if (error instanceof StorageError && error.code === 'compacted') {
      const oldest = error.compactRevision === undefined ? '' : ` (${error.compactRevision})`;
      return tooOldResourceVersion(`too old resource version: ${from}${oldest}`);
    }
    const known = toApiError(error);
    if (known === undefined) throw error;
    return known;
  }
}
