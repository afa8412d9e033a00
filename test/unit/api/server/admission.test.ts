import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prefixesFor } from '../../../../api/server/admission/server-set-roots.ts';
import { at, startHarness, type Harness } from './support/harness.ts';

let api: Harness;
beforeEach(async () => {
  api = await startHarness();
  await network('dev-net', {});
  await network('private', { namespaces: ['mesocosm-system'] });
  await network('four', { ipFamilies: ['IPv4'] });
});
afterEach(() => api.stop());

const jobs = '/apis/mesocosm.dev/v1/namespaces/default/jobs';

async function network(name: string, spec: object): Promise<void> {
  const answer = await api.send('POST', '/apis/mesocosm.dev/v1/networks', {
    body: { apiVersion: 'mesocosm.dev/v1', kind: 'Network', metadata: { name }, spec },
  });
  expect(answer.code).toBe(201);
}

function job(networks: object[], more: object = {}): object {
  const container = {
    name: 'main',
    script: 'sleep 1',
    resources: { requests: { cpu: '100m', memory: '32Mi' } },
    ports: [{ name: 'http', containerPort: 80 }],
  };
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: { name: 'web' },
    spec: { template: { spec: { networks, containers: [container] } }, ...more },
  };
}

const causes = (body: unknown) =>
  at(body, 'details.causes.0') as { field: string; message: string };

describe('networks', () => {
  it.each([
    [
      'is missing',
      [{ name: 'dev-net' }, { name: 'nope' }],
      'networks[1].name',
      /no Network of this name/,
    ],
    [
      'is not offered',
      [{ name: 'private' }],
      'networks[0].name',
      /not offered to the namespace "default"/,
    ],
    [
      'lacks a family',
      [{ name: 'four', ipFamilies: ['IPv4', 'IPv6'] }],
      'networks[0].ipFamilies',
      /assigns IPv4 only/,
    ],
  ])('refuse a Job whose network %s', async (_what, networks, field, message) => {
    const answer = await api.send('POST', jobs, { body: job(networks) });
    expect(answer.code).toBe(422);
    expect(causes(answer.body).field).toBe(`spec.template.spec.${field}`);
    expect(causes(answer.body).message).toMatch(message);
    expect((await api.send('GET', `${jobs}/web`)).code).toBe(404);
  });

  it('let a running Job be changed after its network was withdrawn, but not join it anew', async () => {
    expect((await api.send('POST', jobs, { body: job([{ name: 'four' }]) })).code).toBe(201);
    await api.send('DELETE', '/apis/mesocosm.dev/v1/networks/four');
    const contentType = 'application/merge-patch+json';
    const scaled = await api.send('PATCH', `${jobs}/web`, {
      body: { spec: { replicas: 2 } },
      contentType,
    });
    expect(scaled.code).toBe(200);
    const joined = await api.send('PATCH', `${jobs}/web`, {
      body: { spec: { template: { spec: { networks: [{ name: 'private' }] } } } },
      contentType,
    });
    expect(joined.code).toBe(422);
  });
});

describe('a Task', () => {
  const task = (networks: object[]): object => ({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Task',
    metadata: { name: 'web-0-bcdfg' },
    spec: {
      job: 'web',
      instance: 0,
      revision: 'web-1',
      restarts: 0,
      networks,
      containers: [
        { name: 'main', script: 'sleep 1', resources: { requests: { cpu: 1, memory: '32Mi' } } },
      ],
    },
  });
  const tasks = '/apis/mesocosm.dev/v1/namespaces/default/tasks';

  it('may replace another of its Job on a network that was withdrawn since', async () => {
    expect((await api.send('POST', jobs, { body: job([{ name: 'four' }]) })).code).toBe(201);
    await api.send('DELETE', '/apis/mesocosm.dev/v1/networks/four');
    expect((await api.send('POST', tasks, { body: task([{ name: 'four' }]) })).code).toBe(201);
  });

  it('may not join what its Job was not admitted to', async () => {
    expect((await api.send('POST', jobs, { body: job([{ name: 'four' }]) })).code).toBe(201);
    const answer = await api.send('POST', tasks, { body: task([{ name: 'private' }]) });
    expect(answer.code).toBe(422);
    expect(causes(answer.body).field).toBe('spec.networks[0].name');
  });
});

describe('with container networking turned off', () => {
  it('a Job with networks is refused and says by what, one without is not', async () => {
    const off = await startHarness({ containerNetworking: false });
    const answer = await off.send('POST', jobs, { body: job([{ name: 'dev-net' }]) });
    expect(answer.code).toBe(422);
    expect(causes(answer.body).message).toContain('feature gate ContainerNetworking');
    expect((await off.send('POST', jobs, { body: job([]) })).code).toBe(201);
    await off.stop();
  });
});

describe('ServerSet paths', () => {
  it.each([
    ['/mesocosm/default/web', 201],
    ['/mesocosm/other/web', 422],
    ['/mesocosm/default', 422],
    ['/mesocosm/defaulted/web', 422],
  ])('at %s are answered with %d', async (zkPath, code) => {
    const serverSet = { zkPath, primaryPort: 'http', network: 'dev-net' };
    const answer = await api.send('POST', jobs, {
      body: job([{ name: 'dev-net' }], { serverSet }),
    });
    expect(answer.code).toBe(code);
    if (code === 422) {
      expect(causes(answer.body).field).toBe('spec.serverSet.zkPath');
      expect(causes(answer.body).message).toContain('may publish under /mesocosm/default/ only');
    }
  });

  it('are allowed by namespace', () => {
    const roots = [
      { prefix: '/aurora/prod', namespaces: ['prod'] },
      { prefix: '/all/<namespace>/' },
    ];
    expect(prefixesFor(roots, 'prod')).toEqual(['/aurora/prod/', '/all/prod/']);
    expect(prefixesFor(roots, 'dev')).toEqual(['/all/dev/']);
  });
});
