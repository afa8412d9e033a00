import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApiResponse, Method } from '../../../../../api/client/transport.ts';
import { at, startHarness, textAt, type Harness } from '../support/harness.ts';

let api: Harness;
beforeEach(async () => {
  api = await startHarness({ authorization: 'RBAC' });
});
afterEach(() => api.stop());

const rbac = '/apis/rbac.authorization.k8s.io/v1';
const inDefault = `${rbac}/namespaces/default`;
const jobs = '/apis/mesocosm.dev/v1/namespaces/default/jobs';
const apiGroup = 'rbac.authorization.k8s.io';

function ask(
  who: string | { name: string; groups: string[] },
  method: Method,
  path: string,
  body?: unknown,
  more: { query?: Record<string, string>; contentType?: string } = {},
): Promise<ApiResponse> {
  const user = typeof who === 'string' ? { name: who, groups: ['system:authenticated'] } : who;
  return api.server.transport(user).request({ method, path, ...more, body });
}

const root = { name: 'root', groups: ['system:masters'] };

async function done(answer: Promise<ApiResponse>): Promise<unknown> {
  const { code, body } = await answer;
  expect(code, JSON.stringify(body)).toBeLessThan(300);
  return body;
}

function role(name: string, rules: object[]): object {
  return { apiVersion: `${apiGroup}/v1`, kind: 'Role', metadata: { name }, rules };
}

function binding(name: string, user: string, kind: 'Role' | 'ClusterRole', to: string): object {
  return {
    apiVersion: `${apiGroup}/v1`,
    kind: 'RoleBinding',
    metadata: { name },
    subjects: [{ kind: 'User', name: user }],
    roleRef: { kind, name: to },
  };
}

const anything = { apiGroups: ['*'], resources: ['*'], verbs: ['*'] };

