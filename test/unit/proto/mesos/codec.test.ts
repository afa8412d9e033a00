import fc from 'fast-check';
import type protobuf from 'protobufjs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { loadProtos } from '../../../../hack/codegen/load.ts';
import { codec, normalize } from '../../../../proto/mesos/codec.ts';
import { CodecError } from '../../../../proto/mesos/errors.ts';
import type { SchedulerCall, SchedulerEvent } from '../../../../proto/mesos/generated/messages.ts';

const events = codec('mesos.v1.scheduler.Event');
const calls = codec('mesos.v1.scheduler.Call');
const jsonEvents = codec('mesos.v1.scheduler.Event', 'json');

function failure(work: () => unknown): CodecError {
  try {
    work();
  } catch (error) {
    if (error instanceof CodecError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** A length-delimited field by its number. */
const field = (number: number, content: number[]): number[] => [
  (number << 3) | 2,
  content.length,
  ...content,
];
const bytes = (...content: number[]): Uint8Array => Uint8Array.from(content);
const ascii = (text: string): number[] => [...Buffer.from(text)];
const update = (status: number[]): Uint8Array => bytes(0x08, 4, ...field(5, field(1, status)));
const taskId = field(1, field(1, ascii('t')));

describe('presence', () => {
  test('a default that was sent stays present, an absent one stays absent', () => {
    const status = { task_id: { value: 't' }, state: 'TASK_RUNNING' } as const;
    const explicit: SchedulerEvent = {
      type: 'UPDATE',
      update: { status: { ...status, healthy: false, message: '', timestamp: 0 } },
    };
    const absent: SchedulerEvent = { type: 'UPDATE', update: { status } };
    for (const event of [explicit, absent]) {
      expect(events.decode(events.encode(event))).toStrictEqual(event);
      expect(jsonEvents.decode(jsonEvents.encode(event))).toStrictEqual(event);
    }
  });

  test('an empty message stays present, an empty list is absent', () => {
    const event: SchedulerEvent = { type: 'OFFERS', offers: {} };
    expect(events.decode(events.encode({ ...event, offers: { offers: [] } }))).toStrictEqual(event);
    const json = jsonEvents.encode({ ...event, offers: { offers: [] } });
    expect(Buffer.from(json).toString()).toBe('{"type":"OFFERS","offers":{}}');
  });
});

describe('proto2 decoding', () => {
  test('an unknown event type or enum value leaves its field absent', () => {
    expect(events.decode(bytes(0x08, 99))).toStrictEqual({});
    expect(jsonEvents.decode(Buffer.from('{"type":"NOVEL"}'))).toStrictEqual({});
    const status = [...taskId, 0x10, 1, 0x48, 77];
    expect(events.decode(update(status)).update?.status).toStrictEqual({
      task_id: { value: 't' },
      state: 'TASK_RUNNING',
    });
  });

  test('an unknown value of a required enum is a missing field', () => {
    const error = failure(() => events.decode(update([...taskId, 0x10, 99])));
    expect(error.code).toBe('MissingRequired');
    expect(error.path.join('.')).toBe('mesos.v1.scheduler.Event.update.status.state');
  });

  test('unknown fields of every wire type are skipped', () => {
    const unknown = [
      ...[0xa8, 0x1f, 5],
      ...[0xa9, 0x1f, 1, 2, 3, 4, 5, 6, 7, 8],
      ...[0xaa, 0x1f, 2, 1, 2],
      ...[0xad, 0x1f, 1, 2, 3, 4],
      ...[0xab, 0x1f, 0x08, 1, 0xac, 0x1f],
    ];
    expect(events.decode(bytes(...unknown, 0x08, 8))).toStrictEqual({ type: 'HEARTBEAT' });
  });

  test('a field of another wire type is skipped like an unknown one', () => {
    expect(events.decode(bytes(...field(1, [1, 2, 3])))).toStrictEqual({});
  });

  test('the last of a repeated scalar counts, repeated messages are merged', () => {
    expect(events.decode(bytes(0x08, 8, 0x08, 7)).type).toBe('ERROR');
    const twice = update([
      ...taskId,
      0x10,
      1,
      ...field(13, field(4, field(1, ascii('c')))),
      0x10,
      2,
    ]);
    expect(events.decode(twice).update?.status.state).toBe('TASK_FINISHED');
    const error = bytes(
      0x08,
      6,
      ...field(7, field(2, field(1, ascii('e')))),
      ...field(7, [0x18, 1]),
    );
    expect(events.decode(error).failure).toStrictEqual({ executor_id: { value: 'e' }, status: 1 });
  });

  test('packed lists are read', () => {
    const capabilities = codec('mesos.v1.CapabilityInfo');
    const packed = bytes(...field(1, [0xe8, 0x07, 0x7f, 0xe9, 0x07]));
    expect(capabilities.decode(packed)).toStrictEqual({ capabilities: ['CHOWN', 'DAC_OVERRIDE'] });
  });
});

describe('malformed protobuf', () => {
  test.each([
    ['a truncated varint', [0x08, 0x80]],
    ['an endless varint', [0x08, ...Array<number>(11).fill(0xff)]],
    ['a truncated length', [0x1a]],
    ['a length beyond the end', [0x1a, 5, 1]],
    ['a length of 4 GB', [0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['a truncated double', [0x12, 4, 0x11, 1, 2, 3]],
    ['field number 0', [0x02, 0]],
    ['wire type 7', [0x0f, 0]],
    ['a group that does not end', [0xab, 0x1f, 0x08]],
    ['a group that ends without having begun', [0xac, 0x1f]],
    ['a nested message that overruns its parent', [0x42, 2, 0x0a, 3, ...ascii('abc')]],
  ])('%s is a typed error', (_, content) => {
    expect(failure(() => events.decode(bytes(...content))).code).toBe('Malformed');
  });

  test('a missing required field is a typed error with its path', () => {
    const error = failure(() => events.decode(update(taskId)));
    expect(error.code).toBe('MissingRequired');
    expect(error.message).toBe(
      'mesos.v1.scheduler.Event.update.status.state: required in mesos.v1.TaskStatus',
    );
  });

  test('messages nested without end are refused', () => {
    let parent = field(1, ascii('c'));
    for (let depth = 0; depth < 80; depth++) {
      const length = parent.length;
      const size = length < 128 ? [length] : [(length & 127) | 128, length >> 7];
      parent = [...field(1, ascii('c')), 0x12, ...size, ...parent];
    }
    const error = failure(() => codec('mesos.v1.ContainerID').decode(bytes(...parent)));
    expect(error.detail).toBe('nested too deeply');
  });

  test('any bytes whatever decode or give a typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (content) => {
        try {
          events.decode(content);
        } catch (error) {
          expect(error).toBeInstanceOf(CodecError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('a valid message with any byte changed decodes or gives a typed error', () => {
    const valid = events.encode(sample);
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const broken = Uint8Array.from(valid);
        broken[at] = byte;
        try {
          events.decode(broken);
        } catch (error) {
          expect(error).toBeInstanceOf(CodecError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('malformed JSON', () => {
  test.each([
    ['no JSON', '{"type":', 'Malformed', 'mesos.v1.scheduler.Event'],
    ['a list', '[]', 'WrongType', 'mesos.v1.scheduler.Event'],
    ['null', 'null', 'WrongType', 'mesos.v1.scheduler.Event'],
    ['a number as a name', '{"error":{"message":5}}', 'WrongType', 'error.message'],
    ['a message as a list', '{"offers":{"offers":{}}}', 'WrongType', 'offers.offers'],
    ['bytes that are not base64', '{"message":{"data":"%"}}', 'WrongType', 'message.data'],
    ['a fraction as an integer', '{"failure":{"status":0.5}}', 'WrongType', 'failure.status'],
    ['a missing required field', '{"rescind":{}}', 'MissingRequired', 'rescind.offer_id'],
  ])('%s is a typed error with its path', (_, content, code, path) => {
    const error = failure(() => jsonEvents.decode(Buffer.from(content)));
    expect(error.code).toBe(code);
    expect(error.path.join('.')).toContain(path);
  });

  test('unknown properties and nulls are dropped, numbers may be text', () => {
    const content = '{"failure":{"status":"7","novel":1},"error":null,"__proto__":{"a":1}}';
    expect(jsonEvents.decode(Buffer.from(content))).toStrictEqual({ failure: { status: 7 } });
  });

  test('an error never quotes the content, which may hold a secret', () => {
    const content = Buffer.from('{"error":{"message":"s3cret"},"type":s3cret}');
    const error = failure(() => jsonEvents.decode(content));
    expect(`${error.stack ?? ''}${String(error.cause)}`).not.toContain('s3cret');
  });
});

describe('encoding', () => {
  test.each([
    ['UnknownCallType', { type: 'UNKNOWN' }],
    ['UnknownCallType', {}],
    ['UnknownField', { type: 'REVIVE', reviev: {} }],
    ['WrongType', { type: 'REVIVED' }],
    ['WrongType', { type: 'REVIVE', revive: { roles: 'a' } }],
    ['WrongType', { type: 'KILL', kill: { task_id: { value: 7 } } }],
    ['WrongType', { type: 'DECLINE', decline: { filters: { refuse_seconds: NaN } } }],
    ['MissingRequired', { type: 'KILL', kill: {} }],
  ])('gives %s for %j in both formats', (code, call) => {
    // A caller without types could hand in anything.
    const untyped = call as SchedulerCall;
    expect(failure(() => calls.encode(untyped)).code).toBe(code);
    const json = codec('mesos.v1.scheduler.Call', 'json');
    expect(failure(() => json.encode(untyped)).code).toBe(code);
  });

  test.each(['mesos.v1.master.Call', 'mesos.v1.agent.Call'] as const)(
    'refuses the call type UNKNOWN of %s',
    (name) => {
      expect(failure(() => codec(name).encode({ type: 'UNKNOWN' })).code).toBe('UnknownCallType');
    },
  );

  test('the largest 64-bit integers keep their bytes', () => {
    const duration = codec('mesos.v1.DurationInfo');
    const most = bytes(0x08, ...Array<number>(8).fill(0xff), 0x7f);
    expect([...duration.encode(duration.decode(most))]).toStrictEqual([...most]);
    const negative = { nanoseconds: -1 };
    expect(duration.decode(duration.encode(negative))).toStrictEqual(negative);
    const limit = codec('mesos.v1.RLimitInfo.RLimit');
    const unsigned = bytes(0x10, ...Array<number>(9).fill(0xff), 0x01);
    expect([...limit.encode(limit.decode(unsigned))]).toStrictEqual([...unsigned]);
  });

  test('maps keep every key, also __proto__', () => {
    const task = codec('mesos.v1.TaskInfo');
    const limits = Object.fromEntries([
      ['cpus', { value: 0.5 }],
      ['__proto__', { value: 1 }],
    ]);
    const info = { name: 'n', task_id: { value: 't' }, agent_id: { value: 'a' }, limits };
    const decoded = task.decode(task.encode(info));
    expect(Object.entries(decoded.limits ?? {})).toStrictEqual(Object.entries(limits));
  });

  test('normalize keeps exactly what the message has', () => {
    const loose = { type: 'REVIVE', revive: { roles: [] }, note: 'x' };
    expect(normalize('mesos.v1.scheduler.Call', loose)).toStrictEqual({
      type: 'REVIVE',
      revive: {},
    });
  });
});

/** A status that uses every kind of field: nested, repeated, enum, bytes, double, bool, integers. */
const sample: SchedulerEvent = {
  type: 'UPDATE',
  update: {
    status: {
      task_id: { value: 'prod.web-0-x' },
      state: 'TASK_RUNNING',
      uuid: 'AAECAwQFBgcICQoLDA0ODw==',
      timestamp: 1795286550.25,
      healthy: true,
      source: 'SOURCE_EXECUTOR',
      labels: { labels: [{ key: 'ключ', value: 'värde' }, { key: '' }] },
      unreachable_time: { nanoseconds: 1795286550123456000 },
      container_status: {
        executor_pid: 4294967295,
        network_infos: [
          {
            name: 'dev-net',
            ip_addresses: [
              { protocol: 'IPv4', ip_address: '10.0.0.7' },
              { protocol: 'IPv6', ip_address: 'fd29::7/64' },
            ],
          },
        ],
      },
      check_status: { type: 'COMMAND', command: { exit_code: -1 } },
    },
  },
};

test('an independent protobuf implementation reads and writes the same', () => {
  const root: protobuf.Root = loadProtos(
    fileURLToPath(new URL('../../../../proto/mesos', import.meta.url)),
  );
  const type = root.lookupType('mesos.v1.scheduler.Event');
  const options = { enums: String, longs: Number, bytes: String };
  const theirs = type.toObject(type.decode(events.encode(sample)), options);
  expect(theirs).toStrictEqual(sample);
  expect(events.decode(type.encode(type.fromObject(sample)).finish())).toStrictEqual(sample);
});
