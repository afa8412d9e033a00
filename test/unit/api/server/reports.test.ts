import { afterEach, expect, it } from 'vitest';
import { ApiError } from '../../../../api/machinery/errors.ts';
import { at, startHarness, type Harness } from './support/harness.ts';

let api: Harness;
afterEach(() => api.stop());

const jobs = '/apis/mesocosm.dev/v1/namespaces/default/jobs';

async function withJob(options: Parameters<typeof startHarness>[0]): Promise<void> {
  api = await startHarness(options);
  const resources = { requests: { cpu: '100m', memory: '32Mi' } };
  const containers = [{ name: 'main', script: 'sleep 1', resources }];
  const body = {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: { name: 'web' },
    spec: { template: { spec: { containers } } },
  };
  expect(await api.send('POST', jobs, { body })).toMatchObject({ code: 201 });
}

const reporters = {
  'jobs/drift': (ref: object) => Promise.resolve({ kind: 'JobDrift', about: ref }),
};

it('answers what the reporter makes of an object that exists', async () => {
  await withJob({ reporters });
  expect(await api.send('GET', `${jobs}/web/drift`)).toMatchObject({
    code: 200,
    body: { kind: 'JobDrift', about: { namespace: 'default', name: 'web' } },
  });
  expect(await api.send('GET', `${jobs}/nope/drift`)).toMatchObject({ code: 404 });
});

it('answers 503 where nothing is configured to look', async () => {
  await withJob({});
  expect(await api.send('GET', `${jobs}/web/drift`)).toMatchObject({
    code: 503,
    body: {
      reason: 'ServiceUnavailable',
      message: expect.stringContaining('jobs/drift') as string,
    },
  });
});

it('passes on why it could not look', async () => {
  const refuse = () => Promise.reject(new ApiError('ServiceUnavailable', 'not today'));
  await withJob({ reporters: { 'jobs/drift': refuse } });
  expect(await api.send('GET', `${jobs}/web/drift`)).toMatchObject({
    code: 503,
    body: { message: 'not today' },
  });
});

it('can only be read', async () => {
  await withJob({ reporters });
  for (const method of ['PUT', 'PATCH'] as const) {
    const answer = await api.send(method, `${jobs}/web/drift`, {
      body: {},
      contentType: method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
    });
    expect(answer).toMatchObject({ code: 405, body: { reason: 'MethodNotAllowed' } });
  }
  expect(await api.send('GET', '/apis/mesocosm.dev/v1/agents/a/drift')).toMatchObject({
    code: 404,
  });
});

it('is authorised as a subresource of its own', async () => {
  const asked: unknown[] = [];
  await withJob({
    reporters,
    authorization: {
      authorize: ({ verb, resource }) => {
        if (resource?.resource !== 'jobs/drift') return Promise.resolve({ allowed: true });
        asked.push({ verb, ...resource });
        return Promise.resolve({ allowed: false, reason: 'no rule' });
      },
    },
  });
  expect(await api.send('GET', `${jobs}/web/drift`)).toMatchObject({ code: 403 });
  expect(asked).toEqual([
    {
      verb: 'get',
      group: 'mesocosm.dev',
      version: 'v1',
      resource: 'jobs/drift',
      namespace: 'default',
      name: 'web',
    },
  ]);
});

it('is in discovery and in OpenAPI, with its kind', async () => {
  api = await startHarness();
  const list = await api.send('GET', '/apis/mesocosm.dev/v1');
  expect(at(list.body, 'resources')).toContainEqual({
    name: 'jobs/drift',
    singularName: '',
    namespaced: true,
    group: 'mesocosm.dev',
    version: 'v1',
    kind: 'JobDrift',
    verbs: ['get'],
  });
  const { body: text } = await api.send('GET', '/openapi/v3/apis/mesocosm.dev/v1');
  const body: unknown = JSON.parse(String(text));
  const path = '/apis/mesocosm.dev/v1/namespaces/{namespace}/jobs/{name}/drift';
  const operations = (at(body, 'paths') as Record<string, object>)[path] ?? {};
  expect(Object.keys(operations)).toEqual(['parameters', 'get']);
  const definition = 'dev.mesocosm.v1.JobDrift';
  const schema = (at(body, 'components.schemas') as Record<string, object>)[definition];
  expect(at(schema, 'properties.instances.items.properties.tasks.type')).toBe('array');
  expect(at(schema, 'x-kubernetes-group-version-kind')).toEqual([
    { group: 'mesocosm.dev', version: 'v1', kind: 'JobDrift' },
  ]);
});
