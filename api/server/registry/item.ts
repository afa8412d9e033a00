import { isObject, without } from '../../machinery/json.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Revision, StoredValue } from '../../storage/storage.ts';

/** A value under one of our keys that is no object of ours: damage, or another program's writing. */
export class CorruptValueError extends Error {
  override readonly name = 'CorruptValueError';
  readonly key: string;

  constructor(key: string, cause?: unknown) {
    super(`the value stored at ${key} is not an API object`, { cause });
    this.key = key;
  }
}

/**
 * One object at one revision, shared by every reader: it is decoded once and serialised once, and
 * nobody may change it.
 */
export class Item {
  /** Key in the store. */
  readonly key: string;
  readonly object: KubeObject;
  /** Revision of the write that made it; 0 for what a dry run made. */
  readonly revision: Revision;
  readonly createRevision: Revision;
  #json: Buffer | undefined;

  constructor(key: string, object: KubeObject, revision: Revision, createRevision: Revision) {
    this.key = key;
    this.object = object;
    this.revision = revision;
    this.createRevision = createRevision;
  }

  /** The object as clients get it, in JSON. */
  json(): Buffer {
    this.#json ??= Buffer.from(JSON.stringify(this.object));
    return this.#json;
  }
}

/** The object in a stored value, with the resourceVersion that the value itself does not carry. */
export function decodeItem(stored: StoredValue): Item {
  return decodeAt(stored.key, stored.value, stored.modRevision, stored.createRevision);
}

/** As decodeItem; `revision` may be that of a delete, whose event carries the object as it was. */
export function decodeAt(
  key: string,
  value: Uint8Array,
  revision: Revision,
  createRevision: Revision,
): Item {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8'));
  } catch (error) {
    throw new CorruptValueError(key, error);
  }
  if (!isStoredObject(parsed)) throw new CorruptValueError(key);
  parsed.metadata.resourceVersion = String(revision);
  return new Item(key, parsed, revision, createRevision);
}

function isStoredObject(value: unknown): value is KubeObject {
  if (!isObject(value) || !isObject(value['metadata'])) return false;
  const { apiVersion, kind, metadata } = value;
  return (
    typeof apiVersion === 'string' &&
    typeof kind === 'string' &&
    typeof metadata['name'] === 'string'
  );
}

/** What is stored: everything but the resourceVersion, which is the revision of the key. */
export function encodeObject(object: KubeObject): Buffer {
  const metadata = without(object.metadata, 'resourceVersion');
  return Buffer.from(JSON.stringify({ ...object, metadata }));
}

/** `object` as it is after a write at `revision`. */
export function withRevision(object: KubeObject, revision: Revision): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}
