import { Notifier } from './notifier.ts';
import { RevisionLog } from './revision-log.ts';
import { SortedMap } from './sorted-map.ts';
import { StorageError } from './storage.ts';
import type { KeyEvent, ListResult, Revision, StoredValue, WatchBatch } from './storage.ts';

/** An object at one revision, decoded once. */
export interface CachedEntry<T> {
  readonly key: string;
  readonly object: T;
  /** The object's resourceVersion. In a delete event: the revision of the deletion. */
  readonly modRevision: Revision;
  readonly createRevision: Revision;
  /** Bytes that the stored value takes. */
  readonly size: number;
  /**
   * Room for the form in which the object is served, made once a revision by who serves it. Emptied some
   * time after the object has been replaced: only a reader that is far behind would still ask for it.
   */
  serialised: Uint8Array | undefined;
  /** The same for its metadata alone, which tables and lists of metadata carry. */
  serialisedMetadata: Uint8Array | undefined;
}

/** Room in which nothing is, yet or any more. */
export const unserialised = { serialised: undefined, serialisedMetadata: undefined } as const;

export interface CacheEvent<T> {
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly modRevision: Revision;
  /** What was written; of a delete, what was there last, with the deletion's revision. */
  readonly entry: CachedEntry<T>;
  /** What was there before; undefined if, and only if, the event creates the key. */
  readonly previous: CachedEntry<T> | undefined;
}

/** In place of an event whose value cannot be decoded: whoever follows the key cannot go on. */
export interface BrokenEvent {
  readonly type: 'broken';
  readonly key: string;
  readonly modRevision: Revision;
  readonly error: StorageError;
}

export type LoggedEvent<T> = CacheEvent<T> | BrokenEvent;

/** One resource (all keys `/<group>/<plural>/…`) since the cache was last loaded. */
export class CachedResource<T> {
  entries: SortedMap<CachedEntry<T>>;
  readonly log: RevisionLog<LoggedEvent<T>>;
  readonly changed = new Notifier();
  /** Keys whose newest value cannot be decoded. While there is one, nobody may list the resource. */
  readonly broken = new Map<string, StorageError>();
  /** Size of the events in the log. */
  logBytes = 0;
  /** The cache has been loaded anew, so what happened since is not known. */
  replaced = false;

  constructor(entries: SortedMap<CachedEntry<T>>, revision: Revision) {
    this.entries = entries;
    this.log = new RevisionLog(revision);
  }

  /** Throws if an object under `prefix` cannot be read: leaving it out would tell that it is gone. */
  assertReadable(prefix: string): void {
    for (const [key, error] of this.broken) if (key.startsWith(prefix)) throw error;
  }
}

interface DecodedResource<T> {
  entries: CachedEntry<T>[];
  /** Keys whose values are no objects, with the reason. */
  broken: [key: string, error: StorageError][];
}

/** A list of everything, by resource. */
export interface DecodedList<T> {
  revision: Revision;
  resources: ReadonlyMap<string, DecodedResource<T>>;
}

/** The object as of another revision. */
export type AtRevision<T> = (object: T, modRevision: Revision) => T;

export type Decode<T> = (key: string, value: Uint8Array, modRevision: Revision) => T;

export interface CacheLimits {
  /** Events kept for each resource. */
  events: number;
  /** Bytes of stored values that the events of all resources together may stand for. */
  bytes: number;
}

/** Events of a resource after which hardly a reader still has what the first of them replaced to read. */
const followersLag = 1_024;

/** `/<group>/<plural>/` of a key or prefix below it; undefined for keys that are no object's. */
export function resourceOf(key: string): string | undefined {
  const end = key.indexOf('/', key.indexOf('/', 1) + 1);
  return end <= 0 || !key.startsWith('/') ? undefined : key.slice(0, end + 1);
}

/**
 * What the cache knows: the objects of each resource as of one revision, and the events that led there.
 * No I/O. Every method runs to its end before anybody reads, so readers see whole revisions only.
 */
export class CacheState<T> {
  readonly #decode: Decode<T>;
  readonly #atRevision: AtRevision<T> | undefined;
  readonly #limits: CacheLimits;
  #resources = new Map<string, CachedResource<T>>();
  #revision: Revision = 0;
  #loadedAt: Revision = 0;
  #logBytes = 0;

  constructor(options: {
    decode: Decode<T>;
    atRevision: AtRevision<T> | undefined;
    limits: CacheLimits;
  }) {
    this.#decode = options.decode;
    this.#atRevision = options.atRevision;
    this.#limits = options.limits;
  }

  /** Everything up to this revision is known; 0 before the first load. */
  get revision(): Revision {
    return this.#revision;
  }

