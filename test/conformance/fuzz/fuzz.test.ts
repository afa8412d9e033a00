import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { connect, type TLSSocket } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { sleep, systemClock } from '../../../api/machinery/clock.ts';
import { limits } from '../../../api/server/http/limits.ts';
import { resources } from '../../../api/v1/resources.ts';
import { widgetResource } from '../../unit/api/server/support/widget.ts';
import { exchange, type Identity, type WireAnswer } from '../golden/wire.ts';
import { dialHttp2, flags, frame, requestHeaders } from '../support/frames.ts';
import { startServer, type RunningServer } from '../support/server.ts';
import { fuzzRequests, type FuzzRequest } from './requests.ts';

/** More of them by hand: FUZZ_RUNS=100000 FUZZ_SEED=7 npx vitest run test/conformance/fuzz */
const runs = Number(process.env['FUZZ_RUNS'] ?? '1500');
const seed = Number(process.env['FUZZ_SEED'] ?? '1');

const mebibyte = 1024 * 1024;
const clock = systemClock();
const all = [widgetResource, ...resources];
let running: RunningServer;
let admin: Identity;
const agent = new Agent({ keepAlive: true, maxSockets: 8 });

beforeAll(async () => {
  running = await startServer(all);
  admin = { caFile: running.certificates.caFile, ...running.certificates.admin };
});
afterAll(async () => {
  agent.destroy();
  await running.stop();
});

const statusSchema = z.object({
  kind: z.literal('Status'),
  apiVersion: z.literal('v1'),
  status: z.literal('Failure'),
  message: z.string().min(1),
  reason: z.string().min(1),
  code: z.int(),
});

/** Whatever is asked, the answer does not keep anybody waiting. */
function soon<T>(answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = new Error('no answer within half a minute');
    const timer = clock.after(30_000, () => reject(late));
    answer.then(resolve, reject).finally(() => timer.cancel());
  });
}

function send({ body, ...request }: FuzzRequest): Promise<WireAnswer> {
  const given = body === undefined ? {} : { body };
  return soon(exchange(running.port, admin, { ...request, ...given, agent }));
}

/** A refusal is the client's fault and says so in a Status; everything else is a success. */
function judge({ method, path }: FuzzRequest, { status, text }: WireAnswer): void {
  expect(status).toBeLessThan(500);
  expect(status).toBeGreaterThanOrEqual(200);
  if (status < 400 || method === 'HEAD' || /^\/(livez|readyz|healthz)/.test(path)) return;
  expect(statusSchema.parse(JSON.parse(text)).code).toBe(status);
}

const isWell = async (): Promise<boolean> =>
  (await send({ method: 'GET', path: '/readyz', headers: {}, body: undefined })).status === 200;

/** Deletes all that the fuzzer made, and what holds it. */
async function sweep(): Promise<void> {
  const transport = running.server.transport({ name: 'sweeper', groups: ['system:masters'] });
  const items = z.object({
    items: z.array(z.object({ metadata: z.object({ name: z.string() }) })),
  });
  for (const { gvk, plural, namespaced, verbs } of all) {
    if (gvk.kind === 'Namespace' || verbs !== undefined) continue;
    const root = gvk.group === '' ? '/api/v1' : `/apis/${gvk.group}/${gvk.version}`;
    for (const scope of namespaced ? ['/namespaces/default', '/namespaces/a'] : ['']) {
      const path = `${root}${scope}/${plural}`;
      await transport.request({ method: 'DELETE', path });
      const left = items.parse((await transport.request({ method: 'GET', path })).body);
      for (const { metadata } of left.items) {
        const body = { metadata: { finalizers: null } };
        const contentType = 'application/merge-patch+json';
        await transport.request({
          method: 'PATCH',
          path: `${path}/${metadata.name}`,
          body,
          contentType,
        });
      }
    }
  }
}

