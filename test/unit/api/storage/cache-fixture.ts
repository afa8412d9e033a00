import { seededRandom } from '../../../../api/machinery/random.ts';
import { WatchCache, type CacheBatch, type CacheLimits } from '../../../../api/storage/cache.ts';
import { MemoryStorage } from '../../../../api/storage/memory.ts';
import { StorageError, type Revision, type Storage } from '../../../../api/storage/storage.ts';
import { text } from '../../../contract/storage/support.ts';
import { withFaults, type FaultRule } from '../../../support/faults.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

export interface Decoded {
  value: string;
  resourceVersion: Revision;
}

export function decode(_key: string, value: Uint8Array, resourceVersion: Revision): Decoded {
  const decoded = text(value) ?? '';
  if (decoded === 'garbage') throw new Error('not an object');
  return { value: decoded, resourceVersion };
}

function atRevision({ value }: Decoded, resourceVersion: Revision): Decoded {
  return { value, resourceVersion };
}

export interface CacheFixtureOptions {
  limits?: Partial<CacheLimits>;
  rules?: FaultRule[];
  /** The store tells what each event replaced; the cache goes by what it has if absent. */
  told?: boolean;
}

/** A cache over a memory store, run on virtual time. */
export class CacheFixture {
  readonly clock = new VirtualClock();
  readonly rules: FaultRule[] = [];
  readonly errors: StorageError[] = [];
  readonly store: MemoryStorage;
  readonly storage: Storage;
  readonly cache: WatchCache<Decoded>;
  readonly stop = new AbortController();
  readonly running: Promise<void>;

  constructor(options: CacheFixtureOptions = {}) {
    this.rules.push(...(options.rules ?? []));
    this.store = new MemoryStorage({ clock: this.clock });
    this.storage = withFaults(this.store, this.rules, this.clock);
    this.cache = new WatchCache({
      storage: this.storage,
      clock: this.clock,
      random: seededRandom(1),
      decode,
      onError: (error) => this.errors.push(error),
      ...(options.told === true ? {} : { atRevision }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    });
    this.running = this.cache.run(this.stop.signal);
  }

  async end(): Promise<void> {
    this.stop.abort();
    await settle();
    await this.running;
    await this.store.close();
  }
}

/** What a subscriber received, and how it ended. */
export interface Received {
  batches: CacheBatch<Decoded>[];
  ended: Promise<unknown>;
  lines: () => string[];
  abort: AbortController;
}

export function follow(
  cache: WatchCache<Decoded>,
  prefix: string,
  after: Revision,
  bookmarkMs?: number,
): Received {
  const abort = new AbortController();
  const batches: CacheBatch<Decoded>[] = [];
  const subscription = cache.subscribe(prefix, after, {
    signal: abort.signal,
    ...(bookmarkMs === undefined ? {} : { bookmarkMs }),
  });
  const read = async (): Promise<void> => {
    for await (const batch of subscription) batches.push(batch);
  };
  const ended = read().catch((error: unknown) => error);
  return {
    abort,
    batches,
    ended,
    lines: () =>
      batches.flatMap(({ events }) =>
        events.map(
          ({ type, key, entry, previous }) =>
            `${type} ${key} ${entry.object.value}@${entry.modRevision} was ${previous?.object.value ?? '-'}`,
        ),
      ),
  };
}

export const codeOf = (error: unknown): string | undefined =>
  error instanceof StorageError ? error.code : undefined;
