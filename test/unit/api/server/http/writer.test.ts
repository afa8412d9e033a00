import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { systemClock, type Clock } from '../../../../../api/machinery/clock.ts';
import { limits } from '../../../../../api/server/http/limits.ts';
import { Flushes } from '../../../../../api/server/http/flushes.ts';
import { Turns } from '../../../../../api/server/http/turns.ts';
import { StalledClientError, writeAnswer } from '../../../../../api/server/http/writer.ts';
import {
  valueAnswer,
  type Answer,
  type ListAnswer,
  type WatchAnswer,
} from '../../../../../api/server/request.ts';
import { VirtualClock } from '../../../../support/virtual-clock.ts';

let server: Server | undefined;
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => server?.close(resolve));
});

interface Serving {
  port: number;
  /** How the writing of the first answer ended. */
  outcome: Promise<unknown>;
  /** What the writer told of answers that are made, in bytes. */
  made: number[];
}

/** A server that gives everybody this answer. */
async function serve(answer: () => Answer, clock: Clock = systemClock()): Promise<Serving> {
  let settle: (outcome: unknown) => void = () => undefined;
  const outcome = new Promise<unknown>((resolve) => (settle = resolve));
  const told: number[] = [];
  const made = (bytes: number): void => void told.push(bytes);
  const shared = { clock, turns: new Turns(clock), flushes: new Flushes(clock, settle), made };
  server = createServer((incoming, response) => {
    const acceptEncoding = incoming.headers['accept-encoding'];
    const exchange = { ...shared, response, head: incoming.method === 'HEAD', acceptEncoding };
    writeAnswer(exchange, answer()).then(settle, (error: unknown) => {
      response.destroy();
      settle(error);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, outcome, made: told };
}

async function get(port: number, headers = {}, method = 'GET') {
  const sent = request({ port, host: '127.0.0.1', headers, method }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { headers: response.headers, bytes: Buffer.concat(chunks) };
}

/** A client that asks and then reads nothing. */
async function deafClient(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  return socket;
}

/** A list of texts; `made` counts those that were asked for. */
function listOf(count: number, text: string, format: 'json' | 'yaml' = 'json') {
  const made = { count: 0 };
  function* values(): Generator<{ n: number; text: string }> {
    for (let n = 0; n < count; n += 1) {
      made.count += 1;
      yield { n, text };
    }
  }
  function* texts(): Generator<Uint8Array> {
    for (const value of values()) yield Buffer.from(JSON.stringify(value));
  }
  const base = { kind: 'list', code: 200, headers: {}, warnings: [] } as const;
  const head = { kind: 'List', apiVersion: 'v1' };
  const answer: ListAnswer = { ...base, format, head, field: 'items', members: values, texts };
  const expected = { ...head, items: [...values()] };
  made.count = 0;
  return { answer, made, expected };
}

function watchAnswer(frames: WatchAnswer['frames'], line: WatchAnswer['line']): WatchAnswer {
  const event: WatchAnswer['event'] = (frame) => ({ type: frame.type, object: {} });
  return { kind: 'watch', code: 200, headers: {}, warnings: [], frames, event, line };
}

/** Time that passes with every look at it, and timers that end at once; `pauses` counts those of 0 ms. */
function restless(stepMs: number): Clock & { pauses: number } {
  const real = systemClock();
  let now = 0;
  const clock = {
    pauses: 0,
    now: () => 0,
    monotonic: () => (now += stepMs),
    after: (ms: number, run: () => void) => {
      if (ms === 0) clock.pauses += 1;
      return real.after(ms, run);
    },
  };
  return clock;
}

/** Patience of half a minute is a tenth of a second. */
function hasty(): Clock {
  const real = systemClock();
  return { ...real, after: (ms, run) => real.after(ms / 300, run) };
}

describe('a list', () => {
  it.each([0, 1, 3, 5_000])('of %d members is whole, in JSON and in YAML', async (count) => {
    for (const format of ['json', 'yaml'] as const) {
      const { answer, expected } = listOf(count, 'a: "text"\n  of: lines\n', format);
      const { port } = await serve(() => answer);
      const { bytes, headers } = await get(port);
      expect(headers['content-type']).toBe(`application/${format}`);
      const text = bytes.toString();
      expect(format === 'json' ? JSON.parse(text) : parse(text)).toEqual(expected);
      server?.close();
    }
  });

  it('that is long is gzipped for whoever takes it, and begins before it is made', async () => {
    const { answer, expected } = listOf(4_000, 'x'.repeat(200));
    const { port } = await serve(() => answer);
    const plain = await get(port);
    expect(plain.headers).toMatchObject({ 'transfer-encoding': 'chunked' });
    const zipped = await get(port, { 'accept-encoding': 'gzip' });
    expect(zipped.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(zipped.bytes).equals(plain.bytes)).toBe(true);
    expect(JSON.parse(plain.bytes.toString())).toEqual(expected);
  });

  it('pauses for other work at least every 10 ms while it is made', async () => {
    const { answer, made } = listOf(1_000, 'short');
    const clock = restless(1);
    const { port } = await serve(() => answer, clock);
    await get(port);
    expect(made.count).toBe(1_000);
    expect(clock.pauses).toBeGreaterThanOrEqual(1_000 / (limits.sliceMs + 2));
  });

  it('is made no faster than its client takes it, and one that stops taking is cut off', async () => {
    const { answer, made } = listOf(20_000, 'x'.repeat(10_000));
    const { port, outcome } = await serve(() => answer, hasty());
    const socket = await deafClient(port);
    expect(await outcome).toBeInstanceOf(StalledClientError);
    // 200 MB in all: what was made is what sockets hold.
    expect(made.count).toBeLessThan(2_000);
    socket.destroy();
  });

  it('is not made any further when its client goes', async () => {
    const { answer, made } = listOf(20_000, 'x'.repeat(10_000));
    const { port, outcome } = await serve(() => answer);
    const socket = await deafClient(port);
    await expect.poll(() => made.count).toBeGreaterThan(0);
    socket.destroy();
    await outcome;
    expect(made.count).toBeLessThan(2_000);
  });
});

describe('one value', () => {
  it('has its length, for a HEAD too', async () => {
    const { port } = await serve(() => valueAnswer({ a: 1 }));
    const { bytes, headers } = await get(port);
    expect(bytes.toString()).toBe('{"a":1}\n');
    expect(headers['content-length']).toBe('8');
    const head = await get(port, {}, 'HEAD');
    expect(head.headers['content-length']).toBe('8');
    expect(head.bytes).toHaveLength(0);
  });

  it('that is long comes in chunks', async () => {
    const value = { text: 'x'.repeat(limits.chunkBytes * 3) };
    const { port } = await serve(() => valueAnswer(value));
    expect(JSON.parse((await get(port)).bytes.toString())).toEqual(value);
  });
});

describe('an answer that waits for nothing but its client', () => {
  it('is told of at once if it is short, and at its end if it is long and taken', async () => {
    const short = await serve(() => valueAnswer({ a: 1 }));
    await get(short.port);
    expect(short.made).toEqual([8]);
    server?.close();
    const long = await serve(() => listOf(4_000, 'x'.repeat(200)).answer);
    await get(long.port);
    expect(long.made).toEqual([limits.chunkBytes]);
  });

  it('is told of before its end if its client has kept it waiting for long', async () => {
    const clock = new VirtualClock();
    const { port, made } = await serve(
      () => valueAnswer({ text: 'x'.repeat(30 * 1024 * 1024) }),
      clock,
    );
    const socket = await deafClient(port);
    await expect
      .poll(async () => {
        await clock.advance(1_000);
        return made;
      })
      .toEqual([limits.longAnswerBytes]);
    socket.destroy();
  });
});

describe('a watch', () => {
  /** Events of 64 KiB without end, a hundred at a time. */
  function endless() {
    const made = { count: 0 };
    const line = [Buffer.alloc(64 * 1024, 'x')];
    async function* frames() {
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        yield Array.from({ length: 100 }, () => ({ type: 'BOOKMARK', revision: 1 }) as const);
      }
    }
    const answer = watchAnswer(frames(), () => {
      made.count += 1;
      return line;
    });
    return { answer, made };
  }

  it('keeps nothing for a client that does not read, and cuts it off', async () => {
    const { answer, made } = endless();
    const { port, outcome } = await serve(() => answer, hasty());
    const socket = await deafClient(port);
    expect(await outcome).toBeInstanceOf(StalledClientError);
    // Within one batch, too: a batch alone would be 6 MB.
    expect(made.count * 64).toBeLessThan(20 * 1024);
    socket.destroy();
  });
});

describe('a watch that cannot be written', () => {
  it('is cut off, so that nothing follows what it lacks', async () => {
    // It cannot be put together with anything.
    const unfit = new Proxy(new Uint8Array(1), {
      get: (bytes, key): unknown => Reflect.get(bytes, key),
    });
    const frames = async function* () {
      yield await Promise.resolve([{ type: 'BOOKMARK', revision: 1 } as const]);
      await new Promise(() => undefined);
    };
    const { port, outcome } = await serve(() => watchAnswer(frames(), () => [unfit]));
    await expect(get(port)).rejects.toThrow();
    expect(await outcome).toBeInstanceOf(TypeError);
  });
});

it('long works go on one at a time, each in a turn of its own', async () => {
  const real = systemClock();
  let called = 0;
  const clock: Clock = {
    ...real,
    after: (ms, run) =>
      real.after(ms, () => {
        called += 1;
        run();
      }),
  };
  const turns = new Turns(clock);
  const order: string[] = [];
  const work = async (name: string): Promise<void> => {
    for (let slice = 1; slice <= 3; slice += 1) {
      await turns.next();
      order.push(`${name}${slice}@${called}`);
    }
  };
  await Promise.all([work('a'), work('b')]);
  expect(order).toEqual(['a1@1', 'b1@2', 'a2@3', 'b2@4', 'a3@5', 'b3@6']);
});

it('what many watches write is written in one turn, in more if it takes long, whichever cannot be written', () => {
  let ms = 0;
  const timers: (() => void)[] = [];
  const clock: Clock = {
    now: () => ms,
    monotonic: () => ms,
    after: (_ms, run) => {
      timers.push(run);
      return { cancel: () => undefined };
    },
  };
  const faults: unknown[] = [];
  const flushes = new Flushes(clock, (error) => faults.push(error));
  const order: string[] = [];
  const flush = (name: string, takes: number) => (): void => {
    order.push(`${name}@${ms}`);
    ms += takes;
  };
  const dropped = flush('dropped', 0);
  flushes.add(flush('a', 4));
  flushes.add(dropped);
  const fault = new Error('a bad connection');
  flushes.add(() => {
    throw fault;
  });
  flushes.add(flush('b', 7));
  flushes.add(flush('c', 0));
  flushes.remove(dropped);
  expect(timers).toHaveLength(1);
  timers.shift()?.();
  expect(order).toEqual(['a@0', 'b@4']);
  expect(faults).toEqual([fault]);
  expect(timers).toHaveLength(1);
  timers.shift()?.();
  expect(order).toEqual(['a@0', 'b@4', 'c@11']);
  expect(timers).toEqual([]);
});
