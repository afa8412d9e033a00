import type { SchemaNode } from '../resource.ts';

/** What the extensions of a structural schema say of a node. */

/** Fields that the schema does not have are kept. */
export function preservesUnknown(schema: SchemaNode): boolean {
  return schema['x-kubernetes-preserve-unknown-fields'] === true;
}

/** The value is a whole object of some kind, with apiVersion, kind and metadata. */
export function isEmbedded(schema: SchemaNode): boolean {
  return schema['x-kubernetes-embedded-resource'] === true;
}

export function isIntOrString(schema: SchemaNode): boolean {
  return schema['x-kubernetes-int-or-string'] === true;
}

/** What every object of a kind has, whether or not its schema says so. */
export const typeFields: readonly string[] = ['apiVersion', 'kind', 'metadata'];

/** The schema of a property that is named in `schema`. */
export function propertyOf(schema: SchemaNode, key: string): SchemaNode | undefined {
  const { properties } = schema;
  return properties !== undefined && Object.hasOwn(properties, key) ? properties[key] : undefined;
}

/** The schema of the entries of a map. */
export function entriesOf(schema: SchemaNode): SchemaNode | undefined {
  const { additionalProperties } = schema;
  return typeof additionalProperties === 'object' ? additionalProperties : undefined;
}

/** The schema of the value at `key` of an object. */
export function schemaAtKey(schema: SchemaNode, key: string): SchemaNode | undefined {
  return propertyOf(schema, key) ?? entriesOf(schema);
}

/** Whether null may stand here. */
export function allowsNull(schema: SchemaNode): boolean {
  const untyped = schema.type === undefined && !isIntOrString(schema);
  return schema.nullable === true || untyped;
}
