import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import type { ApiResponse } from '../../../../api/client/transport.ts';
import { isObject } from '../../../../api/machinery/json.ts';
import { systemClock } from '../../../../api/machinery/clock.ts';
import { MemoryStorage } from '../../../../api/storage/memory.ts';
import { StorageError, type Storage, type WriteOptions } from '../../../../api/storage/storage.ts';
import { at, startHarness, textAt, type Harness } from './support/harness.ts';

const quotas = '/api/v1/namespaces/default/resourcequotas';
const jobs = '/apis/mesocosm.dev/v1/namespaces/default/jobs';
const merge = 'application/merge-patch+json';

function quota(hard: object, name = 'team'): object {
  return { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name }, spec: { hard } };
}

function job(name: string, more: { replicas?: number; cpu?: string; networks?: object[] } = {}) {
  const resources = { requests: { cpu: more.cpu ?? '500m', memory: '64Mi' } };
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: { name },
    spec: {
      replicas: more.replicas ?? 1,
      template: { spec: { containers: [{ name: 'main', script: 'true', resources }] } },
    },
  };
}

/** A quota that has been counted once, as the loop of the leader does it. */
async function given(api: Harness, hard: object, used: object, name = 'team'): Promise<void> {
  expect((await api.send('POST', quotas, { body: quota(hard, name) })).code).toBe(201);
  const status = { hard, used };
  const body = { status };
  const answer = await api.send('PATCH', `${quotas}/${name}/status`, { body, contentType: merge });
  expect(answer.code).toBe(200);
}

const create = (api: Harness, body: object, query: Record<string, string> = {}) =>
  api.send('POST', jobs, { body, query });

async function used(api: Harness, name = 'team'): Promise<unknown> {
  return at((await api.send('GET', `${quotas}/${name}`)).body, 'status.used');
}

