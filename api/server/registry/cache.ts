import type { Revision } from '../../storage/storage.ts';
import type { Item } from './item.ts';

/** One change of one key, shared by all watchers. */
export interface CacheEvent {
  revision: Revision;
  key: string;
  /** The object after the change; undefined if it was deleted. */
  item: Item | undefined;
  /** The object before; undefined if it was created. */
  previous: Item | undefined;
}

/** Whole revisions only: after it, the watcher has seen everything up to `revision`. */
export interface CacheBatch {
  revision: Revision;
  events: readonly CacheEvent[];
}

/** What the registries need of the watch cache. */
export interface ItemCache {
  /** The last revision that the cache holds completely. */
  readonly revision: Revision;
  /** The object under `key` as far as the cache knows; it may lag behind the store. */
  peek(key: string): Item | undefined;
  /** The objects under a prefix, in the order of their keys, as of `revision` at the call. */
  range(prefix: string, from?: string): Iterable<Item>;
  /** Whether the cache has `revision` within `timeoutMs`. */
  reached(revision: Revision, timeoutMs: number): Promise<boolean>;
  /**
   * Every batch after revision `after`, those without events for the prefix too: they are how a
   * watcher knows how far it is. Throws StorageError `compacted` if the changes since are not at hand,
   * also later, to a watcher that does not keep up.
   */
  watch(prefix: string, after: Revision, signal: AbortSignal): AsyncIterable<CacheBatch>;
}
