import { UnreadableValueError, type KeyRing } from './encryption.ts';
import type {
  KeyEvent,
  ListOptions,
  ListResult,
  Revision,
  Storage,
  StorageProblem,
  StoredValue,
  WatchBatch,
  WatchOptions,
  WriteOptions,
  WriteResult,
} from './storage.ts';

export interface EncryptedStorageOptions {
  storage: Storage;
  ring: KeyRing;
  /** What is sealed: keys that begin with one of these. */
  prefixes: readonly string[];
}

/**
 * A store whose values under some prefixes are sealed. A value that cannot be opened does not keep the
 * others from being read: in its place stands the reason, which `unreadableReason` finds.
 */
export class EncryptedStorage implements Storage {
  readonly #storage: Storage;
  readonly #ring: KeyRing;
  readonly #prefixes: readonly string[];

  constructor(options: EncryptedStorageOptions) {
    this.#storage = options.storage;
    this.#ring = options.ring;
    this.#prefixes = options.prefixes;
  }

  async get(key: string, options?: { revision?: Revision }): Promise<StoredValue | undefined> {
    return this.#opened(await this.#storage.get(key, options));
  }

  async list(prefix: string, options?: ListOptions): Promise<ListResult> {
    const list = await this.#storage.list(prefix, options);
    return { ...list, items: list.items.map((item) => this.#opened(item)) };
  }

  async create(key: string, value: Uint8Array, options?: WriteOptions): Promise<WriteResult> {
    return this.#result(await this.#storage.create(key, this.#sealed(key, value), options));
  }

  async update(
    key: string,
    value: Uint8Array,
    expected: Revision,
    options?: WriteOptions,
  ): Promise<WriteResult> {
    const sealed = this.#sealed(key, value);
    return this.#result(await this.#storage.update(key, sealed, expected, options));
  }

  async delete(key: string, expected: Revision, options?: WriteOptions): Promise<WriteResult> {
    return this.#result(await this.#storage.delete(key, expected, options));
  }

  async *watch(
    prefix: string,
    from: Revision,
    signal: AbortSignal,
    options?: WatchOptions,
  ): AsyncGenerator<WatchBatch, void> {
    for await (const batch of this.#storage.watch(prefix, from, signal, options)) {
      yield { ...batch, events: batch.events.map((event) => this.#event(event)) };
    }
  }

  async outdated(key: string): Promise<boolean> {
    if (!this.#isSealed(key)) return false;
    const stored = await this.#storage.get(key);
    return stored !== undefined && !this.#ring.isCurrent(stored.value);
  }

  head(): Promise<Revision> {
    return this.#storage.head();
  }

  compact(revision: Revision): Promise<void> {
    return this.#storage.compact(revision);
  }

  problems(): Promise<StorageProblem[]> {
    return this.#storage.problems();
  }

  close(): Promise<void> {
    return this.#storage.close();
  }

  #isSealed(key: string): boolean {
    return this.#prefixes.some((prefix) => key.startsWith(prefix));
  }

  #sealed(key: string, value: Uint8Array): Uint8Array {
    return this.#isSealed(key) ? this.#ring.seal(key, value) : value;
  }

  #opened<T extends StoredValue | undefined>(stored: T): T {
    if (stored === undefined || !this.#isSealed(stored.key)) return stored;
    return { ...stored, value: this.#value(stored.key, stored.value) };
  }

  #value(key: string, stored: Uint8Array): Uint8Array {
    try {
      return this.#ring.open(key, stored);
    } catch (error) {
      if (!(error instanceof UnreadableValueError)) throw error;
      return Buffer.from(unreadable + error.message);
    }
  }

  #event(event: KeyEvent): KeyEvent {
    if (!this.#isSealed(event.key)) return event;
    const value = event.value === undefined ? undefined : this.#value(event.key, event.value);
    return { ...event, value, previous: this.#opened(event.previous) };
  }

  #result(result: WriteResult): WriteResult {
    if (result.outcome !== 'conflict') return result;
    return { ...result, current: this.#opened(result.current) };
  }
}

/** What stands in the place of a value that cannot be opened begins so, as no value does. */
const unreadable = '\0unreadable: ';

/** Why a stored value cannot be read, and the mend; undefined for every other value. */
export function unreadableReason(value: Uint8Array): string | undefined {
  if (value[0] !== 0) return undefined;
  const text = Buffer.from(value.buffer, value.byteOffset, value.length).toString();
  return text.startsWith(unreadable) ? text.slice(unreadable.length) : undefined;
}
