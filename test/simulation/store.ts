import { z } from 'zod';
import { MemoryStorage } from '../../api/storage/memory.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import type { Fence, Storage, WriteOptions, WriteResult } from '../../api/storage/storage.ts';
import { prefixes, taskFacts, type TaskFacts } from './views.ts';

/** What the laws read of any object. */
const storedSchema = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    uid: z.string(),
    finalizers: z.array(z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
    deletionTimestamp: z.string().optional(),
    ownerReferences: z.array(z.looseObject({ uid: z.string() })).optional(),
  }),
});
export type StoredObject = z.infer<typeof storedSchema>;

export interface StoreWrite {
  /** Which process made it; `user` for people. */
  writer: string;
  key: string;
  revision: number;
  fence: Fence | undefined;
  before: StoredObject | undefined;
  /** Undefined: it was deleted. */
  after: StoredObject | undefined;
}

/** The one store of the simulated cluster, with a copy of its content that laws can read at any moment. */
export class ObservedStore {
  readonly #inner: MemoryStorage;
  readonly #content = new Map<string, { object: StoredObject; revision: number }>();
  /** Laws look at the same objects again and again. */
  readonly #tasks = new WeakMap<StoredObject, TaskFacts>();
  /** Told of every write right after it. */
  onWrite: (write: StoreWrite) => void = () => undefined;

  constructor(clock: Clock) {
    this.#inner = new MemoryStorage({ clock, historyLimit: 20_000 });
  }

  get(key: string): StoredObject | undefined {
    return this.#content.get(key)?.object;
  }

  /** A Task as laws read it. */
  taskOf(object: StoredObject): TaskFacts {
    const known = this.#tasks.get(object) ?? taskFacts(object);
    this.#tasks.set(object, known);
    return known;
  }

  tasks(): TaskFacts[] {
    return [...this.list(prefixes.tasks)].map(([, object]) => this.taskOf(object));
  }

  /** Everything whose key begins so, by key. */
  *list(prefix: string): Generator<[string, StoredObject]> {
    for (const [key, { object }] of this.#content) if (key.startsWith(prefix)) yield [key, object];
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  /** The store as `writer` reaches it. */
  as(writer: string): Storage {
    const inner = this.#inner;
    const observe = (
      key: string,
      value: Uint8Array | undefined,
      options: WriteOptions | undefined,
      result: WriteResult,
    ): WriteResult => {
      if (result.outcome === 'written') this.#wrote(writer, key, value, options, result.revision);
      return result;
    };
    return {
      get: (key, options) => inner.get(key, options),
      list: (prefix, options) => inner.list(prefix, options),
      create: async (key, value, options) =>
        observe(key, value, options, await inner.create(key, value, options)),
      update: async (key, value, expected, options) =>
        observe(key, value, options, await inner.update(key, value, expected, options)),
      delete: async (key, expected, options) =>
        observe(key, undefined, options, await inner.delete(key, expected, options)),
      watch: (prefix, from, signal) => inner.watch(prefix, from, signal),
      head: () => inner.head(),
      compact: (revision) => inner.compact(revision),
      problems: () => inner.problems(),
      close: () => Promise.resolve(),
    };
  }

  #wrote(
    writer: string,
    key: string,
    value: Uint8Array | undefined,
    options: WriteOptions | undefined,
    revision: number,
  ): void {
    const before = this.#content.get(key)?.object;
    const after = value === undefined ? undefined : decode(value);
    if (after === undefined) this.#content.delete(key);
    else this.#content.set(key, { object: after, revision });
    this.onWrite({ writer, key, revision, fence: options?.fence, before, after });
  }
}

function decode(value: Uint8Array): StoredObject {
  return storedSchema.parse(JSON.parse(Buffer.from(value).toString('utf8')));
}
