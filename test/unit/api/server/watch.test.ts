import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryStorage } from '../../../../api/storage/memory.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';
import { at, startHarness, textAt, widget, widgets, type Harness } from './support/harness.ts';

let api: Harness;
let clock: VirtualClock;
beforeEach(async () => {
  clock = new VirtualClock();
  api = await startHarness({ clock, storage: new MemoryStorage({ clock }) });
});
afterEach(() => api.stop());

/** The events of a watch, taken one by one. */
function watch(query: Record<string, string>, path = widgets) {
  const stop = new AbortController();
  const events: AsyncIterator<unknown, unknown> = api.transport
    .watch({ method: 'GET', path, query: { watch: 'true', ...query } }, stop.signal)
    [Symbol.asyncIterator]();
  return {
    next: async (): Promise<string> => {
      const { done, value } = await events.next();
      if (done === true) return 'end';
      const name = textAt(value, 'object.metadata.name');
      return `${textAt(value, 'type')} ${name}@${textAt(value, 'object.metadata.resourceVersion')}`;
    },
    raw: () => events.next(),
    stop: () => stop.abort(),
  };
}

async function create(name: string, labels: Record<string, string> = {}): Promise<string> {
  const answer = await api.send('POST', widgets, { body: widget(name, undefined, { labels }) });
  expect(answer.code).toBe(201);
  return String(at(answer.body, 'metadata.resourceVersion'));
}

async function merge(name: string, patch: object): Promise<string> {
  const answer = await api.send('PATCH', `${widgets}/${name}`, {
    body: patch,
    contentType: 'application/merge-patch+json',
  });
  expect(answer.code).toBe(200);
  return String(at(answer.body, 'metadata.resourceVersion'));
}

describe('a watch', () => {
  it.each([{}, { resourceVersion: '0' }])(
    'replays the present state first with %o',
    async (query) => {
      const a = await create('a');
      const b = await create('b');
      const events = watch(query);
      expect(await events.next()).toBe(`ADDED a@${a}`);
      expect(await events.next()).toBe(`ADDED b@${b}`);
      const c = await create('c');
      expect(await events.next()).toBe(`ADDED c@${c}`);
      events.stop();
    },
  );

  it('goes on after the version that the client has', async () => {
    await create('a');
    const list = await api.send('GET', widgets);
    const events = watch({ resourceVersion: String(at(list.body, 'metadata.resourceVersion')) });
    const changed = await merge('a', { spec: { replicas: 4 } });
    expect(await events.next()).toBe(`MODIFIED a@${changed}`);
    events.stop();
  });

  it('tells deletions with the revision of the deletion and the last state', async () => {
    const created = await create('a');
    const events = watch({ resourceVersion: created });
    await api.send('DELETE', `${widgets}/a`);
    const { value } = await events.raw();
    expect(at(value, 'type')).toBe('DELETED');
    expect(at(value, 'object.spec.color')).toBe('red');
    expect(Number(at(value, 'object.metadata.resourceVersion'))).toBeGreaterThan(Number(created));
    events.stop();
  });

  it('shows objects coming into and leaving a label selector as ADDED and DELETED', async () => {
    const events = watch({ labelSelector: 'k=v' });
    await create('a');
    const entered = await merge('a', { metadata: { labels: { k: 'v' } } });
    expect(await events.next()).toBe(`ADDED a@${entered}`);
    const left = await merge('a', { metadata: { labels: { k: null } } });
    const { value } = await events.raw();
    expect(at(value, 'type')).toBe('DELETED');
    expect(at(value, 'object.metadata.resourceVersion')).toBe(left);
    expect(at(value, 'object.metadata.labels')).toEqual({ k: 'v' });
    events.stop();
  });

  it('follows one object by field selector or by its own path', async () => {
    const byField = watch({ fieldSelector: 'metadata.name=b' });
    const byPath = watch({}, `${widgets}/b`);
    await create('a');
    await create('b.more');
    const b = await create('b');
    expect(await byField.next()).toBe(`ADDED b@${b}`);
    expect(await byPath.next()).toBe(`ADDED b@${b}`);
    byField.stop();
    byPath.stop();
  });

  it('sends bookmarks of the kind once a minute and before its timeout', async () => {
    const { body } = await api.send('GET', widgets);
    const resourceVersion = textAt(body, 'metadata.resourceVersion');
    const events = watch({ allowWatchBookmarks: 'true', timeoutSeconds: '90', resourceVersion });
    const first = events.raw();
    await clock.advance(60_000);
    const { value } = await first;
    expect(at(value, 'type')).toBe('BOOKMARK');
    expect(at(value, 'object.kind')).toBe('Widget');
    expect(at(value, 'object.apiVersion')).toBe('conformance.dev/v1');
    const created = await create('a');
    expect(await events.next()).toBe(`ADDED a@${created}`);
    const last = events.next();
    await clock.advance(31_000);
    expect(await last).toBe(`BOOKMARK @${created}`);
    expect(await events.next()).toBe('end');
  });

  it('lives between 30 and 60 minutes without a timeout of its own', async () => {
    const events = watch({});
    const next = events.next();
    await clock.advance(29 * 60_000);
    await create('a');
    expect(await next).toMatch(/^ADDED a/);
    const end = events.next();
    await clock.advance(32 * 60_000);
    expect(await end).toBe('end');
  });

  it('answers Expired for a version whose changes are gone', async () => {
    const storage = new MemoryStorage({ clock });
    for (const key of ['/x/y/1', '/x/y/2']) await storage.create(key, Buffer.from('{}'));
    await api.stop();
    api = await startHarness({ clock, storage });
    const old = watch({ resourceVersion: '1' });
    await expect(old.raw()).resolves.toMatchObject({
      value: { type: 'ERROR', object: { reason: 'Expired', code: 410 } },
    });
    expect(await old.next()).toBe('end');
  });

  it('tells of events that expired after an hour', async () => {
    const path = '/api/v1/namespaces/default/events';
    const created = await api.send('POST', path, {
      body: {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: 'e.1' },
        involvedObject: { kind: 'Job', name: 'web', namespace: 'default' },
      },
    });
    expect(created.code).toBe(201);
    const version = textAt(created.body, 'metadata.resourceVersion');
    const events = watch({ resourceVersion: version, timeoutSeconds: '9000' }, path);
    const next = events.next();
    await clock.advance(3_500_000);
    expect((await api.send('GET', `${path}/e.1`)).code).toBe(200);
    await clock.advance(400_000);
    expect(await next).toMatch(/^DELETED e\.1@/);
    expect((await api.send('GET', `${path}/e.1`)).code).toBe(404);
    events.stop();
  });

  it('shares one object with all watchers and readers', async () => {
    const [one, two] = [watch({}), watch({})];
    const pending = [one.raw(), two.raw()];
    await create('a');
    const [first, second] = await Promise.all(pending);
    expect(at(first!.value, 'object')).toBe(at(second!.value, 'object'));
    const list = await api.send('GET', widgets);
    expect(at(list.body, 'items.0')).toBe(at(first!.value, 'object'));
    one.stop();
    two.stop();
  });
});
