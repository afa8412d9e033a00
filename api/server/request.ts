import type { LeaseFence } from '../client/transport.ts';
import type { Impersonation } from './authentication/impersonation.ts';
import type { BodyFormat } from './negotiation.ts';
import type { User } from './registry/context.ts';
import type { WatchFrame, WatchFrames } from './registry/watcher.ts';

/** A request as the handlers see it, whether it came over HTTPS or from the same process. */
export interface ServerRequest {
  /** GET for HEAD, whose body is dropped at the edge. */
  method: string;
  path: string;
  query: URLSearchParams;
  /** undefined: nobody that we know. */
  user: User | undefined;
  accept: string | undefined;
  contentType: string | undefined;
  ifNoneMatch: string | undefined;
  /** The client's name for itself: `kubectl/v1.32.5 (…)`. */
  userAgent: string | undefined;
  fence: LeaseFence | undefined;
  /** Absent: the request comes from this very process. */
  remote?: Remote;
  /** The decoded body; undefined if there is none. Throws ApiError 400 for what cannot be decoded. */
  body(format: BodyFormat): unknown;
  /** Aborted when whoever asked has gone. */
  signal: AbortSignal;
}

/** What only a request from elsewhere has. */
export interface Remote {
  /** Address of the other end. */
  address: string;
  /** Under which id the client wants to find it in the audit log. */
  auditId: string | undefined;
  /** As whom the request is to be treated, if not as its user. */
  impersonation: Impersonation | undefined;
}

/** A request of somebody whom we know. */
export interface AuthenticatedRequest extends ServerRequest {
  user: User;
}

interface AnswerBase {
  code: number;
  headers: Readonly<Record<string, string>>;
  /** Texts of Warning headers. */
  warnings: readonly string[];
}

/** One JSON value. */
export interface ValueAnswer extends AnswerBase {
  kind: 'value';
  value: unknown;
  format: 'json' | 'yaml';
  /** The JSON text of `value`, if there is one that need not be made again. */
  json: (() => Uint8Array) | undefined;
}

/** An object whose last field is a list, which may be so long that it is made member by member. */
export interface ListAnswer extends AnswerBase {
  kind: 'list';
  format: 'json' | 'yaml';
  /** All but the list. */
  head: Readonly<Record<string, unknown>>;
  /** Name of the list: `items` or `rows`. */
  field: string;
  members: () => Iterable<unknown>;
  /** The same in JSON, a text each. */
  texts: () => Iterable<Uint8Array>;
}

/** Bytes as they are. */
export interface BytesAnswer extends AnswerBase {
  kind: 'bytes';
  contentType: string;
  bytes: Uint8Array;
}

/** A stream of events that lasts until either side ends it. */
export interface WatchAnswer extends AnswerBase {
  kind: 'watch';
  frames: AsyncIterable<WatchFrames>;
  /** The event in JSON, newline included, in pieces that watchers share. */
  line(frame: WatchFrame): readonly Uint8Array[];
  /** The event as an object `{type, object}`. */
  event(frame: WatchFrame): { type: string; object: unknown };
}

/** Text that comes as it is written somewhere else, at the pace of the client. */
export interface StreamAnswer extends AnswerBase {
  kind: 'stream';
  contentType: string;
  chunks: AsyncIterable<Uint8Array>;
  /** Lets go of what the stream holds; called once, whether it was read or not. */
  close(): Promise<void>;
}

/** The request is granted; what follows goes over Kubernetes' channels, no longer over HTTP. */
export interface ConnectAnswer extends AnswerBase {
  kind: 'connect';
  /** Resolves with what the client is told at the end. */
  run(connection: ChannelConnection): Promise<Ending>;
  /** Nobody came to connect. */
  abandon(): void;
}

export interface ChannelConnection {
  /** What the client sends on stdin and resize, read as fast as it is taken; ends with stdin. */
  input: AsyncIterable<{ data: Buffer } | { resize: Buffer }>;
  /** Resolves once the network has taken it. Rejects if the client has gone. */
  write(channel: 'stdout' | 'stderr', data: Buffer): Promise<void>;
  /** Aborts when the client has gone, or the server stops. */
  signal: AbortSignal;
}

/** How a connection ended: the exit code of a command, 0 if there is none. */
export interface Ending {
  exitCode: number;
}

export type Answer =
  ValueAnswer | ListAnswer | BytesAnswer | WatchAnswer | StreamAnswer | ConnectAnswer;

export function valueAnswer(value: unknown, options: Partial<ValueAnswer> = {}): ValueAnswer {
  return {
    kind: 'value',
    code: 200,
    headers: {},
    warnings: [],
    value,
    format: 'json',
    json: undefined,
    ...options,
  };
}

export function textAnswer(text: string, code = 200): BytesAnswer {
  return {
    kind: 'bytes',
    code,
    headers: {},
    warnings: [],
    contentType: 'text/plain; charset=utf-8',
    bytes: Buffer.from(text),
  };
}
