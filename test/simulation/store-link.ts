import { sleep, type Clock } from '../../api/machinery/clock.ts';
import {
  StorageError,
  type Storage,
  type WatchBatch,
  type WriteResult,
} from '../../api/storage/storage.ts';
import { travel, type ArmedFaults, type NetworkOptions } from './faults.ts';
import type { Gate } from './gate.ts';

/** One process' connection to the store, as an etcd client gives it: slow, and at times without an answer. */
export class StoreLink {
  readonly storage: Storage;
  readonly #network: NetworkOptions;
  readonly #gate: Gate;
  readonly #faults: ArmedFaults;
  readonly #store: Storage;
  /** When which revision reached the cache of the process: what it decides on is no older. */
  readonly #seen: { at: number; revision: number }[] = [{ at: 0, revision: 0 }];
  #cut = false;
  #stalledUntil = 0;
  #breakWatches = new AbortController();

  constructor(options: {
    store: Storage;
    gate: Gate;
    /** Also decides how long a request without an answer takes. */
    network: NetworkOptions;
    faults: ArmedFaults;
  }) {
    this.#store = options.store;
    this.#gate = options.gate;
    this.#network = options.network;
    this.#faults = options.faults;
    this.storage = this.#linked();
  }

  /** Watches deliver nothing for `ms`: what is read from caches is stale. */
  stall(ms: number): void {
    this.#stalledUntil = this.#network.clock.monotonic() + ms;
  }

  /** Watches end as if their history had been compacted: caches list again. */
  expireWatches(): void {
    this.#breakWatches.abort();
    this.#breakWatches = new AbortController();
  }

  /** The revisions that a decision of this moment may rest on. */
  seen(): { from: number; to: number } {
    const before = this.#network.clock.monotonic() - decisionMs;
    const from = this.#seen.findLast(({ at }) => at <= before) ?? this.#seen[0];
    return { from: from?.revision ?? 0, to: this.#seen.at(-1)?.revision ?? 0 };
  }

  cut(): void {
    this.#cut = true;
  }

  mend(): void {
    this.#cut = false;
    this.#stalledUntil = 0;
  }

  #linked(): Storage {
    const store = this.#store;
    return {
      get: (key, options) => this.#read('get', () => store.get(key, options)),
      list: async (prefix, options) => {
        const result = await this.#read('list', () => store.list(prefix, options));
        if (prefix === '/') this.#saw(result.revision);
        return result;
      },
      head: () => this.#read('head', () => store.head()),
      create: (key, value, options) =>
        this.#write(`create ${key}`, () => store.create(key, value, options)),
      update: (key, value, expected, options) =>
        this.#write(`update ${key}`, () => store.update(key, value, expected, options)),
      delete: (key, expected, options) =>
        this.#write(`delete ${key}`, () => store.delete(key, expected, options)),
      watch: (prefix, from, signal) => this.#watch(store.watch(prefix, from, signal), signal),
      compact: (revision) => this.#read('compact', () => store.compact(revision)),
      problems: () => store.problems(),
      close: () => Promise.resolve(),
    };
  }

  async #read<T>(what: string, work: () => Promise<T>): Promise<T> {
    await this.#gate.enter();
    await travel(this.#network);
    if (this.#cut) {
      await sleep(this.#network.clock, unansweredMs);
      throw new StorageError('unavailable', `simulated: ${what}: the store is away`);
    }
    const result = await work();
    await this.#gate.enter();
    return result;
  }

  #write(what: string, work: () => Promise<WriteResult>): Promise<WriteResult> {
    return this.#gate.act(what, async () => {
      const fault = this.#faults.next();
      await travel(this.#network);
      if (fault === undefined && !this.#cut) {
        const result = await work();
        await travel(this.#network);
        return result;
      }
      if (fault === 'refused') throw new StorageError('unavailable', 'simulated: not now');
      if (fault === 'lost') await work();
      if (fault === 'late') {
        this.#network.clock.after(unansweredMs + this.#network.random.next() * lateMs, () => {
          void work();
        });
      }
      await sleep(this.#network.clock, unansweredMs);
      throw new StorageError('unknown', 'simulated: no answer came');
    });
  }

  async *#watch(
    batches: AsyncIterable<WatchBatch>,
    signal: AbortSignal,
  ): AsyncGenerator<WatchBatch> {
    const broken = this.#breakWatches.signal;
    for await (const batch of batches) {
      await this.#held(this.#network.clock, signal);
      await this.#gate.enter();
      if (broken.aborted) throw new StorageError('compacted', 'simulated: history is gone');
      this.#saw(batch.revision);
      yield batch;
    }
  }

  #saw(revision: number): void {
    const at = this.#network.clock.monotonic();
    if (revision <= (this.#seen.at(-1)?.revision ?? 0)) return;
    this.#seen.push({ at, revision });
    if (this.#seen.length > 2_000) this.#seen.splice(0, 1_000);
  }

  async #held(clock: Clock, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (this.#cut || this.#stalledUntil > clock.monotonic())) {
      await sleep(clock, this.#cut ? 500 : this.#stalledUntil - clock.monotonic(), signal);
    }
  }
}

/** After this time a request without an answer is given up. */
const unansweredMs = 300;
const lateMs = 3_000;
/** A decision may take so long from the look at a cache to the request. */
const decisionMs = 50;
