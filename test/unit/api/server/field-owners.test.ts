import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApiResponse } from '../../../../api/client/transport.ts';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { isObject } from '../../../../api/machinery/json.ts';
import { applyTo, mergeInto, one, owners, type ApplyOptions } from './support/applying.ts';
import { at, startHarness, textAt, widget, widgets, type Harness } from './support/harness.ts';

let api: Harness;
let now = Date.UTC(2026, 0, 1);

beforeEach(async () => {
  now = Date.UTC(2026, 0, 1);
  const clock = { ...systemClock(), now: () => now };
  api = await startHarness({ clock });
});
afterEach(() => api.stop());

const apply = (body: unknown, options?: ApplyOptions): Promise<ApiResponse> =>
  applyTo(api, body, options);
const merge = (body: unknown, by?: string, path?: string): Promise<ApiResponse> =>
  mergeInto(api, body, by, path);

describe('other writes', () => {
  it('own what they change, by the name of the client if it says no other', async () => {
    await api.send('POST', widgets, { body: widget('a', { color: 'red', note: 'x' }) });
    const answer = await merge({ spec: { color: 'blue' }, metadata: { labels: { a: 'b' } } });
    expect(owners(answer)).toEqual({
      'tester Update': { 'f:spec': { '.': {}, 'f:note': {}, 'f:replicas': {} } },
      'editor Update': {
        'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } },
        'f:spec': { 'f:color': {} },
      },
    });
  });

  it('that many make are remembered as ten', async () => {
    await apply(widget('a'));
    for (let n = 0; n < 14; n += 1) {
      now += 1_000;
      await merge({ metadata: { labels: { [`l${n}`]: 'x' } } }, `editor-${n}`);
    }
    const names = Object.keys(owners(await api.send('GET', one)));
    expect(names).toHaveLength(11);
    expect(names).toContain('ancient-changes Update');
    const refused = await apply(widget('a', undefined, { labels: { l0: 'y' } }));
    expect(textAt(refused.body, 'message')).toContain('"ancient-changes" using conformance.dev/v1');
  });

  it('that change nothing write nothing', async () => {
    const { body } = await apply(widget('a'));
    const answer = await merge({ spec: { color: 'red' } });
    expect(answer.body).toEqual(body);
  });

  it.each([[[]], [[{}]]])('may reset the managers by %j', async (managedFields) => {
    await apply(widget('a', { color: 'red', note: 'x' }));
    const reset = await merge({ metadata: { managedFields } });
    expect(at(reset.body, 'metadata.managedFields')).toBeUndefined();
    await merge({ spec: { color: 'blue' } });
    expect(owners(await api.send('GET', one))).toEqual({});
    const refused = await apply(widget('a', { color: 'red' }), { by: 'two' });
    expect(textAt(refused.body, 'message')).toBe(
      'Apply failed with 1 conflict: conflict with "before-first-apply" using conformance.dev/v1: .spec.color',
    );
    const shared = await apply(widget('a', { color: 'blue' }), { by: 'two' });
    expect(Object.keys(owners(shared))).toEqual(['two Apply', 'before-first-apply Update']);
  });

  it('may set the managers, unless they make no sense or come through a subresource', async () => {
    const { body } = await apply(widget('a'));
    const entry = {
      manager: 'other',
      operation: 'Apply',
      apiVersion: 'conformance.dev/v1',
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:spec': { 'f:color': {} } },
    };
    const nonsense = await merge({ metadata: { managedFields: [{ ...entry, operation: 'X' }] } });
    expect(nonsense.body).toEqual(body);
    const through = await merge(
      { metadata: { managedFields: [entry] } },
      'editor',
      `${one}/status`,
    );
    expect(owners(through)).toEqual({ 'one Apply': { 'f:spec': { 'f:color': {} } } });
    const set = await merge({ metadata: { managedFields: [entry] } });
    expect(owners(set)).toEqual({ 'other Apply': { 'f:spec': { 'f:color': {} } } });
    expect(at(set.body, 'metadata.generation')).toBe(1);
  });

  it('may not force', async () => {
    const answer = await api.send('PATCH', one, {
      body: {},
      contentType: 'application/merge-patch+json',
      query: { force: 'false' },
    });
    expect([answer.code, at(answer.body, 'details.causes')]).toMatchObject([
      422,
      [{ field: 'force' }],
    ]);
  });
});

describe('a kind that controllers write in masses', () => {
  const path = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
  const lease = (holderIdentity: string): object => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'l' },
    spec: { holderIdentity },
  });

  it('has owners from the first apply on', async () => {
    await api.send('POST', path, { body: lease('a') });
    const quiet = await merge({ spec: { leaseTransitions: 1 } }, 'editor', `${path}/l`);
    expect(owners(quiet)).toEqual({});
    const refused = await apply(lease('b'), { path: `${path}/l` });
    expect(textAt(refused.body, 'message')).toContain('conflict with "before-first-apply"');
    await apply(lease('b'), { path: `${path}/l`, force: true });
    const after = await merge({ spec: { leaseTransitions: 2 } }, 'editor', `${path}/l`);
    expect(owners(after)).toMatchObject({
      'one Apply': { 'f:spec': { 'f:holderIdentity': {} } },
      'editor Update': { 'f:spec': { 'f:leaseTransitions': {} } },
    });
  });
});

describe('what a client has applied on its own side', () => {
  const annotation = 'kubectl.kubernetes.io/last-applied-configuration';
  const applied = (spec: object): object => {
    const bare = widget('a', spec, { annotations: {} });
    return widget('a', spec, { annotations: { [annotation]: JSON.stringify(bare) } });
  };
  const create = (spec: object): Promise<ApiResponse> =>
    api.send('POST', widgets, {
      body: applied(spec),
      query: { fieldManager: 'kubectl-client-side-apply' },
    });

  it('is no conflict when kubectl applies on the server, and stays recorded', async () => {
    await create({ color: 'red', note: 'x' });
    const { code, body } = await apply(widget('a', { color: 'blue', note: 'x' }), {
      by: 'kubectl',
    });
    expect([code, at(body, 'spec.color')]).toEqual([200, 'blue']);
    const annotations = at(body, 'metadata.annotations');
    const text = isObject(annotations) ? annotations[annotation] : undefined;
    expect(JSON.parse(String(text))).toEqual(
      widget('a', { color: 'blue', note: 'x' }, { annotations: {} }),
    );
  });

  it('is one where somebody else has set another value since, and only there', async () => {
    await create({ color: 'red', note: 'x' });
    await merge({ spec: { note: 'y' } });
    const refused = await apply(widget('a', { color: 'blue', note: 'z' }), { by: 'kubectl' });
    expect(textAt(refused.body, 'message')).toBe(
      'Apply failed with 1 conflict: conflict with "editor" using conformance.dev/v1: .spec.note',
    );
  });

  it('is one for any other manager', async () => {
    await create({ color: 'red' });
    expect((await apply(widget('a', { color: 'blue' }), { by: 'flux' })).code).toBe(409);
  });

  it('allows nothing if it cannot be read', async () => {
    await api.send('POST', widgets, {
      body: widget('a', { color: 'red' }, { annotations: { [annotation]: '{' } }),
    });
    expect((await apply(widget('a', { color: 'blue' }), { by: 'kubectl' })).code).toBe(409);
  });
});
