import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startHarness, textAt, type Harness } from './support/harness.ts';

let api: Harness;
beforeEach(async () => {
  api = await startHarness();
});
afterEach(() => api.stop());

const ours = '/apis/mesocosm.dev/v1';
const resources = { requests: { cpu: 1, memory: '64Mi' } };
const containers = [{ name: 'main', script: 'true', resources }];
const stop = { reason: 'Requested' };

interface Case {
  path: string;
  object: { apiVersion: string; kind: string; metadata: { name: string } } & Record<
    string,
    unknown
  >;
  /** Merge patches that are refused, with the field and the reason that are told. */
  refused: [object, string, RegExp][];
  allowed: object;
}

const task = {
  apiVersion: 'mesocosm.dev/v1',
  kind: 'Task',
  metadata: { name: 'web-0-bcdfg' },
  spec: { job: 'web', instance: 0, revision: 'web-1', restarts: 0, containers, stop },
};

const cases: Record<string, Case> = {
  'a Task': {
    path: `${ours}/namespaces/default/tasks`,
    object: task,
    refused: [
      [{ spec: { instance: 1 } }, 'spec', /one run and does not change.*Change the Job/],
      [{ spec: { stop: null } }, 'spec.stop', /set once and never changed/],
    ],
    allowed: { metadata: { labels: { a: 'b' } } },
  },
  'a JobRevision': {
    path: `${ours}/namespaces/default/jobrevisions`,
    object: {
      apiVersion: 'mesocosm.dev/v1',
      kind: 'JobRevision',
      metadata: { name: 'web-1' },
      spec: { revision: 1, template: { spec: { containers } } },
    },
    refused: [
      [
        { spec: { template: { spec: { terminationGracePeriodSeconds: 1 } } } },
        'spec.template',
        /./,
      ],
    ],
    allowed: { spec: { revision: 2 } },
  },
  'an AddressClaim': {
    path: `${ours}/addressclaims`,
    object: {
      apiVersion: 'mesocosm.dev/v1',
      kind: 'AddressClaim',
      metadata: { name: 'dev-net-0a000001' },
      spec: {
        network: 'dev-net',
        cniName: 'dev',
        ip: '10.0.0.1',
        holder: {
          namespace: 'default',
          job: 'web',
          jobUid: 'j',
          instance: 0,
          task: 't',
          taskUid: 'u',
        },
      },
    },
    refused: [[{ spec: { cniName: 'other' } }, 'spec', /do not change/]],
    allowed: { metadata: { labels: { a: 'b' } } },
  },
  'a Secret': {
    path: '/api/v1/namespaces/default/secrets',
    object: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, type: 'Opaque' },
    refused: [[{ type: 'example.org/other' }, 'type', /field is immutable/]],
    allowed: { data: { a: 'Yg==' } },
  },
  'an immutable ConfigMap': {
    path: '/api/v1/namespaces/default/configmaps',
    object: {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'm' },
      immutable: true,
      data: { a: 'b' },
    },
    refused: [
      [{ data: { a: 'c' } }, 'data', /field is immutable/],
      [{ immutable: false }, 'immutable', /field is immutable/],
    ],
    allowed: { metadata: { labels: { a: 'b' } } },
  },
  'a RoleBinding': {
    path: '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings',
    object: {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'b' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
    },
    refused: [[{ roleRef: { name: 'edit' } }, 'roleRef', /cannot change roleRef/]],
    allowed: { metadata: { labels: { a: 'b' } } },
  },
};

describe('what never changes', () => {
  it.each(Object.entries(cases))(
    'of %s is refused by its field, and the rest is not',
    async (_name, one) => {
      const contentType = 'application/merge-patch+json';
      const { object, path } = one;
      expect((await api.send('POST', path, { body: object })).code).toBe(201);
      const place = `${path}/${object.metadata.name}`;
      for (const [body, field, message] of one.refused) {
        const answer = await api.send('PATCH', place, { body, contentType });
        expect(answer.code).toBe(422);
        expect(textAt(answer.body, 'details.causes.0.field')).toBe(field);
        expect(textAt(answer.body, 'details.causes.0.message')).toMatch(message);
      }
      expect((await api.send('PATCH', place, { body: one.allowed, contentType })).code).toBe(200);
    },
  );
});