/** Bytes in use once all that nobody holds is gone: the server's and the test's, which keeps nothing. */
async function memory(): Promise<number> {
  setFlagsFromString('--expose_gc');
  const collect = runInNewContext('gc') as () => void;
  for (let round = 0; round < 3; round += 1) {
    collect();
    await sleep(clock, 20);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** No more than `bytes` are used on top of `before`, once connections that have ended are gone. */
const isFreed = (before: number, bytes: number): Promise<void> =>
  expect.poll(async () => (await memory()) - before).toBeLessThan(bytes);

describe('whatever it is sent, the server', () => {
  it('answers with what was asked for or a Status that refuses it, logs no fault and keeps nothing', async () => {
    const seen = new Set<number>();
    const check = (numRuns: number, from: number): Promise<void> =>
      fc.assert(
        fc.asyncProperty(fuzzRequests(all), async (request) => {
          const before = running.complaints.length;
          const answer = await send(request);
          expect(running.complaints.slice(before)).toEqual([]);
          judge(request, answer);
          seen.add(answer.status);
        }),
        { numRuns, seed: from },
      );
    // The first ones warm up what is made once: compiled schemas, documents, connections.
    await check(Math.ceil(runs / 3), seed + 1_000_000);
    await sweep();
    const before = await memory();
    await check(runs, seed);
    await sweep();
    await isFreed(before, 24 * mebibyte);
    // It gets beyond the door: otherwise it would try nothing.
    expect([...seen]).toEqual(expect.arrayContaining([200, 201, 400, 404, 405, 409, 415, 422]));
    expect(await isWell()).toBe(true);
  }, 3_600_000);
});

describe('a client that does not play by the rules', () => {
  const open: TLSSocket[] = [];
  afterAll(() => open.forEach((socket) => socket.destroy()));

  async function dial(): Promise<TLSSocket> {
    const { caFile, certFile = '', keyFile = '' } = admin;
    const [ca, cert, key] = [caFile, certFile, keyFile].map((file) => readFileSync(file));
    const socket = connect({ port: running.port, host: '127.0.0.1', ca, cert, key });
    socket.on('error', () => undefined);
    open.push(socket);
    await once(socket, 'secureConnect');
    return socket;
  }

  const closing = (socket: TLSSocket): Promise<void> =>
    new Promise((resolve) => socket.once('close', () => resolve()));

  /** All that the server says until it hangs up. */
  async function tell(...pieces: readonly (string | Buffer)[]): Promise<string> {
    const socket = await dial();
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    const closed = closing(socket);
    for (const piece of pieces) if (!socket.destroyed) socket.write(piece);
    await soon(closed);
    return text;
  }

  it.each([
    ['no HTTP', '\x16\x03\x01 what?\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['a flood of header lines', headers(5_000), /^HTTP\/1\.1 (431|400) /],
    [
      'two lengths',
      'POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'a length and chunks',
      'POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'a broken chunk',
      'POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'control characters in the path',
      'GET /api/\x01\x02 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
  ])('is refused %s', async (_what, bytes, answer) => {
    expect(await tell(bytes)).toMatch(answer);
    expect(await isWell()).toBe(true);
  });

  it('is stopped when it sends 100 MB, and costs no memory', async () => {
    const before = await memory();
    const head =
      'POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const declared = await tell(`${head}Content-Length: ${100 * mebibyte}\r\n\r\n`);
    expect(declared).toMatch(/^HTTP\/1\.1 413 /);
    const socket = await dial();
    let taken = 0;
    const closed = closing(socket);
    socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n`);
    const chunk = Buffer.concat([
      Buffer.from('100000\r\n'),
      Buffer.alloc(mebibyte, 0x20),
      Buffer.from('\r\n'),
    ]);
    while (!socket.destroyed && taken < 100) {
      taken += 1;
      await new Promise<void>((resolve) => socket.write(chunk, () => resolve()));
    }
    await soon(closed);
    expect(taken).toBeLessThan(100);
    await isFreed(before, 16 * mebibyte);
  });

  it('keeps nobody from being served by bodies that never end and watches that nobody reads', async () => {
    const half =
      'POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{';
    for (let client = 0; client < 50; client += 1) (await dial()).write(half);
    for (let client = 0; client < 50; client += 1) {
      const socket = await dial();
      socket.write('GET /api/v1/namespaces?watch=true HTTP/1.1\r\nHost: x\r\n\r\n');
      if (client % 2 === 0) socket.pause();
      else socket.end();
    }
    expect(await isWell()).toBe(true);
    open.forEach((socket) => socket.destroy());
    expect(await isWell()).toBe(true);
    expect(running.complaints).toEqual([]);
  });
});

describe('a client that breaks HTTP/2', () => {
  const open: TLSSocket[] = [];
  afterAll(() => open.forEach((socket) => socket.destroy()));
  const payload = requestHeaders('GET', '/api/v1/namespaces');
  const whole = flags.endHeaders | flags.endStream;
  const streamOf = (turn: number): number => 2 * turn + 1;
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const get = (turn: number): Buffer =>
    frame('headers', { stream: streamOf(turn), flags: whole, payload });

  /** Sends what `make` gives in so many turns, or until the server hangs up. */
  async function flood(make: (turn: number) => Buffer, turns: number): Promise<TLSSocket> {
    const socket = await dialHttp2(running.port, admin);
    open.push(socket);
    socket.resume();
    let turn = 0;
    while (!socket.destroyed && turn < turns) {
      const pieces: Buffer[] = [];
      for (const end = turn + 100; turn < end; turn += 1) pieces.push(make(turn));
      if (socket.writable) socket.write(Buffer.concat(pieces));
      await sleep(clock, 0);
    }
    return socket;
  }

  it.each<[string, (turn: number) => Buffer]>([
    [
      'gives up each request at once',
      (turn) =>
        Buffer.concat([
          get(turn),
          frame('resetStream', { stream: streamOf(turn), payload: number(8) }),
        ]),
    ],
    [
      'has the server give up each request',
      (turn) =>
        Buffer.concat([
          get(turn),
          frame('windowUpdate', { stream: streamOf(turn), payload: number(0) }),
        ]),
    ],
    ['opens more streams than it may', get],
    [
      'never ends its headers',
      (turn) =>
        turn === 0
          ? frame('headers', { stream: 1, flags: flags.endStream, payload })
          : frame('continuation', { stream: 1 }),
    ],
    [
      'sends bodies of nothing',
      (turn) =>
        turn === 0
          ? frame('headers', {
              stream: 1,
              flags: flags.endHeaders,
              payload: requestHeaders('POST', '/api/v1/namespaces'),
            })
          : frame('data', { stream: 1 }),
    ],
  ])('and %s is cut off', async (_what, make) => {
    const socket = await flood(make, 20_000);
    // Long before a connection over which nothing comes is closed.
    await expect.poll(() => socket.destroyed, { timeout: limits.headersMs / 2 }).toBe(true);
    expect(await isWell()).toBe(true);
    expect(running.complaints).toEqual([]);
  });

  it.each<[string, (turn: number) => Buffer]>([
    ['pings', () => frame('ping', { payload: Buffer.alloc(8) })],
    ['settings', () => frame('settings')],
    ['header lines without end', (turn) => headersOf(streamOf(turn), 300)],
    ['nothing but HTTP/1.1', () => Buffer.from('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n')],
  ])('and sends %s costs no memory', async (_what, make) => {
    const before = await memory();
    (await flood(make, 5_000)).destroy();
    await isFreed(before, 8 * mebibyte);
    expect(await isWell()).toBe(true);
  });
});

/** A request with so many lines `a: b`. */
function headersOf(stream: number, lines: number): Buffer {
  const line = Buffer.from([0, 1, 0x61, 1, 0x62]);
  const payload = Buffer.concat([
    requestHeaders('GET', '/livez'),
    ...new Array<Buffer>(lines).fill(line),
  ]);
  return frame('headers', { stream, flags: flags.endHeaders | flags.endStream, payload });
}

function headers(count: number): string {
  const lines = Array.from({ length: count }, (_none, index) => `X-${index}: ${index}\r\n`);
  return `GET /livez HTTP/1.1\r\nHost: x\r\n${lines.join('')}\r\n`;
}
