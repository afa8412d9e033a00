import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { limits } from '../../../../../api/server/http/limits.ts';
import { Pipelines } from '../../../../../api/server/http/pipelines.ts';

/** Requests in the order in which they were looked at, and those that never are. */
let begun: { path: string; response: ServerResponse }[] = [];
let dropped: string[] = [];
const pipelines = new Pipelines();
const server = createServer((request, response) => {
  const path = request.url ?? '';
  void pipelines.turn(request.socket, response).then((hasCome) => {
    if (hasCome) begun.push({ path, response });
    else dropped.push(path);
  });
});

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  begun = [];
  dropped = [];
});

async function send(paths: readonly string[]): Promise<{ socket: Socket; text: () => string }> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  await once(socket, 'connect');
  socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
  return { socket, text: () => text };
}

const seen = (): string[] => begun.map(({ path }) => path);

it('requests that come early are looked at one by one, as those before them are answered', async () => {
  const { socket, text } = await send(['/1', '/2', '/3']);
  for (const last of ['/1', '/2', '/3']) {
    await expect.poll(seen).toContain(last);
    expect(seen().at(-1)).toBe(last);
    begun.at(-1)?.response.end(`answer ${last}`);
  }
  await expect.poll(text).toMatch(/answer \/1[^]*answer \/2[^]*answer \/3/);
  socket.destroy();
});

it('requests whose connection ends before it is their turn are let go', async () => {
  const { socket } = await send(['/1', '/2', '/3']);
  await expect.poll(seen).toEqual(['/1']);
  socket.destroy();
  await expect.poll(() => dropped).toEqual(['/2', '/3']);
  expect(seen()).toEqual(['/1']);
});

it('a connection on which too many wait is cut off', async () => {
  const paths = Array.from({ length: limits.pipelined + 2 }, (_none, index) => `/${index}`);
  const { socket } = await send(paths);
  await once(socket, 'close');
  await expect.poll(() => dropped.length).toBe(limits.pipelined + 1);
});