describe('a ResourceQuota', () => {
  let api: Harness;
  beforeEach(async () => {
    api = await startHarness();
  });
  afterEach(() => api.stop());

  it('refuses what exceeds it, in the words of Kubernetes, and counts what does not', async () => {
    await given(api, { 'requests.cpu': '2', 'count/jobs.mesocosm.dev': '5' }, zero);
    expect((await create(api, job('one', { replicas: 3 }))).code).toBe(201);
    const refused = await create(api, job('two', { replicas: 2 }));
    expect(refused.code).toBe(403);
    expect(textAt(refused.body, 'message')).toBe(
      'jobs.mesocosm.dev "two" is forbidden: exceeded quota: team, requested: requests.cpu=1, used: requests.cpu=1500m, limited: requests.cpu=2',
    );
    expect(await used(api)).toEqual({ 'count/jobs.mesocosm.dev': '1', 'requests.cpu': '1500m' });
  });

  const zero = { 'requests.cpu': '0', 'count/jobs.mesocosm.dev': '0' };

  it('bounds scaling, patching and applying as it bounds creating', async () => {
    await given(api, { 'requests.cpu': '2' }, { 'requests.cpu': '0' });
    await create(api, job('one'));
    const body = { spec: { replicas: 5 } };
    const scaled = await api.send('PATCH', `${jobs}/one/scale`, { body, contentType: merge });
    expect(scaled.code).toBe(403);
    const patched = await api.send('PATCH', `${jobs}/one`, { body, contentType: merge });
    expect(patched.code).toBe(403);
    const applied = await api.send('PATCH', `${jobs}/one`, {
      body: job('one', { replicas: 5 }),
      contentType: 'application/apply-patch+yaml',
      query: { fieldManager: 'me', force: 'true' },
    });
    expect(applied.code).toBe(403);
    const allowed = await api.send('PATCH', `${jobs}/one`, {
      body: { spec: { replicas: 4 } },
      contentType: merge,
    });
    expect(allowed.code).toBe(200);
    expect(await used(api)).toEqual({ 'requests.cpu': '2' });
  });

  it('lets through what takes no more than before, even if it is exceeded', async () => {
    await create(api, job('one', { replicas: 4 }));
    await given(api, { 'requests.cpu': '1' }, { 'requests.cpu': '2' });
    for (const replicas of [4, 3]) {
      const body = { spec: { replicas }, metadata: { labels: { a: String(replicas) } } };
      const answer = await api.send('PATCH', `${jobs}/one`, { body, contentType: merge });
      expect(answer.code).toBe(200);
    }
  });

  it('is rehearsed by a dry run and not charged by it', async () => {
    await given(api, { 'requests.cpu': '1' }, { 'requests.cpu': '0' });
    expect((await create(api, job('one'), { dryRun: 'All' })).code).toBe(201);
    expect((await create(api, job('two', { replicas: 3 }), { dryRun: 'All' })).code).toBe(403);
    expect(await used(api)).toEqual({ 'requests.cpu': '0' });
  });

  it('refuses as long as nobody has counted', async () => {
    await api.send('POST', quotas, { body: quota({ 'requests.cpu': '10' }) });
    const answer = await create(api, job('one'));
    expect(answer.code).toBe(403);
    expect(textAt(answer.body, 'message')).toContain(
      'status unknown for quota: team, resources: requests.cpu',
    );
  });

  it('must be met by every quota of the namespace, and a refusal by one is given back by the other', async () => {
    await given(api, { 'count/jobs.mesocosm.dev': '5' }, { 'count/jobs.mesocosm.dev': '0' }, 'a');
    await given(api, { 'requests.cpu': '1' }, { 'requests.cpu': '0' }, 'b');
    expect((await create(api, job('big', { cpu: '4' }))).code).toBe(403);
    expect((await create(api, job('small'))).code).toBe(201);
    expect(await used(api, 'a')).toEqual({ 'count/jobs.mesocosm.dev': '1' });
  });

  it('gives back what a write took that did not happen', async () => {
    await given(api, { 'count/jobs.mesocosm.dev': '2' }, { 'count/jobs.mesocosm.dev': '0' });
    await create(api, job('one'));
    for (let i = 0; i < 3; i += 1) expect((await create(api, job('one'))).code).toBe(409);
    expect((await create(api, job('two'))).code).toBe(201);
    expect(await used(api)).toEqual({ 'count/jobs.mesocosm.dev': '2' });
  });

  it('counts addresses that Jobs demand on a network', async () => {
    const name = 'mesocosm.dev/addresses.dual';
    const network = { apiVersion: 'mesocosm.dev/v1', kind: 'Network', metadata: { name: 'dual' } };
    await api.send('POST', '/apis/mesocosm.dev/v1/networks', { body: { ...network, spec: {} } });
    await given(api, { [name]: '5' }, { [name]: '0' });
    const attached = job('one', { replicas: 2 });
    const networks = [{ name: 'dual', ipFamilies: ['IPv4', 'IPv6'] }];
    const { template } = attached.spec;
    const body = {
      ...attached,
      spec: { replicas: 2, template: { spec: { ...template.spec, networks } } },
    };
    expect((await create(api, body)).code).toBe(201);
    expect(await used(api)).toEqual({ [name]: '4' });
  });

  it('wants Jobs to say how much disk they take where disk is bounded', async () => {
    const name = 'requests.ephemeral-storage';
    await given(api, { [name]: '1Gi' }, { [name]: '0' });
    const answer = await create(api, job('one'));
    expect(answer.code).toBe(403);
    expect(textAt(answer.body, 'message')).toContain(
      'failed quota: team: must specify requests.ephemeral-storage for: main',
    );
  });

  it.each([
    [{ pods: '4' }, 'Unsupported value: "pods"', 'count/tasks.mesocosm.dev'],
    [{ 'count/events': '4' }, 'Unsupported value', 'never counted'],
    [{ 'requests.cpu': '-1' }, 'Invalid value: "-1"', 'greater than or equal to 0'],
    [{ secrets: '1500m' }, 'Invalid value', 'must be an integer'],
    [{ 'requests.memory': 'much' }, 'Invalid value', 'must be a quantity'],
  ])('that says %j is refused', async (hard, what, why) => {
    const answer = await api.send('POST', quotas, { body: quota(hard) });
    expect(answer.code).toBe(422);
    expect(textAt(answer.body, 'message')).toContain(what);
    expect(textAt(answer.body, 'message')).toContain(why);
  });

  it('with scopes, which would bound less than it seems to, is refused', async () => {
    const body = {
      ...quota({ secrets: '1' }),
      spec: { hard: { secrets: '1' }, scopes: ['Terminating'] },
    };
    expect((await api.send('POST', quotas, { body })).code).toBe(400);
  });

  it('is shown as kubectl shows it', async () => {
    await given(
      api,
      { 'requests.cpu': '2', 'limits.memory': '1Gi' },
      { 'requests.cpu': '500m', 'limits.memory': '64Mi' },
    );
    const answer = await api.send('GET', quotas, {
      accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
    });
    expect(at(answer.body, 'rows.0.cells')).toEqual([
      'team',
      'requests.cpu: 500m/2',
      'limits.memory: 64Mi/1Gi',
      expect.any(String),
    ]);
  });
});

