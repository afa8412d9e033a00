import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MultiOperation } from '../../../../proto/zookeeper/client.ts';
import { MultiError, ZooKeeperError } from '../../../../proto/zookeeper/errors.ts';
import { encodeFrame, FrameDecoder } from '../../../../proto/zookeeper/frames.ts';
import { JuteReader, JuteWriter } from '../../../../proto/zookeeper/jute.ts';
import { multi } from '../../../../proto/zookeeper/multi.ts';
import * as operations from '../../../../proto/zookeeper/operations.ts';
import * as records from '../../../../proto/zookeeper/records.ts';
import { hex } from './bytes.ts';

const malformedReply: unknown = expect.objectContaining({ code: 'MALFORMED_REPLY' });

function request(operation: operations.Operation<unknown>, xid = 2): Buffer {
  return records.encodeRequest(xid, operation.opcode, operation.encode);
}

const statBytes = hex(`
  0000000000000011 0000000000000012 0000019aa0000000 0000019aa0000001
  00000003 00000004 00000005 0100000000000001 00000007 00000002 0000000000000013`);
const stat = {
  czxid: 0x11n,
  mzxid: 0x12n,
  pzxid: 0x13n,
  ctime: 0x19aa0000000,
  mtime: 0x19aa0000001,
  version: 3,
  cversion: 4,
  aversion: 5,
  ephemeralOwner: 0x0100000000000001n,
  dataLength: 7,
  numChildren: 2,
};

describe('requests', () => {
  it('encodes the connect request of a new session', () => {
    const frame = records.encodeConnectRequest({
      lastZxidSeen: 0n,
      timeoutMs: 4000,
      sessionId: 0n,
      password: new Uint8Array(16),
    });
    expect(frame).toEqual(
      hex(`0000002d 00000000 0000000000000000 00000fa0 0000000000000000
           00000010 00000000000000000000000000000000 00`),
    );
  });

  it('encodes a ping', () => {
    expect(records.encodePing()).toEqual(hex('00000008 fffffffe 0000000b'));
  });

  it('encodes a create with the open ACL', () => {
    const frame = request(operations.create('/p', Buffer.from('hello'), {}));
    expect(frame).toEqual(
      hex(`00000036 00000002 00000001 00000002 2f70 00000005 68656c6c6f 00000001 0000001f
           00000005 776f726c64 00000006 616e796f6e65 00000000`),
    );
  });

  it('encodes the flags of ephemeral and sequential nodes', () => {
    const flags = (options: { ephemeral?: boolean; sequential?: boolean }): number =>
      request(operations.create('/p', Buffer.alloc(0), options))
        .subarray(-4)
        .readInt32BE();
    expect([
      flags({}),
      flags({ ephemeral: true }),
      flags({ sequential: true }),
      flags({ ephemeral: true, sequential: true }),
    ]).toEqual([0, 1, 2, 3]);
  });

  it('encodes an identity and its credentials', () => {
    const frame = records.encodeAuthentication({
      scheme: 'digest',
      credentials: Buffer.from('u:pw'),
    });
    expect(frame).toEqual(
      hex('0000001e fffffffc 00000064 00000000 00000006 646967657374 00000004 753a7077'),
    );
  });

  it('encodes watches to be set again', () => {
    const frame = request(
      operations.setWatches(5n, { data: ['/a'], exist: [], child: ['/b', '/c'] }),
    );
    expect(frame).toEqual(
      hex(`0000002e 00000002 00000065 0000000000000005 00000001 00000002 2f61 00000000
           00000002 00000002 2f62 00000002 2f63`),
    );
  });

  it('encodes each operation of a multi behind its own header', () => {
    const frame = request(
      multi([
        { type: 'check', path: '/e', version: 7 },
        { type: 'delete', path: '/d' },
      ]),
    );
    expect(frame).toEqual(
      hex(`00000037 00000002 0000000e
           0000000d 00 ffffffff 00000002 2f65 00000007
           00000002 00 ffffffff 00000002 2f64 ffffffff
           ffffffff 01 ffffffff`),
    );
  });

  it('refuses a request one byte above the limit and takes one at the limit', () => {
    const overhead = request(operations.setData('/p', Buffer.alloc(0), -1)).length - 4;
    const largest = Buffer.alloc(records.maxRequestBytes - overhead);
    expect(request(operations.setData('/p', largest, -1))).toHaveLength(1_048_575 + 4);
    const tooLarge = Buffer.alloc(largest.length + 1);
    expect(() => request(operations.setData('/p', tooLarge, -1))).toThrow(
      expect.objectContaining({ code: 'REQUEST_TOO_LARGE', outcome: 'not-sent' }),
    );
  });
});

