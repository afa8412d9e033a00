import { PassThrough } from 'node:stream';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { BodyMemory, readBody } from '../../../../../api/server/http/body.ts';
import { limits } from '../../../../../api/server/http/limits.ts';

/** What readBody looks at of a request. */
function requestOf(...chunks: readonly Buffer[]): IncomingMessage {
  const stream = new PassThrough();
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  return Object.assign(stream, { headers: {}, complete: true }) as unknown as IncomingMessage;
}

const half = Buffer.alloc(limits.bodyBytes / 2);

it('bodies find no room beyond the bound of all together, until one has gone', async () => {
  const memory = new BodyMemory();
  const most = Math.floor(limits.allBodiesBytes / limits.bodyBytes);
  for (let index = 0; index < most; index += 1) await readBody(requestOf(half, half), memory);
  await expect(readBody(requestOf(half, half), memory)).rejects.toMatchObject({
    reason: 'TooManyRequests',
    details: { retryAfterSeconds: 1 },
  });
  memory.giveBack(limits.bodyBytes);
  expect(await readBody(requestOf(half, half), memory)).toHaveLength(limits.bodyBytes);
});

it('a body that is refused takes no room', async () => {
  const memory = new BodyMemory();
  for (let index = 0; index < 100; index += 1) {
    await expect(readBody(requestOf(half, half, half), memory)).rejects.toMatchObject({
      reason: 'RequestEntityTooLarge',
    });
  }
  memory.take(limits.allBodiesBytes);
});

/** A request of HTTP/1.1 whose body has come as the parser hands it on. */
function arrivedRequest(chunks: readonly Buffer[], end: boolean): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  request.headers['transfer-encoding'] = 'chunked';
  for (const chunk of chunks) request.push(chunk);
  if (end) complete(request);
  return request;
}

function complete(request: IncomingMessage): void {
  request.complete = true;
  request.push(null);
}

it('a body is the same whether it has come whole or is still on its way', async () => {
  const memory = new BodyMemory();
  const chunks = [Buffer.from('{"a":'), Buffer.from('1}')];
  const whole = arrivedRequest(chunks, true);
  const ended = new Promise((resolve) => whole.once('end', resolve));
  expect((await readBody(whole, memory)).toString()).toBe('{"a":1}');
  await ended;
  const late = arrivedRequest(chunks, false);
  const reading = readBody(late, memory);
  complete(late);
  expect((await reading).toString()).toBe('{"a":1}');
  expect((await readBody(arrivedRequest([], true), memory)).length).toBe(0);
});

it('a body of the length that was announced is whole before its request is', async () => {
  const request = arrivedRequest([Buffer.from('{"a":'), Buffer.from('1}')], false);
  request.headers['content-length'] = '7';
  const ended = new Promise((resolve) => request.once('end', resolve));
  expect((await readBody(request, new BodyMemory())).toString()).toBe('{"a":1}');
  complete(request);
  await ended;
});

it('a body that has come whole counts like any other', async () => {
  const memory = new BodyMemory();
  await expect(readBody(arrivedRequest([half, half, half], true), memory)).rejects.toMatchObject({
    reason: 'RequestEntityTooLarge',
  });
  const most = Math.floor(limits.allBodiesBytes / limits.bodyBytes);
  for (let index = 0; index < most; index += 1) {
    await readBody(arrivedRequest([half, half], true), memory);
  }
  await expect(readBody(arrivedRequest([half, half], true), memory)).rejects.toMatchObject({
    reason: 'TooManyRequests',
  });
});
