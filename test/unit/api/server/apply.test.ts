import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApiResponse } from '../../../../api/client/transport.ts';
import { systemClock } from '../../../../api/machinery/clock.ts';
import type { Authorizer } from '../../../../api/server/authorizer.ts';
import { resources } from '../../../../api/v1/resources.ts';
import { applyTo, mergeInto, one, owners, type ApplyOptions } from './support/applying.ts';
import { at, startHarness, textAt, widget, type Harness } from './support/harness.ts';
import { widgetResource } from './support/widget.ts';

let api: Harness;
let now = Date.UTC(2026, 0, 1);
const denied = new Set<string>();
const authorizer: Authorizer = {
  authorize: ({ verb }) =>
    Promise.resolve(denied.has(verb) ? { allowed: false, reason: '' } : { allowed: true }),
};

beforeEach(async () => {
  now = Date.UTC(2026, 0, 1);
  denied.clear();
  const clock = { ...systemClock(), now: () => now };
  api = await startHarness({
    clock,
    authorization: authorizer,
    resources: [widgetResource, ...resources],
  });
});
afterEach(() => api.stop());

const apply = (body: unknown, options?: ApplyOptions): Promise<ApiResponse> =>
  applyTo(api, body, options);
const merge = (body: unknown, by?: string, path?: string): Promise<ApiResponse> =>
  mergeInto(api, body, by, path);

const causes = (answer: ApiResponse): unknown => at(answer.body, 'details.causes');

