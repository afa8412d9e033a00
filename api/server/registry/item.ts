import { deepFreeze, isObject, without } from '../../machinery/json.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import { unserialised, type CachedEntry, type WatchCache } from '../../storage/cache.ts';
import { unreadableReason } from '../../storage/encrypted.ts';
import type { Revision, StoredValue } from '../../storage/storage.ts';

/**
 * One object at one revision, shared by every reader: decoded once, serialised once, changed by nobody.
 * The entries of the watch cache are Items.
 */
export type Item = Pick<
  CachedEntry<KubeObject>,
  'key' | 'object' | 'modRevision' | 'serialised' | 'serialisedMetadata'
>;

export type ItemCache = WatchCache<KubeObject>;

/** What those who read one kind ask of the cache. */
export type CachedItems = Pick<
  ItemCache,
  'revision' | 'waitFor' | 'snapshot' | 'list' | 'subscribe'
>;

export function itemOf(key: string, object: KubeObject, modRevision: Revision): Item {
  return { key, object, modRevision, ...unserialised };
}

/** The object as clients get it, in JSON. */
export function jsonOf(item: Item): Uint8Array {
  item.serialised ??= lasting(JSON.stringify(item.object));
  return item.serialised;
}

/** Its metadata in JSON. */
export function metadataJsonOf(item: Item): Uint8Array {
  item.serialisedMetadata ??= lasting(JSON.stringify(item.object.metadata));
  return item.serialisedMetadata;
}

/**
 * Bytes that are kept for long. Buffer.from cuts small ones from a block of 8 KiB that it shares with
 * whatever is made next to them, and one that is kept keeps the whole block.
 */
function lasting(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

/** A value that this server has no key for. Its kind says so to whoever asks; the others go on. */
export class UnreadableObjectError extends TypeError {
  override readonly name = 'UnreadableObjectError';
}

/** The object in a stored value, with the resourceVersion that the value itself does not carry. */
export function decodeObject(_key: string, value: Uint8Array, revision: Revision): KubeObject {
  const reason = unreadableReason(value);
  if (reason !== undefined) throw new UnreadableObjectError(reason);
  const text = Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8');
  const parsed: unknown = JSON.parse(text);
  if (!isStoredObject(parsed)) throw new TypeError('the value is not an API object');
  parsed.metadata.resourceVersion = String(revision);
  return deepFreeze(parsed);
}

export function decodeItem({ key, value, modRevision }: StoredValue): Item {
  return itemOf(key, decodeObject(key, value, modRevision), modRevision);
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
  const metadata = { ...object.metadata, resourceVersion: String(revision) };
  return deepFreeze({ ...object, metadata });
}
