import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { at, startHarness, textAt, type Harness } from './support/harness.ts';

let api: Harness;
beforeEach(async () => {
  api = await startHarness();
});
afterEach(() => api.stop());

const jobs = '/apis/mesocosm.dev/v1/namespaces/default/jobs';
const ranges = '/api/v1/namespaces/default/limitranges';
const merge = 'application/merge-patch+json';

async function limit(item: object, name = 'limits'): Promise<void> {
  const body = {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { name },
    spec: { limits: [{ type: 'Container', ...item }] },
  };
  expect((await api.send('POST', ranges, { body })).code).toBe(201);
}

function job(resources?: object, more: object = {}): object {
  const container = {
    name: 'main',
    script: 'true',
    ...(resources === undefined ? {} : { resources }),
  };
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: { name: 'web' },
    spec: { template: { spec: { containers: [container] } }, ...more },
  };
}

const create = (body: object) => api.send('POST', jobs, { body });
const resourcesOf = (body: unknown) => at(body, 'spec.template.spec.containers.0.resources');
const marks = (body: unknown): unknown =>
  (at(body, 'metadata.annotations') as Record<string, string> | undefined)?.[
    'mesocosm.dev/given-resources'
  ];

describe('a LimitRange', () => {
  it('gives containers what they leave open, for all to see', async () => {
    await limit({ default: { memory: '256Mi' }, defaultRequest: { cpu: '100m', memory: '64Mi' } });
    const answer = await create(job());
    expect(answer.code).toBe(201);
    expect(resourcesOf(answer.body)).toEqual({
      requests: { cpu: '100m', memory: '64Mi' },
      limits: { memory: '256Mi' },
    });
    expect(marks(answer.body)).toBe('main/requests.cpu,main/requests.memory,main/limits.memory');
  });

  it('leaves alone what a container says itself', async () => {
    await limit({ default: { cpu: '2', memory: '256Mi' }, defaultRequest: { cpu: '100m' } });
    const answer = await create(job({ requests: { cpu: 3, memory: '1Gi' } }));
    expect(resourcesOf(answer.body)).toEqual({ requests: { cpu: 3, memory: '1Gi' } });
    expect(marks(answer.body)).toBeUndefined();
  });

  it('derives defaults from bounds as Kubernetes does', async () => {
    await limit({ max: { memory: '512Mi' }, min: { cpu: '50m' } });
    const answer = await create(job());
    expect(resourcesOf(answer.body)).toEqual({
      requests: { cpu: '50m', memory: '512Mi' },
      limits: { memory: '512Mi' },
    });
  });

  it('that changes changes no Job, whichever way the same file is sent again', async () => {
    await limit({ defaultRequest: { cpu: '100m', memory: '64Mi' } });
    const before = await create(job());
    await api.send('PATCH', `${ranges}/limits`, {
      body: {
        spec: { limits: [{ type: 'Container', defaultRequest: { cpu: '1', memory: '1Gi' } }] },
      },
      contentType: merge,
    });
    const live = await api.send('GET', `${jobs}/web`);
    const put = await api.send('PUT', `${jobs}/web`, {
      body: {
        ...job(),
        metadata: { name: 'web', resourceVersion: textAt(live.body, 'metadata.resourceVersion') },
      },
    });
    const applied = await api.send('PATCH', `${jobs}/web`, {
      body: job(),
      contentType: 'application/apply-patch+yaml',
      query: { fieldManager: 'me', force: 'true' },
    });
    const merged = await api.send('PATCH', `${jobs}/web`, {
      body: { spec: { replicas: 1 } },
      contentType: merge,
    });
    for (const answer of [put, applied, merged]) {
      expect(answer.code).toBe(200);
      expect(at(answer.body, 'spec')).toEqual(at(before.body, 'spec'));
      expect(at(answer.body, 'metadata.generation')).toBe(1);
      expect(marks(answer.body)).toBe(marks(before.body));
    }
  });

  it('gives to a container that is new, and to one that drops a value of its own', async () => {
    expect((await create(job({ requests: { cpu: '2', memory: '32Mi' } }))).code).toBe(201);
    await limit({ defaultRequest: { cpu: '100m', memory: '64Mi' } });
    const answer = await api.send('PATCH', `${jobs}/web`, {
      body: [
        { op: 'remove', path: '/spec/template/spec/containers/0/resources/requests/cpu' },
        {
          op: 'add',
          path: '/spec/template/spec/containers/-',
          value: { name: 'side', script: 'true' },
        },
      ],
      contentType: 'application/json-patch+json',
    });
    expect(answer.code).toBe(200);
    expect(resourcesOf(answer.body)).toEqual({ requests: { cpu: '100m', memory: '32Mi' } });
    expect(marks(answer.body)).toBe('main/requests.cpu,side/requests.cpu,side/requests.memory');
    expect(at(answer.body, 'metadata.generation')).toBe(2);
  });

  it.each([
    [
      { max: { memory: '1Gi' } },
      { requests: { cpu: 1, memory: '2Gi' } },
      'maximum memory usage per Container is 1Gi, but limit is 2Gi',
    ],
    [
      { min: { cpu: '100m' } },
      { requests: { cpu: '50m', memory: '2Gi' } },
      'minimum cpu usage per Container is 100m, but request is 50m',
    ],
    [
      { maxLimitRequestRatio: { memory: '2' } },
      { requests: { cpu: 1, memory: '1Gi' }, limits: { memory: '4Gi' } },
      'memory max limit to request ratio per Container is 2, but provided ratio is 4.000000',
    ],
  ])('%j refuses %j in the words of Kubernetes', async (item, resources, message) => {
    await limit(item);
    const answer = await create(job(resources));
    expect(answer.code).toBe(403);
    expect(textAt(answer.body, 'message')).toContain('jobs.mesocosm.dev "web" is forbidden: ');
    expect(textAt(answer.body, 'message')).toContain(message);
    expect(textAt(answer.body, 'details.causes.0.field')).toMatch(
      /^spec\.template\.spec\.containers\[0\]\.resources\./,
    );
  });

  it('holds nobody to bounds that came after, until the container changes', async () => {
    await create(job({ requests: { cpu: 2, memory: '2Gi' } }));
    await limit({ max: { memory: '1Gi' } });
    const scaled = await api.send('PATCH', `${jobs}/web`, {
      body: { spec: { replicas: 3 } },
      contentType: merge,
    });
    expect(scaled.code).toBe(200);
    const changed = await api.send('PATCH', `${jobs}/web`, {
      body: [
        {
          op: 'replace',
          path: '/spec/template/spec/containers/0/resources/requests/memory',
          value: '3Gi',
        },
      ],
      contentType: 'application/json-patch+json',
    });
    expect(changed.code).toBe(403);
  });

  it('does not believe a client about what was given', async () => {
    const answer = await create({
      ...job({ requests: { cpu: 1, memory: '1Gi' } }),
      metadata: {
        name: 'web',
        annotations: { 'mesocosm.dev/given-resources': 'main/requests.cpu' },
      },
    });
    expect(marks(answer.body)).toBeUndefined();
  });

  it.each([
    [{ type: 'Pod', max: { cpu: 1 } }, 422],
    [{ min: { cpu: 2 }, max: { cpu: 1 } }, 422],
    [{ max: { gpu: 1 } }, 400],
    [{ max: { memory: 'lots' } }, 422],
    [{ maxLimitRequestRatio: { cpu: '500m' } }, 422],
  ])('%j is refused', async (item, code) => {
    const body = {
      apiVersion: 'v1',
      kind: 'LimitRange',
      metadata: { name: 'x' },
      spec: { limits: [{ type: 'Container', ...item }] },
    };
    expect((await api.send('POST', ranges, { body })).code).toBe(code);
  });

  it('that limits one type twice is refused', async () => {
    const item = { type: 'Container', max: { cpu: 1 } };
    const body = { kind: 'LimitRange', metadata: { name: 'x' }, spec: { limits: [item, item] } };
    const refused = await api.send('POST', ranges, { body });
    expect(refused.code).toBe(422);
    expect(textAt(refused.body, 'message')).toContain(
      'spec.limits[1].type: Duplicate value: "Container"',
    );
  });
});
