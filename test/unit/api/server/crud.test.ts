import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryStorage } from '../../../../api/storage/memory.ts';
import type { Storage } from '../../../../api/storage/storage.ts';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { at, startHarness, widget, widgets, type Harness } from './support/harness.ts';

let api: Harness;
beforeEach(async () => {
  api = await startHarness();
});
afterEach(() => api.stop());

const key = '/conformance.dev/widgets/default/a';
const mergeType = 'application/merge-patch+json';

async function create(name = 'a', metadata: object = {}, spec?: object): Promise<unknown> {
  const answer = await api.send('POST', widgets, { body: widget(name, spec, metadata) });
  expect(answer.code, JSON.stringify(answer.body)).toBe(201);
  return answer.body;
}

const merge = (name: string, body: object, query: Record<string, string> = {}) =>
  api.send('PATCH', `${widgets}/${name}`, { body, contentType: mergeType, query });

describe('create', () => {
  it('completes metadata, applies defaults and answers with what a get then answers', async () => {
    const created = await api.send('POST', widgets, { body: widget('a') });
    expect(created.code).toBe(201);
    expect(at(created.body, 'metadata')).toEqual({
      name: 'a',
      namespace: 'default',
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
      creationTimestamp: expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
      generation: 1,
      resourceVersion: expect.stringMatching(/^\d+$/) as unknown,
      managedFields: [expect.objectContaining({ manager: 'tester', operation: 'Update' })],
    });
    expect(at(created.body, 'spec')).toEqual({ color: 'red', replicas: 1 });
    const got = await api.send('GET', `${widgets}/a`);
    expect(got).toEqual({ code: 200, body: created.body, warnings: [] });
  });

  it('stores no resourceVersion', async () => {
    await create();
    const stored = await api.storage.get(key);
    expect(Buffer.from(stored!.value).toString()).not.toContain('resourceVersion');
  });

  it('ignores what only the server sets, and status', async () => {
    const body = await create('a', {
      uid: 'mine',
      generation: 7,
      creationTimestamp: null,
      deletionTimestamp: '2026-01-01T00:00:00Z',
      selfLink: '/x',
    });
    expect(at(body, 'metadata.uid')).not.toBe('mine');
    expect(at(body, 'metadata.generation')).toBe(1);
    expect(at(body, 'metadata.deletionTimestamp')).toBeUndefined();
    expect(at(body, 'metadata.selfLink')).toBeUndefined();
    expect(at(body, 'status')).toBeUndefined();
  });

  it('makes names from a prefix and tries again when one is taken', async () => {
    const names = new Set<unknown>();
    for (let count = 0; count < 20; count += 1) {
      const body = { ...widget(''), metadata: { generateName: 'x'.repeat(70) } };
      const answer = await api.send('POST', widgets, { body });
      expect(answer.code).toBe(201);
      expect(at(answer.body, 'metadata.name')).toMatch(/^x{58}[a-z0-9]{5}$/);
      names.add(at(answer.body, 'metadata.name'));
    }
    expect(names.size).toBe(20);
  });

  it('rehearses with dryRun: the same answer but for the version, and nothing stored', async () => {
    const answer = await api.send('POST', widgets, { body: widget('a'), query: { dryRun: 'All' } });
    expect(answer.code).toBe(201);
    expect(at(answer.body, 'metadata.uid')).toBeTypeOf('string');
    expect(at(answer.body, 'metadata.resourceVersion')).toBeUndefined();
    expect(await api.storage.get(key)).toBeUndefined();
  });

  it('refuses a namespace that does not exist and one that ends', async () => {
    const nowhere = await api.send('POST', widgets.replace('default', 'nowhere'), {
      body: widget('a'),
    });
    expect(nowhere).toMatchObject({ code: 404, body: { details: { kind: 'namespaces' } } });
    await api.send('POST', '/api/v1/namespaces', {
      body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team' } },
    });
    await api.send('DELETE', '/api/v1/namespaces/team');
    const late = await api.send('POST', widgets.replace('default', 'team'), { body: widget('a') });
    expect(late).toMatchObject({
      code: 403,
      body: { details: { causes: [{ reason: 'NamespaceTerminating' }] } },
    });
  });

  it('prunes unknown fields with a warning, refuses them when asked to be strict', async () => {
    const body = widget('a', { color: 'red', bogus: 1, nested: { zzz: 1 } });
    const strict = await api.send('POST', widgets, { body, query: { fieldValidation: 'Strict' } });
    expect(strict.code).toBe(400);
    expect(at(strict.body, 'message')).toContain(
      'strict decoding error: unknown field "spec.nested.zzz", unknown field "spec.bogus"',
    );
    const warned = await api.send('POST', widgets, { body });
    expect(warned.code).toBe(201);
    expect(warned.warnings).toEqual(
      expect.arrayContaining(['unknown field "spec.bogus"', 'unknown field "spec.nested.zzz"']),
    );
    expect(at(warned.body, 'spec')).toEqual({ color: 'red', replicas: 1, nested: { a: 'x' } });
    const silent = await api.send('POST', widgets, {
      body: widget('b', { color: 'red', bogus: 1 }),
      query: { fieldValidation: 'Ignore' },
    });
    expect(silent).toMatchObject({ code: 201, warnings: [] });
  });

  it('always refuses unknown fields of our own kinds, with their whole path', async () => {
    const body = {
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Network',
      metadata: { name: 'n' },
      spec: { ipFamiles: ['IPv4'] },
    };
    const path = '/apis/mesocosm.dev/v1/networks';
    const answer = await api.send('POST', path, { body, query: { fieldValidation: 'Ignore' } });
    expect(answer.code).toBe(400);
    expect(at(answer.body, 'message')).toBe(
      'Network in version "v1" cannot be handled as a Network: strict decoding error: unknown field "spec.ipFamiles"',
    );
  });

  it('refuses an object that is larger than may be stored', async () => {
    const annotations = { big: 'x'.repeat(200_000) };
    const free = Object.fromEntries(
      Array.from({ length: 8 }, (_, index) => [`k${index}`, 'x'.repeat(200_000)]),
    );
    const body = widget('a', { color: 'red', free }, { annotations });
    expect(await api.send('POST', widgets, { body })).toMatchObject({
      code: 413,
      body: { reason: 'RequestEntityTooLarge' },
    });
  });
});