describe('a server with RBAC', () => {
  it('refuses whoever has no role, in the words of Kubernetes', async () => {
    expect(await ask('bob', 'GET', jobs)).toMatchObject({
      code: 403,
      body: {
        kind: 'Status',
        status: 'Failure',
        reason: 'Forbidden',
        message:
          'jobs.mesocosm.dev is forbidden: User "bob" cannot list resource "jobs" in API group "mesocosm.dev" in the namespace "default"',
        details: { group: 'mesocosm.dev', kind: 'jobs' },
      },
    });
    expect(textAt((await ask('bob', 'GET', '/metrics')).body, 'message')).toBe(
      'forbidden: User "bob" cannot get path "/metrics"',
    );
    expect(await ask('bob', 'GET', '/apis')).toMatchObject({ code: 200 });
    expect(await ask({ name: 'eve', groups: [] }, 'GET', '/apis')).toMatchObject({ code: 403 });
  });

  it('forgets a binding with the answer that tells of its deletion', async () => {
    for (let round = 0; round < 20; round += 1) {
      await done(
        ask(root, 'POST', `${inDefault}/rolebindings`, binding('b', 'bob', 'ClusterRole', 'view')),
      );
      expect(await ask('bob', 'GET', jobs)).toMatchObject({ code: 200 });
      await done(ask(root, 'DELETE', `${inDefault}/rolebindings/b`));
      expect(await ask('bob', 'GET', jobs)).toMatchObject({ code: 403 });
    }
  });

  it('forgets a rule with the answer that tells of its removal', async () => {
    const read = { apiGroups: ['mesocosm.dev'], resources: ['jobs'], verbs: ['list'] };
    await done(ask(root, 'POST', `${inDefault}/roles`, role('r', [read])));
    await done(ask(root, 'POST', `${inDefault}/rolebindings`, binding('b', 'bob', 'Role', 'r')));
    expect(await ask('bob', 'GET', jobs)).toMatchObject({ code: 200 });
    const patch = { rules: [] };
    const contentType = 'application/merge-patch+json';
    await done(ask(root, 'PATCH', `${inDefault}/roles/r`, patch, { contentType }));
    expect(await ask('bob', 'GET', jobs)).toMatchObject({ code: 403 });
    await done(ask(root, 'DELETE', `${inDefault}/roles/r`));
    const refused = await ask('bob', 'GET', jobs);
    expect(textAt(refused.body, 'message')).toMatch(
      /in the namespace "default": RBAC: role\.rbac\.authorization\.k8s\.io "r" not found$/,
    );
  });

  it('lets viewers see autoscalers and what pods use, and editors write the former', async () => {
    const group = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers';
    const used = '/apis/metrics.k8s.io/v1beta1/namespaces/default/pods';
    const autoscaler = {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'a' },
      spec: {
        scaleTargetRef: { apiVersion: 'mesocosm.dev/v1', kind: 'Job', name: 'web' },
        maxReplicas: 2,
      },
    };
    expect(await ask('bob', 'GET', used)).toMatchObject({ code: 403 });
    const give = (name: string, to: string) =>
      done(ask(root, 'POST', `${inDefault}/rolebindings`, binding(name, 'bob', 'ClusterRole', to)));
    await give('v', 'view');
    expect(await ask('bob', 'GET', group)).toMatchObject({ code: 200 });
    // Allowed, but this server knows no way to agents.
    expect(await ask('bob', 'GET', used)).toMatchObject({ code: 503 });
    expect(await ask('bob', 'POST', group, autoscaler)).toMatchObject({ code: 403 });
    await give('e', 'edit');
    expect(await ask('bob', 'POST', group, autoscaler)).toMatchObject({ code: 201 });
    expect(await ask('bob', 'PUT', `${group}/a/status`, autoscaler)).toMatchObject({ code: 403 });
  });

  it('lets nobody make a role of what they do not hold', async () => {
    await done(
      ask(root, 'POST', `${inDefault}/rolebindings`, binding('b', 'bob', 'ClusterRole', 'admin')),
    );
    const refused = await ask('bob', 'POST', `${inDefault}/roles`, role('esc', [anything]));
    expect(refused).toMatchObject({ code: 403, body: { details: { name: 'esc', kind: 'roles' } } });
    expect(textAt(refused.body, 'message')).toBe(
      'roles.rbac.authorization.k8s.io "esc" is forbidden: user "bob" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:["*"], Resources:["*"], Verbs:["*"]}',
    );
    const held = { apiGroups: ['mesocosm.dev'], resources: ['jobs'], verbs: ['get', 'delete'] };
    await done(ask('bob', 'POST', `${inDefault}/roles`, role('esc', [held])));
    const wider = { rules: [held, { ...held, resources: ['tasks'], verbs: ['create'] }] };
    const contentType = 'application/merge-patch+json';
    const widened = await ask('bob', 'PATCH', `${inDefault}/roles/esc`, wider, { contentType });
    expect(textAt(widened.body, 'message')).toContain(
      'not currently held:\n{APIGroups:["mesocosm.dev"], Resources:["tasks"], Verbs:["create"]}',
    );
    expect(
      await ask('bob', 'PATCH', `${inDefault}/roles/applied`, role('applied', [anything]), {
        contentType: 'application/apply-patch+yaml',
        query: { fieldManager: 'bob' },
      }),
    ).toMatchObject({ code: 403 });
  });

  it('lets nobody give a role that they do not hold, unless they may bind it', async () => {
    await done(
      ask(root, 'POST', `${inDefault}/rolebindings`, binding('b', 'bob', 'ClusterRole', 'admin')),
    );
    const gives = (to: string) =>
      ask(
        'bob',
        'POST',
        `${inDefault}/rolebindings`,
        binding(`to-${to}`, 'eve', 'ClusterRole', to),
      );
    expect(textAt((await gives('cluster-admin')).body, 'message')).toMatch(
      /not currently held:\n\{APIGroups:\["\*"\], Resources:\["\*"\], Verbs:\["\*"\]\}\n\{NonResourceURLs:\["\*"\], Verbs:\["\*"\]\}$/,
    );
    expect(await gives('none')).toMatchObject({ code: 404 });
    expect(await gives('edit')).toMatchObject({ code: 201 });
    const bind = { apiGroups: [apiGroup], resources: ['clusterroles'], verbs: ['bind'] };
    const only = { ...bind, resourceNames: ['cluster-admin'] };
    await done(ask(root, 'POST', `${inDefault}/roles`, role('binder', [only])));
    await done(
      ask(root, 'POST', `${inDefault}/rolebindings`, binding('c', 'bob', 'Role', 'binder')),
    );
    expect(await gives('cluster-admin')).toMatchObject({ code: 201 });
    expect(await gives('system:mesocosm-controllers')).toMatchObject({ code: 403 });
  });

  it('keeps aggregationRules for those who may do everything', async () => {
    const mayWrite = { apiGroups: [apiGroup], resources: ['clusterroles'], verbs: ['*'] };
    const body = { ...role('gather', []), kind: 'ClusterRole' };
    await done(
      ask(root, 'POST', `${rbac}/clusterroles`, {
        ...role('writers', [{ ...mayWrite, verbs: ['create', 'update'] }]),
        kind: 'ClusterRole',
      }),
    );
    await done(
      ask(root, 'POST', `${rbac}/clusterrolebindings`, {
        ...binding('writers', 'bob', 'ClusterRole', 'writers'),
        kind: 'ClusterRoleBinding',
      }),
    );
    const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { any: 'label' } }] };
    const refused = await ask('bob', 'POST', `${rbac}/clusterroles`, { ...body, aggregationRule });
    expect(textAt(refused.body, 'message')).toBe(
      'clusterroles.rbac.authorization.k8s.io "gather" is forbidden: must have cluster-admin privileges to use an aggregationRule',
    );
    await done(ask(root, 'POST', `${rbac}/clusterroles`, { ...body, aggregationRule }));
  });

  it('lets an owner of a namespace write Jobs, and nothing that only controllers write', async () => {
    await done(
      ask(root, 'POST', `${inDefault}/rolebindings`, binding('b', 'bob', 'ClusterRole', 'admin')),
    );
    const place = '/apis/mesocosm.dev/v1/namespaces/default';
    const forbidden: [Method, string][] = [
      ['POST', `${place}/tasks`],
      ['PUT', `${place}/tasks/x`],
      ['PATCH', `${place}/tasks/x`],
      ['PATCH', `${place}/tasks/x/status`],
      ['PUT', `${jobs}/x/status`],
      ['POST', `${place}/jobrevisions`],
      ['DELETE', `${place}/jobrevisions/x`],
      ['PATCH', `${place}/serversets/x/status`],
      ['POST', '/apis/mesocosm.dev/v1/addressclaims'],
      ['GET', '/apis/mesocosm.dev/v1/addressclaims'],
      ['PATCH', '/apis/mesocosm.dev/v1/networks/x'],
      ['PATCH', '/apis/mesocosm.dev/v1/agents/x'],
      ['PATCH', '/apis/mesocosm.dev/v1/frameworks/x'],
      ['POST', '/apis/coordination.k8s.io/v1/namespaces/default/leases'],
      ['DELETE', '/apis/coordination.k8s.io/v1/namespaces/default/leases/x'],
      ['PATCH', '/api/v1/namespaces/default'],
      ['DELETE', '/api/v1/namespaces/default'],
      ['POST', '/api/v1/namespaces/default/resourcequotas'],
      ['GET', '/apis/mesocosm.dev/v1/namespaces/other/jobs'],
      ['GET', '/apis/mesocosm.dev/v1/jobs'],
    ];
    for (const [method, path] of forbidden) {
      const contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
      const { code } = await ask('bob', method, path, {}, { contentType });
      expect({ method, path, code }).toEqual({ method, path, code: 403 });
    }
    expect(await ask('bob', 'GET', '/api/v1/namespaces/default')).toMatchObject({ code: 200 });
    expect(await ask('bob', 'DELETE', `${jobs}/none`)).toMatchObject({ code: 404 });
    expect(await ask('bob', 'DELETE', jobs)).toMatchObject({ code: 200 });
  });

  it('takes a WebSocket to exec, which is a GET, for what it does', async () => {
    const exec = '/api/v1/namespaces/default/pods/x/exec';
    const only = (verb: string) => [{ apiGroups: [''], resources: ['pods/exec'], verbs: [verb] }];
    await done(ask(root, 'POST', `${inDefault}/roles`, role('looks', only('get'))));
    await done(ask(root, 'POST', `${inDefault}/roles`, role('runs', only('create'))));
    await done(
      ask(root, 'POST', `${inDefault}/rolebindings`, binding('b', 'bob', 'Role', 'looks')),
    );
    await done(ask(root, 'POST', `${inDefault}/rolebindings`, binding('c', 'ann', 'Role', 'runs')));
    for (const method of ['GET', 'POST'] as const) {
      const refused = await ask('bob', method, exec);
      expect(refused.code).toBe(403);
      expect(textAt(refused.body, 'message')).toContain('cannot create resource "pods/exec"');
      expect((await ask('ann', method, exec)).code).not.toBe(403);
    }
  });

  it('asks for create where an apply creates', async () => {
    const patch = { apiGroups: [''], resources: ['configmaps'], verbs: ['patch'] };
    await done(ask(root, 'POST', `${inDefault}/roles`, role('r', [patch])));
    await done(ask(root, 'POST', `${inDefault}/rolebindings`, binding('b', 'bob', 'Role', 'r')));
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data: { a: '1' } };
    const how = {
      contentType: 'application/apply-patch+yaml',
      query: { fieldManager: 'bob', force: 'true' },
    };
    const path = '/api/v1/namespaces/default/configmaps/c';
    const refused = await ask('bob', 'PATCH', path, body, how);
    expect(textAt(refused.body, 'message')).toContain('cannot create resource "configmaps"');
    await done(ask(root, 'PATCH', path, body, how));
    expect(await ask('bob', 'PATCH', path, body, how)).toMatchObject({ code: 200 });
  });

  it('lets a list and a watch by name through where the name is allowed', async () => {
    const named = {
      apiGroups: ['mesocosm.dev'],
      resources: ['jobs'],
      verbs: ['list', 'watch', 'get'],
      resourceNames: ['web'],
    };
    await done(ask(root, 'POST', `${inDefault}/roles`, role('r', [named])));
    await done(ask(root, 'POST', `${inDefault}/rolebindings`, binding('b', 'bob', 'Role', 'r')));
    const listing = (fieldSelector: string) =>
      ask('bob', 'GET', jobs, undefined, { query: { fieldSelector } });
    expect(await listing('metadata.name=web')).toMatchObject({ code: 200 });
    expect(await listing('metadata.name!=web')).toMatchObject({ code: 403 });
    expect(await listing('metadata.name=db')).toMatchObject({ code: 403 });
    expect(await ask('bob', 'GET', jobs)).toMatchObject({ code: 403 });
  });

  it('makes aggregated roles of the roles that are labelled for them, and unmakes them', async () => {
    const labels = { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' };
    const rules = [{ apiGroups: ['x.dev'], resources: ['things'], verbs: ['get'] }];
    const view = async (): Promise<string> =>
      JSON.stringify(at(await done(ask(root, 'GET', `${rbac}/clusterroles/view`)), 'rules'));
    expect(await view()).toContain('"jobs"');
    expect(await view()).not.toContain('x.dev');
    await done(
      ask(root, 'POST', `${rbac}/clusterroles`, {
        apiVersion: `${apiGroup}/v1`,
        kind: 'ClusterRole',
        metadata: { name: 'things', labels },
        rules,
      }),
    );
    await expect.poll(view).toContain('x.dev');
    const admin = async (): Promise<string> =>
      JSON.stringify(at(await done(ask(root, 'GET', `${rbac}/clusterroles/admin`)), 'rules'));
    await expect.poll(admin).toContain('x.dev');
    await done(ask(root, 'DELETE', `${rbac}/clusterroles/things`));
    await expect.poll(view).not.toContain('x.dev');
    await expect.poll(admin).not.toContain('x.dev');
  });

  it('allows nothing by a role that somebody wrote into the store as they pleased', async () => {
    await done(
      ask(root, 'POST', `${inDefault}/rolebindings`, binding('b', 'bob', 'ClusterRole', 'bad')),
    );
    const value = {
      apiVersion: `${apiGroup}/v1`,
      kind: 'ClusterRole',
      metadata: { name: 'bad', uid: 'x', creationTimestamp: '2026-01-01T00:00:00Z' },
      rules: [{ ...anything, onlyOnMondays: true }],
    };
    await api.storage.create(
      '/rbac.authorization.k8s.io/clusterroles/bad',
      Buffer.from(JSON.stringify(value)),
    );
    await expect
      .poll(async () => {
        expect(await ask('bob', 'GET', jobs)).toMatchObject({ code: 403 });
        return api.logged;
      })
      .toMatchObject([
        { level: 'error', fields: { key: '/rbac.authorization.k8s.io/clusterroles/bad' } },
      ]);
  });
});

