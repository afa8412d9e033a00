import { isObject, jsonClone, type JsonObject } from '../json.ts';
import type { SchemaNode } from '../resource.ts';
import { allowsNull, preservesUnknown, schemaAtKey } from './node.ts';

/**
 * `value` with the defaults of its structural schema; a null that the schema does not allow is an absent
 * field, which gets its default, too. Shares with `value` what stays as it is.
 */
export function withDefaults(value: unknown, schema: SchemaNode): unknown {
  if (Array.isArray(value)) return defaultedItems(value, schema.items);
  return isObject(value) ? defaultedFields(value, schema) : value;
}

function defaultedItems(
  list: readonly unknown[],
  items: SchemaNode | undefined,
): readonly unknown[] {
  if (items === undefined) return list;
  let copy: unknown[] | undefined;
  for (const [index, item] of list.entries()) {
    const given: unknown = isForbiddenNull(item, items) ? (defaultOf(items) ?? null) : item;
    const next = withDefaults(given, items);
    if (next === item) continue;
    copy ??= [...list];
    copy[index] = next;
  }
  return copy ?? list;
}

function defaultedFields(object: JsonObject, schema: SchemaNode): JsonObject {
  let copy: JsonObject | undefined;
  const set = (key: string, value: unknown): void => {
    copy ??= { ...object };
    if (value === undefined) Reflect.deleteProperty(copy, key);
    else copy[key] = value;
  };
  for (const [key, value] of Object.entries(object)) {
    const child = schemaAtKey(schema, key);
    if (child === undefined) continue;
    if (isForbiddenNull(value, child) || value === undefined) {
      const given = defaultOf(child);
      set(key, given === undefined ? undefined : withDefaults(given, child));
    } else {
      const next = withDefaults(value, child);
      if (next !== value) set(key, next);
    }
  }
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    if (child.default === undefined || Object.hasOwn(object, key)) continue;
    set(key, withDefaults(defaultOf(child), child));
  }
  return copy ?? object;
}

function isForbiddenNull(value: unknown, schema: SchemaNode): boolean {
  return value === null && !allowsNull(schema) && !preservesUnknown(schema);
}

function defaultOf(schema: SchemaNode): unknown {
  return jsonClone(schema['default']);
}
