import type { IEvent, IKeyValue } from 'etcd3';
import { compactedError } from '../keys.ts';
import { StorageError, type KeyEvent, type Revision, type StoredValue } from '../storage.ts';

/** The part of etcd's keys that belongs to a driver: the contract's keys with a prefix before them. */
export class Keyspace {
  readonly #prefix: string;

  constructor(prefix: string) {
    if (!/^(\/[\x21-\x2e\x30-\x7e]+)+$/.test(prefix)) {
      throw new StorageError(
        'internal',
        `the etcd prefix ${JSON.stringify(prefix)} must be an absolute path such as /mesocosm/registry`,
      );
    }
    this.#prefix = prefix;
  }

  key(key: string): Buffer {
    return Buffer.from(this.#prefix + key);
  }

  /** etcd's range of the keys that begin with `prefix`, from `from` on. */
  range(prefix: string, from = prefix): { key: Buffer; range_end: Buffer } {
    return {
      key: this.key(from > prefix ? from : prefix),
      range_end: endOfPrefix(this.key(prefix)),
    };
  }

  stored(pair: IKeyValue): StoredValue {
    return {
      key: this.#strip(pair.key),
      value: pair.value,
      modRevision: revisionOf(pair.mod_revision),
      createRevision: revisionOf(pair.create_revision),
    };
  }

  /**
   * An event of a watch. Throws StorageError `compacted` if etcd does not tell what the event replaced
   * though it was `asked` to: it looks that up when it sends the event, and a compaction may have been
   * faster.
   */
  event(event: IEvent, asked = true): KeyEvent {
    const key = this.#strip(event.kv.key);
    const modRevision = revisionOf(event.kv.mod_revision);
    const previous = this.#previous(event.prev_kv);
    const deleted = isDelete(event);
    const createRevision = deleted
      ? (previous?.createRevision ?? (asked ? undefined : 0))
      : revisionOf(event.kv.create_revision);
    const untold = asked && previous === undefined;
    if (createRevision === undefined || (untold && createRevision < modRevision)) {
      throw compactedError(modRevision - 1);
    }
    return {
      type: deleted ? 'delete' : 'put',
      key,
      value: deleted ? undefined : event.kv.value,
      previous,
      modRevision,
      createRevision,
    };
  }

  /** A message that proto3 did not carry decodes as null, whatever the declared type says. */
  #previous(pair: IKeyValue | null): StoredValue | undefined {
    return pair === null ? undefined : this.stored(pair);
  }

  #strip(key: Buffer): string {
    return key.toString('latin1', this.#prefix.length);
  }
}

/** An int64 of etcd, which travels as text, as a number. */
export function revisionOf(int64: string): Revision {
  const revision = Number(int64);
  if (!Number.isSafeInteger(revision)) {
    throw new StorageError('internal', `etcd sent ${int64} where a revision was expected`);
  }
  return revision;
}

/** The first key after all that begin with `prefix`, whose last byte is below 0xff. */
function endOfPrefix(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  const last = end.length - 1;
  end.writeUInt8(end.readUInt8(last) + 1, last);
  return end;
}

/** The declared type says `Delete`, the wire's enum is named `DELETE`. */
function isDelete(event: IEvent): boolean {
  return event.type.toUpperCase() === 'DELETE';
}