describe('update', () => {
  it('counts generations of the desired state only', async () => {
    const created = await create();
    const labelled = await merge('a', { metadata: { labels: { x: 'y' } } });
    expect(at(labelled.body, 'metadata.generation')).toBe(1);
    const changed = await merge('a', { spec: { replicas: 2 } });
    expect(at(changed.body, 'metadata.generation')).toBe(2);
    const status = await api.send('PATCH', `${widgets}/a/status`, {
      body: { status: { phase: 'X' } },
      contentType: mergeType,
    });
    expect(at(status.body, 'metadata.generation')).toBe(2);
    expect(at(status.body, 'status.phase')).toBe('X');
    expect(at(status.body, 'metadata.uid')).toBe(at(created, 'metadata.uid'));
  });

  it('writes nothing when nothing changes', async () => {
    const created = await create('a', { labels: { x: 'y' } });
    const before = await api.storage.head();
    const same = await merge('a', { spec: { color: 'red' }, metadata: { labels: { x: 'y' } } });
    expect(same.body).toEqual(created);
    const put = await api.send('PUT', `${widgets}/a`, { body: created });
    expect(put.body).toEqual(created);
    expect(await api.storage.head()).toBe(before);
  });

  it('keeps status and spec apart', async () => {
    await create();
    const main = await merge('a', { status: { phase: 'X' } });
    expect(at(main.body, 'status')).toBeUndefined();
    const sub = await api.send('PATCH', `${widgets}/a/status`, {
      body: { spec: { replicas: 9 }, metadata: { labels: { l: '1' } }, status: { phase: 'Y' } },
      contentType: mergeType,
    });
    expect(at(sub.body, 'spec.replicas')).toBe(1);
    expect(at(sub.body, 'metadata.labels')).toBeUndefined();
    expect(at(sub.body, 'status.phase')).toBe('Y');
  });

  it('does not let a PUT change what is the server’s', async () => {
    const created = await create();
    const tamper = (change: object) =>
      api.send('PUT', `${widgets}/a`, {
        body: {
          ...(created as object),
          metadata: { ...(at(created, 'metadata') as object), ...change },
        },
      });
    expect((await tamper({ uid: 'other' })).code).toBe(409);
    const time = await tamper({ creationTimestamp: '2020-01-01T00:00:00Z' });
    expect(time).toMatchObject({
      code: 422,
      body: { details: { causes: [{ field: 'metadata.creationTimestamp' }] } },
    });
    const generation = await tamper({ generation: 99, labels: { a: 'b' } });
    expect(at(generation.body, 'metadata.generation')).toBe(1);
  });

  it('lets one of two writers of the same version win', async () => {
    const created = await create();
    const write = (color: string) =>
      api.send('PUT', `${widgets}/a`, { body: { ...(created as object), spec: { color } } });
    const codes = (await Promise.all([write('green'), write('blue')])).map(({ code }) => code);
    expect(codes.sort()).toEqual([200, 409]);
  });

  it('lets patches without a version all win, each on top of the others', async () => {
    await create();
    const keys = Array.from({ length: 12 }, (_, index) => `k${index}`);
    const answers = await Promise.all(
      keys.map((label) => merge('a', { metadata: { labels: { [label]: 'x' } } })),
    );
    expect(answers.map(({ code }) => code)).toEqual(keys.map(() => 200));
    const labels = at((await api.send('GET', `${widgets}/a`)).body, 'metadata.labels');
    expect(Object.keys(labels as object).sort()).toEqual([...keys].sort());
  });

  it('rehearses patches and deletions', async () => {
    await create();
    const before = await api.storage.head();
    const patched = await merge('a', { spec: { replicas: 9 } }, { dryRun: 'All' });
    expect(at(patched.body, 'spec.replicas')).toBe(9);
    expect(at(patched.body, 'metadata.generation')).toBe(2);
    const deleted = await api.send('DELETE', `${widgets}/a`, { query: { dryRun: 'All' } });
    expect(deleted.code).toBe(200);
    expect(await api.storage.head()).toBe(before);
    expect((await api.send('GET', `${widgets}/a`)).code).toBe(200);
  });
});

