import type { Clock } from '../machinery/clock.ts';
import type { Metrics, Sample } from '../machinery/metrics.ts';
import { resourceOf } from '../storage/cache-state.ts';
import type { Storage } from '../storage/storage.ts';
import type { ItemCache } from './registry/item.ts';

/** Seconds. */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** The resource of a key in labels; empty for keys that are no object's. */
function placeOf(key: string): { group: string; resource: string } {
  const [, group = '', resource = ''] = resourceOf(key)?.split('/') ?? [];
  return { group: group === 'core' ? '' : group, resource };
}

/** The same store, whose requests are timed. */
export function measuredStorage(storage: Storage, metrics: Metrics, clock: Clock): Storage {
  const durations = metrics.histogram(
    'etcd_request_duration_seconds',
    'Time that the store took for a request, refused ones too.',
    bounds,
  );
  const timed = async <T>(operation: string, key: string, work: () => Promise<T>): Promise<T> => {
    const began = clock.monotonic();
    try {
      return await work();
    } finally {
      durations.observe({ operation, ...placeOf(key) }, (clock.monotonic() - began) / 1000);
    }
  };
  return {
    get: (key, options) => timed('get', key, () => storage.get(key, options)),
    list: (prefix, options) => timed('list', prefix, () => storage.list(prefix, options)),
    create: (key, value, options) =>
      timed('create', key, () => storage.create(key, value, options)),
    update: (key, value, expected, options) =>
      timed('update', key, () => storage.update(key, value, expected, options)),
    delete: (key, expected, options) =>
      timed('delete', key, () => storage.delete(key, expected, options)),
    watch: (...watched) => storage.watch(...watched),
    outdated: (key) => storage.outdated?.(key) ?? Promise.resolve(false),
    head: () => timed('head', '', () => storage.head()),
    compact: (revision) => storage.compact(revision),
    problems: () => storage.problems(),
    close: () => storage.close(),
  };
}

/** How many objects of each resource there are, as far as the cache knows. */
export function tellStoredObjects(metrics: Metrics, cache: Pick<ItemCache, 'sizes'>): void {
  metrics.collect('gauge', 'apiserver_storage_objects', 'Objects in the store.', () =>
    cache.sizes().map(([prefix, value]): Sample => {
      const { group, resource } = placeOf(prefix);
      const named = group === '' ? resource : `${resource}.${group}`;
      return { labels: { resource: named }, value };
    }),
  );
}
