import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { resources } from '../../../../api/v1/resources.ts';
import { applyTo, mergeInto } from './support/applying.ts';
import { startHarness, widget, type Harness } from './support/harness.ts';
import { widgetResource } from './support/widget.ts';

let api: Harness;
beforeAll(async () => {
  const untyped = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const free = { ...widgetResource, schema: untyped };
  api = await startHarness({ resources: [free, ...resources] });
});
afterAll(() => api.stop());

const json = fc.jsonValue({ maxDepth: 4 });
const key = fc.constantFrom(
  'k:{"name":"a"}',
  'k:[]',
  'v:"a"',
  'v:',
  'i:0',
  'i:x',
  'f:a',
  '.',
  'x',
  '',
);
const sets = fc.letrec((tie) => ({
  set: fc.dictionary(key, fc.oneof({ depthSize: 'small' }, fc.constant({}), json, tie('set'))),
})).set;
const item = fc.oneof(json, fc.record({ name: fc.constantFrom('a', 'b') }), fc.constant('a'));
const list = fc.array(item, { maxLength: 4 });

/** Nothing that a client sends may be a fault of the server. */
async function isAnswered(request: Promise<{ code: number; body: unknown }>): Promise<void> {
  const { code, body } = await request;
  expect([code < 500, body]).toEqual([true, body]);
  expect(api.logged.filter(({ level }) => level === 'error')).toEqual([]);
}

const jobs = '/apis/mesocosm.dev/v1/namespaces/default/jobs/j';

it('answers whatever is applied', async () => {
  const config = fc.record(
    {
      metadata: fc.oneof(
        json,
        fc.record({ labels: json, finalizers: list, ownerReferences: list }),
      ),
      spec: fc.oneof(
        json,
        fc.record({
          replicas: json,
          template: fc.record({
            spec: fc.record({ containers: list, networks: list, constraints: json }),
          }),
        }),
      ),
      status: fc.oneof(json, fc.record({ conditions: list })),
    },
    { requiredKeys: [] },
  );
  const path = fc.constantFrom(jobs, `${jobs}/status`, `${jobs}/scale`);
  await fc.assert(
    fc.asyncProperty(config, path, fc.boolean(), async (given, at, force) => {
      const head = { apiVersion: 'mesocosm.dev/v1', kind: 'Job', metadata: { name: 'j' } };
      await isAnswered(applyTo(api, { ...head, ...given }, { path: at, force }));
    }),
    { numRuns: 300 },
  );
});

it('answers whatever is set as managers', async () => {
  const entry = fc.record(
    {
      manager: fc.oneof(fc.constantFrom('one', 'two'), json),
      operation: fc.constantFrom('Apply', 'Update', 'Delete'),
      apiVersion: fc.constantFrom('conformance.dev/v1', 'v9'),
      time: fc.oneof(fc.constant('2026-01-01T00:00:00Z'), fc.string()),
      fieldsType: fc.constantFrom('FieldsV1', 'FieldsV1', 'FieldsV2'),
      fieldsV1: fc.oneof(sets, json),
      subresource: fc.constantFrom('', 'status', 'x'),
    },
    { requiredKeys: ['operation', 'apiVersion', 'fieldsType'] },
  );
  const managers = fc.oneof(fc.array(entry, { maxLength: 5 }), json);
  await applyTo(api, widget('a', { color: 'red', free: { l: [1] } }));
  await fc.assert(
    fc.asyncProperty(managers, fc.boolean(), async (managedFields, blue) => {
      await isAnswered(mergeInto(api, { metadata: { managedFields }, spec: { flag: blue } }));
      await isAnswered(applyTo(api, widget('a', { color: blue ? 'blue' : 'red' })));
      await isAnswered(applyTo(api, widget('a', { color: 'red' }), { by: 'two', force: true }));
    }),
    { numRuns: 200 },
  );
});
