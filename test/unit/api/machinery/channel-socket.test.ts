import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { ChannelSocket } from '../../../../api/machinery/channel-socket.ts';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { until } from '../../../../hack/local/wait.ts';

let undo: (() => void)[] = [];
afterEach(() => {
  for (const each of undo) each();
  undo = [];
});

/** Both ends of one connection over loopback. */
async function pair(): Promise<{ left: ChannelSocket; right: ChannelSocket; wire: WebSocket }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  undo.push(() => {
    server.close();
  });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const accepted = new Promise<WebSocket>((resolve) => server.once('connection', resolve));
  const client = new WebSocket(`ws://127.0.0.1:${address.port}`);
  const left = new ChannelSocket(client, systemClock());
  const [wire] = await Promise.all([accepted, once(client, 'open')]);
  undo.push(() => {
    client.terminate();
    wire.terminate();
  });
  return { left, right: new ChannelSocket(wire, systemClock()), wire };
}

const megabyte = Buffer.alloc(1024 * 1024, 'x');

describe('channels over a WebSocket', () => {
  it('carry messages in order, each with its channel', async () => {
    const { left, right } = await pair();
    await left.send(0, Buffer.from('a'));
    await left.send(4, Buffer.from('{}'));
    await left.send(255, Buffer.from([0]));
    const got: [number, string][] = [];
    for await (const { channel, data } of right.messages()) {
      got.push([channel, data.toString('latin1')]);
      if (got.length === 3) break;
    }
    expect(got).toEqual([
      [0, 'a'],
      [4, '{}'],
      [255, '\0'],
    ]);
  });

  it('are not read while nobody takes what they carry, and lose nothing', async () => {
    const { left, right, wire } = await pair();
    const count = 64;
    let sent = 0;
    const sending = (async () => {
      for (let each = 0; each < count; each += 1) {
        await left.send(0, megabyte);
        sent += 1;
      }
    })();
    expect(await until(() => wire.isPaused, 60_000)).toBe(true);
    // Buffers of the kernel fill up; ours do not.
    expect(await until(() => sent > count - 16, 500)).toBe(false);
    let received = 0;
    for await (const { data } of right.messages()) {
      received += data.length;
      if (received === count * megabyte.length) break;
    }
    await sending;
    expect(sent).toBe(count);
  });

  it('end for both when either says goodbye, though something is left unread', async () => {
    const { left, right } = await pair();
    await left.send(0, megabyte);
    await right.close({ code: 1000, reason: 'done' }, 60_000);
    expect(await left.closed).toEqual({ code: 1000, reason: 'done' });
    expect(left.signal.aborted).toBe(true);
    await expect(left.send(0, Buffer.from('late'))).rejects.toThrow();
    for await (const message of left.messages()) throw new Error(JSON.stringify(message));
  });

  it('are cut off if the other side does not answer the goodbye', async () => {
    const { left, right, wire } = await pair();
    // It reads nothing any more, the goodbye neither.
    wire.pause();
    await left.close({ code: 1000, reason: '' }, 200);
    wire.resume();
    await right.closed;
  });
});
