import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { stringify } from 'yaml';
import type { Clock } from '../../machinery/clock.ts';
import type { Answer, ListAnswer, ValueAnswer, WatchAnswer } from '../request.ts';
import { badRequest } from '../errors.ts';
import { statusAnswer } from '../dispatcher.ts';
import { takesGzip, warningHeader } from './headers.ts';
import type { Flushes } from './flushes.ts';
import { limits } from './limits.ts';
import type { Outgoing } from './message.ts';
import { Patience } from './patience.ts';
import type { Turns } from './turns.ts';
import { writeStream } from './stream.ts';

/** What the writer must know of a request. */
export interface Exchange {
  response: Outgoing;
  /** A HEAD gets the headers of its GET. */
  head: boolean;
  acceptEncoding: string | string[] | undefined;
  clock: Clock;
  /** Those of all long answers of a server. */
  turns: Turns;
  /** Those of all its watches. */
  flushes: Flushes;
  /** Told when nothing but the client is waited for, who is yet to take so many bytes, or is slow. */
  made: (bytes: number) => void;
}

/** The client stopped reading: its connection is cut. */
export class StalledClientError extends Error {
  override readonly name = 'StalledClientError';

  constructor() {
    super(`the client took less than ${limits.chunkBytes} bytes in ${limits.stalledMs} ms`);
  }
}

export async function writeAnswer(exchange: Exchange, answer: Answer): Promise<void> {
  const { response } = exchange;
  response.statusCode = answer.code;
  response.setHeader('Cache-Control', 'no-cache, private');
  for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
  if (answer.warnings.length > 0) response.setHeader('Warning', answer.warnings.map(warningHeader));
  switch (answer.kind) {
    case 'watch':
      return writeWatch(exchange, answer);
    case 'bytes':
      response.setHeader('Content-Type', answer.contentType);
      return writeText(exchange, answer.bytes);
    case 'value':
    case 'list':
      // Discovery names the form of its answers itself.
      if (!response.hasHeader('Content-Type')) {
        response.setHeader('Content-Type', `application/${answer.format}`);
      }
      return answer.kind === 'list'
        ? writeTexts(exchange, listTexts(answer))
        : writeText(exchange, valueText(answer));
    case 'stream':
      return writeStream(exchange, answer);
    case 'connect':
      answer.abandon();
      return writeAnswer(exchange, statusAnswer(badRequest('Upgrade request required')));
  }
}

/** As YAML 1.1 has it, what looks like a time or a boolean is quoted: many clients read that. */
function yamlText(value: unknown): Buffer {
  const style = { aliasDuplicateObjects: false, version: '1.1', indentSeq: false } as const;
  return Buffer.from(stringify(value, style));
}

function valueText({ value, format, json }: ValueAnswer): Uint8Array {
  if (format === 'yaml') return yamlText(value);
  return json?.() ?? Buffer.from(`${JSON.stringify(value)}\n`);
}

/** What an answer depends on besides its path. */
const varying = 'Accept, Accept-Encoding';

const comma = Buffer.from(',');

/** A list as text, member by member. */
function* listTexts({ format, head, field, members, texts }: ListAnswer): Generator<Uint8Array> {
  if (format === 'yaml') {
    yield yamlText(head);
    let line = `${field}:\n`;
    for (const member of members()) {
      yield Buffer.concat([Buffer.from(line), yamlText([member])]);
      line = '';
    }
    if (line !== '') yield Buffer.from(`${field}: []\n`);
    return;
  }
  yield Buffer.from(`${JSON.stringify(head).slice(0, -1)},${JSON.stringify(field)}:[`);
  let first = true;
  for (const text of texts()) {
    if (!first) yield comma;
    first = false;
    yield text;
  }
  yield Buffer.from(']}\n');
}

/**
 * Texts gathered into chunks, never made faster than they are taken. Making them pauses now and then, so
 * that others get their turn however long an answer is.
 */
async function* chunksOf(
  texts: Iterable<Uint8Array>,
  { clock, turns }: Exchange,
): AsyncGenerator<Buffer> {
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  let began = clock.monotonic();
  for (const text of texts) {
    for (const piece of slicesOf(text)) {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes < limits.chunkBytes) continue;
      yield Buffer.concat(pieces, bytes);
      pieces = [];
      bytes = 0;
    }
    if (clock.monotonic() - began < limits.sliceMs) continue;
    await turns.next();
    began = clock.monotonic();
  }
  if (bytes > 0) yield Buffer.concat(pieces, bytes);
}

function* slicesOf(text: Uint8Array): Generator<Uint8Array> {
  if (text.length <= limits.chunkBytes) yield text;
  else
    for (let at = 0; at < text.length; at += limits.chunkBytes) {
      yield text.subarray(at, at + limits.chunkBytes);
    }
}

async function writeText(exchange: Exchange, text: Uint8Array): Promise<void> {
  if (text.length > limits.chunkBytes) return writeTexts(exchange, [text]);
  exchange.response.setHeader('Vary', varying);
  return writeWhole(exchange, text);
}

