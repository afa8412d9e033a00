import { isObject, type JsonObject } from '../json.ts';
import { objectMetaSchema } from '../metadata.ts';
import type { SchemaNode } from '../resource.ts';
import { entriesOf, isEmbedded, preservesUnknown, propertyOf, typeFields } from './node.ts';

export interface Pruned {
  value: unknown;
  /** What was left out. */
  unknown: string[][];
}

/**
 * A whole object without the fields that its structural schema does not have. Its own metadata is looked
 * at by nobody here; that of objects inside keeps what metadata has. Shares with `object` what stays as it is.
 */
export function prune(object: unknown, schema: SchemaNode): Pruned {
  const unknown: string[][] = [];
  const value = pruned(
    object,
    schema,
    { whole: true, keep: preservesUnknown(schema) },
    [],
    unknown,
  );
  return { value, unknown };
}

interface Mode {
  /** The value has the fields of a whole object. */
  whole: boolean;
  /** Unknown fields stay. */
  keep: boolean;
}

function pruned(
  value: unknown,
  schema: SchemaNode,
  mode: Mode,
  path: readonly string[],
  unknown: string[][],
): unknown {
  if (Array.isArray(value)) return prunedItems(value, schema.items, path, unknown);
  return isObject(value) ? prunedFields(value, schema, mode, path, unknown) : value;
}

function below(
  value: unknown,
  schema: SchemaNode,
  path: readonly string[],
  unknown: string[][],
): unknown {
  const mode = { whole: isEmbedded(schema), keep: preservesUnknown(schema) };
  return pruned(value, schema, mode, path, unknown);
}

function prunedItems(
  list: readonly unknown[],
  items: SchemaNode | undefined,
  path: readonly string[],
  unknown: string[][],
): readonly unknown[] {
  if (items === undefined) return list;
  let copy: unknown[] | undefined;
  for (const [index, item] of list.entries()) {
    const next = below(item, items, [...path, String(index)], unknown);
    if (next === item) continue;
    copy ??= [...list];
    copy[index] = next;
  }
  return copy ?? list;
}

function prunedFields(
  object: JsonObject,
  schema: SchemaNode,
  { whole, keep }: Mode,
  path: readonly string[],
  unknown: string[][],
): JsonObject {
  let copy: JsonObject | undefined;
  const open = keep || schema.additionalProperties === true;
  for (const [key, value] of Object.entries(object)) {
    if (whole && typeFields.includes(key)) {
      const next = key === 'metadata' ? prunedMetadata(value, path, unknown) : value;
      if (next !== value) copy = { ...(copy ?? object), metadata: next };
      continue;
    }
    const child = propertyOf(schema, key) ?? entriesOf(schema);
    if (child === undefined) {
      if (open) continue;
      unknown.push([...path, key]);
      copy ??= { ...object };
      Reflect.deleteProperty(copy, key);
      continue;
    }
    if (typeof value !== 'object' || value === null) continue;
    const next = below(value, child, [...path, key], unknown);
    if (next === value) continue;
    copy ??= { ...object };
    copy[key] = next;
  }
  return copy ?? object;
}

const metadataFields: ReadonlySet<string> = new Set(Object.keys(objectMetaSchema.shape));

/** Metadata of an object inside another one: those of the whole are somebody else's. */
function prunedMetadata(value: unknown, path: readonly string[], unknown: string[][]): unknown {
  if (path.length === 0 || !isObject(value)) return value;
  const fields = Object.entries(value);
  const strange = fields.filter(([key]) => !metadataFields.has(key));
  unknown.push(...strange.map(([key]) => [...path, 'metadata', key]));
  const kept = fields.filter(([key, field]) => field !== null && metadataFields.has(key));
  return kept.length === fields.length ? value : Object.fromEntries(kept);
}
