/** A cache that can tell whether it has got a certain write. */
export interface VersionedCache {
  seen(resourceVersion: string): boolean;
}

/**
 * Read your own writes: what a key's reconciliations wrote must be in the caches before the next one
 * plans from them, or it would do the same again. It holds for one process and one term of leadership;
 * the next leader begins with lists that are newer than every write of this one.
 */
export class WriteBarrier {
  /** By key, the newest version written to each cache: a cache that shows it shows the older ones. */
  readonly #pending = new Map<string, Map<VersionedCache, string>>();

  /** `key`'s reconciliation has written an object that `cache` will show. */
  wrote(key: string, cache: VersionedCache, resourceVersion: string): void {
    const newest = this.#pending.get(key) ?? new Map<VersionedCache, string>();
    this.#pending.set(key, newest);
    if (Number(resourceVersion) > Number(newest.get(cache) ?? 0))
      newest.set(cache, resourceVersion);
  }

  /** Whether everything that was written for `key` has been seen. */
  isOpen(key: string): boolean {
    const newest = this.#pending.get(key);
    if (newest === undefined) return true;
    for (const [cache, resourceVersion] of newest) {
      if (cache.seen(resourceVersion)) newest.delete(cache);
    }
    if (newest.size === 0) this.#pending.delete(key);
    return newest.size === 0;
  }

  forget(key: string): void {
    this.#pending.delete(key);
  }
}
