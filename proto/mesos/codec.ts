/**
 * Codecs of Mesos' v1 messages. Both wire formats give the same plain objects, in the shape of
 * Mesos' JSON (see objects.ts); proto2 presence is kept: absent stays absent, and a default that was
 * sent stays present.
 */
import { CodecError } from './errors.ts';
import { descriptor } from './generated/descriptor.ts';
import type { MessageTypes } from './generated/messages.ts';
import { isPlainObject, toPlainMessage } from './objects.ts';
import { linkDescriptor } from './schema.ts';
import type { MessageSchema } from './schema.ts';
import { decodeMessage, encodeMessage } from './wire.ts';

export type MessageName = keyof MessageTypes;

/** The two content types of Mesos' HTTP APIs. */
export type Format = 'protobuf' | 'json';

export const contentTypes: Readonly<Record<Format, string>> = {
  protobuf: 'application/x-protobuf',
  json: 'application/json',
};

/** Throws CodecError, and nothing else, on what is no such message. */
export interface Codec<T> {
  readonly name: string;
  readonly encode: (message: T) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => T;
}

const schemas = linkDescriptor(descriptor);
const calls: ReadonlySet<string> = new Set<MessageName>([
  'mesos.v1.scheduler.Call',
  'mesos.v1.master.Call',
  'mesos.v1.agent.Call',
]);

/** The codec of a message by its full name; protobuf unless told otherwise. */
export function codec<N extends MessageName>(
  name: N,
  format: Format = 'protobuf',
): Codec<MessageTypes[N]> {
  const schema = schemas.get(name);
  if (schema === undefined) throw new CodecError('Malformed', [name], 'no such message');
  const { encode, decode } = format === 'json' ? jsonFormat(schema) : protobufFormat(schema);
  return {
    name,
    encode: (message) =>
      named(name, () => {
        if (calls.has(name)) refuseUnknownCall(message);
        return encode(message);
      }),
    // The schema has just checked every field, and MessageTypes is generated from the same schema.
    decode: (bytes) => named(name, () => decode(bytes) as unknown as MessageTypes[N]),
  };
}

/** `message` with exactly the fields that its type has; unknown ones are dropped. */
export function normalize<N extends MessageName>(name: N, message: unknown): MessageTypes[N] {
  const schema = schemas.get(name);
  if (schema === undefined) throw new CodecError('Malformed', [name], 'no such message');
  return named(
    name,
    () => toPlainMessage(schema, message, 'lenient') as unknown as MessageTypes[N],
  );
}

interface PlainFormat {
  readonly encode: (message: unknown) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => Record<string, unknown>;
}

function protobufFormat(schema: MessageSchema): PlainFormat {
  return {
    encode: (message) => encodeMessage(schema, message),
    decode: (bytes) => decodeMessage(schema, bytes),
  };
}

function jsonFormat(schema: MessageSchema): PlainFormat {
  return {
    encode: (message) =>
      Buffer.from(JSON.stringify(toPlainMessage(schema, message, 'strict')), 'utf8'),
    decode: (bytes) => toPlainMessage(schema, parseJson(bytes), 'lenient'),
  };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    // The parser's own message quotes the text, which may hold a secret.
    throw new CodecError('Malformed', [], 'invalid JSON');
  }
}

/** A subscribed framework that posts the call type UNKNOWN kills the master. */
function refuseUnknownCall(message: unknown): void {
  const type = isPlainObject(message) ? message['type'] : undefined;
  if (type !== undefined && type !== 'UNKNOWN') return;
  throw new CodecError('UnknownCallType', ['type'], 'a call must say what it calls');
}

function named<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof CodecError ? error.within(name) : error;
  }
}