/** Sends what fits a chunk as one, with its length; the rest chunk by chunk as the client takes it. */
async function writeTexts(exchange: Exchange, texts: Iterable<Uint8Array>): Promise<void> {
  const { response, head } = exchange;
  response.setHeader('Vary', varying);
  const chunks = chunksOf(texts, exchange);
  const first = await chunks.next();
  if (first.done === true) return writeWhole(exchange, Buffer.alloc(0));
  const second = await chunks.next();
  if (second.done === true) return writeWhole(exchange, first.value);
  const zip = takesGzip(exchange.acceptEncoding);
  if (zip) response.setHeader('Content-Encoding', 'gzip');
  if (head) {
    response.end();
    return;
  }
  const all = rejoined([first.value, second.value], chunks);
  const patience = new Patience(exchange.clock, () => exchange.made(limits.longAnswerBytes));
  const write = (chunk: Buffer): Promise<void> => written(exchange, chunk, patience);
  if (zip) await zipped(all, write);
  else for await (const chunk of all) await write(chunk);
  const finished = taken(exchange, ['finish', 'close']);
  response.end();
  exchange.made(limits.chunkBytes);
  return finished;
}

async function writeWhole(exchange: Exchange, bytes: Uint8Array): Promise<void> {
  const { response, head } = exchange;
  response.setHeader('Content-Length', bytes.length);
  if (head) {
    response.end();
    return;
  }
  const finished = taken(exchange, ['finish', 'close']);
  response.end(bytes);
  exchange.made(bytes.length);
  return finished;
}

async function* rejoined(begin: readonly Buffer[], rest: AsyncIterable<Buffer>) {
  yield* begin;
  yield* rest;
}

async function zipped(
  chunks: AsyncIterable<Buffer>,
  write: (chunk: Buffer) => Promise<void>,
): Promise<void> {
  const gzip = createGzip({ level: 1, chunkSize: limits.chunkBytes });
  await pipeline(Readable.from(chunks), gzip, async (output: AsyncIterable<Buffer>) => {
    for await (const chunk of output) await write(chunk);
  });
}

/** Writes a chunk and waits until the client is ready for more. Throws if it is not for too long. */
async function written(exchange: Exchange, chunk: Buffer, patience: Patience): Promise<void> {
  const { response } = exchange;
  if (response.destroyed) throw new ClientGoneError();
  if (response.write(chunk)) return;
  await patience.during(() => taken(exchange, ['drain', 'close']));
}

/** Nobody is left to answer. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError';

  constructor() {
    super('the client went away before it had the whole answer');
  }
}

/** Waits for the client to take what was written. Throws StalledClientError if it does not. */
async function taken(
  { response, clock }: Exchange,
  events: readonly ('drain' | 'finish' | 'close')[],
): Promise<void> {
  if (response.destroyed) return;
  const outcome = await new Promise<'taken' | 'waited'>((resolve) => {
    const timer = clock.after(limits.stalledMs, () => settle('waited'));
    const settle = (what: 'taken' | 'waited'): void => {
      timer.cancel();
      for (const event of events) response.off(event, onTaken);
      resolve(what);
    };
    const onTaken = (): void => settle('taken');
    for (const event of events) response.once(event, onTaken);
  });
  if (outcome === 'waited') throw new StalledClientError();
}

/** Streams events; those of one moment are written at once. The pace is the client's. */
async function writeWatch(exchange: Exchange, answer: WatchAnswer): Promise<void> {
  const { response } = exchange;
  response.setHeader('Content-Type', 'application/json');
  response.flushHeaders();
  if (exchange.head) {
    response.end();
    return;
  }
  const waiting = new Coalescer(response, exchange.flushes);
  try {
    for await (const frames of answer.frames) {
      for (const frame of frames) {
        waiting.push(answer.line(frame));
        // Asked of each frame, so that what waits is never more than a flush and one event.
        if (waiting.full && !waiting.flush()) await taken(exchange, ['drain', 'close']);
        if (response.destroyed) return;
      }
    }
    waiting.flush();
    const finished = taken(exchange, ['finish', 'close']);
    response.end();
    await finished;
  } finally {
    waiting.stop();
  }
}

/** Collects pieces and writes them together, a moment later or when there are enough. */
class Coalescer {
  readonly #response: Outgoing;
  readonly #flushes: Flushes;
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(response: Outgoing, flushes: Flushes) {
    this.#response = response;
    this.#flushes = flushes;
  }

  /** Whether it is time to write, and to wait for the client if it does not keep up. */
  get full(): boolean {
    return this.#bytes >= limits.watchFlushBytes || this.#response.writableNeedDrain;
  }

  push(pieces: readonly Uint8Array[]): void {
    if (this.#pieces.length === 0) this.#flushes.add(this.flush);
    for (const piece of pieces) {
      this.#pieces.push(piece);
      this.#bytes += piece.length;
    }
  }

  /** Whether the client keeps up. */
  readonly flush = (): boolean => {
    this.stop();
    if (this.#pieces.length === 0) return !this.#response.writableNeedDrain;
    if (this.#response.destroyed) return false;
    try {
      const bytes = Buffer.concat(this.#pieces, this.#bytes);
      this.#pieces = [];
      this.#bytes = 0;
      return this.#response.write(bytes);
    } catch (error) {
      // Nothing may follow what it lacks now.
      this.#response.destroy();
      throw error;
    }
  };

  stop(): void {
    this.#flushes.remove(this.flush);
  }
}
