import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApiResponse } from '../../../../api/client/transport.ts';
import { at, startHarness, textAt, type Harness } from './support/harness.ts';

let api: Harness;
beforeEach(async () => {
  api = await startHarness({ mesosRoles: ['mesocosm', 'analytics'] });
});
afterEach(() => api.stop());

const merge = 'application/merge-patch+json';
const jobs = '/apis/mesocosm.dev/v1/namespaces/default/jobs';
const tasks = '/apis/mesocosm.dev/v1/namespaces/default/tasks';
const users = 'mesocosm.dev/allowed-users';
const role = 'mesocosm.dev/role';

function annotate(annotations: Record<string, string | null>): Promise<ApiResponse> {
  const body = { metadata: { annotations } };
  return api.send('PATCH', '/api/v1/namespaces/default', { body, contentType: merge });
}

const launch = (more: object) => ({
  ...more,
  containers: [
    { name: 'main', script: 'true', resources: { requests: { cpu: 1, memory: '64Mi' } } },
  ],
});

const job = (more: object = {}) => ({
  apiVersion: 'mesocosm.dev/v1',
  kind: 'Job',
  metadata: { name: 'web' },
  spec: { template: { spec: launch(more) } },
});

const create = (body: object) => api.send('POST', jobs, { body });
const change = (spec: object) =>
  api.send('PATCH', `${jobs}/web`, { body: { spec: { template: { spec } } }, contentType: merge });
const specOf = ({ body }: ApiResponse) => at(body, 'spec.template.spec');

describe('a namespace that says whose its tasks are', () => {
  it('gives a Job its first user and its role, for all to see', async () => {
    await annotate({ [users]: 'www, app', [role]: 'analytics' });
    const answer = await create(job());
    expect(answer.code).toBe(201);
    expect(specOf(answer)).toMatchObject({ user: 'www', role: 'analytics' });
    expect(at(answer.body, 'metadata.annotations')).toEqual({
      'mesocosm.dev/given-tenancy': 'user,role',
    });
  });

  it.each([
    [{ user: 'app' }, 201],
    [{ user: 'root' }, 403],
    [{ role: 'analytics' }, 201],
    [{ role: 'mesocosm' }, 403],
  ])('answers a Job of %j with %i', async (more, code) => {
    await annotate({ [users]: 'www,app', [role]: 'analytics' });
    const answer = await create(job(more));
    expect(answer.code).toBe(code);
    if (code === 403) {
      expect(textAt(answer.body, 'message')).toContain('the namespace "default" allows');
      expect(textAt(answer.body, 'details.causes.0.field')).toMatch(
        /^spec\.template\.spec\.(user|role)$/,
      );
    }
  });

  it('that changes its mind moves nothing, whichever way the same file is sent again', async () => {
    await annotate({ [users]: 'www', [role]: 'analytics' });
    const before = await create(job());
    await annotate({ [users]: 'app', [role]: 'mesocosm' });
    const version = textAt((await api.send('GET', `${jobs}/web`)).body, 'metadata.resourceVersion');
    const again = await api.send('PUT', `${jobs}/web`, {
      body: { ...job(), metadata: { name: 'web', resourceVersion: version } },
    });
    expect(again.code).toBe(200);
    expect(at(again.body, 'spec')).toEqual(at(before.body, 'spec'));
    expect(at(again.body, 'metadata.generation')).toBe(1);
    expect((await change({ terminationGracePeriodSeconds: 5 })).code).toBe(200);
    expect((await change({ user: 'root' })).code).toBe(403);
    expect(specOf(await change({ user: 'app' }))).toMatchObject({ user: 'app', role: 'analytics' });
  });

  it('is asked by a template that changes, and by none that does not', async () => {
    await create(job());
    await annotate({ [users]: 'www' });
    const scaled = await api.send('PATCH', `${jobs}/web`, {
      body: { spec: { replicas: 3 } },
      contentType: merge,
    });
    expect(specOf(scaled)).not.toHaveProperty('user');
    expect(specOf(await change({ terminationGracePeriodSeconds: 5 }))).toMatchObject({
      user: 'www',
    });
  });

  it.each([
    [users, 'www,Not A User', 422],
    [role, 'a b', 422],
    [role, '../up', 422],
    [users, 'www', 200],
  ])('may not say %s: %s (%i)', async (name, value, code) => {
    expect((await annotate({ [name]: value })).code).toBe(code);
  });
});

describe('a namespace that says nothing', () => {
  it.each([{ user: 'root' }, { role: 'mesocosm' }])('lets nobody name %j', async (more) => {
    const answer = await create(job(more));
    expect(answer.code).toBe(403);
    expect(textAt(answer.body, 'message')).toContain('the namespace "default" names none');
  });

  it('leaves Jobs as they are', async () => {
    const answer = await create(job());
    expect(specOf(answer)).toEqual(launch({}));
  });
});

