import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApiResponse, Method } from '../../../../api/client/transport.ts';
import { isObject, without } from '../../../../api/machinery/json.ts';
import { at, startHarness, widget, widgets, type Harness } from './support/harness.ts';

let api: Harness;
beforeEach(async () => {
  api = await startHarness();
  await api.send('POST', widgets, { body: widget('a', { color: 'red', replicas: 2 }) });
  const finalizers = ['example.org/held'];
  await api.send('POST', widgets, { body: widget('held', { color: 'red' }, { finalizers }) });
});
afterEach(() => api.stop());

interface Write {
  method: Method;
  path: string;
  body?: unknown;
  contentType?: string;
  query?: Record<string, string>;
}

const merge = 'application/merge-patch+json';
const apply = {
  contentType: 'application/apply-patch+yaml',
  query: { fieldManager: 'me', force: 'true' },
};
const scale = (replicas: number) => ({
  apiVersion: 'autoscaling/v1',
  kind: 'Scale',
  metadata: { name: 'a' },
  spec: { replicas },
});
const one = `${widgets}/a`;
/** A document that carries the version that is stored. */
const live = Symbol('live');

const writes: Record<string, Write> = {
  create: { method: 'POST', path: widgets, body: widget('new') },
  'create by generateName': {
    method: 'POST',
    path: widgets,
    body: widget('', { color: 'red' }, { generateName: 'w-' }),
  },
  update: { method: 'PUT', path: one, body: live },
  'json patch': {
    method: 'PATCH',
    path: one,
    body: [{ op: 'replace', path: '/spec/color', value: 'blue' }],
    contentType: 'application/json-patch+json',
  },
  'merge patch': {
    method: 'PATCH',
    path: one,
    body: { spec: { color: 'blue' } },
    contentType: merge,
  },
  'apply to what is there': {
    method: 'PATCH',
    path: one,
    body: widget('a', { color: 'blue' }),
    ...apply,
  },
  'apply that creates': { method: 'PATCH', path: `${widgets}/b`, body: widget('b'), ...apply },
  status: {
    method: 'PATCH',
    path: `${one}/status`,
    body: { status: { phase: 'x' } },
    contentType: merge,
  },
  'status by update': { method: 'PUT', path: `${one}/status`, body: live },
  scale: { method: 'PUT', path: `${one}/scale`, body: scale(5) },
  'scale by patch': {
    method: 'PATCH',
    path: `${one}/scale`,
    body: { spec: { replicas: 5 } },
    contentType: merge,
  },
  'scale by apply': { method: 'PATCH', path: `${one}/scale`, body: scale(5), ...apply },
  delete: { method: 'DELETE', path: one },
  'delete in the foreground': {
    method: 'DELETE',
    path: one,
    query: { propagationPolicy: 'Foreground' },
  },
  'delete of what is held': { method: 'DELETE', path: `${widgets}/held` },
  deletecollection: { method: 'DELETE', path: widgets },
  'strategic patch': {
    method: 'PATCH',
    path: '/api/v1/namespaces/default',
    body: { metadata: { labels: { a: 'b' } } },
    contentType: 'application/strategic-merge-patch+json',
  },
};

async function send({ method, path, body, contentType, query = {} }: Write, dryRun: boolean) {
  const sent = body === live ? await edited() : body;
  return api.send(method, path, {
    ...(sent === undefined ? {} : { body: sent }),
    ...(contentType === undefined ? {} : { contentType }),
    query: { ...query, ...(dryRun ? { dryRun: 'All' } : {}) },
  });
}

async function edited(): Promise<object> {
  const { body } = await api.send('GET', one);
  const stored = isObject(body) ? body : {};
  return { ...stored, spec: { color: 'green' }, status: { phase: 'y' } };
}

/** The answer without what no two writes have in common. */
function comparable({ body }: ApiResponse): unknown {
  return JSON.parse(JSON.stringify(body), (key, value: unknown) => {
    if (key === 'name' && typeof value === 'string' && value.startsWith('w-')) return 'w-';
    const own = ['uid', 'resourceVersion', 'creationTimestamp', 'deletionTimestamp', 'time'];
    return own.includes(key) ? undefined : value;
  });
}

describe('a dry run', () => {
  it.each(Object.entries(writes))(
    'of %s answers as the real thing and stores nothing',
    async (_name, write) => {
      const before = await api.storage.head();
      const rehearsed = await send(write, true);
      expect(await api.storage.head()).toBe(before);
      const real = await send(write, false);
      expect(rehearsed.code).toBe(real.code);
      expect(real.code).toBeLessThan(300);
      expect(comparable(rehearsed)).toEqual(comparable(real));
      expect(await api.storage.head()).toBeGreaterThan(before);
    },
  );

  it.each(['create', 'apply that creates'])(
    'of %s answers without a resourceVersion',
    async (name) => {
      const write = writes[name];
      if (write === undefined) throw new Error(name);
      const { body } = await send(write, true);
      expect(at(body, 'metadata.resourceVersion')).toBeUndefined();
      expect(at(body, 'metadata.uid')).toEqual(expect.any(String));
    },
  );

  it('may be asked for in the body of a delete, too', async () => {
    const answer = await api.send('DELETE', one, { body: { dryRun: ['All'] } });
    expect(answer.code).toBe(200);
    expect((await api.send('GET', one)).code).toBe(200);
  });

  it.each([
    ['POST', widgets, widget('a'), 409],
    ['POST', widgets, widget('new', { color: 'pink' }), 422],
    ['PATCH', `${widgets}/none`, { spec: {} }, 404],
    ['DELETE', `${widgets}/none`, undefined, 404],
    ['DELETE', one, { preconditions: { uid: 'another' } }, 409],
    ['PATCH', `${one}/scale`, { spec: { replicas: -1 } }, 422],
  ] as const)('of %s %s is refused as the real thing is', async (method, path, body, code) => {
    const given = {
      ...(body === undefined ? {} : { body }),
      ...(method === 'PATCH' ? { contentType: merge } : {}),
    };
    const rehearsed = await api.send(method, path, { ...given, query: { dryRun: 'All' } });
    const real = await api.send(method, path, given);
    expect(rehearsed.code).toBe(code);
    expect(without(rehearsed.body as object, 'metadata' as never)).toEqual(
      without(real.body as object, 'metadata' as never),
    );
  });

  it.each(['Some', 'all', 'true'])('that is called %s is none, and refused', async (value) => {
    for (const write of Object.values(writes)) {
      const answer = await send({ ...write, query: { ...write.query, dryRun: value } }, false);
      expect(answer.code).toBe(422);
    }
  });
});
