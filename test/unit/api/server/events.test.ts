import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryStorage } from '../../../../api/storage/memory.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';
import { at, startHarness, textAt, type Harness } from './support/harness.ts';

let api: Harness;
let clock: VirtualClock;
beforeEach(async () => {
  clock = new VirtualClock();
  api = await startHarness({ clock, storage: new MemoryStorage({ clock }) });
});
afterEach(() => api.stop());

const newer = '/apis/events.k8s.io/v1/namespaces/default/events';
const core = '/api/v1/namespaces/default/events';
const regarding = { apiVersion: 'mesocosm.dev/v1', kind: 'Job', namespace: 'default', name: 'web' };
const related = { kind: 'Task', name: 'web-0' };
const recorded = {
  eventTime: '2026-01-01T00:00:00.123456Z',
  reportingController: 'example.dev/ctl',
  reportingInstance: 'ctl-1',
  action: 'Launching',
  reason: 'Launched',
  regarding,
  related,
  note: 'did launch',
  type: 'Normal',
};
const event = (change: object = {}) => ({
  apiVersion: 'events.k8s.io/v1',
  kind: 'Event',
  metadata: { name: 'e' },
  ...recorded,
  ...change,
});
const create = (change?: object) => api.send('POST', newer, { body: event(change) });
const patch = (
  body: object,
  contentType = 'application/strategic-merge-patch+json',
  path = newer,
) =>
  api.send('PATCH', `${path}/e`, {
    body,
    contentType,
    ...(contentType.includes('apply') ? { query: { fieldManager: 'm', force: 'true' } } : {}),
  });
const older = {
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name: 'e' },
  involvedObject: regarding,
  reason: 'Started',
  message: 'did start',
  type: 'Warning',
  source: { component: 'ctl', host: 'h' },
  firstTimestamp: '2026-01-01T00:00:00Z',
  lastTimestamp: '2026-01-01T00:00:01Z',
  count: 2,
};

