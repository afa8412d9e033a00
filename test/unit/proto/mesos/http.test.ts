import { afterEach, expect, test } from 'vitest';
import { httpClient, maxErrorBytes } from '../../../../proto/mesos/http.ts';
import type { ShortAnswer } from '../../../../proto/mesos/http.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';
import { startServer, type Received } from './scripted-server.ts';

const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0)) await step();
});

/** A server that answers so, and a way to post to it. */
async function exchanger(answer: (request: Received) => void): Promise<{
  clock: VirtualClock;
  received: readonly Received[];
  post: (body: Uint8Array) => Promise<ShortAnswer>;
}> {
  const { address, received, close } = await startServer(answer);
  const clock = new VirtualClock();
  const http = httpClient({ clock, requestTimeoutMs: 1000 });
  const client = http.connect(address);
  undo.push(async () => {
    await client.destroy();
    await close();
  });
  return { clock, received, post: (body) => http.exchange(client, '/call', body, { extra: '1' }) };
}

test('a short body goes as it is, a long one gzipped', async () => {
  const { received, post } = await exchanger(({ response }) => void response.writeHead(202).end());
  const [short, long] = [Buffer.alloc(100, 'a'), Buffer.alloc(10_000, 'b')];
  expect(await post(short)).toStrictEqual({ status: 202, text: '' });
  await post(long);
  expect(received.map(({ headers }) => headers['content-encoding'])).toStrictEqual([
    undefined,
    'gzip',
  ]);
  expect(received.map(({ headers }) => headers['extra'])).toStrictEqual(['1', '1']);
  expect(received.map(({ body }) => body)).toStrictEqual([short, long]);
});

test('only the beginning of a long answer is kept', async () => {
  const { post } = await exchanger(({ response }) => {
    response.writeHead(400).end('x'.repeat(10 * maxErrorBytes));
  });
  expect(await post(Buffer.of(1))).toStrictEqual({ status: 400, text: 'x'.repeat(maxErrorBytes) });
});

test('a head whose body does not come decides all the same', async () => {
  const { post } = await exchanger(({ response }) => {
    response.writeHead(202, { 'content-length': 10 });
    response.write('half', () => void response.destroy());
  });
  expect(await post(Buffer.of(1))).toMatchObject({
    status: 202,
    text: expect.stringContaining('did not arrive') as string,
  });
});

test('without a head in time it fails, and the next one is answered on a new connection', async () => {
  let asked = (): void => undefined;
  const first = new Promise<void>((resolve) => (asked = resolve));
  let silent = true;
  const { clock, post } = await exchanger(({ response }) => {
    if (!silent) response.writeHead(200).end('late');
    silent = false;
    asked();
  });
  const answer = post(Buffer.of(1));
  await first;
  void clock.advance(1000);
  await expect(answer).rejects.toMatchObject({ code: 'Unanswered' });
  expect(await post(Buffer.of(2))).toStrictEqual({ status: 200, text: 'late' });
});
