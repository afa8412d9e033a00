/**
 * Messages as plain objects in Mesos' JSON shape: snake_case names, enums as strings, bytes as
 * base64. An absent field is an absent property; an empty list or map is absent, as in protobuf.
 */
import { CodecError } from './errors.ts';
import { checkScalar, wrongType } from './scalars.ts';
import type { FieldSchema, MessageSchema, TypeSchema } from './schema.ts';

export type PlainObject = Record<string, unknown>;

/**
 * Lenient: for what came over the wire (unknown properties and enum values are dropped, null is
 * absent, numbers may be strings). Strict: for what we are about to send (they are errors).
 */
export type Strictness = 'lenient' | 'strict';

/** A deep copy of `value` that has exactly the message's fields. Throws CodecError. */
export function toPlainMessage(
  schema: MessageSchema,
  value: unknown,
  strictness: Strictness,
  depth = 0,
): PlainObject {
  if (!isPlainObject(value)) throw wrongType(schema.name, value);
  checkDepth(depth);
  const result: PlainObject = {};
  for (const [name, item] of Object.entries(value)) {
    if (item === undefined || (item === null && strictness === 'lenient')) continue;
    const field = schema.byName.get(name);
    if (field !== undefined) {
      const copy = at(name, () => plainField(field, item, strictness, depth));
      if (copy !== undefined) result[name] = copy;
    } else if (strictness === 'strict') {
      throw new CodecError('UnknownField', [name], `${schema.name} has no such field`);
    }
  }
  checkRequired(schema, result);
  return result;
}

/** Deepest nesting that is read or written; Mesos' own messages stay below ten. */
export const maxDepth = 64;

export function checkDepth(depth: number): void {
  if (depth > maxDepth) throw new CodecError('Malformed', [], 'nested too deeply');
}

export function checkRequired(schema: MessageSchema, value: PlainObject): void {
  for (const field of schema.required) {
    if (value[field.name] === undefined) {
      throw new CodecError('MissingRequired', [field.name], `required in ${schema.name}`);
    }
  }
}

export function isPlainObject(value: unknown): value is PlainObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Runs `read` and puts `segments` before the path of a CodecError that it throws. */
export function at<T>(segment: string | number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof CodecError ? error.within(segment) : error;
  }
}

function plainField(
  field: FieldSchema,
  value: unknown,
  strictness: Strictness,
  depth: number,
): unknown {
  const single = (item: unknown): unknown => plainValue(field.type, item, strictness, depth);
  if (field.cardinality === 'repeated') {
    if (!Array.isArray(value)) throw wrongType('a list', value);
    const items: unknown[] = [];
    value.forEach((item: unknown, index) => {
      const copy = at(index, () => single(item));
      if (copy !== undefined) items.push(copy);
    });
    return items.length > 0 ? items : undefined;
  }
  if (field.cardinality === 'map') {
    if (!isPlainObject(value)) throw wrongType('a map', value);
    const entries = Object.entries(value).map(([key, item]) => [key, at(key, () => single(item))]);
    return entries.length > 0 ? Object.fromEntries(entries) : undefined;
  }
  return single(value);
}

function plainValue(
  type: TypeSchema,
  value: unknown,
  strictness: Strictness,
  depth: number,
): unknown {
  if (type.kind === 'message') return toPlainMessage(type, value, strictness, depth + 1);
  if (type.kind === 'scalar') {
    const number = strictness === 'lenient' && !['string', 'bytes', 'bool'].includes(type.name);
    const numeric = number && typeof value === 'string' && value.trim() !== '';
    return checkScalar(type.name, numeric ? Number(value) : value);
  }
  if (typeof value !== 'string') throw wrongType(type.name, value);
  if (type.byName.has(value)) return value;
  if (strictness === 'lenient') return undefined;
  throw wrongType(`one of ${type.name}`, value);
}
