import { afterEach, beforeEach, expect, test } from 'vitest';
import { at, startHarness, type Harness } from './support/harness.ts';

const path = '/apis/mesocosm.dev/v1/namespaces/default/jobs/web';
const key = '/mesocosm.dev/jobs/default/web';

let api: Harness;
beforeEach(async () => {
  api = await startHarness();
});
afterEach(() => api.stop());

/** Stores a Job with a field that this version does not know, as a newer one may have. */
async function storeNewerJob(): Promise<Record<string, unknown>> {
  const resources = { requests: { cpu: '100m', memory: '64Mi' } };
  const container = { name: 'main', script: 'exec sleep 60', resources };
  const object = {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: {
      name: 'web',
      namespace: 'default',
      uid: 'u',
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
    },
    spec: { replicas: 2, novelty: 1, template: { spec: { containers: [container] } } },
  };
  const result = await api.storage.create(key, Buffer.from(JSON.stringify(object)));
  return { ...object, metadata: { ...object.metadata, resourceVersion: `${result.revision}` } };
}

test('a field that an update leaves as it is stored is not checked again', async () => {
  const job = await storeNewerJob();
  const labelled = { ...job, metadata: { ...(job['metadata'] as object), labels: { a: 'b' } } };
  const answer = await api.send('PUT', path, { body: labelled });
  expect(answer.code, JSON.stringify(answer.body)).toBe(200);
  expect(at(answer.body, 'metadata.labels')).toEqual({ a: 'b' });
  expect(at(answer.body, 'spec')).toMatchObject(job['spec'] as object);
});

test('one that it changes is', async () => {
  const job = await storeNewerJob();
  const spec = { ...(job['spec'] as object), replicas: 3 };
  const answer = await api.send('PUT', path, { body: { ...job, spec } });
  expect(answer.code).toBe(400);
  expect(at(answer.body, 'message')).toContain('unknown field "spec.novelty"');
});

test('a status is checked whatever the spec is', async () => {
  const job = await storeNewerJob();
  const bad = await api.send('PUT', `${path}/status`, {
    body: { ...job, status: { replicas: 'two' } },
  });
  expect(bad.code).toBe(422);
  const good = await api.send('PUT', `${path}/status`, {
    body: { ...job, status: { replicas: 2 } },
  });
  expect(good.code, JSON.stringify(good.body)).toBe(200);
  expect(at(good.body, 'status')).toEqual({ replicas: 2 });
});