describe('apply', () => {
  it('creates what is not there, and changes nothing the second time, however late', async () => {
    const created = await apply(widget('a'));
    expect(created.code).toBe(201);
    now += 60_000;
    const again = await apply(widget('a'));
    expect(again).toEqual({ ...created, code: 200 });
  });

  it('keeps the times of the others, and moves its own with a change', async () => {
    await apply(widget('a', { color: 'red' }));
    now += 60_000;
    await apply(widget('a', { color: 'red', note: 'x' }), { by: 'two' });
    now += 60_000;
    const { body } = await apply(widget('a', { color: 'red', note: 'x', flag: true }), {
      by: 'two',
    });
    expect([0, 1].map((n) => at(body, `metadata.managedFields.${n}.time`))).toEqual([
      '2026-01-01T00:00:00Z',
      '2026-01-01T00:02:00Z',
    ]);
  });

  it('needs no right to create where the object is there', async () => {
    denied.add('create');
    const refused = await apply(widget('a'));
    expect([refused.code, textAt(refused.body, 'message')]).toEqual([
      403,
      expect.stringContaining('cannot create resource "widgets"'),
    ]);
    denied.clear();
    await apply(widget('a'));
    denied.add('create');
    expect((await apply(widget('a', { color: 'blue' }))).code).toBe(200);
  });

  it.each([
    ['a name that is not that of the path', widget('b'), 400, 'does not match the name on the URL'],
    ['no name', { ...widget('a'), metadata: {} }, 400, 'name must be provided'],
    [
      'another namespace',
      widget('a', {}, { namespace: 'other' }),
      400,
      'the namespace of the object',
    ],
    [
      'a version of something that is gone',
      widget('a', undefined, { resourceVersion: '5' }),
      409,
      'does not exist any more',
    ],
    [
      'a uid of something that is gone',
      widget('a', undefined, { uid: 'u' }),
      409,
      'does not exist any more',
    ],
    [
      'managers',
      widget('a', undefined, { managedFields: [] }),
      400,
      'metadata.managedFields must be nil',
    ],
    ['another kind', { ...widget('a'), kind: 'Gadget' }, 422, 'must be Widget'],
    [
      'another version',
      { ...widget('a'), apiVersion: 'v9' },
      400,
      'Incorrect version specified in apply patch. Specified patch version: v9, expected: conformance.dev/v1',
    ],
    ['a list', [], 400, 'must be an object'],
    ['nothing', undefined, 400, 'must be an object'],
  ])('refuses %s', async (_what, body, code, message) => {
    const answer = await apply(body);
    expect([answer.code, textAt(answer.body, 'message')]).toEqual([
      code,
      expect.stringContaining(message),
    ]);
    expect((await api.send('GET', one)).code).toBe(404);
  });

  it('writes nothing in a rehearsal, of a creation or of a change', async () => {
    const rehearsed = await apply(widget('a'), { dryRun: true });
    expect([rehearsed.code, at(rehearsed.body, 'metadata.resourceVersion')]).toEqual([
      201,
      undefined,
    ]);
    expect((await api.send('GET', one)).code).toBe(404);
    const { body } = await apply(widget('a'));
    const changed = await apply(widget('a', { color: 'blue' }), { dryRun: true });
    expect(at(changed.body, 'spec.color')).toBe('blue');
    expect((await api.send('GET', one)).body).toEqual(body);
  });

  it('of many who create at once makes one object that all of them own', async () => {
    const names = Array.from({ length: 8 }, (_, n) => `m${n}`);
    const answers = await Promise.all(names.map((by) => apply(widget('a'), { by })));
    expect(answers.map(({ code }) => code).sort()).toEqual([
      200, 200, 200, 200, 200, 200, 200, 201,
    ]);
    const found = owners(await api.send('GET', one));
    expect(Object.keys(found).sort()).toEqual(names.map((name) => `${name} Apply`));
  });

  it('refuses unknown fields whatever validation is asked for: nobody can own them', async () => {
    const body = widget('a', { color: 'red', bogus: 1 });
    const refusal = { code: 400, body: { reason: 'BadRequest' } };
    for (const validation of ['Strict', 'Warn', 'Ignore', undefined]) {
      const asked = validation === undefined ? {} : { validation };
      const refused = await apply(body, asked);
      expect(refused).toMatchObject(refusal);
      expect(textAt(refused.body, 'message')).toContain('unknown field "spec.bogus"');
    }
    await apply(widget('a', { color: 'red' }));
    expect(await apply(body)).toMatchObject(refusal);
    const job = {
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Job',
      metadata: { name: 'j' },
      spec: { bogus: 1 },
    };
    const path = '/apis/mesocosm.dev/v1/namespaces/default/jobs/j';
    expect((await apply(job, { path })).code).toBe(400);
  });

  it('obeys the rules of the kind', async () => {
    const refused = await apply(widget('a', { color: 'pink' }));
    expect(refused.code).toBe(422);
    expect(causes(refused)).toMatchObject([{ field: 'spec.color' }]);
  });

  it('is of 128 managers at most', async () => {
    for (let n = 0; n < 128; n += 1) await apply(widget('a'), { by: `m${n}` });
    const refused = await apply(widget('a'), { by: 'one-more' });
    expect([refused.code, causes(refused)]).toMatchObject([
      422,
      [{ field: 'metadata.managedFields' }],
    ]);
    expect((await apply(widget('a', { color: 'blue' }), { by: 'm1', force: true })).code).toBe(200);
  });

  it('takes null for a field that is not said', async () => {
    const { body } = await apply(
      widget('a', { color: 'red', note: null }, { creationTimestamp: null }),
    );
    expect(at(body, 'metadata.managedFields.0.fieldsV1')).toEqual({ 'f:spec': { 'f:color': {} } });
  });
});

describe('items of a list', () => {
  const network = (namespaces: string[]): object => ({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Network',
    metadata: { name: 'n' },
    spec: { namespaces },
  });
  const path = '/apis/mesocosm.dev/v1/networks/n';

  it('belong to whom said them', async () => {
    await apply(network(['a', 'b']), { path });
    await apply(network(['b', 'c']), { path, by: 'two' });
    const { body } = await apply(network(['a']), { path });
    expect(at(body, 'spec.namespaces')).toEqual(['a', 'b', 'c']);
    const left = await apply(network(['a']), { path, by: 'two' });
    expect(at(left.body, 'spec.namespaces')).toEqual(['a']);
  });

  it('may not be said twice', async () => {
    const answer = await apply(network(['a', 'a']), { path });
    expect([answer.code, textAt(answer.body, 'message')]).toEqual([
      400,
      'failed to create typed patch object (n; mesocosm.dev/v1, Kind=Network): .spec.namespaces: duplicate entries for key [="a"]',
    ]);
  });

  it.each([{ labels: {} }, { annotations: {} }, { finalizers: [] }, { ownerReferences: [] }])(
    'and maps of metadata that are empty are nobody’s: %j',
    async (empty) => {
      const body = widget('a', undefined, empty);
      expect((await apply(body)).code).toBe(201);
      expect(owners(await apply(body, { by: 'two' }))['two Apply']).not.toHaveProperty(
        'f:metadata',
      );
    },
  );

  it('of metadata, finalizers, let the object go with the last of them', async () => {
    await apply(widget('a', undefined, { finalizers: ['x.dev/hold'] }));
    await api.send('DELETE', one);
    expect((await apply(widget('a'))).code).toBe(200);
    expect((await api.send('GET', one)).code).toBe(404);
  });
});

