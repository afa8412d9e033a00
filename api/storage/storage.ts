/**
 * The Storage contract. Two drivers keep it (etcd, memory) and one contract suite holds them to it.
 *
 * Keys are `/`-separated strings under the driver's prefix; values are bytes. A revision is etcd's: one
 * counter for the store, one revision a transaction. Every write is one transaction on one object.
 */

/** Revision of the store or of a key; etcd's int64 as a number (below 2^53 for centuries). */
export type Revision = number;

export interface StoredValue {
  key: string;
  value: Uint8Array;
  /** Revision of the last write: the object's resourceVersion. */
  modRevision: Revision;
  /** Revision of the create: the epoch, if the object is a Lease. */
  createRevision: Revision;
}

/**
 * The fence of a leader's write: the transaction also compares create_revision(leaseKey) == epoch.
 * A takeover deletes and re-creates the lease object, so a deposed leader's writes fail.
 */
export interface Fence {
  leaseKey: string;
  epoch: Revision;
}

export interface WriteOptions {
  fence?: Fence;
  /** Seconds after which the key expires; the driver may share leases and so be up to 5 % late. */
  ttlSeconds?: number;
  /** Overrides the driver's deadline for this call, in milliseconds. */
  timeoutMs?: number;
}

/** Outcome of a transaction. `conflict` carries what is stored now (undefined: nothing is). */
export type WriteResult =
  | { outcome: 'written'; revision: Revision }
  | { outcome: 'conflict'; current: StoredValue | undefined; revision: Revision }
  | { outcome: 'fenced'; revision: Revision };

export interface ListOptions {
  /** Read the store as of this revision; the newest if absent. Compacted: StorageError `compacted`. */
  revision?: Revision;
  limit?: number;
  /** First key to return; must lie under the prefix. */
  from?: string;
}

export interface ListResult {
  items: StoredValue[];
  /** Revision that the list is consistent with (the requested one, or the store's at the read). */
  revision: Revision;
  /** Keys under the prefix at and after the last one returned that did not fit. */
  remaining: number;
}

export interface KeyEvent {
  type: 'put' | 'delete';
  key: string;
  /** The value written, or undefined for a delete. */
  value: Uint8Array | undefined;
  /** The value before, if there was one (etcd's prev_kv). */
  previous: StoredValue | undefined;
  modRevision: Revision;
  createRevision: Revision;
}

/**
 * What a watch delivers: every event of one or more whole revisions, in order. `revision` is the last
 * revision that is now complete: resuming at revision + 1 neither loses nor repeats.
 * A batch without events is progress: nothing happened up to `revision`.
 */
export interface WatchBatch {
  revision: Revision;
  events: KeyEvent[];
}

export interface Storage {
  get(key: string, options?: { revision?: Revision }): Promise<StoredValue | undefined>;
  list(prefix: string, options?: ListOptions): Promise<ListResult>;
  /** Writes the key if it does not exist. */
  create(key: string, value: Uint8Array, options?: WriteOptions): Promise<WriteResult>;
  /** Writes the key if its mod_revision is `expected`. */
  update(
    key: string,
    value: Uint8Array,
    expected: Revision,
    options?: WriteOptions,
  ): Promise<WriteResult>;
  /** Deletes the key if its mod_revision is `expected`. */
  delete(key: string, expected: Revision, options?: WriteOptions): Promise<WriteResult>;
  /**
   * Streams every change under `prefix` from revision `from` on, across lost connections, until the
   * signal aborts. Throws StorageError `compacted` when `from` (or the resume point) is gone: re-list.
   * Nothing is lost, doubled, reordered, or split within a revision.
   */
  watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<WatchBatch>;
  /** The store's revision by a linearizable read. */
  head(): Promise<Revision>;
  /** Discards history up to `revision`, which itself stays readable. */
  compact(revision: Revision): Promise<void>;
  /** What operators must know: version warnings, alarms such as NOSPACE. Empty: all is well. */
  problems(): Promise<StorageProblem[]>;
  close(): Promise<void>;
}

export interface StorageProblem {
  severity: 'warning' | 'fatal';
  /** One CamelCase word: NoSpace, OldVersion, Corrupt, Unreachable. */
  reason: string;
  message: string;
}

/**
 * `unavailable`: nothing was written, try again. `unknown`: a write whose answer was lost and whose
 * outcome could not be read back within the deadline; it may or may not be stored.
 */
export type StorageErrorCode =
  | 'unavailable'
  | 'unknown'
  | 'compacted'
  | 'future'
  | 'too-large'
  | 'no-space'
  | 'denied'
  | 'internal';

export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;
  /** With `compacted`: the oldest revision that can still be read, if the store said so. */
  readonly compactRevision: Revision | undefined;

  constructor(
    code: StorageErrorCode,
    message: string,
    options: { cause?: unknown; compactRevision?: Revision } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.compactRevision = options.compactRevision;
  }
}
