import type { ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { stringify as stringifyYaml } from 'yaml';
import { sleep, type Clock } from '../../machinery/clock.ts';
import type { Answer, BytesAnswer, ValueAnswer, WatchAnswer } from '../request.ts';
import { takesGzip, warningHeader } from './headers.ts';
import { limits } from './limits.ts';

const compress = promisify(gzip);

/** What the writer must know of a request. */
export interface Exchange {
  response: ServerResponse;
  /** A HEAD gets the headers of its GET. */
  head: boolean;
  acceptEncoding: string | string[] | undefined;
  clock: Clock;
}

/** The client stopped reading: its connection is cut. */
export class StalledClientError extends Error {
  override readonly name = 'StalledClientError';

  constructor() {
    super(`the client took nothing for ${limits.stalledMs} ms`);
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
      return writeBytes(exchange, answer);
    case 'value':
      return writeValue(exchange, answer);
  }
}

async function writeBytes(exchange: Exchange, answer: BytesAnswer): Promise<void> {
  exchange.response.setHeader('Content-Type', answer.contentType);
  await send(exchange, Buffer.from(answer.bytes));
}

async function writeValue(exchange: Exchange, answer: ValueAnswer): Promise<void> {
  const { response } = exchange;
  if (answer.format === 'yaml') {
    response.setHeader('Content-Type', 'application/yaml');
    // As YAML 1.1 has it, what looks like a time or a boolean is quoted: many clients read that.
    const text = stringifyYaml(answer.value, { aliasDuplicateObjects: false, version: '1.1' });
    return send(exchange, Buffer.from(text));
  }
  if (!response.hasHeader('Content-Type')) response.setHeader('Content-Type', 'application/json');
  await send(exchange, await joined(answer, exchange.clock));
}

/** The JSON of an answer; a long list is put together in slices, so that others get their turn. */
async function joined(answer: ValueAnswer, clock: Clock): Promise<Buffer> {
  if (answer.pieces === undefined) return Buffer.from(`${JSON.stringify(answer.value)}\n`);
  const pieces: Uint8Array[] = [];
  let slice = 0;
  for (const piece of answer.pieces()) {
    pieces.push(piece);
    slice += piece.length;
    if (slice > limits.sliceBytes) {
      slice = 0;
      await sleep(clock, 0);
    }
  }
  return Buffer.concat(pieces);
}

async function send(exchange: Exchange, body: Buffer): Promise<void> {
  const { response, head } = exchange;
  let bytes = body;
  response.setHeader('Vary', 'Accept, Accept-Encoding');
  if (body.length > limits.gzipFrom && takesGzip(exchange.acceptEncoding)) {
    bytes = await compress(body, { level: 1 });
    response.setHeader('Content-Encoding', 'gzip');
  }
  response.setHeader('Content-Length', bytes.length);
  if (head) {
    response.end();
    return;
  }
  const finished = new Promise<void>((resolve) => {
    response.once('close', resolve);
    response.once('finish', resolve);
  });
  response.end(bytes);
  await stalledAfter(exchange, finished);
}

/** Waits for the client to take what was written. Throws StalledClientError if it does not. */
async function stalledAfter({ response, clock }: Exchange, taken: Promise<void>): Promise<void> {
  const sent = (): number => response.socket?.bytesWritten ?? 0;
  for (let before = sent(); ; before = sent()) {
    const patience = new AbortController();
    const outcome = await Promise.race([
      taken.then(() => 'taken' as const),
      sleep(clock, limits.stalledMs, patience.signal).then(() => 'waited' as const),
    ]);
    patience.abort();
    if (outcome === 'taken' || response.destroyed) return;
    if (sent() === before) throw new StalledClientError();
  }
}

/** Streams events; those of one moment are written at once. The pace is the client's. */
async function writeWatch(exchange: Exchange, answer: WatchAnswer): Promise<void> {
  const { response, clock } = exchange;
  response.setHeader('Content-Type', 'application/json');
  response.flushHeaders();
  if (exchange.head) {
    response.end();
    return;
  }
  const waiting = new Coalescer(response, clock);
  try {
    for await (const frames of answer.frames) {
      for (const frame of frames) waiting.push(answer.line(frame));
      if (waiting.full && !waiting.flush()) await drained(exchange);
      if (response.destroyed) return;
    }
    waiting.flush();
    response.end();
  } finally {
    waiting.stop();
  }
}

async function drained(exchange: Exchange): Promise<void> {
  const { response } = exchange;
  if (!response.writableNeedDrain) return;
  let settle = (): void => undefined;
  const taken = new Promise<void>((resolve) => {
    settle = resolve;
    response.once('drain', resolve);
    response.once('close', resolve);
  });
  try {
    await stalledAfter(exchange, taken);
  } finally {
    response.off('drain', settle);
    response.off('close', settle);
  }
}

/** Collects pieces and writes them together, a moment later or when there are enough. */
class Coalescer {
  readonly #response: ServerResponse;
  readonly #clock: Clock;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #timer: { cancel(): void } | undefined;

  constructor(response: ServerResponse, clock: Clock) {
    this.#response = response;
    this.#clock = clock;
  }

  /** Whether it is time to write, and to wait for the client if it does not keep up. */
  get full(): boolean {
    return this.#bytes >= limits.watchFlushBytes || this.#response.writableNeedDrain;
  }

  push(pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) {
      this.#pieces.push(piece);
      this.#bytes += piece.length;
    }
    this.#timer ??= this.#clock.after(0, () => this.flush());
  }

  /** Whether the client keeps up. */
  flush(): boolean {
    this.stop();
    if (this.#pieces.length === 0) return !this.#response.writableNeedDrain;
    const bytes = Buffer.concat(this.#pieces, this.#bytes);
    this.#pieces = [];
    this.#bytes = 0;
    return this.#response.write(bytes);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
