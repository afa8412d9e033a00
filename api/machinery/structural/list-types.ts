import type { FieldError } from '../errors.ts';
import { canonicalJson } from '../field-set.ts';
import { listMapKeys, listTypeOf } from '../fields-within.ts';
import { isObject, own } from '../json.ts';
import type { SchemaNode } from '../resource.ts';
import { schemaAtKey } from './node.ts';

/** Items that occur twice in lists that are sets, or that have the keys of another in those that are maps. */
export function duplicateItems(value: unknown, schema: SchemaNode, path: string): FieldError[] {
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    return [
      ...duplicatesIn(items, schema, path),
      ...items.flatMap((item, index) =>
        schema.items === undefined ? [] : duplicateItems(item, schema.items, `${path}[${index}]`),
      ),
    ];
  }
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const node = typeof child === 'object' ? schemaAtKey(schema, key) : undefined;
    return node === undefined
      ? []
      : duplicateItems(child, node, path === '' ? key : `${path}.${key}`);
  });
}

function duplicatesIn(items: readonly unknown[], schema: SchemaNode, path: string): FieldError[] {
  const type = listTypeOf(schema);
  if (type === 'atomic') return [];
  const keys = listMapKeys(schema);
  const seen = new Set<string>();
  const errors: FieldError[] = [];
  for (const [index, item] of items.entries()) {
    if (type === 'map' && !isObject(item)) continue;
    const identity = canonicalJson(type === 'map' && isObject(item) ? picked(item, keys) : item);
    if (seen.has(identity)) {
      const field = `${path}[${index}]`;
      errors.push({
        field,
        message: `Duplicate value: ${identity}`,
        reason: 'FieldValueDuplicate',
      });
    }
    seen.add(identity);
  }
  return errors;
}

function picked(item: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    keys.flatMap((key) => {
      const value = own(item, key);
      return value === undefined ? [] : [[key, value]];
    }),
  );
}