  /** Objects that cannot be decoded, which operators must mend. */
  get broken(): StorageError[] {
    return [...this.#resources.values()].flatMap((resource) => [...resource.broken.values()]);
  }

  /** How many objects each resource has. */
  get sizes(): [name: string, count: number][] {
    return [...this.#resources].map(([name, { entries }]) => [name, entries.size]);
  }

  /** The resource of a key or prefix; made if nothing of it is stored yet. */
  resource(prefix: string): CachedResource<T> {
    const name = resourceOf(prefix);
    if (name === undefined) {
      throw new StorageError('internal', `${prefix} does not lie within one resource`);
    }
    let resource = this.#resources.get(name);
    if (resource === undefined) {
      resource = new CachedResource(SortedMap.empty<CachedEntry<T>>(), this.#loadedAt);
      this.#resources.set(name, resource);
    }
    return resource;
  }

  /** Decodes a list of everything, with a pause after each object for those who have other work to do. */
  *decoded(list: ListResult): Generator<void, DecodedList<T>> {
    const resources = new Map<string, DecodedResource<T>>();
    for (const item of list.items) {
      const name = resourceOf(item.key);
      if (name === undefined) continue;
      let resource = resources.get(name);
      if (resource === undefined) {
        resource = { entries: [], broken: [] };
        resources.set(name, resource);
      }
      try {
        resource.entries.push(this.entry(item));
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        resource.broken.push([item.key, error]);
      }
      yield;
    }
    return { revision: list.revision, resources };
  }

  /** The entries of a list within one resource, with a pause after each. Throws for one that is broken. */
  *entriesOf({ items }: ListResult): Generator<void, CachedEntry<T>[]> {
    const entries: CachedEntry<T>[] = [];
    for (const item of items) {
      entries.push(this.entry(item));
      yield;
    }
    return entries;
  }

  /** Starts anew from a list of everything. Who followed what was before is told that it lost touch. */
  load({ revision, resources }: DecodedList<T>): void {
    const before = this.#resources;
    this.#resources = new Map();
    this.#revision = revision;
    this.#loadedAt = revision;
    this.#logBytes = 0;
    for (const [name, { entries, broken }] of resources) {
      const resource = this.resource(name);
      resource.entries = SortedMap.fromSorted(entries);
      for (const [key, error] of broken) resource.broken.set(key, error);
    }
    for (const resource of before.values()) {
      resource.replaced = true;
      resource.changed.notify();
    }
  }

  /** Takes in what a watch delivered. Events that are known already change nothing. */
  apply(batch: WatchBatch): void {
    const known = this.#revision;
    const changed = new Set<CachedResource<T>>();
    for (const event of batch.events) {
      if (event.modRevision <= known || resourceOf(event.key) === undefined) continue;
      const resource = this.resource(event.key);
      this.#log(resource, this.#take(resource, event));
      changed.add(resource);
    }
    this.#revision = Math.max(known, batch.revision);
    for (const resource of changed) resource.changed.notify();
  }

  /** The entry of a stored value; throws StorageError `internal` if it cannot be decoded. */
  entry(stored: StoredValue): CachedEntry<T> {
    const { key, value, modRevision, createRevision } = stored;
    try {
      const object = this.#decode(key, value, modRevision);
      return { key, object, modRevision, createRevision, size: value.length, ...unserialised };
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new StorageError(
        'internal',
        `the object stored at ${key} (revision ${modRevision}) cannot be decoded: ${reason}`,
        { cause },
      );
    }
  }

  /** Applies an event to the entries of its resource and says what followers are to see. */
  #take(resource: CachedResource<T>, event: KeyEvent): LoggedEvent<T> {
    const { key, modRevision, createRevision } = event;
    const previous = resource.entries.get(key);
    resource.broken.delete(key);
    const { value } = event;
    try {
      const entry =
        value === undefined
          ? this.#last(event, previous)
          : this.entry({ key, value, modRevision, createRevision });
      resource.entries =
        event.type === 'put' ? resource.entries.set(entry) : resource.entries.delete(key);
      return { type: event.type, key, modRevision, entry, previous };
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      resource.entries = resource.entries.delete(key);
      if (event.type === 'put') resource.broken.set(key, error);
      return { type: 'broken', key, modRevision, error };
    }
  }

  /** What a deletion ended, which carries the deletion's revision. */
  #last(event: KeyEvent, known: CachedEntry<T> | undefined): CachedEntry<T> {
    const { key, modRevision, createRevision } = event;
    if (known !== undefined && this.#atRevision !== undefined) {
      const object = this.#atRevision(known.object, modRevision);
      return { ...known, object, modRevision, ...unserialised };
    }
    const value = event.previous?.value ?? new Uint8Array();
    return this.entry({ key, value, modRevision, createRevision });
  }

  #log(resource: CachedResource<T>, event: LoggedEvent<T>): void {
    resource.log.append(event);
    const read = resource.log.newestBut(followersLag);
    if (read !== undefined && read.type !== 'broken' && read.previous !== undefined) {
      Object.assign(read.previous, unserialised);
    }
    resource.logBytes += sizeOf(event);
    this.#logBytes += sizeOf(event);
    while (resource.log.size > this.#limits.events) this.#dropOldest(resource);
    // The one that takes most gives way, so that a noisy resource does not cost the others theirs.
    while (this.#logBytes > this.#limits.bytes) {
      const resources = [...this.#resources.values()];
      this.#dropOldest(resources.reduce((a, b) => (b.logBytes > a.logBytes ? b : a), resource));
    }
  }

  #dropOldest(resource: CachedResource<T>): void {
    const dropped = resource.log.dropOldest().reduce((sum, event) => sum + sizeOf(event), 0);
    resource.logBytes -= dropped;
    this.#logBytes -= dropped;
  }
}

/** What an event keeps in memory at least: a fixed part, and its object as stored. */
function sizeOf(event: LoggedEvent<unknown>): number {
  return 200 + (event.type === 'broken' ? 0 : event.entry.size);
}
