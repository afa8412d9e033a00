import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHarness, textAt, type Harness } from '../support/harness.ts';

let api: Harness;
beforeAll(async () => {
  api = await startHarness();
});
afterAll(() => api.stop());

const apiVersion = 'rbac.authorization.k8s.io/v1';
const reads = { apiGroups: [''], resources: ['pods'], verbs: ['get'] };
const paths = { nonResourceURLs: ['/metrics'], verbs: ['get'] };
const roleRef = { kind: 'ClusterRole', name: 'view' };

const namespaced = `/apis/${apiVersion}/namespaces/default`;
const places: Readonly<Record<string, string>> = {
  Role: `${namespaced}/roles`,
  RoleBinding: `${namespaced}/rolebindings`,
  ClusterRole: `/apis/${apiVersion}/clusterroles`,
  ClusterRoleBinding: `/apis/${apiVersion}/clusterrolebindings`,
};

async function refusal(kind: string, fields: object, name = 'x'): Promise<string> {
  const body = { apiVersion, kind, metadata: { name }, ...fields };
  const query = { dryRun: 'All' };
  const answer = await api.send('POST', places[kind] ?? '', { body, query });
  return answer.code === 201 ? '' : textAt(answer.body, 'message');
}

describe('what kube-apiserver refuses', () => {
  it.each([
    ['Role', { rules: [reads] }, ''],
    ['Role', {}, ''],
    ['ClusterRole', { rules: [reads, paths] }, ''],
    ['RoleBinding', { roleRef, subjects: [{ kind: 'ServiceAccount', name: 'robot' }] }, ''],
    [
      'Role',
      { rules: [paths] },
      'rules[0].nonResourceURLs: Invalid value: ["/metrics"]: namespaced rules cannot apply to non-resource URLs',
    ],
    [
      'ClusterRole',
      { rules: [{ ...paths, ...reads }] },
      'rules[0].nonResourceURLs: Invalid value: ["/metrics"]: rules cannot apply to both regular resources and non-resource URLs',
    ],
    [
      'ClusterRole',
      { rules: [{ ...reads, resources: [] }] },
      'rules[0].resources: Required value: resource rules must supply at least one resource',
    ],
    [
      'ClusterRole',
      { aggregationRule: {} },
      'aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil',
    ],
    [
      'ClusterRole',
      {
        aggregationRule: {
          clusterRoleSelectors: [{ matchExpressions: [{ key: 'a', operator: 'In' }] }],
        },
      },
      "clusterRoleSelectors[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    ],
    [
      'RoleBinding',
      { roleRef: { kind: 'Group', name: 'x' } },
      'roleRef.kind: Unsupported value: "Group": supported values: "Role", "ClusterRole"',
    ],
    [
      'ClusterRoleBinding',
      { roleRef: { kind: 'Role', name: 'x' } },
      'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
    ],
    ['RoleBinding', { roleRef: { kind: 'Role', name: '' } }, 'roleRef.name: Required value'],
    [
      'RoleBinding',
      { roleRef, subjects: [{ kind: 'Team', name: 'x' }] },
      'subjects[0].kind: Unsupported value: "Team": supported values: "ServiceAccount", "User", "Group"',
    ],
    [
      'RoleBinding',
      { roleRef, subjects: [{ kind: 'User', apiGroup: 'x', name: 'bob' }] },
      'subjects[0].apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io"',
    ],
    [
      'ClusterRoleBinding',
      { roleRef, subjects: [{ kind: 'ServiceAccount', name: 'robot' }] },
      'subjects[0].namespace: Required value',
    ],
    [
      'RoleBinding',
      { roleRef, subjects: [{ kind: 'Group', name: '' }] },
      'subjects[0].name: Required value',
    ],
  ])('%s %j', async (kind, fields, expected) => {
    const message = await refusal(kind, fields);
    if (expected === '') expect(message).toBe('');
    else expect(message).toContain(expected);
  });
});

it('takes names that other kinds do not', async () => {
  expect(await refusal('ClusterRole', {}, 'system:Reader_of.Things')).toBe('');
  expect(await refusal('ClusterRole', {}, 'a%b')).toContain("may not contain '%'");
  expect(await refusal('ClusterRole', {}, '..')).toContain("may not be '..'");
  expect(await refusal('ClusterRole', {}, 'two words')).toContain('printable ASCII');
});

describe('a question about access', () => {
  const ask = async (kind: string, fields: object, namespace = ''): Promise<string> => {
    const group = '/apis/authorization.k8s.io/v1';
    const place = namespace === '' ? '' : `/namespaces/${namespace}`;
    const path = `${group}${place}/${kind.toLowerCase()}s`;
    const body = { apiVersion: 'authorization.k8s.io/v1', kind, ...fields };
    const answer = await api.send('POST', path, { body });
    return answer.code === 201 ? '' : textAt(answer.body, 'message');
  };
  const resourceAttributes = { verb: 'get', resource: 'pods' };
  const nonResourceAttributes = { verb: 'get', path: '/' };

  it('is one question, about somebody', async () => {
    expect(await ask('SelfSubjectAccessReview', { spec: { resourceAttributes } })).toBe('');
    expect(await ask('SelfSubjectAccessReview', { spec: {} })).toContain(
      'exactly one of nonResourceAttributes or resourceAttributes must be specified',
    );
    expect(
      await ask('SelfSubjectAccessReview', {
        spec: { resourceAttributes, nonResourceAttributes },
      }),
    ).toContain('cannot be specified in combination with resourceAttributes');
    expect(await ask('SubjectAccessReview', { spec: { resourceAttributes } })).toContain(
      'spec.user: Invalid value: "": at least one of user or group must be specified',
    );
    expect(await ask('SelfSubjectRulesReview', { spec: {} })).toBe('no namespace on request');
  });

  it('has no metadata but its namespace', async () => {
    const spec = { user: 'bob', resourceAttributes: { ...resourceAttributes, namespace: 'a' } };
    expect(await ask('LocalSubjectAccessReview', { spec }, 'a')).toBe('');
    expect(await ask('LocalSubjectAccessReview', { spec }, 'b')).toContain(
      'spec.resourceAttributes.namespace: Invalid value: "a": must be "b"',
    );
    const metadata = { labels: { a: 'b' } };
    expect(await ask('SubjectAccessReview', { metadata, spec })).toContain('must be empty');
  });

  it('cannot be read, listed or deleted', async () => {
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    for (const method of ['GET', 'DELETE'] as const) {
      expect(await api.send(method, path)).toMatchObject({ code: 405 });
      expect((await api.send(method, `${path}/x`)).code).toBeGreaterThanOrEqual(404);
    }
  });
});
