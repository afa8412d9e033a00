import { isObject, without, type JsonObject } from '../../machinery/json.ts';
import type { KubeObject, ObjectMeta } from '../../machinery/metadata.ts';
import type { Resource } from '../../machinery/resource.ts';
import { badRequest, conflict, invalid } from '../errors.ts';
import { asSubmitted } from './document.ts';
import type { ObjectRef } from './registry.ts';

/** What an update is allowed to change, and how sure of the stored object its sender must be. */
export type UpdateMode =
  | {
      /** A PUT names the version that it replaces; a PATCH need not. */
      verb: 'put' | 'patch';
      subresource: 'status' | 'scale' | undefined;
    }
  | {
      verb: 'put';
      subresource: 'finalize';
      /** The stored object with what the subresource may change, taken from the one sent. */
      finalize: (stored: KubeObject, sent: KubeObject) => KubeObject;
    };

/** Throws 400 unless the metadata are of the object that the request is about. */
function checkPlace(ref: ObjectRef, { name, namespace }: JsonObject): void {
  if (typeof name !== 'string' || name === '') {
    throw badRequest(
      `the name of the object (${ref.name} based on URL) was undeterminable: name must be provided`,
    );
  }
  if (name !== ref.name) {
    throw badRequest(
      `the name of the object (${name}) does not match the name on the URL (${ref.name})`,
    );
  }
  if (typeof namespace === 'string' && namespace !== '' && namespace !== (ref.namespace ?? '')) {
    throw badRequest(
      `the namespace of the object (${namespace}) does not match the namespace on the request (${ref.namespace ?? ''})`,
    );
  }
}

/** Throws unless `document`, of which nothing is stored, can become a new object. */
export function checkNew(resource: Resource, ref: ObjectRef, document: JsonObject): void {
  const { metadata } = asSubmitted(resource, document);
  checkPlace(ref, metadata);
  const { uid, resourceVersion } = metadata;
  for (const wanted of [uid, resourceVersion]) {
    if (typeof wanted !== 'string' || wanted === '') continue;
    throw conflict(resource, ref.name, 'the version that was applied to does not exist any more');
  }
}

/**
 * Whether an update that names no version replaces whatever is stored: as upstream, so do those of the
 * core kinds, of which typed clients send what they have at hand; Leases are taken from nobody unseen.
 */
function replacesUnseen({ strategicMerge, gvk }: Resource): boolean {
  return strategicMerge && gvk.kind !== 'Lease';
}

/**
 * The document with its kind, which those of core kinds may leave out. Throws unless it is about the stored
 * object, in the version that is stored.
 */
export function checkIdentity(
  resource: Resource,
  ref: ObjectRef,
  document: JsonObject,
  stored: KubeObject,
  mode: UpdateMode,
): JsonObject {
  const { document: whole, metadata } = asSubmitted(resource, document);
  checkPlace(ref, metadata);
  const { uid, resourceVersion } = metadata;
  if (mode.verb === 'put' && typeof uid === 'string' && uid !== '' && uid !== stored.metadata.uid) {
    throw conflict(
      resource,
      ref.name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${stored.metadata.uid}`,
    );
  }
  if (resourceVersion === undefined || resourceVersion === '' || resourceVersion === null) {
    if (replacesUnseen(resource)) return whole;
    // kubectl and client-go send 0x0 here for kinds that do not allow unconditional updates.
    throw invalid({ ...resource, gvk: { ...resource.gvk, kind: resource.plural } }, ref.name, [
      {
        field: 'metadata.resourceVersion',
        message: 'Invalid value: 0x0: must be specified for an update',
        reason: 'FieldValueInvalid',
      },
    ]);
  }
  if (resourceVersion !== stored.metadata.resourceVersion) throw conflict(resource, ref.name);
  return whole;
}

/** A document without its managedFields, which Ownership reads, and what it says there. */
export function withoutManagedFields(document: JsonObject): { rest: JsonObject; sent: unknown } {
  const { metadata } = document;
  const sent = isObject(metadata) ? metadata['managedFields'] : undefined;
  // What is no list is refused with the rest of the shape.
  if (!isObject(metadata) || !Array.isArray(sent)) return { rest: document, sent };
  return { rest: { ...document, metadata: without(metadata, 'managedFields') }, sent };
}

/** Metadata of an update: what the server owns and the client left out comes from the stored object. */
export function completedMetadata(sent: ObjectMeta, stored: ObjectMeta): ObjectMeta {
  const { deletionTimestamp, deletionGracePeriodSeconds, namespace, generation } = stored;
  const given: Partial<Record<keyof ObjectMeta, unknown>> = { ...sent };
  return {
    name: sent.name,
    ...(stored.generateName === undefined ? {} : { generateName: stored.generateName }),
    ...(namespace === undefined ? {} : { namespace }),
    uid: text(given.uid) ?? stored.uid,
    resourceVersion: stored.resourceVersion,
    ...(generation === undefined ? {} : { generation }),
    creationTimestamp: text(given.creationTimestamp) ?? stored.creationTimestamp,
    ...optional('deletionTimestamp', text(given.deletionTimestamp) ?? deletionTimestamp),
    ...optional(
      'deletionGracePeriodSeconds',
      sent.deletionGracePeriodSeconds ?? deletionGracePeriodSeconds,
    ),
    ...clientMetadata(sent),
  };
}

/** What of the metadata is the client's own; empty maps and lists are absent ones. */
export function clientMetadata(sent: ObjectMeta): Partial<ObjectMeta> {
  const { labels, annotations, finalizers, ownerReferences } = sent;
  return {
    ...(isEmpty(labels) ? {} : { labels }),
    ...(isEmpty(annotations) ? {} : { annotations }),
    ...(isEmpty(finalizers) ? {} : { finalizers }),
    ...(isEmpty(ownerReferences) ? {} : { ownerReferences }),
  };
}

function isEmpty(value: object | undefined): boolean {
  return value === undefined || Object.keys(value).length === 0;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function optional<K extends keyof ObjectMeta>(
  key: K,
  value: ObjectMeta[K] | undefined,
): Partial<Pick<ObjectMeta, K>> {
  const result: Partial<Pick<ObjectMeta, K>> = {};
  if (value !== undefined) result[key] = value;
  return result;
}
