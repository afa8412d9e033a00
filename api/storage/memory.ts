import type { Clock, Timer } from '../machinery/clock.ts';
import { assertWritable, compactedError, futureError } from './keys.ts';
import { LeasePool } from './leases.ts';
import { Notifier } from './notifier.ts';
import { RevisionLog } from './revision-log.ts';
import { SortedMap } from './sorted-map.ts';
import {
  StorageError,
  type Fence,
  type KeyEvent,
  type ListOptions,
  type ListResult,
  type Revision,
  type Storage,
  type StorageProblem,
  type StoredValue,
  type WatchBatch,
  type WatchOptions,
  type WriteOptions,
  type WriteResult,
} from './storage.ts';

/** A key's states since the last compaction, oldest first. */
interface KeyHistory {
  readonly key: string;
  readonly states: KeyState[];
}

interface KeyState {
  readonly modRevision: Revision;
  /** Undefined: the key was deleted at this revision. */
  readonly stored: StoredValue | undefined;
}

/** A lease: the keys that were last written with it and go when it expires. */
interface MemoryLease {
  keys: Set<string>;
}

/** Events that a watcher takes at a time. */
const watchBatchEvents = 500;

/**
 * The Storage contract in memory, for simulations and `cosmd --storage memory`. It holds the history
 * since the last compaction, at most `historyLimit` events of it (100,000 if not told otherwise): past
 * that it compacts itself by a tenth.
 */
export class MemoryStorage implements Storage {
  readonly #historyLimit: number;
  readonly #leases: LeasePool<MemoryLease>;
  readonly #leaseOf = new Map<string, MemoryLease>();
  readonly #timers = new Set<Timer>();
  readonly #changed = new Notifier();
  /** Its floor is the revision of the last compaction. */
  readonly #log = new RevisionLog<KeyEvent>(0);
  #keys = SortedMap.empty<KeyHistory>();
  /** As in an empty etcd, whose first write is revision 2. */
  #revision: Revision = 1;
  #closed = false;