describe('an Event of events.k8s.io', () => {
  it('is the Event of the core group under other names', async () => {
    const made = await create();
    expect(made.code).toBe(201);
    expect(made.body).toMatchObject(event());
    const { body } = await api.send('GET', `${core}/e`);
    expect(body).toMatchObject({
      apiVersion: 'v1',
      kind: 'Event',
      involvedObject: regarding,
      related,
      message: 'did launch',
      reportingComponent: 'example.dev/ctl',
      reportingInstance: 'ctl-1',
      action: 'Launching',
      eventTime: recorded.eventTime,
    });
    expect(body).not.toHaveProperty('note');
    expect(at(body, 'metadata')).toEqual(at(made.body, 'metadata'));
    const again = await api.send('POST', core, { body: older });
    expect(again.code).toBe(409);
  });

  it('shows what older recorders wrote as deprecated', async () => {
    await api.send('POST', core, { body: older });
    const { body } = await api.send('GET', `${newer}/e`);
    expect(body).toEqual({
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: at(body, 'metadata'),
      eventTime: null,
      regarding,
      reason: 'Started',
      note: 'did start',
      type: 'Warning',
      deprecatedSource: { component: 'ctl', host: 'h' },
      deprecatedFirstTimestamp: '2026-01-01T00:00:00Z',
      deprecatedLastTimestamp: '2026-01-01T00:00:01Z',
      deprecatedCount: 2,
    });
  });

  it.each([
    ['eventTime', { eventTime: null }],
    ['eventTime', { eventTime: 'yesterday' }],
    ['reportingController', { reportingController: undefined }],
    ['reportingController', { reportingController: 'not a name' }],
    ['reportingInstance', { reportingInstance: '' }],
    ['reportingInstance', { reportingInstance: 'x'.repeat(129) }],
    ['action', { action: undefined }],
    ['reason', { reason: undefined }],
    ['type', { type: 'Other' }],
    ['note', { note: 'x'.repeat(1025) }],
    ['series.count', { series: { count: 1, lastObservedTime: recorded.eventTime } }],
    ['series.lastObservedTime', { series: { count: 2 } }],
    ['deprecatedCount', { deprecatedCount: 1 }],
    ['deprecatedSource', { deprecatedSource: { component: 'c' } }],
    ['deprecatedFirstTimestamp', { deprecatedFirstTimestamp: '2026-01-01T00:00:00Z' }],
  ])('is refused for its %s: %j', async (field, change) => {
    const refused = await create(change);
    expect(refused.code).toBe(422);
    expect(at(refused.body, 'details.causes')).toEqual([expect.objectContaining({ field })]);
    expect((await api.send('GET', `${core}/e`)).code).toBe(404);
  });

  it('goes on as a series, and changes in nothing else', async () => {
    await create();
    const series = { count: 3, lastObservedTime: '2026-01-01T00:01:00.000000Z' };
    expect((await patch({ series })).code).toBe(200);
    expect((await api.send('GET', `${core}/e`)).body).toMatchObject({ series });
    for (const [name, value] of Object.entries({
      note: 'else',
      regarding: { name: 'other' },
      eventTime: '2026-01-01T00:00:00.123457Z',
      related: null,
    })) {
      const refused = await patch({ [name]: value });
      expect(refused.code, name).toBe(422);
      expect(textAt(refused.body, 'message')).toContain(
        `${name}: Invalid value: field is immutable`,
      );
    }
  });

  it('takes back what a client of Go makes of it', async () => {
    await api.send('POST', core, {
      body: { ...older, source: undefined, reportingComponent: '', count: undefined },
    });
    const { body } = await api.send('GET', `${newer}/e`);
    const sent = { ...(body as object), deprecatedSource: {}, reportingController: undefined };
    expect((await api.send('PUT', `${newer}/e`, { body: sent })).code).toBe(200);
  });

  it('is listed, selected, watched and deleted by its own fields', async () => {
    const stop = new AbortController();
    const query = { watch: 'true', fieldSelector: 'regarding.name=web,reason=Launched' };
    const frames = api.transport
      .watch({ method: 'GET', path: newer, query }, stop.signal)
      [Symbol.asyncIterator]();
    await create();
    await api.send('POST', core, { body: { ...older, metadata: { name: 'other' } } });
    const first: unknown = (await frames.next()).value;
    expect(first).toMatchObject({ type: 'ADDED', object: event() });
    const names = async (fieldSelector: string): Promise<unknown> => {
      const { body } = await api.send('GET', newer, { query: { fieldSelector } });
      return (at(body, 'items') as unknown[]).map((item) => textAt(item, 'metadata.name'));
    };
    expect(await names('regarding.name=web')).toEqual(['e', 'other']);
    expect(await names('reportingController=example.dev/ctl')).toEqual(['e']);
    expect(await names('type=Warning')).toEqual(['other']);
    const unknown = await api.send('GET', newer, {
      query: { fieldSelector: 'involvedObject.name=x' },
    });
    expect(unknown.code).toBe(400);
    expect((await api.send('DELETE', `${newer}/e`)).code).toBe(200);
    expect((await frames.next()).value).toMatchObject({
      type: 'DELETED',
      object: { note: 'did launch' },
    });
    expect((await api.send('GET', `${core}/e`)).code).toBe(404);
    stop.abort();
  });

  it('has the table of the core group, with the times of its series', async () => {
    await create({ series: { count: 4, lastObservedTime: '2026-01-01T00:01:00.000000Z' } });
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    const [mine, theirs] = await Promise.all(
      [newer, core].map(async (path) => {
        const { body } = await api.send('GET', path, { accept });
        return at(body, 'rows.0.cells') as unknown[];
      }),
    );
    expect(mine).toEqual(theirs);
    expect(mine?.slice(2)).toEqual(['Normal', 'Launched', 'job/web', 'did launch', 4]);
  });

  it('keeps its owners by either name', async () => {
    await create();
    const apply = 'application/apply-patch+yaml';
    const typed = { apiVersion: 'v1', kind: 'Event', metadata: { name: 'e' } };
    const applied = await patch(
      { ...typed, involvedObject: regarding, message: 'mine' },
      apply,
      core,
    );
    expect(applied.code).toBe(200);
    const { body } = await api.send('GET', `${newer}/e`);
    const owner = { manager: 'm', apiVersion: 'events.k8s.io/v1', operation: 'Apply' };
    expect(at(body, 'metadata.managedFields')).toContainEqual(
      expect.objectContaining({
        ...owner,
        fieldsV1: expect.objectContaining({ 'f:note': {} }) as object,
      }),
    );
    await patch({ series: { count: 2, lastObservedTime: '2026-01-01T00:01:00Z' } });
    const after = await api.send('GET', `${core}/e`);
    expect(at(after.body, 'metadata.managedFields')).toContainEqual(
      expect.objectContaining({
        ...owner,
        apiVersion: 'v1',
        fieldsV1: expect.objectContaining({ 'f:message': {} }) as object,
      }),
    );
  });

  it('is gone after an hour', async () => {
    await create();
    await clock.advance(3_599_000);
    expect((await api.send('GET', `${newer}/e`)).code).toBe(200);
    // Objects of about the same age expire together.
    await clock.advance(3_600_000);
    expect((await api.send('GET', `${newer}/e`)).code).toBe(404);
  });
});
