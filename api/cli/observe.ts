import { z } from 'zod';
import { refusal } from '../client/decode.ts';
import type { Transport } from '../client/transport.ts';
import { TransportError } from '../client/transport.ts';
import { sleep, type Clock } from '../machinery/clock.ts';
import { isApiError } from '../machinery/errors.ts';
import { isObject } from '../machinery/json.ts';

/** What is looked at: a collection, or a single object by `fieldSelector`. */
export interface Subject {
  path: string;
  query: Readonly<Record<string, string>>;
  /** Accept header; plain JSON if absent. */
  accept?: string;
}

/** A whole list, or a change since. Bodies are objects or Tables, as `accept` asked. */
export type Observation =
  { type: 'LIST'; body: unknown } | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; body: unknown };

export interface ObserveOptions {
  transport: Transport;
  /** One request, its refusal thrown. */
  send(request: {
    method: 'GET';
    path: string;
    query: Readonly<Record<string, string>>;
    accept?: string;
  }): Promise<unknown>;
  clock: Clock;
  signal: AbortSignal;
  /** Told why the stream is broken, each time it is opened again. */
  onRetry?: (reason: string) => void;
}

/** Failures in a row after which a stream is given up: about a quarter of a minute. */
const maxFailures = 6;

const frameSchema = z.object({
  type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']),
  object: z.unknown(),
});

/**
 * Lists, then watches from there until the signal aborts. A stream that the server ends is resumed where
 * it was; after 410 the list comes again, as the state may have changed unseen. Throws when the first
 * list fails, when the server refuses, and when it stays out of reach.
 */
export async function* observe(
  subject: Subject,
  options: ObserveOptions,
): AsyncGenerator<Observation, void, undefined> {
  const { clock, signal } = options;
  const aborted = (): boolean => signal.aborted;
  let version: string | undefined;
  let failures = 0;
  while (!aborted()) {
    try {
      if (version === undefined) {
        const body = await options.send({ method: 'GET', ...subject });
        version = versionOf(body) ?? '';
        failures = 0;
        yield { type: 'LIST', body };
      }
      for await (const frame of watchFrom(subject, version, options)) {
        failures = 0;
        version = versionOf(frame.object) ?? version;
        if (frame.type !== 'BOOKMARK') yield { type: frame.type, body: frame.object };
      }
      // An orderly end: servers give every watch a lifetime. Never resumed in a busy loop.
      await sleep(clock, 100, signal);
    } catch (error) {
      if (aborted()) return;
      if (isApiError(error, 'Expired', 'Gone')) version = undefined;
      else if (version === undefined || !isPassing(error) || failures + 1 >= maxFailures)
        throw error;
      failures += 1;
      if (!isApiError(error)) options.onRetry?.(error instanceof Error ? error.message : '');
      await sleep(clock, Math.min(250 * 2 ** failures, 5000), signal);
    }
  }
}

interface Frame {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  object: unknown;
}

async function* watchFrom(
  subject: Subject,
  version: string,
  { transport, signal }: ObserveOptions,
): AsyncGenerator<Frame, void, undefined> {
  const request = {
    method: 'GET' as const,
    path: subject.path,
    query: {
      ...subject.query,
      watch: 'true',
      allowWatchBookmarks: 'true',
      ...(version === '' ? {} : { resourceVersion: version }),
    },
    ...(subject.accept === undefined ? {} : { accept: subject.accept }),
  };
  for await (const data of transport.watch(request, signal)) {
    const parsed = frameSchema.safeParse(data);
    if (!parsed.success) {
      throw new TransportError('the server sent something that is no watch event', { sent: true });
    }
    const { type, object } = parsed.data;
    if (type === 'ERROR') throw refusal(object, 500);
    yield { type, object };
  }
}

/** Out of reach, or busy: it may be better in a moment. */
function isPassing(error: unknown): boolean {
  if (isApiError(error)) {
    return isApiError(error, 'ServiceUnavailable', 'TooManyRequests', 'Timeout', 'InternalError');
  }
  return error instanceof TransportError;
}

/** resourceVersion of an object, a list, a Table, or the one row of a watch's Table. */
export function versionOf(body: unknown): string | undefined {
  const own = metadataOf(body)?.['resourceVersion'];
  if (typeof own === 'string' && own !== '') return own;
  const rows: unknown = isObject(body) ? body['rows'] : undefined;
  const row: unknown = Array.isArray(rows) ? rows[0] : undefined;
  const inRow = isObject(row) ? metadataOf(row['object'])?.['resourceVersion'] : undefined;
  return typeof inRow === 'string' && inRow !== '' ? inRow : undefined;
}

function metadataOf(body: unknown): Record<string, unknown> | undefined {
  const metadata: unknown = isObject(body) ? body['metadata'] : undefined;
  return isObject(metadata) ? metadata : undefined;
}
