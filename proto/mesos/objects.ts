/**
 * Messages as plain objects in Mesos' JSON shape: snake_case names, enums as strings, bytes as
 * base64. An absent field is an absent property; an empty list or map is absent, as in protobuf.
 */
import { CodecError } from './errors.ts';
import { checkScalar, wrongType } from './scalars.ts';
import type { FieldSchema, MessageSchema, ScalarName, TypeSchema } from './schema.ts';

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
      try {
        const copy = plainField(field, item, strictness, depth);
        if (copy !== undefined) result[name] = copy;
      } catch (error) {
        throw inside(name, error);
      }
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

/** The error as seen from the enclosing message: `segment` goes before a CodecError's path. */
export function inside(segment: string | number, error: unknown): Error {
  if (error instanceof CodecError) return error.within(segment);
  return error instanceof Error ? error : new Error(String(error));
}

function plainField(
  field: FieldSchema,
  value: unknown,
  strictness: Strictness,
  depth: number,
): unknown {
  if (field.cardinality === 'repeated') {
    if (!Array.isArray(value)) throw wrongType('a list', value);
    return plainList(field.type, value, strictness, depth);
  }
  if (field.cardinality === 'map') {
    if (!isPlainObject(value)) throw wrongType('a map', value);
    return plainMap(field.type, value, strictness, depth);
  }
  return plainValue(field.type, value, strictness, depth);
}

function plainList(
  type: TypeSchema,
  list: readonly unknown[],
  strictness: Strictness,
  depth: number,
): unknown[] | undefined {
  const items: unknown[] = [];
  for (let index = 0; index < list.length; index++) {
    try {
      const copy = plainValue(type, list[index], strictness, depth);
      if (copy !== undefined) items.push(copy);
    } catch (error) {
      throw inside(index, error);
    }
  }
  return items.length > 0 ? items : undefined;
}

function plainMap(
  type: TypeSchema,
  map: PlainObject,
  strictness: Strictness,
  depth: number,
): PlainObject | undefined {
  const entries: [string, unknown][] = [];
  for (const [key, item] of Object.entries(map)) {
    try {
      entries.push([key, plainValue(type, item, strictness, depth)]);
    } catch (error) {
      throw inside(key, error);
    }
  }
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

function isNumeric(type: ScalarName): boolean {
  return type !== 'string' && type !== 'bytes' && type !== 'bool';
}

function plainValue(
  type: TypeSchema,
  value: unknown,
  strictness: Strictness,
  depth: number,
): unknown {
  if (type.kind === 'message') return toPlainMessage(type, value, strictness, depth + 1);
  if (type.kind === 'scalar') {
    const fromText = strictness === 'lenient' && typeof value === 'string' && isNumeric(type.name);
    return checkScalar(type.name, fromText && value.trim() !== '' ? Number(value) : value);
  }
  if (typeof value !== 'string') throw wrongType(type.name, value);
  if (type.byName.has(value)) return value;
  if (strictness === 'lenient') return undefined;
  throw wrongType(`one of ${type.name}`, value);
}
