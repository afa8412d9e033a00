import type { LeaseFence } from '../../client/transport.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type {
  Fence,
  Revision,
  Storage,
  WriteOptions,
  WriteResult,
  StoredValue,
} from '../../storage/storage.ts';
import { decodeItem, itemOf, type Item, type ItemCache } from './item.ts';
import type { Outbox, Outgoing } from './outbox.ts';

/** What a write made of an object: `conflict` brings what is stored instead. */
export type Written =
  | { outcome: 'written'; item: Item }
  | { outcome: 'conflict'; current: Item | undefined }
  | { outcome: 'fenced' };

export interface WriteTerms {
  fence: LeaseFence | undefined;
  ttlSeconds: number | undefined;
}

/** What those who read and write one kind ask of the store. */
export type StoredItems = Pick<
  ItemStore,
  'peek' | 'read' | 'newest' | 'itemOf' | 'create' | 'update' | 'delete' | 'holds' | 'outdated'
>;

/** Storage in terms of Items: every single-object read and write of the registries goes through here. */
export class ItemStore {
  readonly #storage: Storage;
  readonly #cache: Pick<ItemCache, 'get' | 'catchUp'>;
  readonly #outbox: Outbox;
  readonly #leasePrefix: string;
  readonly #onWritten: (key: string, revision: Revision) => void;

  /** `leasePrefix` is the storage prefix of Lease objects, which fences refer to. */
  constructor(options: {
    storage: Storage;
    cache: Pick<ItemCache, 'get' | 'catchUp'>;
    /** The cache decodes by it. */
    outbox: Outbox;
    leasePrefix: string;
    /** Told of every write that the store has confirmed, before anybody else is. */
    onWritten?: (key: string, revision: Revision) => void;
  }) {
    this.#storage = options.storage;
    this.#cache = options.cache;
    this.#outbox = options.outbox;
    this.#leasePrefix = options.leasePrefix;
    this.#onWritten = options.onWritten ?? (() => undefined);
  }

  /** What the cache has, which may be old. */
  peek(key: string): Item | undefined {
    return this.#cache.get(key);
  }

  /** The cache's own Item if it is the same revision. */
  itemOf(stored: StoredValue): Item {
    const cached = this.#cache.get(stored.key);
    return cached?.modRevision === stored.modRevision ? cached : decodeItem(stored);
  }

  /** The newest object by a linearizable read; the cache's own Item if it is the same revision. */
  async read(key: string): Promise<Item | undefined> {
    const stored = await this.#storage.get(key);
    return stored === undefined ? undefined : this.itemOf(stored);
  }

  /** The newest object, from the cache as soon as that is as new as this call. */
  async newest(key: string): Promise<Item | undefined> {
    return (await this.#cache.catchUp()) ? this.#cache.get(key) : this.read(key);
  }

  async create(outgoing: Outgoing, terms: WriteTerms): Promise<Written> {
    const { key, bytes } = outgoing;
    return this.#send(outgoing, () => this.#storage.create(key, bytes, this.#options(terms)));
  }

  /** Writes over `stored`, or answers what is there instead. */
  async update(outgoing: Outgoing, stored: Item, terms: WriteTerms): Promise<Written> {
    const { key, bytes } = outgoing;
    const { modRevision } = stored;
    return this.#send(outgoing, () =>
      this.#storage.update(key, bytes, modRevision, this.#options(terms)),
    );
  }

  /** Deletes `stored`. The Item that comes back is `last`: the object as nobody will see it again. */
  async delete(stored: Item, last: KubeObject, terms: WriteTerms): Promise<Written> {
    const { key, modRevision } = stored;
    const result = await this.#storage.delete(key, modRevision, this.#options(terms));
    if (result.outcome !== 'written') return refused(result);
    this.#onWritten(key, result.revision);
    return { outcome: 'written', item: itemOf(key, last, modRevision) };
  }

  /** Whether the fence still stands, by a linearizable read: for writes that turn out to change nothing. */
  async holds(fence: LeaseFence): Promise<boolean> {
    const { leaseKey, epoch } = this.#fence(fence);
    const lease = await this.#storage.get(leaseKey);
    return lease?.createRevision === epoch;
  }

  /** Whether the object is to be written again although nothing of it changes. */
  outdated(key: string): Promise<boolean> {
    return this.#storage.outdated?.(key) ?? Promise.resolve(false);
  }

  async #send(outgoing: Outgoing, write: () => Promise<WriteResult>): Promise<Written> {
    const sent = this.#outbox.add(outgoing);
    let written = false;
    try {
      const result = await write();
      if (result.outcome !== 'written') return refused(result);
      written = true;
      const { revision } = result;
      this.#onWritten(outgoing.key, revision);
      return { outcome: 'written', item: itemOf(outgoing.key, sent.at(revision), revision) };
    } finally {
      this.#outbox.answered(sent, written);
    }
  }

  #options({ fence, ttlSeconds }: WriteTerms): WriteOptions {
    return {
      ...(fence === undefined ? {} : { fence: this.#fence(fence) }),
      ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
    };
  }

  #fence({ namespace, name, epoch }: LeaseFence): Fence {
    return { leaseKey: `${this.#leasePrefix}${namespace}/${name}`, epoch };
  }
}

function refused(result: Exclude<WriteResult, { outcome: 'written' }>): Written {
  if (result.outcome === 'fenced') return { outcome: 'fenced' };
  const { current } = result;
  return { outcome: 'conflict', current: current === undefined ? undefined : decodeItem(current) };
}