describe('a write whose answer is lost', () => {
  it.each([true, false])('keeps its room until somebody counts (stored: %s)', async (stored) => {
    const clock = systemClock();
    const memory = new MemoryStorage({ clock });
    let lost = false;
    const storage: Storage = {
      ...interleaved(memory, () => Promise.resolve()),
      create: async (key, value, options) => {
        if (!lost || !key.includes('/jobs/')) return memory.create(key, value, options);
        if (stored) await memory.create(key, value, options);
        throw new StorageError('unknown', 'injected');
      },
    };
    const api = await startHarness({ storage });
    try {
      await given(api, { 'requests.cpu': '1' }, { 'requests.cpu': '0' });
      lost = true;
      expect((await create(api, job('one', { replicas: 2 }))).code).toBe(504);
      lost = false;
      expect((await create(api, job('two'))).code).toBe(403);
      const { body } = await api.send('GET', `${quotas}/team`);
      expect(at(body, 'status.used')).toEqual({ 'requests.cpu': '1' });
      expect(at(body, 'status.pending.0')).toMatchObject({
        resource: 'jobs.mesocosm.dev',
        name: 'one',
        base: '',
        amounts: { 'requests.cpu': 1000 },
      });
    } finally {
      await api.stop();
      await memory.close();
    }
  });
});

/** Yields to others before each call, in an order that the schedule decides. */
function interleaved(storage: Storage, turn: () => Promise<void>): Storage {
  return {
    get: async (...args) => (await turn(), storage.get(...args)),
    list: (...args) => storage.list(...args),
    create: async (key: string, value: Uint8Array, options?: WriteOptions) => (
      await turn(),
      storage.create(key, value, options)
    ),
    update: async (key, value, expected, options) => (
      await turn(),
      storage.update(key, value, expected, options)
    ),
    delete: async (key, expected, options) => (
      await turn(),
      storage.delete(key, expected, options)
    ),
    watch: (...args) => storage.watch(...args),
    head: () => storage.head(),
    compact: (revision) => storage.compact(revision),
    problems: () => storage.problems(),
    close: () => Promise.resolve(),
  };
}

describe('two servers on one store', () => {
  it('never admit more than the quota allows, in whatever order their calls come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.infiniteStream(fc.nat(3)),
        fc.array(
          fc.record({
            server: fc.nat(1),
            name: fc.nat(4),
            replicas: fc.integer({ min: 0, max: 4 }),
          }),
          {
            minLength: 4,
            maxLength: 14,
          },
        ),
        async (order, writes) => {
          const clock = systemClock();
          const memory = new MemoryStorage({ clock });
          const storage = interleaved(memory, async () => {
            for (let left = Number(order.next().value); left > 0; left -= 1)
              await Promise.resolve();
          });
          const servers = [
            await startHarness({ storage, seed: 1 }),
            await startHarness({ storage, seed: 2 }),
          ];
          const [first] = servers;
          if (first === undefined) throw new Error('no server');
          try {
            await given(first, { 'requests.cpu': '3' }, { 'requests.cpu': '0' });
            await Promise.all(writes.map((write) => attempt(servers, write)));
            const { body } = await first.send('GET', jobs);
            const items = at(body, 'items');
            const cores = (Array.isArray(items) ? (items as unknown[]) : [])
              .filter(isObject)
              .reduce((sum, one) => sum + Number(at(one, 'spec.replicas')) * 0.5, 0);
            expect(cores).toBeLessThanOrEqual(3);
            const value = cpuOf(await used(first));
            expect(value).toBeGreaterThanOrEqual(cores);
            expect(value).toBeLessThanOrEqual(3);
          } finally {
            for (const server of servers) await server.stop();
            await memory.close();
          }
        },
      ),
      { numRuns: 25 },
    );
  });
});

async function attempt(
  servers: readonly Harness[],
  { server, name, replicas }: { server: number; name: number; replicas: number },
): Promise<ApiResponse | undefined> {
  const api = servers[server];
  const made = await api?.send('POST', jobs, { body: job(`job-${name}`, { replicas }) });
  if (made?.code !== 409) return made;
  const body = { spec: { replicas } };
  return api?.send('PATCH', `${jobs}/job-${name}`, { body, contentType: merge });
}

function cpuOf(amounts: unknown): number {
  const text = isObject(amounts) ? String(amounts['requests.cpu']) : '';
  return text.endsWith('m') ? Number(text.slice(0, -1)) / 1000 : Number(text);
}
