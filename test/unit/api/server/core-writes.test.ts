import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { at, startHarness, textAt, type Harness } from './support/harness.ts';

/** What clients of Kubernetes' own kinds may do that those of users' kinds may not. */

const core = '/api/v1/namespaces/default';
const rbac = '/apis/rbac.authorization.k8s.io/v1';
const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';

interface Kind {
  collection: string;
  before: object;
  after: object;
}

const limits = (cpu: string): object => ({
  spec: { limits: [{ type: 'Container', max: { cpu } }] },
});
const kinds: Readonly<Record<string, Kind>> = {
  ConfigMap: {
    collection: `${core}/configmaps`,
    before: { data: { a: '1' } },
    after: { data: { b: '2' } },
  },
  Secret: {
    collection: `${core}/secrets`,
    before: { data: { a: 'MQ==' } },
    after: { data: { b: 'Mg==' } },
  },
  ServiceAccount: {
    collection: `${core}/serviceaccounts`,
    before: {},
    after: { automountServiceAccountToken: false },
  },
  LimitRange: { collection: `${core}/limitranges`, before: limits('1'), after: limits('2') },
  ResourceQuota: {
    collection: `${core}/resourcequotas`,
    before: { spec: { hard: { configmaps: '1' } } },
    after: { spec: { hard: { configmaps: '2' } } },
  },
  ClusterRole: {
    collection: `${rbac}/clusterroles`,
    before: { rules: [] },
    after: { rules: [{ apiGroups: [''], resources: ['events'], verbs: ['get'] }] },
  },
};
const cases = Object.entries(kinds).map(([kind, rest]) => ({ kind, ...rest }));

describe('the core kinds', () => {
  let api: Harness;

  beforeEach(async () => {
    api = await startHarness();
  });
  afterEach(() => api.stop());

  it.each(cases)(
    'let an update that names no version replace what is stored: $kind',
    async ({ kind, collection, before, after }) => {
      const body = { kind, metadata: { name: 'x' } };
      expect(await api.send('POST', collection, { body: { ...body, ...before } })).toMatchObject({
        code: 201,
      });
      const replaced = await api.send('PUT', `${collection}/x`, { body: { ...body, ...after } });
      expect(replaced).toMatchObject({ code: 200, body: after });
    },
  );

  it('do not let it replace another object of the name', async () => {
    const path = `${core}/configmaps`;
    await api.send('POST', path, { body: { metadata: { name: 'x' } } });
    const body = { metadata: { name: 'x', uid: 'of-another' }, data: { a: '1' } };
    expect(await api.send('PUT', `${path}/x`, { body })).toMatchObject({ code: 409 });
  });

  it('want to be told the version of a Lease', async () => {
    const body = { metadata: { name: 'x' }, spec: { holderIdentity: 'me' } };
    await api.send('POST', leases, { body });
    const refused = await api.send('PUT', `${leases}/x`, { body });
    expect(refused.code).toBe(422);
    expect(textAt(refused.body, 'message')).toContain('must be specified for an update');
  });

  it('do not count the holders of a Lease below none', async () => {
    const body = { metadata: { name: 'x' }, spec: { leaseTransitions: -1 } };
    expect(await api.send('POST', leases, { body })).toMatchObject({ code: 422 });
  });

  it('replace the imagePullSecrets of a ServiceAccount by a strategic patch, and merge its secrets', async () => {
    const path = `${core}/serviceaccounts`;
    const named = (name: string): object[] => [{ name }];
    await api.send('POST', path, {
      body: { metadata: { name: 'x' }, secrets: named('a'), imagePullSecrets: named('a') },
    });
    const { body } = await api.send('PATCH', `${path}/x`, {
      body: { secrets: named('b'), imagePullSecrets: named('b') },
      contentType: 'application/strategic-merge-patch+json',
    });
    expect(at(body, 'imagePullSecrets')).toEqual(named('b'));
    expect(at(body, 'secrets')).toHaveLength(2);
  });

  it.each(cases)('show who deletes what typed clients expect: $kind', async (given) => {
    const { kind, collection, before } = given;
    await api.send('POST', collection, { body: { kind, metadata: { name: 'x' }, ...before } });
    const shown = kind === 'ServiceAccount' || kind === 'ResourceQuota' ? kind : 'Status';
    expect(await api.send('DELETE', `${collection}/x`)).toMatchObject({
      code: 200,
      body: { kind: shown },
    });
  });
});