it('a role that no offers are taken for is refused with the mend', async () => {
  await annotate({ [role]: 'other' });
  const answer = await create(job());
  expect(answer.code).toBe(403);
  expect(textAt(answer.body, 'message')).toContain(
    'no offers are taken for the role "other": an operator adds it to mesos.roles of cosmd, which has mesocosm, analytics',
  );
});

describe('a Task', () => {
  const task = (more: object) => ({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Task',
    metadata: { name: 'web-0-bcdfg' },
    spec: { job: 'web', instance: 0, revision: 'web-1', restarts: 0, ...launch(more) },
  });

  function addRevision(user: string | undefined): Promise<ApiResponse> {
    const owner = { apiVersion: 'mesocosm.dev/v1', kind: 'Job', name: 'web', uid: 'u' };
    const body = {
      apiVersion: 'mesocosm.dev/v1',
      kind: 'JobRevision',
      metadata: { name: 'web-1', ownerReferences: [{ ...owner, controller: true }] },
      spec: { revision: 1, template: { spec: launch(user === undefined ? {} : { user }) } },
    };
    return api.send('POST', '/apis/mesocosm.dev/v1/namespaces/default/jobrevisions', { body });
  }

  it('runs as the user of its Job, even if the namespace allows it no more', async () => {
    await annotate({ [users]: 'www' });
    await create(job());
    await annotate({ [users]: 'app' });
    expect((await api.send('POST', tasks, { body: task({ user: 'www' }) })).code).toBe(201);
  });

  it('runs as the user of its JobRevision, which may be an earlier one', async () => {
    await annotate({ [users]: 'old' });
    await create(job());
    expect((await addRevision('old')).code).toBe(201);
    await annotate({ [users]: 'www' });
    await change({ user: 'www' });
    expect((await api.send('POST', tasks, { body: task({ user: 'old' }) })).code).toBe(201);
  });

  it('has a JobRevision as a pretext only if that is one of its Job', async () => {
    await annotate({ [users]: 'www' });
    await create(job());
    expect((await addRevision('root')).code).toBe(403);
    await annotate({ [users]: 'app' });
    expect((await addRevision('www')).code).toBe(201);
  });

  it('runs as nobody else', async () => {
    await annotate({ [users]: 'www' });
    await create(job());
    expect((await api.send('POST', tasks, { body: task({ user: 'root' }) })).code).toBe(403);
  });

  it('does not leave open as whom it runs where its namespace says it', async () => {
    await annotate({ [users]: 'www', [role]: 'analytics' });
    await create(job());
    const answer = await api.send('POST', tasks, { body: task({ role: 'analytics' }) });
    expect(answer.code).toBe(403);
    expect(textAt(answer.body, 'details.causes.0.field')).toBe('spec.user');
    expect(textAt(answer.body, 'message')).toContain(
      'the namespace "default" allows www: name one, or let a Job make the task',
    );
    expect((await addRevision(undefined)).code).toBe(403);
    const whole = task({ user: 'www', role: 'analytics' });
    expect((await api.send('POST', tasks, { body: whole })).code).toBe(201);
  });

  it('leaves open what its Job left open before the namespace said it', async () => {
    await create(job());
    await annotate({ [users]: 'www' });
    expect((await addRevision(undefined)).code).toBe(201);
    expect((await api.send('POST', tasks, { body: task({}) })).code).toBe(201);
  });

  it('of no Job is held to its namespace, too', async () => {
    await annotate({ [users]: 'www' });
    expect((await api.send('POST', tasks, { body: task({}) })).code).toBe(403);
  });
});

it.each([
  ['mesocosm.dev/allowed-user', 'did you mean mesocosm.dev/allowed-users?'],
  ['mesocosm.dev/something-else', 'remove it or check its spelling'],
])('the annotation %s, which nothing reads, is told of', async (name, mend) => {
  const warning = `metadata.annotations[${name}]: nothing reads this annotation: ${mend}`;
  expect((await annotate({ [name]: 'www' })).warnings).toEqual([warning]);
  const namespace = { metadata: { name: 'other', annotations: { [name]: 'www' } } };
  const made = await api.send('POST', '/api/v1/namespaces', {
    body: { apiVersion: 'v1', kind: 'Namespace', ...namespace },
  });
  expect(made.warnings).toEqual([warning]);
  expect((await annotate({ [name]: null, [users]: 'www', 'other/one': 'x' })).warnings).toEqual([]);
});
