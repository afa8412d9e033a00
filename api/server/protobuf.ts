import protobuf from 'protobufjs/minimal.js';
import { rfc3339 } from '../machinery/clock.ts';
import type { JsonObject } from '../machinery/json.ts';
import { DecodeError, maxDepth } from './decode.ts';

/**
 * Requests in Kubernetes' protobuf, which kubectl from 1.32 on and client-go's typed clients send for
 * the kinds of Kubernetes itself. Field numbers are those of the generated.proto files of k8s.io/api and
 * k8s.io/apimachinery; what stands in none of the tables is skipped, as protobuf has it.
 */

type FieldType =
  | 'text'
  /** A number or boolean whose zero means that it is absent… */
  | 'number'
  /** …and one that is there even if it is zero. */
  | 'given number'
  | 'given flag'
  | 'time'
  | 'precise time'
  | 'map'
  | Message;

interface Field {
  name: string;
  type: FieldType;
  repeated?: true;
}

/** Fields by number. */
interface Message {
  fields: Readonly<Record<number, Field>>;
}

const text = (name: string): Field => ({ name, type: 'text' });
const texts = (name: string): Field => ({ name, type: 'text', repeated: true });
const number = (name: string): Field => ({ name, type: 'number' });
const message = (name: string, type: Message): Field => ({ name, type });

const ownerReference: Message = {
  fields: {
    1: text('kind'),
    3: text('name'),
    4: text('uid'),
    5: text('apiVersion'),
    6: { name: 'controller', type: 'given flag' },
    7: { name: 'blockOwnerDeletion', type: 'given flag' },
  },
};

const objectMeta: Message = {
  fields: {
    1: text('name'),
    2: text('generateName'),
    3: text('namespace'),
    5: text('uid'),
    6: text('resourceVersion'),
    7: number('generation'),
    8: { name: 'creationTimestamp', type: 'time' },
    9: { name: 'deletionTimestamp', type: 'time' },
    10: { name: 'deletionGracePeriodSeconds', type: 'given number' },
    11: { name: 'labels', type: 'map' },
    12: { name: 'annotations', type: 'map' },
    13: { name: 'ownerReferences', type: ownerReference, repeated: true },
    14: texts('finalizers'),
  },
};

const objectReference: Message = {
  fields: {
    1: text('kind'),
    2: text('namespace'),
    3: text('name'),
    4: text('uid'),
    5: text('apiVersion'),
    6: text('resourceVersion'),
    7: text('fieldPath'),
  },
};

const metadata = message('metadata', objectMeta);

/** The kinds that we take in this form, by apiVersion and kind. */
const kinds: Readonly<Record<string, Message>> = {
  'v1/Namespace': {
    fields: {
      1: metadata,
      2: message('spec', { fields: { 1: texts('finalizers') } }),
      3: message('status', { fields: { 1: text('phase') } }),
    },
  },
  'v1/Event': {
    fields: {
      1: metadata,
      2: message('involvedObject', objectReference),
      3: text('reason'),
      4: text('message'),
      5: message('source', { fields: { 1: text('component'), 2: text('host') } }),
      6: { name: 'firstTimestamp', type: 'time' },
      7: { name: 'lastTimestamp', type: 'time' },
      8: number('count'),
      9: text('type'),
      10: { name: 'eventTime', type: 'precise time' },
      11: message('series', {
        fields: { 1: number('count'), 2: { name: 'lastObservedTime', type: 'precise time' } },
      }),
      12: text('action'),
      13: message('related', objectReference),
      14: text('reportingComponent'),
      15: text('reportingInstance'),
    },
  },
  'coordination.k8s.io/v1/Lease': {
    fields: {
      1: metadata,
      2: message('spec', {
        fields: {
          1: text('holderIdentity'),
          2: { name: 'leaseDurationSeconds', type: 'given number' },
          3: { name: 'acquireTime', type: 'precise time' },
          4: { name: 'renewTime', type: 'precise time' },
          5: { name: 'leaseTransitions', type: 'given number' },
          6: text('strategy'),
          7: text('preferredHolder'),
        },
      }),
    },
  },
};

