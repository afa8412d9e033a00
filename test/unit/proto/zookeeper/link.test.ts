import { Duplex, duplexPair } from 'node:stream';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ZooKeeperError } from '../../../../proto/zookeeper/errors.ts';
import { encodeFrame, FrameDecoder } from '../../../../proto/zookeeper/frames.ts';
import { Link } from '../../../../proto/zookeeper/link.ts';
import { exists, getData } from '../../../../proto/zookeeper/operations.ts';
import type { ConnectResponse, WatchNotification } from '../../../../proto/zookeeper/records.ts';
import { hex } from './bytes.ts';
import { ManualClock } from './manual-clock.ts';

const sessionTimeoutMs = 3000;
const accepted = `00000000 ${sessionTimeoutMs.toString(16).padStart(8, '0')} 0000000000000009
  00000010 00000000000000000000000000000000 00`;
const stat = '00'.repeat(68);

let clock: ManualClock;
let link: Link;
let server: Duplex;
/** Payloads of the frames that the server got, in hexadecimal. */
let received: string[];
let handshakes: ConnectResponse[];
let zxids: bigint[];
let notifications: WatchNotification[];
let losses: { reason: ZooKeeperError; silent: boolean }[];

beforeEach(() => {
  clock = new ManualClock();
  received = [];
  handshakes = [];
  zxids = [];
  notifications = [];
  losses = [];
  const [clientSide, serverSide] = duplexPair();
  server = serverSide;
  const decoder = new FrameDecoder();
  server.on('data', (chunk: Buffer) => {
    for (const frame of decoder.push(chunk)) received.push(frame.toString('hex'));
  });
  link = new Link({
    channel: clientSide,
    clock,
    connectRequest: {
      lastZxidSeen: 0n,
      timeoutMs: sessionTimeoutMs,
      sessionId: 0n,
      password: Buffer.alloc(16),
    },
    handshakeTimeoutMs: 500,
    requestTimeoutMs: 10_000,
    maxInFlight: 10,
    handlers: {
      onHandshake: (response) => {
        handshakes.push(response);
        link.open(response.timeoutMs, []);
      },
      onZxid: (zxid) => zxids.push(zxid),
      onNotification: (notification) => notifications.push(notification),
      onLost: (reason, silent) => losses.push({ reason, silent }),
    },
  });
});