/** A store whose answers to reads through the watch lag for ever: the cache stays as it began. */
function withoutWatch(storage: Storage): Storage {
  return new Proxy(storage, {
    get(target, name): unknown {
      if (name !== 'watch') {
        const member: unknown = Reflect.get(target, name);
        return typeof member === 'function' ? member.bind(target) : member;
      }
      return async function* (_prefix: string, _from: number, signal: AbortSignal) {
        await new Promise<void>((resolve) =>
          signal.addEventListener('abort', () => resolve(), { once: true }),
        );
        yield* [];
      };
    },
  });
}

describe('with a cache that lags behind', () => {
  it('still decides by what is stored', async () => {
    await api.stop();
    const storage = withoutWatch(new MemoryStorage({ clock: systemClock() }));
    const seeded = await startHarness({ storage: new MemoryStorage({ clock: systemClock() }) });
    await seeded.stop();
    const started = startHarness({ storage });
    api = await started;
    const created = await create();
    expect((await api.send('GET', `${widgets}/a`)).body).toEqual(created);
    const list = await api.send('GET', widgets);
    expect(at(list.body, 'items.0.metadata.name')).toBe('a');
    const changed = await merge('a', { spec: { replicas: 5 } });
    expect(at(changed.body, 'metadata.generation')).toBe(2);
    const again = await merge('a', { spec: { replicas: 5 } });
    expect(again.body).toEqual(changed.body);
    const stale = await api.send('PUT', `${widgets}/a`, { body: created });
    expect(stale.code).toBe(409);
    expect((await api.send('DELETE', `${widgets}/a`)).code).toBe(200);
    expect((await api.send('GET', `${widgets}/a`)).code).toBe(404);
    expect(at((await api.send('GET', widgets)).body, 'items')).toEqual([]);
  });
});
