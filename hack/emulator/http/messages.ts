import { gunzipSync } from 'node:zlib';
import {
  codec,
  contentTypes,
  type Codec,
  type Format,
  type MessageName,
} from '../../../proto/mesos/codec.ts';
import { CodecError } from '../../../proto/mesos/errors.ts';
import type { MessageTypes } from '../../../proto/mesos/generated/messages.ts';

/** A request without its socket, so that tests and simulations need none. */
export interface ApiRequest {
  method: string;
  /** Path and query, as on the request line. */
  target: string;
  /** Names in lower case. */
  headers: Readonly<Record<string, string | undefined>>;
  body: Uint8Array;
  /** The body of a RecordIO request as it comes; `body` is empty then. */
  stream?: AsyncIterable<Uint8Array>;
}

export interface ApiResponse {
  kind: 'response';
  status: number;
  headers: Record<string, string>;
  body: Uint8Array;
}

/** An answer that goes on: the server calls `open` once the head is on the wire. */
export interface ApiStream {
  kind: 'stream';
  headers: Record<string, string>;
  open(sink: StreamSink): { closed(): void };
}

export interface StreamSink {
  write(chunk: Uint8Array): void;
  end(): void;
}

export type ApiAnswer = ApiResponse | ApiStream;

const none = new Uint8Array();

export function respond(
  status: number,
  headers: Record<string, string> = {},
  body: Uint8Array = none,
): ApiResponse {
  return { kind: 'response', status, headers, body };
}

/** Every error of Mesos is plain text. */
export function text(
  status: number,
  message: string,
  headers: Record<string, string> = {},
): ApiResponse {
  const type = { 'Content-Type': 'text/plain; charset=utf-8' };
  return respond(status, { ...headers, ...type }, Buffer.from(message));
}

export function json(value: unknown): ApiResponse {
  return respond(200, { 'Content-Type': 'application/json' }, Buffer.from(JSON.stringify(value)));
}

export function methodNotAllowed(method: string, allowed: string): ApiResponse {
  return text(
    405,
    `405 Method Not Allowed. Expecting one of { '${allowed}' }, but received '${method}'.`,
    { Allow: allowed },
  );
}

/** The request's own format, or the refusal that Mesos gives for its Content-Type. */
export function requestFormat(request: ApiRequest): Format | ApiResponse {
  const type = request.headers['content-type'];
  if (type === undefined) return text(400, "Expecting 'Content-Type' to be present");
  for (const format of ['json', 'protobuf'] as const) {
    if (type === contentTypes[format]) return format;
  }
  return text(415, `Expecting 'Content-Type' of ${contentTypes.json} or ${contentTypes.protobuf}`);
}

/** The format that the client accepts, JSON if it takes both. */
export function acceptedFormat(request: ApiRequest): Format | undefined {
  const accept = request.headers['accept'];
  if (accept === undefined) return 'json';
  const types = accept.split(',').map((part) => (part.split(';')[0] ?? '').trim());
  if (types.some((type) => ['*/*', 'application/*', contentTypes.json].includes(type))) {
    return 'json';
  }
  return types.includes(contentTypes.protobuf) ? 'protobuf' : undefined;
}

/** Decodes a call, or tells what is wrong with it in Mesos' words. */
export function decodeCall<N extends MessageName>(
  name: N,
  format: Format,
  request: ApiRequest,
): { call: MessageTypes[N] } | ApiResponse {
  let body: Uint8Array;
  try {
    body = plainBody(request);
  } catch (error) {
    return text(400, `Failed to decompress request body: ${messageOf(error)}`);
  }
  const decoder: Codec<MessageTypes[N]> = codec(name, format);
  try {
    return { call: decoder.decode(body) };
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    return text(400, parseProblem(error, format));
  }
}

function plainBody(request: ApiRequest): Uint8Array {
  if (request.headers['content-encoding'] !== 'gzip') return request.body;
  return gunzipSync(request.body, { maxOutputLength: maxBodyBytes });
}

/** Far above any call; a bound against bombs. */
export const maxBodyBytes = 64 * 1024 * 1024;

function parseProblem(error: CodecError, format: Format): string {
  if (format === 'protobuf') return 'Failed to parse body into Call protobuf';
  const path = error.path.slice(1);
  if (path.length === 0) {
    return error.code === 'Malformed'
      ? 'Failed to parse body into JSON: syntax error at line 1 near: '
      : 'Failed to convert JSON into Call protobuf: Expecting a JSON object';
  }
  const field = String(path.at(-1));
  return error.code === 'MissingRequired'
    ? `Failed to convert JSON into Call protobuf: Missing required fields: ${path.join('.')}`
    : `Failed to convert JSON into Call protobuf: Not expecting ${given(error.detail)} for field '${field}'`;
}

/** The codec says "expected X, found Y". */
function given(detail: string): string {
  const found = detail.slice(detail.lastIndexOf('found ') + 'found '.length);
  if (found.startsWith('the number')) return 'a JSON number';
  return found === 'a list' ? 'a JSON array' : `a JSON ${found}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
