import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { at, startHarness, widget, widgets, type Harness } from './support/harness.ts';

let api: Harness;
beforeEach(async () => {
  api = await startHarness();
});
afterEach(() => api.stop());

async function create(name: string, metadata: object = {}): Promise<void> {
  const answer = await api.send('POST', widgets, { body: widget(name, undefined, metadata) });
  expect(answer.code).toBe(201);
}

const merge = (path: string, body: object) =>
  api.send('PATCH', path, { body, contentType: 'application/merge-patch+json' });

const finalizersOf = async (name: string): Promise<unknown> =>
  at((await api.send('GET', `${widgets}/${name}`)).body, 'metadata.finalizers');

describe('deletion', () => {
  it('removes an object that nobody holds, and says which one', async () => {
    await create('a');
    const answer = await api.send('DELETE', `${widgets}/a`);
    expect(answer).toMatchObject({
      code: 200,
      body: { kind: 'Status', status: 'Success', details: { name: 'a', kind: 'widgets' } },
    });
    expect((await api.send('GET', `${widgets}/a`)).code).toBe(404);
  });

  it('is not done on options that contradict each other', async () => {
    await create('a');
    const body = { propagationPolicy: 'Background', orphanDependents: true };
    expect(await api.send('DELETE', `${widgets}/a`, { body })).toMatchObject({ code: 422 });
    expect((await api.send('GET', `${widgets}/a`)).code).toBe(200);
  });

  it('waits for finalizers and ends with the last of them', async () => {
    await create('a', { finalizers: ['x.dev/one', 'x.dev/two'] });
    const marked = await api.send('DELETE', `${widgets}/a`);
    expect(at(marked.body, 'metadata.deletionTimestamp')).toBeTypeOf('string');
    expect(at(marked.body, 'metadata.generation')).toBe(2);
    const again = await api.send('DELETE', `${widgets}/a`);
    expect(again.body).toEqual(marked.body);
    await merge(`${widgets}/a`, { metadata: { finalizers: ['x.dev/two'] } });
    const added = await merge(`${widgets}/a`, {
      metadata: { finalizers: ['x.dev/two', 'x.dev/3'] },
    });
    expect(added.code).toBe(422);
    const revived = await merge(`${widgets}/a`, { metadata: { deletionTimestamp: null } });
    expect(at(revived.body, 'metadata.deletionTimestamp')).toBeTypeOf('string');
    const last = await merge(`${widgets}/a`, { metadata: { finalizers: null } });
    expect(last.code).toBe(200);
    expect((await api.send('GET', `${widgets}/a`)).code).toBe(404);
  });

  it('lets the status writer clear nothing by accident', async () => {
    await create('a', { finalizers: ['x.dev/one'] });
    await api.send('DELETE', `${widgets}/a`);
    await merge(`${widgets}/a/status`, { metadata: { finalizers: null }, status: { phase: 'X' } });
    expect(await finalizersOf('a')).toEqual(['x.dev/one']);
  });

  it.each([
    ['Foreground', ['x.dev/one', 'foregroundDeletion']],
    ['Orphan', ['x.dev/one', 'orphan']],
    ['Background', ['x.dev/one']],
  ])('with policy %s leaves the finalizers %j', async (propagationPolicy, finalizers) => {
    await create('a', { finalizers: ['x.dev/one'] });
    await api.send('DELETE', `${widgets}/a`, { body: { propagationPolicy } });
    expect(await finalizersOf('a')).toEqual(finalizers);
  });

  it('lets a later request change the policy', async () => {
    await create('a', { finalizers: ['x.dev/one'] });
    await api.send('DELETE', `${widgets}/a`, { query: { propagationPolicy: 'Foreground' } });
    await api.send('DELETE', `${widgets}/a`, { query: { propagationPolicy: 'Background' } });
    expect(await finalizersOf('a')).toEqual(['x.dev/one']);
  });

  it('deletes a collection by label, each object by the rules of one', async () => {
    await create('a', { labels: { k: 'v' } });
    await create('b', { labels: { k: 'v' }, finalizers: ['x.dev/one'] });
    await create('c');
    const answer = await api.send('DELETE', widgets, { query: { labelSelector: 'k=v' } });
    expect(at(answer.body, 'items.length')).toBeUndefined();
    expect((at(answer.body, 'items') as unknown[]).length).toBe(2);
    const left = await api.send('GET', widgets);
    const names = (at(left.body, 'items') as unknown[]).map((item) => at(item, 'metadata.name'));
    expect(names).toEqual(['b', 'c']);
    expect(await finalizersOf('b')).toEqual(['x.dev/one']);
  });
});

describe('a namespace', () => {
  const path = '/api/v1/namespaces/team';
  beforeEach(async () => {
    await api.send('POST', '/api/v1/namespaces', {
      body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team' } },
    });
  });

  it('waits in Terminating until its own finalizer is gone, by the finalize subresource alone', async () => {
    const marked = await api.send('DELETE', path);
    expect(at(marked.body, 'status.phase')).toBe('Terminating');
    expect(at(marked.body, 'spec.finalizers')).toEqual(['kubernetes']);
    const tried = await merge(path, { spec: { finalizers: null } });
    expect(at(tried.body, 'spec.finalizers')).toEqual(['kubernetes']);
    const current = await api.send('GET', path);
    const finalized = await api.send('PUT', `${path}/finalize`, {
      body: { ...(current.body as object), spec: {} },
    });
    expect(finalized.code).toBe(200);
    expect((await api.send('GET', path)).code).toBe(404);
  });

  it('keeps default and mesocosm-system for ever', async () => {
    for (const name of ['default', 'mesocosm-system']) {
      const answer = await api.send('DELETE', `/api/v1/namespaces/${name}`);
      expect(answer.code).toBe(403);
      expect((await api.send('GET', `/api/v1/namespaces/${name}`)).code).toBe(200);
    }
  });
});