describe('default roles', () => {
  it('come back at the next start, and what people added stays', async () => {
    const path = `${rbac}/clusterroles/system:basic-user`;
    const own = { apiGroups: ['x.dev'], resources: ['things'], verbs: ['get'] };
    const contentType = 'application/merge-patch+json';
    await done(ask(root, 'PATCH', path, { rules: [own] }, { contentType }));
    await done(ask(root, 'DELETE', `${rbac}/clusterrolebindings/system:discovery`));
    await done(
      ask(
        root,
        'PATCH',
        `${rbac}/clusterroles/system:monitoring`,
        {
          metadata: { annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'false' } },
          rules: [],
        },
        { contentType },
      ),
    );
    const other = await startHarness({ authorization: 'RBAC', storage: api.storage });
    const text = async (what: string): Promise<string> =>
      JSON.stringify(await done(ask(root, 'GET', `${rbac}/${what}`)));
    const basic = await text('clusterroles/system:basic-user');
    expect(basic).toContain('selfsubjectaccessreviews');
    expect(basic).toContain('x.dev');
    expect(await text('clusterrolebindings/system:discovery')).toContain('system:authenticated');
    expect(await text('clusterroles/system:monitoring')).not.toContain('/metrics');
    await other.server.stop();
  });

  it('are made once by servers that start together', async () => {
    const servers = await Promise.all(
      [1, 2, 3].map(() => startHarness({ authorization: 'RBAC', storage: api.storage })),
    );
    for (const { logged, server } of servers) {
      expect(logged).toEqual([]);
      await server.stop();
    }
  });
});