/** Lets the streams pass on what they hold; they need no time, only turns. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function serverSends(...payloads: string[]): Promise<void> {
  server.write(Buffer.concat(payloads.map((payload) => encodeFrame(hex(payload)))));
  await turns();
}

const ping = 'fffffffe0000000b';
const pong = 'fffffffe 0000000000000001 00000000';

describe('a link', () => {
  it('sends nothing but the connect request before the answer to it', async () => {
    await expect(link.send(exists('/a', false))).rejects.toMatchObject({
      code: 'CONNECTION_LOSS',
      outcome: 'not-sent',
    });
    await turns();
    expect(received).toHaveLength(1);
    await serverSends(accepted);
    expect(handshakes).toMatchObject([{ timeoutMs: sessionTimeoutMs, sessionId: 9n }]);
    expect(received.slice(1)).toEqual([ping]);
  });

  it('is lost when the connect request is not answered in time', () => {
    clock.advance(499);
    expect(losses).toEqual([]);
    clock.advance(1);
    expect(losses).toMatchObject([{ silent: false, reason: { code: 'CONNECTION_LOSS' } }]);
    expect(clock.pending).toBe(0);
  });

  it('tells a server that hangs up on the connect request from one that does later', async () => {
    server.end();
    await turns();
    expect(losses).toMatchObject([{ silent: true }]);
  });

  it('pings each third of the session timeout while it is answered', async () => {
    await serverSends(accepted);
    for (let round = 1; round <= 5; round += 1) {
      await serverSends(pong);
      clock.advance(1000);
      await turns();
      expect(received.slice(1)).toEqual(Array.from({ length: round + 1 }, () => ping));
    }
    expect(losses).toEqual([]);
    expect(zxids).toEqual([1n, 1n, 1n, 1n, 1n]);
  });

  it('is lost after two thirds of the session timeout in silence, with all that is in flight', async () => {
    await serverSends(accepted);
    clock.advance(700);
    await serverSends(pong);
    const request = link.send(exists('/a', false));
    clock.advance(1999);
    expect(losses).toEqual([]);
    clock.advance(1);
    expect(losses).toMatchObject([
      {
        silent: false,
        reason: { message: 'CONNECTION_LOSS: nothing heard from the server for 2000 ms' },
      },
    ]);
    await expect(request).rejects.toMatchObject({
      code: 'CONNECTION_LOSS',
      outcome: 'unknown',
      path: '/a',
    });
    expect(clock.pending).toBe(0);
  });

  it('gives each reply to its request, whatever comes between', async () => {
    await serverSends(accepted);
    const first = link.send(getData('/a', true));
    const second = link.send(exists('/b', false));
    await serverSends(
      `00000001 0000000000000005 00000000 00000001 61 ${stat}`,
      'ffffffff ffffffffffffffff 00000000 00000003 00000003 00000002 2f61',
      pong,
      '00000002 0000000000000006 ffffff9b',
    );
    expect((await first).data.toString()).toBe('a');
    expect(await second).toBeUndefined();
    expect(notifications).toEqual([{ type: 'changed', path: '/a' }]);
    expect(zxids).toEqual([5n, 1n, 6n]);
  });

  it.each([
    ['a frame of impossible length', '7fffffff'],
    ['a negative length', 'ffffffff'],
    ['a frame too short for a header', '00000003 000000'],
    ['a reply to nothing', '00000010 0000004d 0000000000000001 00000000'],
    ['a reply that is cut short', '00000014 00000001 0000000000000001 00000000 000000ff'],
    [
      'an event of no known type',
      '0000001e ffffffff ffffffffffffffff 00000000 00000063 00000003 00000006 2f6162636465',
    ],
  ])('is lost over %s, and leaves no request waiting', async (_, bytes) => {
    await serverSends(accepted);
    const requests = [link.send(getData('/a', false)), link.send(getData('/b', false))];
    const outcomes = Promise.allSettled(requests);
    server.write(hex(bytes));
    await turns();
    expect(losses).toMatchObject([{ silent: false, reason: { code: 'MALFORMED_REPLY' } }]);
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { outcome: 'unknown' } });
    }
    expect(clock.pending).toBe(0);
    await serverSends(pong);
    expect(losses).toHaveLength(1);
  });

  it('says nothing to its owner when the owner ends it', async () => {
    await serverSends(accepted);
    const request = link.send(exists('/a', false));
    link.destroy('test');
    await expect(request).rejects.toMatchObject({ code: 'CONNECTION_LOSS', outcome: 'unknown' });
    await turns();
    expect(losses).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  it('hands over what is sent in one turn with one write, in its order', async () => {
    const writes: number[] = [];
    const channel = new Duplex({
      read: () => undefined,
      write: (_chunk, _encoding, done) => {
        writes.push(1);
        done();
      },
      writev: (chunks, done) => {
        writes.push(chunks.length);
        done();
      },
    });
    const connectRequest = {
      lastZxidSeen: 0n,
      timeoutMs: sessionTimeoutMs,
      sessionId: 0n,
      password: Buffer.alloc(16),
    };
    const ignore = (): void => undefined;
    const handlers = { onZxid: ignore, onNotification: ignore, onLost: ignore };
    const own = new Link({
      channel,
      clock,
      connectRequest,
      handshakeTimeoutMs: 500,
      requestTimeoutMs: 10_000,
      maxInFlight: 10,
      handlers: { ...handlers, onHandshake: ({ timeoutMs }) => own.open(timeoutMs, []) },
    });
    await turns();
    channel.push(encodeFrame(hex(accepted)));
    await turns();
    writes.length = 0;
    const requests = ['/a', '/b', '/c'].map((path) => own.send(exists(path, false)));
    const outcomes = Promise.allSettled(requests);
    await turns();
    expect(writes).toEqual([3]);
    own.destroy('test');
    await outcomes;
  });
});
