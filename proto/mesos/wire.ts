/**
 * The protobuf wire format (proto2) of messages, to and from plain objects.
 *
 * Decoding follows proto2: unknown fields are skipped, so is a field whose wire type is not the
 * expected one; an unknown enum value leaves its field absent; a repeated singular scalar takes the
 * last value, a repeated singular message is merged; packed lists are read.
 */
import Long from 'long';
import protobuf from 'protobufjs/minimal.js';
import { CodecError } from './errors.ts';
import { checkDepth, checkRequired, inside, isPlainObject } from './objects.ts';
import type { PlainObject } from './objects.ts';
import { checkScalar, wrongType } from './scalars.ts';
import type { FieldSchema, MessageSchema, ScalarName, TypeSchema } from './schema.ts';

const varint = 0;
const fixed64 = 1;
const delimited = 2;
const fixed32 = 5;

const wireTypes: Readonly<Record<ScalarName, number>> = {
  string: delimited,
  bytes: delimited,
  bool: varint,
  double: fixed64,
  float: fixed32,
  int32: varint,
  uint32: varint,
  int64: varint,
  uint64: varint,
};

/** Reads a message that fills `bytes`. Throws CodecError and nothing else. */
export function decodeMessage(schema: MessageSchema, bytes: Uint8Array): PlainObject {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const message: PlainObject = {};
    readMessage(schema, protobuf.Reader.create(buffer), buffer.length, message, 0);
    return message;
  } catch (error) {
    if (error instanceof CodecError) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new CodecError('Malformed', [], detail, error);
  }
}

function readMessage(
  schema: MessageSchema,
  reader: protobuf.Reader,
  end: number,
  message: PlainObject,
  depth: number,
): void {
  checkDepth(depth);
  while (reader.pos < end) {
    const tag = reader.tag();
    const wireType = tag & 7;
    const field = schema.byNumber.get(tag >>> 3);
    if (tag >>> 3 === 0) throw new CodecError('Malformed', [], 'field number 0');
    const packed = wireType === delimited && field !== undefined && isPackable(field);
    if (field === undefined || (wireType !== wireTypeOf(field.type) && !packed)) {
      reader.skipType(wireType);
      continue;
    }
    try {
      if (packed) readPacked(field, reader, message, depth);
      else readField(field, reader, message, depth);
    } catch (error) {
      throw inside(field.name, error);
    }
  }
  if (reader.pos !== end) throw new CodecError('Malformed', [], 'a field overruns its message');
  checkRequired(schema, message);
}

function wireTypeOf(type: TypeSchema): number {
  if (type.kind === 'scalar') return wireTypes[type.name];
  return type.kind === 'enum' ? varint : delimited;
}

function isPackable(field: FieldSchema): boolean {
  return field.cardinality === 'repeated' && wireTypeOf(field.type) !== delimited;
}

function readField(
  field: FieldSchema,
  reader: protobuf.Reader,
  message: PlainObject,
  depth: number,
): void {
  if (field.cardinality === 'map') {
    readMapEntry(field, reader, message, depth);
    return;
  }
  const existing = message[field.name];
  const mergeInto = field.cardinality !== 'repeated' && isPlainObject(existing) ? existing : {};
  const value = readValue(field.type, reader, mergeInto, depth);
  if (value === undefined) return;
  if (field.cardinality !== 'repeated') message[field.name] = value;
  else if (Array.isArray(existing)) existing.push(value);
  else message[field.name] = [value];
}

function readPacked(
  field: FieldSchema,
  reader: protobuf.Reader,
  message: PlainObject,
  depth: number,
): void {
  const end = readLength(reader);
  while (reader.pos < end) readField(field, reader, message, depth);
  if (reader.pos !== end) throw new CodecError('Malformed', [], 'a value overruns its list');
}

function readMapEntry(
  field: FieldSchema,
  reader: protobuf.Reader,
  message: PlainObject,
  depth: number,
): void {
  const entry: PlainObject = {};
  readMessage(entrySchema(field), reader, readLength(reader), entry, depth + 1);
  const map = message[field.name];
  const target: PlainObject = isPlainObject(map) ? map : {};
  const { key = '', value = field.type.kind === 'message' ? {} : '' } = entry;
  // defineProperty, because a key may be called __proto__.
  const property = { value, enumerable: true, configurable: true, writable: true };
  Object.defineProperty(target, String(key), property);
  message[field.name] = target;
}

/** A map is a repeated message of a key (1, always a string here) and a value (2). */
function entrySchema(field: FieldSchema): MessageSchema {
  const key: FieldSchema = {
    name: 'key',
    number: 1,
    cardinality: 'optional',
    type: { kind: 'scalar', name: 'string' },
  };
  const value: FieldSchema = { ...field, name: 'value', number: 2, cardinality: 'optional' };
  return {
    kind: 'message',
    name: `${field.name} entry`,
    fields: [key, value],
    byNumber: new Map([
      [1, key],
      [2, value],
    ]),
    byName: new Map([
      ['key', key],
      ['value', value],
    ]),
    required: [],
  };
}

