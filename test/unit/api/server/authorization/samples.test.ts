import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { at, startHarness, type Harness } from '../support/harness.ts';

const directory = new URL('../../../../../manifests/rbac/', import.meta.url);
const root = { name: 'root', groups: ['system:masters'] };

const objectSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});

let api: Harness;
beforeAll(async () => {
  api = await startHarness({ authorization: 'RBAC' });
  const prod = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'prod' } };
  await create('/api/v1/namespaces', prod);
  for (const file of readdirSync(directory).sort()) {
    for (const document of parseAllDocuments(readFileSync(new URL(file, directory), 'utf8'))) {
      const { apiVersion, kind, metadata } = objectSchema.parse(document.toJS());
      const base = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`;
      const place = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
      await create(`${base}${place}/${kind.toLowerCase()}s`, document.toJS());
    }
  }
});
afterAll(() => api.stop());

async function create(path: string, body: unknown): Promise<void> {
  const answer = await api.server.transport(root).request({ method: 'POST', path, body });
  expect(answer.code, JSON.stringify(answer.body)).toBe(201);
}

/** `create jobs/status prod`, `get networks`, `create pods/exec prod core`. */
async function may(groups: string[], question: string, user = 'somebody'): Promise<boolean> {
  const [verb, target = '', namespace] = question.split(' ');
  const [resource, subresource] = target.split('/');
  const group = ['pods', 'secrets', 'namespaces'].includes(resource ?? '')
    ? ''
    : resource === 'rolebindings'
      ? 'rbac.authorization.k8s.io'
      : 'mesocosm.dev';
  const answer = await api.server.transport(root).request({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user,
        groups,
        resourceAttributes: { verb, group, resource, subresource, namespace },
      },
    },
  });
  expect(answer.code).toBe(201);
  return at(answer.body, 'status.allowed') === true;
}

const cases: [string, string[], string[], string[]][] = [
  [
    'a service owner',
    ['team-web'],
    [
      'create jobs prod',
      'update jobs/scale prod',
      'get secrets prod',
      'create pods/exec prod',
      'delete tasks prod',
      'create rolebindings prod',
      'list networks',
    ],
    [
      'create jobs default',
      'create tasks prod',
      'patch tasks prod',
      'patch jobs/status prod',
      'update networks',
      'patch agents',
      'patch namespaces prod',
    ],
  ],
  [
    'a network operator',
    ['team-network'],
    ['create networks', 'delete addressclaims', 'list tasks', 'list tasks prod'],
    ['create addressclaims', 'update networks/status', 'create jobs prod', 'get secrets prod'],
  ],
  [
    'the operator on call',
    ['team-operations'],
    [
      'patch agents',
      'patch frameworks',
      'patch serversets prod',
      'delete tasks prod',
      'create pods/exec prod',
      'list jobs',
    ],
    ['create tasks prod', 'get secrets prod', 'create jobs prod', 'patch jobs/status prod'],
  ],
];

describe('the roles of manifests/rbac', () => {
  it.each(cases)(
    'let %s do what they are for, and no more',
    async (_, groups, allowed, refused) => {
      for (const question of allowed) {
        expect({ question, allowed: await may(groups, question) }).toEqual({
          question,
          allowed: true,
        });
      }
      for (const question of refused) {
        expect({ question, allowed: await may(groups, question) }).toEqual({
          question,
          allowed: false,
        });
      }
    },
  );

  it('let a watcher read everything but Secrets, and write nothing', async () => {
    const name = 'system:serviceaccount:mesocosm-system:watcher';
    for (const resource of ['jobs', 'tasks', 'networks', 'agents', 'frameworks', 'pods']) {
      expect(await may([], `watch ${resource}`, name)).toBe(true);
      expect(await may([], `patch ${resource}`, name)).toBe(false);
    }
    expect(await may([], 'get secrets', name)).toBe(false);
  });
});
