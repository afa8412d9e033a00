import type { Resource } from '../../machinery/resource.ts';
import { StorageError, type Revision, type Storage } from '../../storage/storage.ts';
import { notFound, tooLargeResourceVersion, tooOldResourceVersion } from '../errors.ts';
import type { ListOptions } from '../query.ts';
import type { ItemCache } from './cache.ts';
import { decodeContinue, encodeContinue } from './continue-token.ts';
import { decodeItem, type Item } from './item.ts';
import { listPrefix, objectStorageKey } from './keys.ts';
import { matcherOf, type Matcher } from './selection.ts';
import type { ItemStore } from './store.ts';

export interface ItemList {
  items: Item[];
  revision: Revision;
  continueToken: string | undefined;
  /** Unknown with selectors, as upstream. */
  remaining: number | undefined;
}

/** How long a consistent list waits for the cache before it reads the store, in milliseconds. */
const cacheLag = 100;

/** How long a read of a given version waits for the cache to reach it, in milliseconds. */
const versionWait = 3_000;

/** Keys that a page of a filtered list reads from the store at a time. */
const storePage = 500;

/** Reads of one kind: from the cache where it can answer as the store would, else from the store. */
export class Lister {
  readonly #resource: Resource;
  readonly #storage: Storage;
  readonly #store: ItemStore;
  readonly #cache: ItemCache;

  constructor(options: {
    resource: Resource;
    storage: Storage;
    store: ItemStore;
    cache: ItemCache;
  }) {
    this.#resource = options.resource;
    this.#storage = options.storage;
    this.#store = options.store;
    this.#cache = options.cache;
  }

  /** One object: the newest, any (version 0), or one no older than a version. Throws 404, 504. */
  async get(
    ref: { namespace?: string | undefined; name: string },
    version: Revision | undefined,
  ): Promise<Item> {
    const key = objectStorageKey(this.#resource, ref);
    if (version !== undefined && version > 0) await this.#reach(version);
    const cached = version === undefined ? undefined : this.#cache.peek(key);
    const item = cached ?? (await this.#store.read(key));
    if (item === undefined) throw notFound(this.#resource, ref.name);
    return item;
  }

  async list(namespace: string | undefined, options: ListOptions): Promise<ItemList> {
    const prefix = listPrefix(this.#resource, namespace);
    const matcher = matcherOf(this.#resource, options);
    const { continueToken, resourceVersion: version, match, limit } = options;
    if (continueToken !== undefined) {
      const { revision, start } = decodeContinue(continueToken);
      if (revision === -1) return this.#newest(prefix, matcher, limit, start);
      return this.#exact(prefix, matcher, limit, revision, start);
    }
    if (version === undefined) return this.#newest(prefix, matcher, limit);
    // Without a rule for paging an arbitrary state, 0 means all of it at once, as upstream.
    if (version === 0) return this.#cached(prefix, matcher, 0);
    if (match === 'Exact' || (match === undefined && limit > 0)) {
      return this.#exact(prefix, matcher, limit, version);
    }
    await this.#reach(version);
    return this.#cached(prefix, matcher, limit);
  }

  async #reach(version: Revision): Promise<void> {
    if (await this.#cache.reached(version, versionWait)) return;
    throw tooLargeResourceVersion(version, this.#cache.revision);
  }

  /** As of the moment of the call: the cache, once it has seen what the store has. */
  async #newest(
    prefix: string,
    matcher: Matcher,
    limit: number,
    start?: string,
  ): Promise<ItemList> {
    const head = await this.#storage.head();
    if (await this.#cache.reached(head, cacheLag))
      return this.#cached(prefix, matcher, limit, start);
    return this.#stored(prefix, matcher, limit, undefined, start);
  }

  async #exact(
    prefix: string,
    matcher: Matcher,
    limit: number,
    revision: Revision,
    start?: string,
  ): Promise<ItemList> {
    if (revision === this.#cache.revision) return this.#cached(prefix, matcher, limit, start);
    try {
      return await this.#stored(prefix, matcher, limit, revision, start);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      if (error.code === 'future') throw tooLargeResourceVersion(revision, this.#cache.revision);
      if (error.code !== 'compacted') throw error;
      throw tooOldResourceVersion(
        start === undefined
          ? `The resourceVersion for the provided list is too old.`
          : 'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
        start === undefined ? undefined : encodeContinue({ revision: -1, start }),
      );
    }
  }

  #cached(prefix: string, matcher: Matcher, limit: number, start = ''): ItemList {
    const { revision } = this.#cache;
    const items: Item[] = [];
    let remaining = 0;
    let last: string | undefined;
    for (const item of this.#cache.range(prefix, start === '' ? undefined : prefix + start)) {
      const full = limit > 0 && items.length === limit;
      if (full && matcher.all) remaining += 1;
      else if (matcher.matches(item.object)) {
        if (full) {
          remaining = 1;
          break;
        }
        items.push(item);
        last = item.key;
      }
    }
    return page(items, revision, remaining, last?.slice(prefix.length), matcher);
  }

  async #stored(
    prefix: string,
    matcher: Matcher,
    limit: number,
    revision: Revision | undefined,
    start = '',
  ): Promise<ItemList> {
    const items: Item[] = [];
    let at = revision;
    let from = prefix + start;
    for (;;) {
      const size = limit > 0 && matcher.all ? limit : storePage;
      const chunk = await this.#storage.list(prefix, {
        limit: size,
        from,
        ...(at === undefined ? {} : { revision: at }),
      });
      at = chunk.revision;
      for (const [index, stored] of chunk.items.entries()) {
        const item = this.#itemOf(stored);
        if (!matcher.matches(item.object)) continue;
        if (limit > 0 && items.length === limit) {
          return page(items, at, 1, items.at(-1)?.key.slice(prefix.length), matcher);
        }
        items.push(item);
        from = `${item.key}\0`;
        const more = chunk.items.length - index - 1 + chunk.remaining;
        if (limit > 0 && items.length === limit && matcher.all) {
          return page(items, at, more, item.key.slice(prefix.length), matcher);
        }
      }
      const lastKey = chunk.items.at(-1)?.key;
      if (chunk.remaining === 0 || lastKey === undefined) {
        return page(items, at, 0, undefined, matcher);
      }
      from = `${lastKey}\0`;
    }
  }

  #itemOf(stored: Parameters<typeof decodeItem>[0]): Item {
    const cached = this.#cache.peek(stored.key);
    return cached?.revision === stored.modRevision ? cached : decodeItem(stored);
  }
}

/** A page of a list; a token is given if something is left after `last`. */
function page(
  items: Item[],
  revision: Revision,
  remaining: number,
  last: string | undefined,
  matcher: Matcher,
): ItemList {
  const more = remaining > 0 && last !== undefined;
  return {
    items,
    revision,
    continueToken: more ? encodeContinue({ revision, start: `${last}\0` }) : undefined,
    remaining: more && matcher.all ? remaining : undefined,
  };
}
