import type { KubeObject } from '../../machinery/metadata.ts';
import type { Resource } from '../../machinery/resource.ts';
import type { Snapshot } from '../../storage/cache.ts';
import { StorageError, type Revision, type Storage } from '../../storage/storage.ts';
import { notFound, tooLargeResourceVersion, tooOldResourceVersion } from '../errors.ts';
import type { ListOptions } from '../query.ts';
import { decodeContinue, encodeContinue } from './continue-token.ts';
import type { CachedItems, Item } from './item.ts';
import { listPrefix, objectStorageKey } from './keys.ts';
import { matcherOf, type Matcher } from './selection.ts';
import type { StoredItems } from './store.ts';

export interface ItemList {
  items: Item[];
  revision: Revision;
  continueToken: string | undefined;
  /** Unknown with selectors, as upstream. */
  remaining: number | undefined;
}

/** What of a list is wanted. */
interface Portion {
  prefix: string;
  matcher: Matcher;
  /** 0: no limit. */
  limit: number;
  /** First key, relative to the prefix; empty: from the beginning. */
  start: string;
}

/** How long a read of a given version waits for the cache to reach it, in milliseconds. */
const versionWait = 3_000;

/** Keys that a filtered list reads from the store at a time. */
const storePage = 500;

/** Reads of one kind: from the cache where it can answer as the store would, else from the store. */
export class Lister {
  readonly #resource: Resource;
  readonly #storage: Storage;
  readonly #store: StoredItems;
  readonly #cache: CachedItems;

  constructor(options: {
    resource: Resource;
    storage: Storage;
    store: StoredItems;
    cache: CachedItems;
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
    const item =
      version === undefined
        ? await this.#newestItem(key)
        : (this.#store.peek(key) ?? (await this.#store.read(key)));
    if (item === undefined) throw notFound(this.#resource, ref.name);
    return item;
  }

  async list(namespace: string | undefined, options: ListOptions): Promise<ItemList> {
    const { continueToken, resourceVersion: version, match, limit } = options;
    const prefix = listPrefix(this.#resource, namespace);
    const portion = { prefix, matcher: matcherOf(this.#resource, options), limit, start: '' };
    if (continueToken !== undefined) {
      const { revision, start } = decodeContinue(continueToken);
      const rest = { ...portion, start };
      return revision === -1 ? this.#newest(rest) : this.#exact(rest, revision);
    }
    if (version === undefined) return this.#newest(portion);
    // An arbitrary state has no pages to come back for: 0 means all of it at once, as upstream.
    if (version === 0) return cut({ ...portion, limit: 0 }, this.#cache.snapshot(prefix));
    if (match === 'Exact' || (match === undefined && limit > 0)) {
      return this.#exact(portion, version);
    }
    await this.#reach(version);
    return cut(portion, this.#cache.snapshot(prefix));
  }

  async #reach(version: Revision): Promise<void> {
    if (await this.#cache.waitFor(version, versionWait)) return;
    throw tooLargeResourceVersion(version, this.#cache.revision);
  }

  /** Leases fence: they are read where they are written, whatever the cache makes of its watch. */
  async #newestItem(key: string): Promise<Item | undefined> {
    const { group, kind } = this.#resource.gvk;
    const fences = group === 'coordination.k8s.io' && kind === 'Lease';
    return fences ? this.#store.read(key) : this.#store.newest(key);
  }

  async #newest(portion: Portion): Promise<ItemList> {
    return cut(portion, await this.#cache.list(portion.prefix));
  }

  async #exact(portion: Portion, revision: Revision): Promise<ItemList> {
    if (revision === this.#cache.revision) {
      return cut(portion, this.#cache.snapshot(portion.prefix));
    }
    try {
      return await this.#stored(portion, revision);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      if (error.code === 'future') throw tooLargeResourceVersion(revision, this.#cache.revision);
      if (error.code !== 'compacted') throw error;
      throw expired(portion.start);
    }
  }

  /** A portion of the store as it was at `revision`. */
  async #stored({ prefix, matcher, limit, start }: Portion, revision: Revision): Promise<ItemList> {
    const items: Item[] = [];
    const full = (): boolean => limit > 0 && items.length === limit;
    let from = prefix + start;
    for (;;) {
      const size = limit > 0 && matcher.all ? limit : storePage;
      const chunk = await this.#storage.list(prefix, { limit: size, from, revision });
      for (const stored of chunk.items) {
        const item = this.#store.itemOf(stored);
        if (!matcher.matches(item.object)) continue;
        if (full()) return page(items, revision, prefix, 1, matcher);
        items.push(item);
      }
      const last = chunk.items.at(-1);
      if (full() && matcher.all) return page(items, revision, prefix, chunk.remaining, matcher);
      if (chunk.remaining === 0 || last === undefined) {
        return page(items, revision, prefix, 0, matcher);
      }
      from = `${last.key}\0`;
    }
  }
}

/** A portion of a snapshot. */
function cut({ prefix, matcher, limit, start }: Portion, snapshot: Snapshot<KubeObject>): ItemList {
  const items: Item[] = [];
  let remaining = 0;
  for (const entry of snapshot.entries(start === '' ? undefined : prefix + start)) {
    if (!matcher.matches(entry.object)) continue;
    if (limit === 0 || items.length < limit) items.push(entry);
    else remaining += 1;
    // With a selector it is enough to know that there is more.
    if (remaining > 0 && !matcher.all) break;
  }
  return page(items, snapshot.revision, prefix, remaining, matcher);
}

/** A page of a list, with a token for the next one if anything remains. */
function page(
  items: Item[],
  revision: Revision,
  prefix: string,
  remaining: number,
  matcher: Matcher,
): ItemList {
  const last = remaining > 0 ? items.at(-1) : undefined;
  return {
    items,
    revision,
    continueToken:
      last === undefined
        ? undefined
        : encodeContinue({ revision, start: `${last.key.slice(prefix.length)}\0` }),
    remaining: last !== undefined && matcher.all ? remaining : undefined,
  };
}

/** Upstream's words; the token of a continued list lets the client go on with what there is now. */
function expired(start: string): Error {
  if (start === '') {
    return tooOldResourceVersion('The resourceVersion for the provided list is too old.');
  }
  return tooOldResourceVersion(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
    encodeContinue({ revision: -1, start }),
  );
}
