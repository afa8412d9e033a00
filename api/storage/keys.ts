import { maxValueBytes, StorageError } from './storage.ts';

/** Holds the revision of the last compaction round; see compactor.ts. */
export const compactRevisionKey = '/compact_rev_key';

const keyPattern = /^\/[\x21-\x7e]*$/;

/** Refuses a write that not every driver could store in the same way. */
export function assertWritable(key: string, value?: Uint8Array): void {
  if (!keyPattern.test(key)) {
    throw new StorageError(
      'internal',
      `key ${JSON.stringify(key)} must begin with "/" and be printable ASCII`,
    );
  }
  if (value !== undefined && value.length > maxValueBytes) {
    throw new StorageError(
      'too-large',
      `the object takes ${value.length} bytes; the store takes at most ${maxValueBytes}`,
    );
  }
}

export function compactedError(wanted: number, compactRevision?: number): StorageError {
  return new StorageError(
    'compacted',
    `revision ${wanted} has been compacted`,
    compactRevision === undefined ? {} : { compactRevision },
  );
}

export function futureError(wanted: number, head?: number): StorageError {
  const reached = head === undefined ? '' : `; the store is at ${head}`;
  return new StorageError('future', `revision ${wanted} has not been reached${reached}`);
}
