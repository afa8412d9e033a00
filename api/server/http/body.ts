import { IncomingMessage } from 'node:http';
import type { Clock } from '../../machinery/clock.ts';
import { ApiError, isApiError } from '../../machinery/errors.ts';
import { decodeJson, decodeUtf8, decodeYaml } from '../decode.ts';
import type { BodyFormat } from '../negotiation.ts';
import { decodeProtobuf } from '../protobuf.ts';
import { limits } from './limits.ts';
import type { Incoming } from './message.ts';

/** Room for the bodies of all requests under way. */
export class BodyMemory {
  #used = 0;

  /** Throws 429 when there is no room. */
  take(bytes: number): void {
    if (this.#used + bytes > limits.allBodiesBytes) {
      throw new ApiError('TooManyRequests', 'the server has too many large requests in hand', {
        details: { retryAfterSeconds: 1 },
      });
    }
    this.#used += bytes;
  }

  giveBack(bytes: number): void {
    this.#used -= bytes;
  }
}

type BodySource = Pick<Incoming, 'headers' | 'complete' | 'iterator'>;

/**
 * The whole body of a request; its length is taken from `memory`, for the caller to give back. Throws 413
 * as soon as it is longer than it may be, 429 if there is no room, 400 if whoever sends it leaves before its
 * end; then nothing is taken.
 */
export async function readBody(request: BodySource, memory: BodyMemory): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? '0');
  if (declared > limits.bodyBytes) throw tooLarge();
  if (request instanceof IncomingMessage && !announcesBody(request)) return Buffer.alloc(0);
  const arrived = arrivedBody(request, declared);
  if (arrived !== undefined) {
    if (arrived.length > limits.bodyBytes) throw tooLarge();
    memory.take(arrived.length);
    return arrived;
  }
  const chunks: Buffer[] = [];
  let size = 0;
  let taken = 0;
  // Whoever sends too much is to read why, so the connection outlives the refusal.
  const stream = request.iterator({ destroyOnReturn: false });
  try {
    for await (const chunk of stream) {
      size += chunk.length;
      if (size > limits.bodyBytes) throw tooLarge();
      memory.take(chunk.length);
      taken += chunk.length;
      chunks.push(chunk);
    }
    if (!request.complete) throw cutShort();
  } catch (error) {
    memory.giveBack(taken);
    if (isApiError(error) || request.complete) throw error;
    throw cutShort(error);
  }
  return Buffer.concat(chunks);
}

/**
 * A body that has come whole, as small ones have by the time that anybody asks for them: it need not be
 * read as a stream, which takes many turns. undefined: it has not. The parser tells of the end of a request
 * a turn after the last of its body.
 */
function arrivedBody(request: BodySource, declared: number): Buffer | undefined {
  if (!(request instanceof IncomingMessage)) return undefined;
  const { complete, readableLength } = request;
  const whole = complete || (readableLength > 0 && readableLength === declared);
  if (!whole) return undefined;
  const bytes: unknown = request.read();
  // So that it comes to its end, and its connection to the next one.
  request.resume();
  return Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0);
}

/** Whether there may be a body: in HTTP/1.1 only one that the headers tell of (RFC 9112, 6.3). */
export function announcesBody({ headers }: Pick<Incoming, 'headers'>): boolean {
  const { 'content-length': length = '0', 'transfer-encoding': coding } = headers;
  return length !== '0' || coding !== undefined;
}

function cutShort(cause?: unknown): ApiError {
  return new ApiError('BadRequest', 'the request ended before its body did', { cause });
}

/**
 * Takes in what is left of a request that has its answer already, for a while: a client that is cut off
 * while it sends may never read the answer. HTTP/2 has words for it.
 */
export async function drain(request: Incoming, clock: Clock): Promise<void> {
  if (!(request instanceof IncomingMessage) || request.complete || request.destroyed) return;
  await new Promise<void>((resolve) => {
    const timer = clock.after(limits.lingerMs, resolve);
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limits.drainBytes) resolve();
    });
    for (const event of ['end', 'close', 'error'] as const) {
      request.once(event, () => {
        timer.cancel();
        resolve();
      });
    }
  });
  request.removeAllListeners('data');
  request.pause();
}

function tooLarge(): ApiError {
  return new ApiError(
    'RequestEntityTooLarge',
    `the request entity is too large: limit is ${limits.bodyBytes} bytes`,
  );
}

/** The value in a body; undefined if it is empty. Throws DecodeError. */
export function decodeBody(bytes: Buffer, format: BodyFormat): unknown {
  if (bytes.length === 0) return undefined;
  if (format === 'protobuf') return decodeProtobuf(bytes);
  const text = decodeUtf8(bytes);
  return format === 'yaml' ? decodeYaml(text) : decodeJson(text);
}
