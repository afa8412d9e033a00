import { fieldStep, keyStep, valueStep } from './field-set.ts';
import { isObject, own, type JsonObject } from './json.ts';
import type { SchemaNode } from './resource.ts';

/** A value inside another one that somebody can own apart from the rest. */
export interface Field {
  value: unknown;
  schema: SchemaNode;
  /** A property of the schema, as opposed to an entry of a map or an item of a list. */
  named: boolean;
  /** Several items of a list that have the same keys: `value` is the list of them. */
  repeated: boolean;
}

/** A value of which no schema says anything: maps are made of fields, lists are one value. */
const unknownSchema: SchemaNode = {};
/** A value that is one field whatever it is. */
const wholeSchema: SchemaNode = { 'x-kubernetes-map-type': 'atomic' };

/** Whether values of this schema are one field, whatever is in them. */
function isAtomicMap(schema: SchemaNode): boolean {
  return schema['x-kubernetes-map-type'] === 'atomic';
}

export type ListType = 'atomic' | 'set' | 'map';

export function listTypeOf(schema: SchemaNode): ListType {
  const type = schema['x-kubernetes-list-type'];
  return type === 'set' || type === 'map' ? type : 'atomic';
}

/** Whether a set of fields that goes below a value of this schema by `step` says more than it can. */
export function isBelowAtomic(schema: SchemaNode, step: string): boolean {
  return step.startsWith('f:') ? isAtomicMap(schema) : listTypeOf(schema) === 'atomic';
}

/** The schema of the value that `step` leads to. */
export function schemaAt(schema: SchemaNode, step: string): { schema: SchemaNode; named: boolean } {
  if (step.startsWith('f:')) return propertySchema(schema, step.slice(2));
  return { schema: itemSchema(schema), named: false };
}

function itemSchema(schema: SchemaNode): SchemaNode {
  return listTypeOf(schema) === 'map' ? (schema.items ?? unknownSchema) : wholeSchema;
}

function propertySchema(schema: SchemaNode, name: string): { schema: SchemaNode; named: boolean } {
  const { properties, additionalProperties } = schema;
  const property = properties !== undefined && Object.hasOwn(properties, name);
  const found = property ? properties[name] : undefined;
  if (found !== undefined) return { schema: found, named: true };
  const entry = typeof additionalProperties === 'object' ? additionalProperties : unknownSchema;
  return { schema: entry, named: false };
}

/** The fields that `value` is made of, by the step that leads to each; undefined: it is one itself. */
export function fieldsWithin(value: unknown, schema: SchemaNode): Map<string, Field> | undefined {
  if (Array.isArray(value)) return itemsWithin(value, schema);
  return isObject(value) && !isAtomicMap(schema) ? propertiesWithin(value, schema) : undefined;
}

function propertiesWithin(value: JsonObject, schema: SchemaNode): Map<string, Field> {
  const fields = new Map<string, Field>();
  for (const [name, child] of Object.entries(value)) {
    if (child === undefined) continue;
    fields.set(fieldStep(name), {
      value: child,
      ...propertySchema(schema, name),
      repeated: false,
    });
  }
  return fields;
}

/** A list with an item that cannot be told from others is one value. */
function itemsWithin(list: readonly unknown[], schema: SchemaNode): Map<string, Field> | undefined {
  if (listTypeOf(schema) === 'atomic') return undefined;
  const fields = new Map<string, Field>();
  for (const item of list) {
    const step = itemStep(item, schema);
    if (step === undefined) return undefined;
    const known = fields.get(step);
    if (known === undefined) {
      fields.set(step, { value: item, schema: itemSchema(schema), named: false, repeated: false });
    } else {
      const before = known.repeated && Array.isArray(known.value) ? known.value : [known.value];
      const value: unknown[] = [...(before as unknown[]), item];
      fields.set(step, { value, schema: wholeSchema, named: false, repeated: true });
    }
  }
  return fields;
}

/** The step to an item of a list; undefined if it lacks its keys. */
export function itemStep(item: unknown, schema: SchemaNode): string | undefined {
  if (listTypeOf(schema) === 'set') return item === undefined ? undefined : valueStep(item);
  if (!isObject(item)) return undefined;
  const keys: JsonObject = {};
  for (const key of listMapKeys(schema)) {
    const value = own(item, key) ?? schema.items?.properties?.[key]?.['default'];
    if (value !== undefined && value !== null) keys[key] = value;
  }
  return Object.keys(keys).length === 0 ? undefined : keyStep(keys);
}

export function listMapKeys(schema: SchemaNode): string[] {
  const keys = schema['x-kubernetes-list-map-keys'];
  return Array.isArray(keys) ? keys.filter((key) => typeof key === 'string') : [];
}