describe('replies', () => {
  it('decodes a connect response with and without the read-only byte', () => {
    const bytes = hex(
      '00000000 00000fa0 0100000000000001 00000010 000102030405060708090a0b0c0d0e0f',
    );
    const response = {
      timeoutMs: 4000,
      sessionId: 0x0100000000000001n,
      password: hex('000102030405060708090a0b0c0d0e0f'),
    };
    expect(records.decodeConnectResponse(new JuteReader(bytes))).toEqual(response);
    const withReadOnly = Buffer.concat([bytes, hex('00')]);
    expect(records.decodeConnectResponse(new JuteReader(withReadOnly))).toEqual(response);
  });

  it('decodes a Stat of 68 bytes', () => {
    expect(statBytes).toHaveLength(68);
    expect(records.decodeStat(new JuteReader(statBytes))).toEqual(stat);
  });

  it('decodes data and children with their Stat', () => {
    const data = Buffer.concat([hex('00000002 6869'), statBytes]);
    expect(operations.getData('/a', false).decode(new JuteReader(data))).toEqual({
      data: Buffer.from('hi'),
      stat,
    });
    const children = Buffer.concat([hex('00000002 00000001 61 00000002 6263'), statBytes]);
    expect(operations.getChildren('/a', false).decode(new JuteReader(children))).toEqual({
      children: ['a', 'bc'],
      stat,
    });
  });

  it('reads null data as empty', () => {
    const bytes = Buffer.concat([hex('ffffffff'), statBytes]);
    expect(operations.getData('/a', false).decode(new JuteReader(bytes)).data).toHaveLength(0);
  });

  it('decodes a watch event and refuses a type that does not exist', () => {
    const event = (type: string): JuteReader =>
      new JuteReader(hex(`${type} 00000003 00000002 2f61`));
    expect(records.decodeNotification(event('00000003'))).toEqual({ type: 'changed', path: '/a' });
    expect(() => records.decodeNotification(event('00000009'))).toThrow(malformedReply);
  });

  const threeOperations: MultiOperation[] = [
    { type: 'create', path: '/m', data: Buffer.alloc(0) },
    { type: 'check', path: '/e', version: 1 },
    { type: 'setData', path: '/s', data: Buffer.alloc(0) },
  ];

  it('decodes the result of each operation of a multi', () => {
    const bytes = Buffer.concat([
      hex('00000001 00 00000000 00000002 2f6d  0000000d 00 00000000  00000005 00 00000000'),
      statBytes,
      hex('ffffffff 01 ffffffff'),
    ]);
    expect(multi(threeOperations).decode(new JuteReader(bytes))).toEqual([
      { type: 'create', path: '/m' },
      { type: 'check' },
      { type: 'setData', stat },
    ]);
  });

  it('names the operation for which a multi was refused', () => {
    const bytes = hex(`ffffffff 00 00000000 00000000  ffffffff 00 ffffff99 ffffff99
                       ffffffff 00 fffffffe fffffffe  ffffffff 01 ffffffff`);
    const decode = (): unknown => multi(threeOperations).decode(new JuteReader(bytes));
    expect(decode).toThrow(MultiError);
    expect(decode).toThrow(
      expect.objectContaining({
        code: 'BAD_VERSION',
        outcome: 'not-applied',
        index: 1,
        path: '/e',
        message: 'BAD_VERSION: operation 1 of 3: check /e (server error -103)',
      }),
    );
  });

  it.each([
    ['ends early', '00000001 00 00000000 00000002 2f6d ffffffff 01 ffffffff'],
    ['answers another operation', '0000000d 00 00000000'],
    ['does not end', 'ffffffff 00 ffffff9b ffffff9b'.repeat(3) + '00000001 00 00000000'],
    ['gives no reason', 'ffffffff 00 00000000 00000000'.repeat(3) + 'ffffffff 01 ffffffff'],
  ])('refuses a multi reply that %s', (_, bytes) => {
    expect(() => multi(threeOperations).decode(new JuteReader(hex(bytes)))).toThrow(malformedReply);
  });

  it('gives a value or a typed error for any bytes, whatever was asked', () => {
    const decoders: ((reader: JuteReader) => unknown)[] = [
      records.decodeConnectResponse,
      records.decodeReplyHeader,
      records.decodeNotification,
      operations.getData('/a', true).decode,
      operations.getChildren('/a', true).decode,
      operations.exists('/a', true).decode,
      operations.create('/a', Buffer.alloc(0), {}).decode,
      multi(threeOperations).decode,
    ];
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom(...decoders),
        (bytes, decode) => {
          try {
            decode(new JuteReader(Buffer.from(bytes)));
          } catch (error) {
            expect(error).toBeInstanceOf(ZooKeeperError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('jute', () => {
  it('reads back what it wrote', () => {
    const values = fc.record({
      int: fc.integer(),
      long: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      boolean: fc.boolean(),
      bytes: fc.uint8Array({ maxLength: 500 }),
      text: fc.string({ unit: 'grapheme', maxLength: 200 }),
      list: fc.array(fc.string()),
    });
    fc.assert(
      fc.property(values, ({ int, long, boolean, bytes, text, list }) => {
        const writer = new JuteWriter().int(int).long(long).boolean(boolean).buffer(bytes);
        writer.string(text).vector(list, (item) => writer.string(item));
        const reader = new JuteReader(writer.finish());
        expect(reader.int()).toBe(int);
        expect(reader.long()).toBe(long);
        expect(reader.boolean()).toBe(boolean);
        expect(reader.buffer()).toEqual(Buffer.from(bytes));
        expect(reader.string()).toBe(text);
        expect(reader.vector(() => reader.string())).toEqual(list);
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  it.each([
    ['a string longer than the frame', (reader: JuteReader) => reader.string(), '7fffffff 61'],
    ['a negative length', (reader: JuteReader) => reader.buffer(), 'fffffffe'],
    ['a vector longer than the frame', (reader: JuteReader) => reader.vector(() => 0), '7fffffff'],
    ['a truncated long', (reader: JuteReader) => reader.long(), '00000000'],
  ])('refuses %s', (_, read, bytes) => {
    expect(() => read(new JuteReader(hex(bytes)))).toThrow(malformedReply);
  });
});

describe('frames', () => {
  it('come out whole and in order, however the stream is cut', () => {
    const payloads = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 });
    fc.assert(
      fc.property(payloads, fc.array(fc.nat({ max: 600 })), (frames, cuts) => {
        const stream = Buffer.concat(frames.map((frame) => encodeFrame(Buffer.from(frame))));
        const edges = [0, ...cuts.filter((cut) => cut < stream.length), stream.length];
        edges.sort((a, b) => a - b);
        const decoder = new FrameDecoder();
        const decoded = edges.flatMap((edge, index) => [
          ...decoder.push(stream.subarray(edges[index - 1] ?? 0, edge)),
        ]);
        expect(decoded).toEqual(frames.map((frame) => Buffer.from(frame)));
      }),
    );
  });

  it.each([
    ['negative', 'ffffffff'],
    ['above the bound', '00000011'],
  ])('with a length that is %s end the stream for good', (_, length) => {
    const decoder = new FrameDecoder(16);
    const push = (bytes: Buffer): Buffer[] => [...decoder.push(bytes)];
    expect(push(hex('00000001 aa'))).toEqual([hex('aa')]);
    expect(() => push(hex(length))).toThrow(malformedReply);
    expect(() => push(hex('00000001 aa'))).toThrow(malformedReply);
  });
});
