import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KubeObject } from '../../../../../api/machinery/metadata.ts';
import { seededRandom } from '../../../../../api/machinery/random.ts';
import { CachedPolicy } from '../../../../../api/server/authorization/cached-policy.ts';
import { RbacAuthorizer } from '../../../../../api/server/authorization/rbac-authorizer.ts';
import type { Attributes } from '../../../../../api/server/authorizer.ts';
import { decodeObject } from '../../../../../api/server/registry/item.ts';
import { WatchCache } from '../../../../../api/storage/cache.ts';
import { MemoryStorage } from '../../../../../api/storage/memory.ts';
import type { Revision } from '../../../../../api/storage/storage.ts';
import { settle, VirtualClock } from '../../../../support/virtual-clock.ts';

const prefix = '/rbac.authorization.k8s.io';
const apiVersion = 'rbac.authorization.k8s.io/v1';

let clock: VirtualClock;
let storage: MemoryStorage;
let cache: WatchCache<KubeObject>;
let stop: AbortController;
let running: Promise<void>;
let unreadable: string[];
let policy: CachedPolicy;
let authorizer: RbacAuthorizer;

beforeEach(async () => {
  clock = new VirtualClock();
  storage = new MemoryStorage({ clock });
  cache = new WatchCache({
    storage,
    clock,
    random: seededRandom(1),
    decode: decodeObject,
    onError: () => undefined,
  });
  unreadable = [];
  policy = new CachedPolicy({ cache, onUnreadable: (key) => unreadable.push(key) });
  authorizer = new RbacAuthorizer(policy);
  stop = new AbortController();
  running = cache.run(stop.signal);
  await settle();
});
afterEach(async () => {
  stop.abort();
  await running;
  await storage.close();
});

async function create(key: string, value: object): Promise<Revision> {
  const metadata = { name: key.split('/').at(-1), uid: key };
  const bytes = Buffer.from(JSON.stringify({ apiVersion, kind: 'x', metadata, ...value }));
  const result = await storage.create(`${prefix}/${key}`, bytes);
  return result.revision;
}

const reads = { rules: [{ apiGroups: ['*'], resources: ['jobs'], verbs: ['get'] }] };
const toBob = {
  subjects: [{ kind: 'User', name: 'bob' }],
  roleRef: { kind: 'Role', name: 'reader' },
};

const question: Attributes = {
  user: { name: 'bob', groups: ['system:authenticated'] },
  verb: 'get',
  path: '/',
  resource: { group: '', version: 'v1', resource: 'jobs', namespace: 'prod', name: 'web' },
};

async function allowed(): Promise<boolean> {
  return (await authorizer.authorize(question)).allowed;
}

describe('the policy in the store', () => {
  it('is followed change by change', async () => {
    expect(await allowed()).toBe(false);
    await create('roles/prod/reader', reads);
    const binding = await create('rolebindings/prod/b', toBob);
    await settle();
    expect(await allowed()).toBe(true);
    await storage.delete(`${prefix}/rolebindings/prod/b`, binding);
    await settle();
    expect(await allowed()).toBe(false);
    await create('clusterroles/reader', reads);
    await create('clusterrolebindings/b', {
      ...toBob,
      roleRef: { kind: 'ClusterRole', name: 'reader' },
    });
    await settle();
    expect(await allowed()).toBe(true);
  });

  it('is not asked before a change that this server has acknowledged is in it', async () => {
    await create('roles/prod/reader', reads);
    const binding = await create('rolebindings/prod/b', toBob);
    await settle();
    expect(await allowed()).toBe(true);
    const deleted = await storage.delete(`${prefix}/rolebindings/prod/b`, binding);
    // The cache has not heard of it yet.
    expect(policy.fresh()).toBeDefined();
    policy.wrote(`${prefix}/rolebindings/prod/b`, deleted.revision);
    expect(policy.fresh()).toBeUndefined();
    expect(await allowed()).toBe(false);
  });

  it('allows nothing, and says so, while it cannot be known', async () => {
    policy.wrote(`${prefix}/roles/prod/reader`, cache.revision + 10);
    const refused = authorizer.authorize(question).catch((error: unknown) => error);
    await settle();
    await clock.advance(2_000);
    expect(await refused).toMatchObject({
      reason: 'ServiceUnavailable',
      details: { retryAfterSeconds: 1 },
    });
    const root = { ...question, user: { name: 'root', groups: ['system:masters'] } };
    expect((await authorizer.authorize(root)).allowed).toBe(true);
  });

  it('does not wait for changes of other kinds', () => {
    policy.wrote('/core/configmaps/prod/c', cache.revision + 10);
    expect(policy.fresh()).toBeDefined();
  });

  it('is read anew when the cache was', async () => {
    await create('roles/prod/reader', reads);
    const binding = await create('rolebindings/prod/b', toBob);
    await settle();
    expect(await allowed()).toBe(true);
    stop.abort();
    await running;
    await storage.delete(`${prefix}/rolebindings/prod/b`, binding);
    expect(await allowed()).toBe(true);
    stop = new AbortController();
    running = cache.run(stop.signal);
    await settle();
    expect(await allowed()).toBe(false);
  });

  it('leaves out what is no role or binding', async () => {
    expect(await allowed()).toBe(false);
    await create('roles/prod/reader', { rules: [{ ...reads.rules[0], sometimes: true }] });
    await create('rolebindings/prod/b', toBob);
    await create('rolebindings/prod/c', { subjects: 'everybody' });
    await storage.create(`${prefix}/rolebindings/prod/d`, Buffer.from('not JSON'));
    await settle();
    expect(await allowed()).toBe(false);
    expect(unreadable.sort()).toEqual(
      ['rolebindings/prod/c', 'rolebindings/prod/d', 'roles/prod/reader'].map(
        (key) => `${prefix}/${key}`,
      ),
    );
  });
});
