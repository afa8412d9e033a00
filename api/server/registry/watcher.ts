import type { Clock } from '../../machinery/clock.ts';
import type { ApiError } from '../../machinery/errors.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Random } from '../../machinery/random.ts';
import type { Resource } from '../../machinery/resource.ts';
import type { CacheEvent, Snapshot } from '../../storage/cache.ts';
import { StorageError, type Revision } from '../../storage/storage.ts';
import { toApiError, tooLargeResourceVersion, tooOldResourceVersion } from '../errors.ts';
import type { WatchOptions } from '../query.ts';
import { itemOf, withRevision, type CachedItems, type Item } from './item.ts';
import { listPrefix } from './keys.ts';
import { matcherOf, type Matcher } from './selection.ts';

export type WatchFrame =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; item: Item }
  | { type: 'BOOKMARK'; revision: Revision; initialEventsEnd?: true }
  | { type: 'ERROR'; error: ApiError };

/** Frames of one moment. */
export type WatchFrames = readonly WatchFrame[];

const bookmarkMs = 60_000;

/** A watch without timeoutSeconds lives between this and twice as long, so that many end apart. */
const shortestLifeMs = 30 * 60_000;

/** Objects of the initial state that are handed on at a time. */
const portion = 200;

/** How long a watch waits for the cache to reach the version that it is to begin at. */
const versionWaitMs = 3_000;

/** Where a watch begins. */
interface Start {
  prefix: string;
  matcher: Matcher;
  /** What is sent before any change. Taken out then: a watch that lives long must not keep old states. */
  initial: Snapshot<KubeObject> | undefined;
  /** Changes after this revision follow. */
  after: Revision;
}

export interface WatcherOptions {
  resource: Resource;
  cache: CachedItems;
  clock: Clock;
  random: Random;
  /** Ends all watches, each with a bookmark, so that their clients go on elsewhere without a list. */
  stopping?: AbortSignal;
}

/** Watches of one kind. */
export class Watcher {
  readonly #resource: Resource;
  readonly #cache: CachedItems;
  readonly #clock: Clock;
  readonly #random: Random;
  /** Objects that left a selector, as their watchers see them last; one for all watchers. */
  readonly #left = new WeakMap<CacheEvent<KubeObject>, Item>();

  readonly #stopping: AbortSignal | undefined;

  constructor(options: WatcherOptions) {
    this.#stopping = options.stopping;
    this.#resource = options.resource;
    this.#cache = options.cache;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  /**
   * Opens a watch: checks everything that an HTTP code can still refuse. A version whose changes are gone
   * is refused by an ERROR, as in Kubernetes.
   */
  async open(
    namespace: string | undefined,
    options: WatchOptions,
    signal: AbortSignal,
  ): Promise<AsyncIterable<WatchFrames>> {
    const matcher = matcherOf(this.#resource, options);
    const within = listPrefix(this.#resource, namespace);
    const named = namespace !== undefined || !this.#resource.namespaced ? matcher.name : undefined;
    // Of one object it hears alone, and of those whose names begin with its name.
    const prefix = `${within}${named ?? ''}`;
    const { resourceVersion } = options;
    const start: Start = { prefix, matcher, initial: undefined, after: resourceVersion ?? 0 };
    if (options.initialEvents || start.after === 0) {
      const state = await this.#state(prefix, resourceVersion);
      start.after = state.revision;
      if (options.initialEvents) start.initial = state;
    }
    return this.#frames(start, options, signal);
  }

  /** The present state: the newest, any (version 0), or one no older than a version. Throws 504. */
  async #state(prefix: string, version: Revision | undefined): Promise<Snapshot<KubeObject>> {
    if (version === undefined) return this.#cache.list(prefix);
    // client-go asks for the newest state when it learns that its version is too large.
    if (version > 0 && !(await this.#cache.waitFor(version, versionWaitMs))) {
      throw tooLargeResourceVersion(version, this.#cache.revision);
    }
    return this.#cache.snapshot(prefix);
  }

  async *#frames(
    start: Start,
    options: WatchOptions,
    signal: AbortSignal,
  ): AsyncGenerator<WatchFrames, void, undefined> {
    const life = new AbortController();
    const end = (): void => life.abort();
    signal.addEventListener('abort', end, { once: true });
    this.#stopping?.addEventListener('abort', end, { once: true });
    if (signal.aborted || this.#stopping?.aborted === true) end();
    const timer = this.#clock.after(this.#lifetime(options), end);
    const { prefix, matcher } = start;
    let position = start.after;
    try {
      if (start.initial !== undefined) {
        yield* added(start.initial, matcher);
        start.initial = undefined;
        if (options.allowBookmarks) {
          yield [{ type: 'BOOKMARK', revision: position, initialEventsEnd: true }];
        }
      }
      const batches = this.#cache.subscribe(prefix, position, { signal: life.signal, bookmarkMs });
      for await (const { events, revision } of batches) {
        position = Math.max(position, revision);
        const frames = events.flatMap((event) => this.#frameOf(event, matcher) ?? []);
        if (frames.length > 0) yield frames;
        else if (options.allowBookmarks) yield [{ type: 'BOOKMARK', revision: position }];
      }
      const heard = !signal.aborted || this.#stopping?.aborted === true;
      // A watch may have begun at a revision that is yet to come.
      if (options.allowBookmarks && heard && position <= this.#cache.revision) {
        yield [{ type: 'BOOKMARK', revision: position }];
      }
    } catch (error) {
      yield [{ type: 'ERROR', error: refusalOf(error, position) }];
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', end);
      this.#stopping?.removeEventListener('abort', end);
      end();
    }
  }

  /** What one change is to a watcher: objects come and go by its selectors, too. */
  #frameOf(event: CacheEvent<KubeObject>, matcher: Matcher): WatchFrame | undefined {
    const { entry, previous, type } = event;
    const before = previous !== undefined && matcher.matches(previous.object);
    if (type === 'delete') return before ? { type: 'DELETED', item: entry } : undefined;
    if (matcher.matches(entry.object)) return { type: before ? 'MODIFIED' : 'ADDED', item: entry };
    return before ? { type: 'DELETED', item: this.#lastSeen(event, previous) } : undefined;
  }

  #lastSeen(event: CacheEvent<KubeObject>, previous: Item): Item {
    let item = this.#left.get(event);
    if (item === undefined) {
      const { modRevision } = event;
      item = itemOf(previous.key, withRevision(previous.object, modRevision), modRevision);
      this.#left.set(event, item);
    }
    return item;
  }

  #lifetime({ timeoutSeconds }: WatchOptions): number {
    return timeoutSeconds === undefined
      ? shortestLifeMs * (1 + this.#random.next())
      : timeoutSeconds * 1000;
  }
}

/** The matching objects of a snapshot, in portions. */
function* added(snapshot: Snapshot<KubeObject>, matcher: Matcher): Generator<WatchFrames> {
  let frames: WatchFrame[] = [];
  for (const item of snapshot.entries()) {
    if (!matcher.matches(item.object)) continue;
    frames.push({ type: 'ADDED', item });
    if (frames.length === portion) {
      yield frames;
      frames = [];
    }
  }
  if (frames.length > 0) yield frames;
}

function refusalOf(error: unknown, from: Revision): ApiError {
  if (error instanceof StorageError && error.code === 'compacted') {
    const oldest = error.compactRevision === undefined ? '' : ` (${error.compactRevision})`;
    return tooOldResourceVersion(`too old resource version: ${from}${oldest}`);
  }
  const known = toApiError(error);
  if (known === undefined) throw error;
  return known;
}
