import type { KubeObject } from '../../machinery/metadata.ts';
import {
  unserialised,
  type CacheBatch,
  type CacheEvent,
  type Snapshot,
} from '../../storage/cache.ts';
import type { StoredValue } from '../../storage/storage.ts';
import { encodeObject, type CachedItems, type Item } from '../registry/item.ts';
import type { Outgoing } from '../registry/outbox.ts';
import type { StoredItems, Written } from '../registry/store.ts';

/** How one version shows what is stored in another. */
export interface StoredVersion {
  /** apiVersion of what is stored. */
  storedAs: string;
  /** A stored object as this version shows it; what it shows already, as it is. */
  present(stored: KubeObject): KubeObject;
  /** What this version shows, as it is stored; `before` is what it showed until then, if there was anything. */
  restore(shown: KubeObject, before?: KubeObject): KubeObject;
}

/**
 * The cache and the store as one version of a kind sees them: whatever version an object is stored in, it
 * is shown in this one, and what is written is stored in the one that is for storage. An object that is
 * the same in both is one for both.
 */
export function versionedItems(
  kind: StoredVersion,
  { cache, store }: { cache: CachedItems; store: StoredItems },
): { cache: CachedItems; store: StoredItems } {
  const entries = new Memo(kind);
  return { cache: versionedCache(cache, entries), store: versionedStore(kind, store, entries) };
}

type Entry = CacheEvent<KubeObject>['entry'];
type Event = CacheEvent<KubeObject>;

/** What was made of an item or an event is kept with it, for all readers. */
class Memo {
  readonly #kind: StoredVersion;
  readonly #objects = new WeakMap<KubeObject, KubeObject>();
  readonly #entries = new WeakMap<Item, Entry>();
  readonly #events = new WeakMap<Event, Event>();

  constructor(kind: StoredVersion) {
    this.#kind = kind;
  }

  #present(stored: KubeObject): KubeObject {
    const known = this.#objects.get(stored) ?? this.#kind.present(stored);
    this.#objects.set(stored, known);
    return known;
  }

  item(stored: Item): Item {
    const object = this.#present(stored.object);
    return object === stored.object ? stored : { ...stored, object, ...unserialised };
  }

  entry(stored: Entry): Entry {
    const known = this.#entries.get(stored);
    if (known !== undefined) return known;
    const object = this.#present(stored.object);
    const entry = object === stored.object ? stored : { ...stored, object, ...unserialised };
    this.#entries.set(stored, entry);
    return entry;
  }

  event(stored: Event): Event {
    const known = this.#events.get(stored);
    if (known !== undefined) return known;
    const entry = this.entry(stored.entry);
    const previous = stored.previous === undefined ? undefined : this.entry(stored.previous);
    const same = entry === stored.entry && previous === stored.previous;
    const event = same ? stored : { ...stored, entry, previous };
    this.#events.set(stored, event);
    return event;
  }
}

function versionedCache(cache: CachedItems, memo: Memo): CachedItems {
  const shown = (snapshot: Snapshot<KubeObject>): Snapshot<KubeObject> => ({
    revision: snapshot.revision,
    entries: function* (from) {
      for (const entry of snapshot.entries(from)) yield memo.entry(entry);
    },
  });
  async function* followed(
    batches: AsyncGenerator<CacheBatch<KubeObject>, void>,
  ): AsyncGenerator<CacheBatch<KubeObject>, void> {
    for await (const { revision, events } of batches) {
      yield { revision, events: events.map((event) => memo.event(event)) };
    }
  }
  return {
    get revision() {
      return cache.revision;
    },
    waitFor: (...args) => cache.waitFor(...args),
    snapshot: (prefix) => shown(cache.snapshot(prefix)),
    list: async (prefix) => shown(await cache.list(prefix)),
    subscribe: (...args) => followed(cache.subscribe(...args)),
  };
}

function versionedStore(kind: StoredVersion, store: StoredItems, memo: Memo): StoredItems {
  const shown = (item: Item | undefined): Item | undefined =>
    item === undefined ? undefined : memo.item(item);
  const written = (result: Written): Written => {
    if (result.outcome === 'written') return { ...result, item: memo.item(result.item) };
    if (result.outcome === 'conflict') return { ...result, current: shown(result.current) };
    return result;
  };
  const stored = (outgoing: Outgoing, before?: Item): Outgoing => {
    if (outgoing.object.apiVersion === kind.storedAs) return outgoing;
    const object = kind.restore(outgoing.object, before?.object);
    return { key: outgoing.key, object, bytes: encodeObject(object) };
  };
  return {
    peek: (key) => shown(store.peek(key)),
    read: async (key) => shown(await store.read(key)),
    newest: async (key) => shown(await store.newest(key)),
    itemOf: (value: StoredValue) => memo.item(store.itemOf(value)),
    create: async (outgoing, terms) => written(await store.create(stored(outgoing), terms)),
    update: async (outgoing, before, terms) =>
      written(await store.update(stored(outgoing, before), before, terms)),
    delete: async (before, last, terms) => written(await store.delete(before, last, terms)),
    holds: (fence) => store.holds(fence),
    // What is stored in another version is brought into the one for storage by any write.
    outdated: async (key) => {
      const before = store.peek(key)?.object.apiVersion;
      return (before !== undefined && before !== kind.storedAs) || store.outdated(key);
    },
  };
}