  constructor(options: { clock: Clock; historyLimit?: number }) {
    this.#historyLimit = options.historyLimit ?? 100_000;
    this.#leases = new LeasePool({
      clock: options.clock,
      grant: (seconds) => this.#grant(options.clock, seconds),
    });
  }

  // The methods are async so that every failure is a rejection, as with a store behind a wire.

  async get(key: string, options: { revision?: Revision } = {}): Promise<StoredValue | undefined> {
    await this.#open();
    return this.#valueAt(key, this.#readable(options.revision));
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    await this.#open();
    const revision = this.#readable(options.revision);
    const limit = options.limit ?? Infinity;
    const items: StoredValue[] = [];
    let remaining = 0;
    for (const history of this.#keys.range(prefix, options.from)) {
      const stored = stateAt(history, revision);
      if (stored === undefined) continue;
      if (items.length < limit) items.push(stored);
      else remaining += 1;
    }
    return { items, revision, remaining };
  }

  async create(key: string, value: Uint8Array, options: WriteOptions = {}): Promise<WriteResult> {
    await this.#open();
    return this.#write(key, value, 0, options);
  }

  async update(
    key: string,
    value: Uint8Array,
    expected: Revision,
    options: WriteOptions = {},
  ): Promise<WriteResult> {
    await this.#open();
    return this.#write(key, value, expected, options);
  }

  async delete(key: string, expected: Revision, options: WriteOptions = {}): Promise<WriteResult> {
    await this.#open();
    return this.#write(key, undefined, expected, options);
  }

  async *watch(
    prefix: string,
    from: Revision,
    signal: AbortSignal,
    { previous = true }: WatchOptions = {},
  ): AsyncGenerator<WatchBatch> {
    let after = from - 1;
    if (after > this.#revision) throw futureError(after, this.#revision);
    while (!signal.aborted && !this.#closed) {
      const events = this.#log.read(after, watchBatchEvents);
      const last = events.at(-1);
      if (last === undefined) {
        await this.#changed.wait(signal);
        continue;
      }
      after = last.modRevision;
      const wanted = events.filter((event) => event.key.startsWith(prefix));
      if (wanted.length === 0) continue;
      yield { revision: after, events: previous ? wanted : wanted.map(withoutPrevious) };
    }
  }

  async head(): Promise<Revision> {
    await this.#open();
    return this.#revision;
  }

  async compact(revision: Revision): Promise<void> {
    await this.#open();
    if (revision > this.#revision) throw futureError(revision, this.#revision);
    if (revision <= this.#log.floor) throw compactedError(revision, this.#log.floor);
    this.#forgetBefore(revision);
  }

  problems(): Promise<StorageProblem[]> {
    return Promise.resolve([]);
  }

  close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#changed.notify();
    return Promise.resolve();
  }

  #open(): Promise<void> {
    return this.#closed
      ? Promise.reject(new StorageError('unavailable', 'the storage is closed'))
      : Promise.resolve();
  }

  #readable(revision: Revision | undefined): Revision {
    if (revision === undefined) return this.#revision;
    if (revision > this.#revision) throw futureError(revision, this.#revision);
    if (revision < this.#log.floor) throw compactedError(revision, this.#log.floor);
    return revision;
  }

  #valueAt(key: string, revision: Revision): StoredValue | undefined {
    const history = this.#keys.get(key);
    return history === undefined ? undefined : stateAt(history, revision);
  }

  /** `expected` 0: the key must not exist. `value` undefined: delete. */
  #write(
    key: string,
    value: Uint8Array | undefined,
    expected: Revision,
    options: WriteOptions,
  ): WriteResult {
    assertWritable(key, value);
    if (!this.#holds(options.fence)) return { outcome: 'fenced', revision: this.#revision };
    const current = this.#valueAt(key, this.#revision);
    if ((current?.modRevision ?? 0) !== expected) {
      return { outcome: 'conflict', current, revision: this.#revision };
    }
    this.#attach(key, options.ttlSeconds);
    this.#commit([{ key, value }]);
    return { outcome: 'written', revision: this.#revision };
  }

  #holds(fence: Fence | undefined): boolean {
    if (fence === undefined) return true;
    return this.#valueAt(fence.leaseKey, this.#revision)?.createRevision === fence.epoch;
  }

  /** Writes all changes in one revision. */
  #commit(changes: readonly { key: string; value: Uint8Array | undefined }[]): void {
    this.#revision += 1;
    const modRevision = this.#revision;
    for (const { key, value } of changes) {
      const previous = this.#valueAt(key, modRevision);
      const createRevision = previous?.createRevision ?? modRevision;
      const stored = value === undefined ? undefined : { key, value, modRevision, createRevision };
      const history = this.#keys.get(key);
      if (history === undefined) {
        this.#keys = this.#keys.set({ key, states: [{ modRevision, stored }] });
      } else {
        history.states.push({ modRevision, stored });
      }
      const type = value === undefined ? 'delete' : 'put';
      this.#log.append({ type, key, value, previous, modRevision, createRevision });
    }
    if (this.#log.size > this.#historyLimit) this.#shorten();
    this.#changed.notify();
  }

  #shorten(): void {
    const [event] = this.#log.read(this.#log.floor, Math.ceil(this.#historyLimit / 10)).slice(-1);
    if (event !== undefined && event.modRevision < this.#revision) {
      this.#forgetBefore(event.modRevision);
    }
  }

  #forgetBefore(revision: Revision): void {
    for (const { key } of this.#log.dropThrough(revision)) {
      const history = this.#keys.get(key);
      if (history === undefined) continue;
      const after = history.states.findIndex((state) => state.modRevision > revision);
      const newest = (after < 0 ? history.states.length : after) - 1;
      const gone = history.states[newest]?.stored === undefined;
      history.states.splice(0, gone ? newest + 1 : newest);
      if (history.states.length === 0) this.#keys = this.#keys.delete(key);
    }
    this.#changed.notify();
  }

  #attach(key: string, ttlSeconds: number | undefined): void {
    this.#leaseOf.get(key)?.keys.delete(key);
    this.#leaseOf.delete(key);
    if (ttlSeconds === undefined) return;
    const lease = this.#leases.take(ttlSeconds);
    lease.keys.add(key);
    this.#leaseOf.set(key, lease);
  }

  #grant(clock: Clock, seconds: number): MemoryLease {
    const lease: MemoryLease = { keys: new Set() };
    const timer = clock.after(seconds * 1000, () => {
      this.#timers.delete(timer);
      const expired = [...lease.keys].sort();
      for (const key of expired) this.#leaseOf.delete(key);
      if (expired.length > 0) this.#commit(expired.map((key) => ({ key, value: undefined })));
    });
    this.#timers.add(timer);
    return lease;
  }
}

function stateAt(history: KeyHistory, revision: Revision): StoredValue | undefined {
  return history.states.findLast((state) => state.modRevision <= revision)?.stored;
}

/** The event as etcd tells it to those who know what it replaced. */
function withoutPrevious(event: KeyEvent): KeyEvent {
  const createRevision = event.type === 'delete' ? 0 : event.createRevision;
  return { ...event, previous: undefined, createRevision };
}
