import protobuf from 'protobufjs/minimal.js';
import { rfc3339 } from '../machinery/clock.ts';
import { isObject, type JsonObject } from '../machinery/json.ts';
import { DecodeError, maxDepth } from './decode.ts';
import { messageOf, type Field, type FieldType, type Message } from './protobuf-kinds.ts';

/**
 * Requests in Kubernetes' protobuf, which kubectl from 1.32 on and client-go's typed clients send for
 * the kinds of Kubernetes itself.
 */

/** A kind that we do not know in protobuf: its sender may fall back to JSON. */
export class UnknownProtobufKindError extends DecodeError {}

const typeMeta: Message = {
  fields: { 1: { name: 'apiVersion', type: 'text' }, 2: { name: 'kind', type: 'text' } },
};

const magic = Buffer.from('k8s\0');

/** runtime.Unknown {typeMeta = 1 {apiVersion = 1, kind = 2}, raw = 2}, after four bytes of magic. */
export function decodeProtobuf(bytes: Uint8Array): JsonObject {
  if (!magic.equals(bytes.subarray(0, magic.length))) {
    throw new DecodeError('the body does not begin as a Kubernetes protobuf message does');
  }
  try {
    const { apiVersion, kind, raw } = decodeEnvelope(bytes.subarray(magic.length));
    const schema = messageOf(apiVersion, kind);
    if (schema === undefined) {
      throw new UnknownProtobufKindError(`${kind} of ${apiVersion} is not taken as protobuf`);
    }
    return {
      apiVersion,
      kind,
      ...decodeMessage(protobuf.Reader.create(raw), raw.length, schema, 0),
    };
  } catch (error) {
    if (error instanceof DecodeError) throw error;
    throw new DecodeError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function decodeEnvelope(bytes: Uint8Array): { apiVersion: string; kind: string; raw: Uint8Array } {
  const reader = protobuf.Reader.create(bytes);
  const envelope: { apiVersion: string; kind: string; raw: Uint8Array } = {
    apiVersion: '',
    kind: '',
    raw: new Uint8Array(),
  };
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag >>> 3 === 1) {
      const type = decodeMessage(reader, reader.uint32() + reader.pos, typeMeta, 0);
      envelope.apiVersion = textOf(type['apiVersion']);
      envelope.kind = textOf(type['kind']);
    } else if (tag >>> 3 === 2) envelope.raw = reader.bytes();
    else reader.skipType(tag & 7);
  }
  return envelope;
}

function decodeMessage(
  reader: protobuf.Reader,
  end: number,
  { fields }: Message,
  depth: number,
): JsonObject {
  if (depth > maxDepth || end > reader.len)
    throw new DecodeError('a message is cut off or too deep');
  const result: JsonObject = {};
  while (reader.pos < end) {
    const tag = reader.uint32();
    const field = fields[tag >>> 3];
    if (field === undefined) reader.skipType(tag & 7);
    else take(result, field, reader, depth);
  }
  return result;
}

function take(result: JsonObject, field: Field, reader: protobuf.Reader, depth: number): void {
  const { name, type } = field;
  const known = result[name];
  if (typeof type === 'object' && 'values' in type) {
    const { key, value } = mapEntry(reader, type.values, depth + 1);
    if (isObject(known)) known[key] = value;
    else result[name] = { [key]: value };
    return;
  }
  const value = single(type, reader, depth);
  if (field.repeated === true) {
    if (Array.isArray(known)) known.push(value ?? '');
    else result[name] = [value ?? ''];
  } else if (value !== undefined) result[name] = value;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

type SingleType = Exclude<FieldType, { values: unknown }>;

/** {key = 1, value = 2}; what is missing is empty. */
function mapEntry(
  reader: protobuf.Reader,
  type: SingleType,
  depth: number,
): { key: string; value: unknown } {
  const fields = { 1: { name: 'key', type: 'text' }, 2: { name: 'value', type } } as const;
  const entry = decodeMessage(reader, reader.uint32() + reader.pos, { fields }, depth);
  const key = textOf(entry['key']);
  if (key === '__proto__') throw new DecodeError('the key "__proto__" is not allowed');
  return { key, value: entry['value'] ?? (type === 'texts' ? [] : '') };
}

function single(type: SingleType, reader: protobuf.Reader, depth: number): unknown {
  switch (type) {
    case 'text':
      return reader.string() || undefined;
    case 'number':
      return wholeNumber(reader) || undefined;
    case 'given number':
      return wholeNumber(reader);
    case 'given flag':
      return reader.bool();
    case 'bytes':
      return Buffer.from(reader.bytes()).toString('base64');
    case 'time':
    case 'precise time':
      return time(reader, type === 'precise time', depth);
    case 'quantity':
      return textOf(nested(reader, quantityFields, depth)['string']);
    case 'texts':
      return nested(reader, listFields, depth)['items'] ?? [];
    default:
      return nested(reader, type, depth);
  }
}

function nested(reader: protobuf.Reader, message: Message, depth: number): JsonObject {
  return decodeMessage(reader, reader.uint32() + reader.pos, message, depth + 1);
}

function wholeNumber(reader: protobuf.Reader): number {
  const read = reader.int64();
  const value = typeof read === 'number' ? read : read.high * 2 ** 32 + (read.low >>> 0);
  if (!Number.isSafeInteger(value)) throw new DecodeError(`number ${value} is out of range`);
  return value;
}

const quantityFields: Message = { fields: { 1: { name: 'string', type: 'text' } } };
const listFields: Message = { fields: { 1: { name: 'items', type: 'text', repeated: true } } };
const timeFields: Message = {
  fields: { 1: { name: 'seconds', type: 'number' }, 2: { name: 'nanos', type: 'number' } },
};

/** Time {seconds = 1, nanos = 2}; an empty one is no time. */
function time(reader: protobuf.Reader, precise: boolean, depth: number): string | undefined {
  const { seconds, nanos } = nested(reader, timeFields, depth);
  if (typeof seconds !== 'number') return undefined;
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) throw new DecodeError(`time ${seconds} is out of range`);
  const whole = rfc3339(date.getTime());
  if (!precise) return whole;
  const micros = Math.trunc((typeof nanos === 'number' ? nanos : 0) / 1000);
  return whole.replace('Z', `.${String(micros).padStart(6, '0')}Z`);
}