function readLength(reader: protobuf.Reader): number {
  const length = reader.uint32();
  if (reader.pos + length > reader.len) throw new CodecError('Malformed', [], 'truncated');
  return reader.pos + length;
}

function readValue(
  type: TypeSchema,
  reader: protobuf.Reader,
  mergeInto: PlainObject,
  depth: number,
): unknown {
  if (type.kind === 'enum') return type.byNumber.get(reader.int32());
  if (type.kind === 'scalar') return readScalar(type.name, reader);
  readMessage(type, reader, readLength(reader), mergeInto, depth + 1);
  return mergeInto;
}

function readScalar(type: ScalarName, reader: protobuf.Reader): string | number | boolean {
  switch (type) {
    case 'string':
      return reader.string();
    case 'bytes':
      return Buffer.from(reader.bytes()).toString('base64');
    case 'bool':
      return reader.bool();
    case 'double':
      return reader.double();
    case 'float':
      return reader.float();
    case 'int32':
      return reader.int32();
    case 'uint32':
      return reader.uint32();
    case 'int64':
      return toNumber(reader.int64());
    case 'uint64':
      return toNumber(reader.uint64());
  }
}

function toNumber(value: unknown): number {
  return Long.isLong(value) ? value.toNumber() : Number(value);
}

/** Writes a message, its fields in the order of their numbers. Throws CodecError. */
export function encodeMessage(schema: MessageSchema, message: unknown): Uint8Array {
  const writer = protobuf.Writer.create();
  writeMessage(schema, message, writer, 0);
  return writer.finish();
}

function writeMessage(
  schema: MessageSchema,
  message: unknown,
  writer: protobuf.Writer,
  depth: number,
): void {
  if (!isPlainObject(message)) throw wrongType(schema.name, message);
  checkDepth(depth);
  checkRequired(schema, message);
  for (const [name, value] of Object.entries(message)) {
    if (value !== undefined && !schema.byName.has(name)) {
      throw new CodecError('UnknownField', [name], `${schema.name} has no such field`);
    }
  }
  for (const field of schema.fields) {
    const value = message[field.name];
    if (value === undefined) continue;
    try {
      writeField(field, value, writer, depth);
    } catch (error) {
      throw inside(field.name, error);
    }
  }
}

function writeField(
  field: FieldSchema,
  value: unknown,
  writer: protobuf.Writer,
  depth: number,
): void {
  const tag = (field.number << 3) | wireTypeOf(field.type);
  if (field.cardinality === 'repeated') {
    if (!Array.isArray(value)) throw wrongType('a list', value);
    for (let index = 0; index < value.length; index++) {
      try {
        writeValue(field.type, value[index], writer.uint32(tag), depth);
      } catch (error) {
        throw inside(index, error);
      }
    }
  } else if (field.cardinality === 'map') {
    if (!isPlainObject(value)) throw wrongType('a map', value);
    for (const [key, item] of Object.entries(value)) {
      writeMapEntry(field, key, item, writer, depth);
    }
  } else {
    writeValue(field.type, value, writer.uint32(tag), depth);
  }
}

function writeMapEntry(
  field: FieldSchema,
  key: string,
  value: unknown,
  writer: protobuf.Writer,
  depth: number,
): void {
  const entry = writer.uint32((field.number << 3) | delimited).fork();
  entry.uint32((1 << 3) | delimited).string(key);
  entry.uint32((2 << 3) | wireTypeOf(field.type));
  try {
    writeValue(field.type, value, entry, depth);
  } catch (error) {
    throw inside(key, error);
  }
  entry.ldelim();
}

function writeValue(
  type: TypeSchema,
  value: unknown,
  writer: protobuf.Writer,
  depth: number,
): void {
  if (type.kind === 'message') {
    writer.fork();
    writeMessage(type, value, writer, depth + 1);
    writer.ldelim();
  } else if (type.kind === 'enum') {
    const number = typeof value === 'string' ? type.byName.get(value) : undefined;
    if (number === undefined) throw wrongType(`one of ${type.name}`, value);
    writer.int32(number);
  } else {
    writeScalar(type.name, value, writer);
  }
}

function writeScalar(type: ScalarName, value: unknown, writer: protobuf.Writer): void {
  const checked = checkScalar(type, value);
  switch (type) {
    case 'string':
      writer.string(String(checked));
      break;
    case 'bytes':
      writer.bytes(Buffer.from(String(checked), 'base64'));
      break;
    case 'bool':
      writer.bool(checked === true);
      break;
    case 'double':
    case 'float':
    case 'int32':
    case 'uint32':
      writer[type](Number(checked));
      break;
    case 'int64':
    case 'uint64':
      // fromNumber saturates: 2^63 and 2^64 are how the largest values read as doubles.
      writer[type](Long.fromNumber(Number(checked), type === 'uint64'));
      break;
  }
}
