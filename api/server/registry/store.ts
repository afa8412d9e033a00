import type { LeaseFence } from '../../client/transport.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Fence, Revision, Storage, WriteOptions, WriteResult } from '../../storage/storage.ts';
import type { ItemCache } from './cache.ts';
import { decodeItem, encodeObject, Item, withRevision } from './item.ts';

/** What a write made of an object: `conflict` brings what is stored instead. */
export type Written =
  | { outcome: 'written'; item: Item }
  | { outcome: 'conflict'; current: Item | undefined }
  | { outcome: 'fenced' };

/** Storage in terms of Items: every read and write of the registries goes through here. */
export class ItemStore {
  readonly #storage: Storage;
  readonly #cache: Pick<ItemCache, 'peek'>;
  readonly #leasePrefix: string;

  /** `leasePrefix` is the storage prefix of Lease objects, which fences refer to. */
  constructor(options: { storage: Storage; cache: Pick<ItemCache, 'peek'>; leasePrefix: string }) {
    this.#storage = options.storage;
    this.#cache = options.cache;
    this.#leasePrefix = options.leasePrefix;
  }

  peek(key: string): Item | undefined {
    return this.#cache.peek(key);
  }

  /** The newest object by a linearizable read; the cache's own Item if it is the same revision. */
  async read(key: string): Promise<Item | undefined> {
    const stored = await this.#storage.get(key);
    if (stored === undefined) return undefined;
    const cached = this.#cache.peek(key);
    return cached?.revision === stored.modRevision ? cached : decodeItem(stored);
  }

  create(
    key: string,
    object: KubeObject,
    fence: LeaseFence | undefined,
    ttlSeconds: number | undefined,
  ): Promise<Written> {
    const written = this.#storage.create(
      key,
      encodeObject(object),
      this.#options(fence, ttlSeconds),
    );
    return this.#outcome(key, written, object, undefined);
  }

  update(
    key: string,
    object: KubeObject,
    stored: Item,
    fence: LeaseFence | undefined,
    ttlSeconds: number | undefined,
  ): Promise<Written> {
    const options = this.#options(fence, ttlSeconds);
    const written = this.#storage.update(key, encodeObject(object), stored.revision, options);
    return this.#outcome(key, written, object, stored.createRevision);
  }

  /** Deletes what is stored; the Item that comes back is `object`, as it was last. */
  async delete(
    key: string,
    object: KubeObject,
    stored: Item,
    fence: LeaseFence | undefined,
  ): Promise<Written> {
    const result = await this.#storage.delete(
      key,
      stored.revision,
      this.#options(fence, undefined),
    );
    if (result.outcome !== 'written') return refused(result);
    return {
      outcome: 'written',
      item: new Item(key, object, stored.revision, stored.createRevision),
    };
  }

  /** Whether the fence still stands, by a linearizable read: for writes that turn out to change nothing. */
  async holds(fence: LeaseFence): Promise<boolean> {
    const { leaseKey, epoch } = this.#fence(fence);
    const lease = await this.#storage.get(leaseKey);
    return lease?.createRevision === epoch;
  }

  async #outcome(
    key: string,
    pending: Promise<WriteResult>,
    object: KubeObject,
    createRevision: Revision | undefined,
  ): Promise<Written> {
    const result = await pending;
    if (result.outcome !== 'written') return refused(result);
    const { revision } = result;
    const item = new Item(
      key,
      withRevision(object, revision),
      revision,
      createRevision ?? revision,
    );
    return { outcome: 'written', item };
  }

  #options(fence: LeaseFence | undefined, ttlSeconds: number | undefined): WriteOptions {
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
