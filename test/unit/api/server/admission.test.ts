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

describe('what a Network allows', () => {
  const admin = '/apis/mesocosm.dev/v1/networks';
  const contentType = 'application/merge-patch+json';
  const attach = (attachment: object): object => ({
    spec: { template: { spec: { networks: [attachment] } } },
  });

  beforeEach(async () => {
    await network('strict', {
      requiredLabels: ['team'],
      allowedLabels: ['tier'],
      portMappings: 'Forbidden',
    });
  });

  it.each([
    [{ name: 'strict' }, 'labels[team]', 'FieldValueRequired', /^Required value: .*add it/],
    [
      { name: 'strict', labels: { team: 'a', x: 'y' } },
      'labels[x]',
      'FieldValueForbidden',
      /^Forbidden: .*labels team, tier only/,
    ],
    [
      { name: 'strict', labels: { team: 'a' }, portMappings: [{ hostPort: 1, containerPort: 2 }] },
      'portMappings[0]',
      'FieldValueForbidden',
      /allows no port mappings/,
    ],
  ])('is checked: %j', async (attachment, field, reason, message) => {
    const answer = await api.send('POST', jobs, { body: job([attachment]) });
    expect(answer.code).toBe(422);
    expect(causes(answer.body)).toMatchObject({
      field: `spec.template.spec.networks[0].${field}`,
      reason,
    });
    expect(causes(answer.body).message).toMatch(message);
  });

  it('holds an update only to what it changes', async () => {
    const labels = { team: 'a', tier: 'web' };
    const created = await api.send('POST', jobs, { body: job([{ name: 'strict', labels }]) });
    expect(created.code).toBe(201);
    const spec = { requiredLabels: ['owner'], forbiddenLabels: ['team', 'x'], allowedLabels: null };
    const changed = await api.send('PATCH', `${admin}/strict`, { body: { spec }, contentType });
    expect(changed.code).toBe(200);
    const patch = async (body: object): Promise<number> =>
      (await api.send('PATCH', `${jobs}/web`, { body, contentType })).code;
    expect(await patch({ spec: { replicas: 3 } })).toBe(200);
    expect(await patch(attach({ name: 'strict', labels: { team: 'a', tier: 'db' } }))).toBe(200);
    expect(await patch(attach({ name: 'strict', labels: { team: 'a', x: '1' } }))).toBe(422);
  });

  it('goes by the labels of the namespace', async () => {
    const namespaceSelector = { matchLabels: { zone: 'trusted' } };
    await network('chosen', { namespaceSelector });
    const post = async (): Promise<number> =>
      (await api.send('POST', jobs, { body: job([{ name: 'chosen' }]) })).code;
    expect(await post()).toBe(422);
    await api.send('PATCH', '/api/v1/namespaces/default', {
      body: { metadata: { labels: { zone: 'trusted' } } },
      contentType,
    });
    expect(await post()).toBe(201);
  });

  it('is told to who narrows it: which Jobs contradict it then', async () => {
    const body = job([{ name: 'dev-net' }]);
    expect((await api.send('POST', jobs, { body })).code).toBe(201);
    const narrow = (namespaces: string[], query?: Record<string, string>) =>
      api.send('PATCH', `${admin}/dev-net`, {
        body: { spec: { namespaces } },
        contentType,
        ...(query === undefined ? {} : { query }),
      });
    const warning = 'Network "dev-net": 1 Job contradicts it: default/web; what runs goes on';
    const tried = await narrow(['other'], { dryRun: 'All' });
    expect(tried.warnings).toEqual([expect.stringContaining(warning)]);
    expect((await narrow(['default'])).warnings).toEqual([]);
    expect((await narrow(['other'])).warnings).toEqual([expect.stringContaining(warning)]);
    const deleted = await api.send('DELETE', `${admin}/dev-net`);
    expect(deleted.code).toBe(200);
    expect(deleted.warnings).toEqual([expect.stringContaining(warning)]);
    expect((await api.send('DELETE', `${admin}/four`)).warnings).toEqual([]);
  });
});

describe('the default network of a namespace', () => {
  const contentType = 'application/merge-patch+json';
  const annotation = 'mesocosm.dev/default-network';
  const annotate = (name: string | null) =>
    api.send('PATCH', '/api/v1/namespaces/default', {
      body: { metadata: { annotations: { [annotation]: name } } },
      contentType,
    });
  const open = (): object => {
    const { spec, ...rest } = job([]) as { spec: { template: { spec: object } } };
    const template = { spec: { ...spec.template.spec, networks: undefined } };
    return { ...rest, spec: { template } };
  };
  const networks = (body: unknown): unknown => at(body, 'spec.template.spec.networks');
  const marked = (body: unknown): unknown =>
    (at(body, 'metadata.annotations') as Record<string, string> | undefined)?.[annotation];

  beforeEach(() => annotate('dev-net'));

  it('is written into a new Job that says nothing of networks, and shown', async () => {
    const { code, body } = await api.send('POST', jobs, { body: open() });
    expect(code).toBe(201);
    expect(networks(body)).toEqual([{ name: 'dev-net' }]);
    expect(marked(body)).toBe('dev-net');
  });

  it('is not for a Job that wants the network of its agent, or names its own', async () => {
    const none = job([]) as { spec: { template: { spec: { containers: object[] } } } };
    const host = await api.send('POST', jobs, { body: none });
    expect(networks(host.body)).toEqual([]);
    expect(marked(host.body)).toBeUndefined();
    const own = { ...job([{ name: 'four' }]), metadata: { name: 'own' } };
    expect(networks((await api.send('POST', jobs, { body: own })).body)).toEqual([
      { name: 'four' },
    ]);
  });

  it('stays with its Jobs when the namespace changes, and when their manifest is sent again', async () => {
    await api.send('POST', jobs, { body: open() });
    await annotate('four');
    const stored = await api.send('GET', `${jobs}/web`);
    const { resourceVersion } = at(stored.body, 'metadata') as { resourceVersion: string };
    const again = { ...open(), metadata: { name: 'web', resourceVersion } };
    const put = await api.send('PUT', `${jobs}/web`, { body: again });
    expect(put.code).toBe(200);
    expect(networks(put.body)).toEqual([{ name: 'dev-net' }]);
    expect(marked(put.body)).toBe('dev-net');
    expect(at(put.body, 'metadata.generation')).toBe(1);
  });

  it('is left by a Job that says so, and its mark cannot be forged', async () => {
    await api.send('POST', jobs, { body: open() });
    const patch = (body: object) => api.send('PATCH', `${jobs}/web`, { body, contentType });
    const left = await patch({ spec: { template: { spec: { networks: [] } } } });
    expect(networks(left.body)).toEqual([]);
    expect(marked(left.body)).toBeUndefined();
    const forged = await patch({ metadata: { annotations: { [annotation]: 'private' } } });
    expect(marked(forged.body)).toBeUndefined();
  });

  it('that is not offered refuses the Job and tells where it came from', async () => {
    await annotate('private');
    const answer = await api.send('POST', jobs, { body: open() });
    expect(answer.code).toBe(422);
    expect(causes(answer.body).field).toBe('spec.template.spec.networks[0].name');
    expect(causes(answer.body).message).toContain('default network of the namespace');
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