const deleteOptions: Message = {
  fields: {
    1: { name: 'gracePeriodSeconds', type: 'given number' },
    2: message('preconditions', { fields: { 1: text('uid'), 2: text('resourceVersion') } }),
    3: { name: 'orphanDependents', type: 'given flag' },
    4: text('propagationPolicy'),
    5: texts('dryRun'),
  },
};

/** A kind that we do not know in protobuf: its sender may fall back to JSON. */
export class UnknownProtobufKindError extends DecodeError {}

const magic = Buffer.from('k8s\0');

/** runtime.Unknown {typeMeta = 1 {apiVersion = 1, kind = 2}, raw = 2}, after four bytes of magic. */
export function decodeProtobuf(bytes: Uint8Array): JsonObject {
  if (!magic.equals(bytes.subarray(0, magic.length))) {
    throw new DecodeError('the body does not begin as a Kubernetes protobuf message does');
  }
  try {
    const { apiVersion, kind, raw } = decodeEnvelope(bytes.subarray(magic.length));
    const name = `${apiVersion}/${kind}`;
    const schema = kind === 'DeleteOptions' ? deleteOptions : kinds[name];
    if (schema === undefined || !(kind === 'DeleteOptions' || Object.hasOwn(kinds, name))) {
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
  const typeMeta: Message = { fields: { 1: text('apiVersion'), 2: text('kind') } };
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
  if (type === 'map') {
    const known = result[name];
    const entry = decodeMessage(reader, reader.uint32() + reader.pos, mapEntry, depth + 1);
    const key = textOf(entry['key']);
    if (key === '__proto__') throw new DecodeError('the key "__proto__" is not allowed');
    result[name] = { ...(known as JsonObject | undefined), [key]: entry['value'] ?? '' };
    return;
  }
  const value = scalar(type, reader, depth);
  if (field.repeated === true) {
    const known = result[name];
    const list: unknown[] = Array.isArray(known) ? known : [];
    result[name] = [...list, value ?? ''];
  } else if (value !== undefined) result[name] = value;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

const mapEntry: Message = { fields: { 1: text('key'), 2: text('value') } };

function scalar(type: Exclude<FieldType, 'map'>, reader: protobuf.Reader, depth: number): unknown {
  switch (type) {
    case 'text':
      return reader.string() || undefined;
    case 'number':
      return wholeNumber(reader) || undefined;
    case 'given number':
      return wholeNumber(reader);
    case 'given flag':
      return reader.bool();
    case 'time':
    case 'precise time':
      return time(reader, type === 'precise time', depth);
    default:
      return decodeMessage(reader, reader.uint32() + reader.pos, type, depth + 1);
  }
}

function wholeNumber(reader: protobuf.Reader): number {
  const read = reader.int64();
  const value = typeof read === 'number' ? read : read.high * 2 ** 32 + (read.low >>> 0);
  if (!Number.isSafeInteger(value)) throw new DecodeError(`number ${value} is out of range`);
  return value;
}

const timeFields: Message = { fields: { 1: number('seconds'), 2: number('nanos') } };

/** Time {seconds = 1, nanos = 2}; an empty one is no time. */
function time(reader: protobuf.Reader, precise: boolean, depth: number): string | undefined {
  const parts = decodeMessage(reader, reader.uint32() + reader.pos, timeFields, depth + 1);
  const { seconds, nanos } = parts;
  if (typeof seconds !== 'number') return undefined;
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) throw new DecodeError(`time ${seconds} is out of range`);
  const whole = rfc3339(date.getTime());
  if (!precise) return whole;
  const micros = Math.trunc((typeof nanos === 'number' ? nanos : 0) / 1000);
  return whole.replace('Z', `.${String(micros).padStart(6, '0')}Z`);
}