describe('subresources', () => {
  const statusPath = `${one}/status`;
  const status = (phase: string): object => ({
    ...widget('a', undefined),
    spec: undefined,
    status: { phase },
  });

  it('own nothing but status, and the object anything else', async () => {
    await apply({ ...widget('a'), status: { phase: 'Ignored' } });
    const answer = await apply(
      { ...widget('a', { color: 'blue' }, { labels: { x: 'y' } }), status: { phase: 'Up' } },
      { path: statusPath, by: 'ctl' },
    );
    expect(answer.body).toMatchObject({ spec: { color: 'red' }, status: { phase: 'Up' } });
    expect(at(answer.body, 'metadata.labels')).toBeUndefined();
    expect(owners(answer)).toEqual({
      'one Apply': { 'f:spec': { 'f:color': {} } },
      'ctl Apply status': { 'f:status': { 'f:phase': {} } },
    });
    expect(at(answer.body, 'metadata.generation')).toBe(1);
  });

  it('are told apart in conflicts', async () => {
    await apply(widget('a'));
    await apply(status('Up'), { path: statusPath, by: 'ctl' });
    const refused = await apply(status('Down'), { path: statusPath, by: 'two' });
    expect(textAt(refused.body, 'message')).toBe(
      'Apply failed with 1 conflict: conflict with "ctl" with subresource "status": .status.phase',
    );
    await merge({ status: { phase: 'Edited' } }, 'editor', statusPath);
    const edited = await apply(status('Down'), { path: statusPath, by: 'two' });
    expect(textAt(edited.body, 'message')).toBe(
      'Apply failed with 1 conflict: conflict with "editor" with subresource "status" using conformance.dev/v1: .status.phase',
    );
  });

  it('make no object', async () => {
    expect((await apply(status('Up'), { path: statusPath })).code).toBe(404);
    expect((await apply(scale(1), { path: `${one}/scale` })).code).toBe(404);
  });

  const scale = (replicas: unknown): object => ({
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: { name: 'a' },
    spec: { replicas },
  });

  it('scale owns the number of replicas', async () => {
    const path = `${one}/scale`;
    await apply(widget('a', { color: 'red' }));
    const scaled = await apply(scale(4), { path, by: 'hpa', force: true });
    expect([scaled.code, at(scaled.body, 'kind'), at(scaled.body, 'spec.replicas')]).toEqual([
      200,
      'Scale',
      4,
    ]);
    expect(owners(await api.send('GET', one))).toMatchObject({
      'hpa Apply scale': { 'f:spec': { 'f:replicas': {} } },
    });
    const refused = await apply(widget('a', { color: 'red', replicas: 2 }));
    expect(textAt(refused.body, 'message')).toBe(
      'Apply failed with 1 conflict: conflict with "hpa" with subresource "scale": .spec.replicas',
    );
    expect((await apply(scale(-1), { path, by: 'hpa' })).code).toBe(422);
    expect((await apply({ ...scale(1), apiVersion: 'v1' }, { path, by: 'hpa' })).code).toBe(400);
    await merge({ spec: { replicas: 6 } }, 'scaler', path);
    expect(owners(await api.send('GET', one))).toMatchObject({
      'scaler Update scale': { 'f:spec': { 'f:replicas': {} } },
    });
  });
});
