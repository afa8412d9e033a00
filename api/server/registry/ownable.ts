import { isObject, own, without, type JsonObject } from '../../machinery/json.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Resource, SchemaNode } from '../../machinery/resource.ts';
import { isEmbedded } from '../../machinery/structural/node.ts';
import { objectMetaSchemaNode, wholeSchema } from './object-meta.ts';

/** What of the metadata somebody can own; the rest is the server's or the object's identity. */
const ownedMetadata = [
  'labels',
  'annotations',
  'finalizers',
  'ownerReferences',
  'generateName',
] as const;

/** An object of which nobody owns anything. */
export const nothing: JsonObject = { metadata: {} };

/** Whether the schema of a kind names the fields of its objects. */
export function hasFields(resource: Pick<Resource, 'schema'>): boolean {
  return resource.schema.properties !== undefined;
}

/** A kind that says nothing of its fields has them named by what its objects look like. */
export function ownershipSchema(resource: Pick<Resource, 'schema'>): SchemaNode {
  if (hasFields(resource)) return withEmbedded(wholeSchema(resource));
  return { ...resource.schema, properties: { metadata: {} } };
}

const embeddedFields = { apiVersion: { type: 'string' }, kind: { type: 'string' } };

/** The schema with the fields that every object inside another one has. */
function withEmbedded(schema: SchemaNode): SchemaNode {
  const { items, additionalProperties, properties } = schema;
  const next: SchemaNode = { ...schema };
  if (items !== undefined) next.items = withEmbedded(items);
  if (typeof additionalProperties === 'object') {
    next.additionalProperties = withEmbedded(additionalProperties);
  }
  const fields = Object.entries(properties ?? {}).map(([name, child]): [string, SchemaNode] => [
    name,
    withEmbedded(child),
  ]);
  if (fields.length > 0) next.properties = Object.fromEntries(fields);
  if (isEmbedded(schema)) {
    next.properties = { ...embeddedFields, ...next.properties, metadata: objectMetaSchemaNode() };
  }
  return next;
}

/** What of an object somebody can own; metadata is there even if it is empty. */
export function ownable(object: KubeObject): JsonObject {
  return { metadata: {}, ...ownableOf({ ...object }) };
}

/** What of a configuration somebody can own. */
export function ownableOf(config: JsonObject): JsonObject {
  const { metadata, ...rest } = without(config, 'apiVersion', 'kind');
  const picked: JsonObject = {};
  for (const key of ownedMetadata) {
    const value = isObject(metadata) ? metadata[key] : undefined;
    if (value !== undefined && !isEmpty(value)) picked[key] = value;
  }
  return Object.keys(picked).length === 0 ? rest : { ...rest, metadata: picked };
}

/** Empty lists and maps of metadata are not stored: nobody can own them. */
function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** What may be set through a part of the object, where status is a subresource. */
export function partOf(
  resource: Pick<Resource, 'subresources'>,
  document: JsonObject,
  subresource: string,
): JsonObject {
  if (!resource.subresources.status) return document;
  if (subresource !== 'status') return without(document, 'status');
  return Object.hasOwn(document, 'status') ? { status: document['status'] } : {};
}

/** The whole document that a merge makes, with the identity that the configuration gives. */
export function documentOf(
  config: JsonObject,
  merged: JsonObject,
  stored: KubeObject | undefined,
): JsonObject {
  const given = isObject(config['metadata']) ? config['metadata'] : {};
  const kept = stored === undefined ? {} : without(stored.metadata, ...ownedMetadata);
  const identity: JsonObject = { name: given['name'] };
  for (const key of ['namespace', 'uid', 'resourceVersion']) {
    const value = own(given, key);
    if (value !== undefined && value !== null && value !== '') identity[key] = value;
  }
  const metadata = isObject(merged['metadata']) ? merged['metadata'] : {};
  return {
    apiVersion: config['apiVersion'],
    kind: config['kind'],
    ...merged,
    metadata: { ...kept, ...metadata, ...identity },
  };
}
