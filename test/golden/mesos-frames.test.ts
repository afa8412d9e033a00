import { expect, test } from 'vitest';
import { codec } from '../../proto/mesos/codec.ts';
import type { Format } from '../../proto/mesos/codec.ts';
import { CodecError } from '../../proto/mesos/errors.ts';
import { framesOf, loadRecording, scenarios } from './recordings.ts';
import type { Frame } from './recordings.ts';

/** Requests that were malformed on purpose, and what is wrong with each. */
const malformed: Record<string, string> = {
  'json/httperr/010-malformed-body': 'Malformed',
  'json/httperr/011-empty-body': 'Malformed',
  'json/httperr/012-json-not-object': 'WrongType',
  'json/httperr/015-json-wrong-field-type': 'WrongType',
  'json/httperr/016-json-subscribe-no-framework-info': 'MissingRequired',
  'protobuf/httperr/010-malformed-body': 'Malformed',
};

/** Calls that decode, but that must never be sent: without a type, or of the type UNKNOWN. */
const unsendable = new Set([
  'json/call-type-UNKNOWN-crashes-master/024-call-type-UNKNOWN',
  'json/httperr/013-json-unknown-type',
  'protobuf/httperr/011-empty-body',
]);

/** JSON requests with a field that the message does not have, and that field. */
const foreign: Record<string, string> = {
  'json/httperr/014-json-unknown-field': 'nonsense',
  'json/drain/006-master-DRAIN_AGENT': 'nanoseconds',
};

/**
 * Responses in which Mesos writes AgentInfo.checkpoint, a field of its unversioned interface, after
 * those with greater numbers: as long as ours and equal in content, but not byte for byte.
 */
const reordered = new Set([
  'protobuf/drain/001-master-SUBSCRIBE',
  'protobuf/operator/028-agent-GET_STATE',
  'protobuf/operator/029-agent-GET_TASKS',
  'protobuf/operator/032-agent-GET_AGENT',
  'protobuf/operator/037-agent-GET_STATE-2',
]);

function allFrames(format: Format): Frame[] {
  return scenarios(format).flatMap((scenario) => framesOf(loadRecording(format, scenario)));
}

/** The code of the CodecError that `work` throws, or none. */
function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof CodecError) return error.code;
    throw error;
  }
  return 'none';
}

test('every frame in protobuf decodes and re-encodes to the same bytes', () => {
  const frames = allFrames('protobuf');
  expect(frames.length).toBeGreaterThan(900);
  for (const { where, message, bytes } of frames) {
    if (where in malformed || unsendable.has(where)) continue;
    const { decode, encode } = codec(message);
    const decoded = decode(bytes);
    const encoded = encode(decoded);
    expect(decode(encoded), where).toStrictEqual(decoded);
    if (reordered.has(where)) expect(encoded.length, where).toBe(bytes.length);
    else expect(Buffer.from(encoded).equals(bytes), where).toBe(true);
  }
});

test('every frame in JSON decodes and re-encodes to the same document', () => {
  const frames = allFrames('json');
  expect(frames.length).toBeGreaterThan(900);
  for (const { where, message, bytes } of frames) {
    if (where in malformed || unsendable.has(where)) continue;
    const { decode, encode } = codec(message, 'json');
    const document = canonical(JSON.parse(Buffer.from(bytes).toString('utf8')), foreign[where]);
    const encoded: unknown = JSON.parse(Buffer.from(encode(decode(bytes))).toString('utf8'));
    expect(encoded, where).toStrictEqual(document);
  }
});

test.each(['json', 'protobuf'] as const)(
  'requests in %s that were malformed on purpose are refused with a typed error',
  (format) => {
    const found = allFrames(format).filter(({ where }) => where in malformed);
    for (const { where, message, bytes } of found) {
      const { decode } = codec(message, format);
      expect(
        codeOf(() => decode(bytes)),
        where,
      ).toBe(malformed[where]);
    }
    const expected = Object.keys(malformed).filter((where) => where.startsWith(format));
    expect(found.map(({ where }) => where)).toStrictEqual(expected);
  },
);

test.each(['json', 'protobuf'] as const)(
  'a call in %s without a known type decodes, but is never encoded',
  (format) => {
    const found = allFrames(format).filter(({ where }) => unsendable.has(where));
    expect(found.length).toBeGreaterThan(0);
    for (const { where, message, bytes } of found) {
      const { decode, encode } = codec(message, format);
      const decoded = decode(bytes);
      expect(
        codeOf(() => encode(decoded)),
        where,
      ).toBe('UnknownCallType');
    }
  },
);

test.each(['json', 'protobuf'] as const)(
  'every frame in %s keeps its content in the other format',
  (format) => {
    const other = format === 'json' ? 'protobuf' : 'json';
    for (const { where, message, bytes } of allFrames(format)) {
      if (where in malformed || unsendable.has(where)) continue;
      const decoded = codec(message, format).decode(bytes);
      const { decode, encode } = codec(message, other);
      expect(decode(encode(decoded)), where).toStrictEqual(decoded);
    }
  },
);

/** Kinds of which one recording holds more than the other: tasks and agents that had been there. */
const differentContent = new Set([
  'mesos.v1.master.Event SUBSCRIBED',
  'mesos.v1.agent.Response GET_STATE',
  'mesos.v1.agent.Response GET_TASKS',
  'mesos.v1.agent.Response GET_FRAMEWORKS',
  'mesos.v1.agent.Response GET_EXECUTORS',
]);

test('answers and events of one kind have the same fields and types in both formats', () => {
  const json = shapes('json');
  const protobuf = shapes('protobuf');
  expect(json.size).toBeGreaterThan(40);
  expect([...json.keys()].sort()).toStrictEqual([...protobuf.keys()].sort());
  for (const [kind, fields] of json) {
    const others = protobuf.get(kind) ?? new Set();
    const common = differentContent.has(kind) ? [...fields].filter((f) => others.has(f)) : fields;
    if (!differentContent.has(kind))
      expect([...others].sort(), kind).toStrictEqual([...common].sort());
    expect(new Set([...common].map(nameOf)).size, kind).toBe([...common].length);
  }
});

const nameOf = (field: string): string => field.split(' ')[0] ?? '';

/** By message and its type: every path to a value, with the value's type. */
function shapes(format: Format): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const { message, bytes, direction } of allFrames(format)) {
    if (direction === 'request') continue;
    const decoded: object = codec(message, format).decode(bytes);
    const kind = `${message} ${'type' in decoded ? String(decoded.type) : ''}`;
    const fields = found.get(kind) ?? new Set();
    found.set(kind, fields);
    for (const [path, type] of leaves(decoded)) {
      // Masters tell JSON clients nothing of this field of the unversioned interface.
      if (!path.endsWith('agent_info.checkpoint')) fields.add(`${path} ${type}`);
    }
  }
  return found;
}

function leaves(value: unknown, path = ''): [string, string][] {
  if (Array.isArray(value)) return value.flatMap((item) => leaves(item, `${path}[]`));
  if (typeof value !== 'object' || value === null) return [[path, typeof value]];
  return Object.entries(value).flatMap(([key, item]) =>
    leaves(item, path === '' ? key : `${path}.${key}`),
  );
}

/** The document without empty lists, which mean the same as absent ones, and without `drop`. */
function canonical(value: unknown, drop?: string): unknown {
  if (Array.isArray(value)) return value.map((item) => canonical(item, drop));
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(
    ([key, item]) => key !== drop && !(Array.isArray(item) && item.length === 0),
  );
  return Object.fromEntries(kept.map(([key, item]) => [key, canonical(item, drop)]));
}
