/**
 * The Storage contract. Two drivers keep it (etcd, memory) and one contract suite holds them to it.
 *
 * Keys are relative to the driver's own prefix: they begin with `/`, are printable ASCII without spaces
 * (so that every order of strings is the order of bytes), and a prefix is a plain prefix of the string:
 * end it with `/` to mean a folder. Values are bytes, at most `maxValueBytes`, and not to be changed once
 * handed over. A revision is etcd's: one counter for the store, one revision a transaction. Every write
 * is one transaction on one object. Reads are linearizable.
 */

/** Revision of the store or of a key; etcd's int64 as a number (below 2^53 for centuries). */
export type Revision = number;

/** Largest value a driver takes; etcd refuses requests over 1.5 MiB. */
export const maxValueBytes = 1_500_000;

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
  /**
   * Whole seconds after which the key expires, which watchers see as a delete; absent: never, also for a
   * key that had a time to live before. Keys share leases, so one may live longer by a twentieth of this,
   * at least 1 s and at most 60 s. etcd keeps no lease shorter than about 2 s.
   */
  ttlSeconds?: number;
  /** Overrides the driver's deadline for one request to the store, in milliseconds. */
  timeoutMs?: number;
}

/**
 * Outcome of a transaction. `conflict` carries what is stored now (undefined: nothing is); `fenced` means
 * that the lease is not the one of the epoch, whatever else would have happened. For `written`, the
 * revision is the write's own; for the others, the store's when it was read.
 */
export type WriteResult =
  | { outcome: 'written'; revision: Revision }
  | { outcome: 'conflict'; current: StoredValue | undefined; revision: Revision }
  | { outcome: 'fenced'; revision: Revision };

export interface ListOptions {
  /**
   * Read the store as of this revision; the newest if absent. StorageError `compacted` if it is gone,
   * `future` if it has not been reached.
   */
  revision?: Revision;
  /** Most items to return, at least 1; all if absent. */
  limit?: number;
  /** Return keys at or after this one only: the last key of a page followed by `\0` goes on after it. */
  from?: string;
}

export interface ListResult {
  items: StoredValue[];
  /** Revision that the list is consistent with (the requested one, or the store's at the read). */
  revision: Revision;
  /** How many keys after the last one returned did not fit the limit. */
  remaining: number;
}

export interface KeyEvent {
  type: 'put' | 'delete';
  key: string;
  /** The value written, or undefined for a delete. */
  value: Uint8Array | undefined;
  /**
   * What the event replaced or deleted; undefined if, and only if, the event creates the key, or if the
   * watch need not tell.
   */
  previous: StoredValue | undefined;
  /** Revision of this event: of the put, or of the delete. */
  modRevision: Revision;
  /** Revision at which the object, put or deleted, was created; 0 of a delete that need not tell. */
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

export interface WatchOptions {
  /**
   * false: events need not tell what they replaced, for somebody who knows it. It saves etcd a read, and
   * us the old value, for each event.
   */
  previous?: boolean;
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
   * signal aborts or the storage closes (it then ends without error). Nothing is lost, doubled,
   * reordered, or split within a revision; a slow reader holds the stream back and fills no buffer.
   * Throws StorageError `compacted` when revision `from` - 1, or the one last delivered, is not readable
   * any more, and `future` when the store has not reached it (on a resumption: it went back in time, as
   * after a restore from a backup). Either way: list again. Also `denied` and `internal`.
   */
  watch(
    prefix: string,
    from: Revision,
    signal: AbortSignal,
    options?: WatchOptions,
  ): AsyncIterable<WatchBatch>;
  /**
   * Whether the value at `key` is to be written again although it stays the same: it is encrypted by a key
   * that writes no more. Absent from stores that encrypt nothing.
   */
  outdated?(key: string): Promise<boolean>;
  /** The store's revision by a linearizable read. */
  head(): Promise<Revision>;
  /**
   * Discards history before `revision`, which itself stays readable. StorageError `compacted` if that
   * has been done already, `future` if the revision has not been reached.
   */
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
 * `unavailable`: nothing was read, or written; try again. `unknown`: a write whose answer was lost and
 * whose outcome could not be established within the deadline; it may be stored, or yet be: read the
 * object again and decide on what is there.
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
