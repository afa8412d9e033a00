import type { SchemaNode } from '../../../../../api/machinery/resource.ts';

/** Parts of schemas, in short. */

export const object = (
  properties: Record<string, SchemaNode>,
  more: SchemaNode = {},
): SchemaNode => ({
  type: 'object',
  properties,
  ...more,
});
export const list = (items: SchemaNode, more: SchemaNode = {}): SchemaNode => ({
  type: 'array',
  items,
  ...more,
});
export const open = { 'x-kubernetes-preserve-unknown-fields': true };
export const text: SchemaNode = { type: 'string' };
export const integer: SchemaNode = { type: 'integer' };
export const intOrString: SchemaNode = { 'x-kubernetes-int-or-string': true };
