import { Agent } from 'node:https';
import { join } from 'node:path';
import {
  AuthenticationV1Api,
  AuthenticationV1TokenRequest,
  CoreV1Api,
  KubeConfig,
  V1SelfSubjectReview,
  V1TokenRequestSpec,
  V1TokenReview,
  V1TokenReviewSpec,
} from '@kubernetes/client-node';
import { createLocalJWKSet, decodeJwt, jwtVerify, type JSONWebKeySet } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { exchange, type WireAnswer } from './golden/wire.ts';
import { issuer, startIdentityServer, tokens, type IdentityServer } from './support/identities.ts';
import { kubeconfigOf } from './support/people.ts';
import { Kubectl, kubectlVersions } from './support/kubectl.ts';
import type { RunningServer } from './support/server.ts';

const versions = await kubectlVersions();
const newer = versions.filter(({ minor }) => minor >= 27);
const ends = [versions[0], versions.at(-1)].filter((version) => version !== undefined);

let started: IdentityServer;
let running: RunningServer;
let events: IdentityServer['events'];

beforeAll(async () => {
  started = await startIdentityServer();
  ({ running, events } = started);
  for (const name of ['ci', 'deployer']) {
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } };
    expect(await asAdmin('POST', '/api/v1/namespaces/default/serviceaccounts', account)).toBe(201);
  }
  const group = { apiGroup: 'rbac.authorization.k8s.io' };
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'readers' },
    roleRef: { ...group, kind: 'ClusterRole', name: 'view' },
    subjects: [
      { ...group, kind: 'User', name: 'ann' },
      { kind: 'ServiceAccount', name: 'ci', namespace: 'default' },
    ],
  };
  const bindings = '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings';
  expect(await asAdmin('POST', bindings, binding)).toBe(201);
});
afterAll(() => running.stop());

async function asAdmin(method: string, path: string, body?: object): Promise<number> {
  const { caFile, admin } = running.certificates;
  const answer = await exchange(
    running.port,
    { caFile, ...admin },
    {
      method,
      path,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
  );
  return answer.status;
}

function send(
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
  body?: string,
): Promise<WireAnswer> {
  return exchange(
    running.port,
    { caFile: running.certificates.caFile },
    {
      method,
      path,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body }),
    },
  );
}

/** A kubectl whose user is this. */
async function kubectlOf(file: string, name: string, user: object): Promise<Kubectl> {
  const home = join(running.directory, `home-${name}`);
  const kubeconfig = join(home, 'kubeconfig');
  const kubectl = new Kubectl(file, home, kubeconfig);
  await kubectl.file('kubeconfig', stringify(kubeconfigOf(running, user)));
  return kubectl;
}

function adminUser(): object {
  const { certFile, keyFile } = running.certificates.admin;
  return { 'client-certificate': certFile, 'client-key': keyFile };
}

describe.each(ends)('kubectl 1.$minor', ({ file, minor }) => {
  it('is whom its token names', async () => {
    const kubectl = await kubectlOf(file, `token-${minor}`, { token: tokens.ann });
    expect((await kubectl.try(['get', 'jobs'])).code).toBe(0);
    const refused = await kubectl.try(['delete', 'serviceaccount', 'deployer']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      'User "ann" cannot delete resource "serviceaccounts" in API group "" in the namespace "default"',
    );
    const unknown = await kubectlOf(file, `unknown-${minor}`, { token: 'made up' });
    const outcome = await unknown.try(['get', 'jobs']);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/Unauthorized|must be logged in/);
  });

  it('acts as somebody else, if it may', async () => {
    const admin = await kubectlOf(file, `admin-${minor}`, adminUser());
    const can = async (...args: string[]): Promise<string> =>
      (await admin.try(['auth', 'can-i', ...args])).stdout.trim();
    expect(await can('delete', 'jobs')).toBe('yes');
    expect(await can('delete', 'jobs', '--as', 'ann')).toBe('no');
    expect(await can('list', 'jobs', '--as', 'ann')).toBe('yes');
    expect(await can('list', 'jobs', '--as', 'system:serviceaccount:default:ci')).toBe('yes');
    expect(await can('list', 'jobs', '--as', 'system:serviceaccount:prod:ci')).toBe('no');
    const masters = ['--as', 'eve', '--as-group', 'system:masters'];
    expect(await can('delete', 'jobs', ...masters)).toBe('yes');
    const ann = await kubectlOf(file, `ann-${minor}`, { token: tokens.ann });
    await ann.run('get', 'jobs');
    const refused = await ann.try(['get', 'jobs', '--as', 'admin']);
    expect(refused.stderr).toContain(
      'users "admin" is forbidden: User "ann" cannot impersonate resource "users" in API group "" at the cluster scope',
    );
  });
});

describe.each(newer)('kubectl 1.$minor', ({ file, minor }) => {
  it('creates tokens, and says who it is', async () => {
    const admin = await kubectlOf(file, `admin-${minor}`, adminUser());
    const whoami = await admin.run('auth', 'whoami');
    expect(whoami).toMatch(/Username\s+admin/);
    expect(whoami).toMatch(/Groups\s+\[system:masters system:authenticated\]/);
    const token = (await admin.run('create', 'token', 'ci', '--duration', '20m')).trim();
    const { exp = 0, iat = 0 } = decodeJwt(token);
    expect(exp - iat).toBe(1200);
    const ci = await kubectlOf(file, `ci-${minor}`, { token });
    const own = JSON.parse(await ci.run('auth', 'whoami', '-o', 'json')) as {
      status: { userInfo: { username: string; groups: string[] } };
    };
    expect(own.status.userInfo).toMatchObject({
      username: 'system:serviceaccount:default:ci',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
    });
    expect((await ci.try(['get', 'jobs'])).code).toBe(0);
  });
});

it('ends the tokens of a ServiceAccount with it, and of a Secret with that', async () => {
  const last = versions.at(-1);
  const admin = await kubectlOf(last?.file ?? '', 'ends', adminUser());
  await admin.run('create', 'serviceaccount', 'brief');
  await admin.run('create', 'secret', 'generic', 'gate');
  const free = (await admin.run('create', 'token', 'brief')).trim();
  const bound = (
    await admin.run(
      'create',
      'token',
      'brief',
      '--bound-object-kind=Secret',
      '--bound-object-name=gate',
    )
  ).trim();
  const status = async (token: string): Promise<number> =>
    (await send('/api', { authorization: `Bearer ${token}` })).status;
  expect([await status(free), await status(bound)]).toEqual([200, 200]);
  await admin.run('delete', 'secret', 'gate');
  expect([await status(free), await status(bound)]).toEqual([200, 401]);
  await admin.run('delete', 'serviceaccount', 'brief');
  await admin.run('create', 'serviceaccount', 'brief');
  expect([await status(free), await status(bound)]).toEqual([401, 401]);
});

it('refuses tokens that are wrong, and shortens those that are long', async () => {
  const admin = await kubectlOf(versions.at(-1)?.file ?? '', 'wrong', adminUser());
  const create = (...args: string[]) => admin.try(['create', 'token', 'ci', ...args]);
  expect((await create('--duration', '1m')).stderr).toContain(
    'spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes',
  );
  const long = await create('--duration', '48h');
  expect(long.stderr).toContain(
    'requested expiration of 172800 seconds shortened to 86400 seconds',
  );
  const none = await admin.try(['create', 'token', 'nobody']);
  expect(none.stderr).toContain('serviceaccounts "nobody" not found');
  const lost = ['--bound-object-kind=Secret', '--bound-object-name=lost'];
  expect((await create(...lost)).stderr).toContain('secrets "lost" not found');
});

describe("Kubernetes' JavaScript client", () => {
  function clientOf(user: object): KubeConfig {
    const config = new KubeConfig();
    config.loadFromString(JSON.stringify(kubeconfigOf(running, user)));
    return config;
  }

  it('creates a token, uses it, and has it reviewed', async () => {
    const admin = clientOf(adminUser());
    const wanted = { audiences: [], expirationSeconds: 3600 };
    const spec = Object.assign(new V1TokenRequestSpec(), wanted);
    const answer = await admin.makeApiClient(CoreV1Api).createNamespacedServiceAccountToken({
      name: 'ci',
      namespace: 'default',
      body: Object.assign(new AuthenticationV1TokenRequest(), { spec }),
    });
    const token = answer.status?.token ?? '';
    const core = clientOf({ token }).makeApiClient(CoreV1Api);
    expect((await core.listNamespacedConfigMap({ namespace: 'default' })).items).toEqual([]);
    const self = clientOf({ token }).makeApiClient(AuthenticationV1Api);
    await expect(self.createTokenReview({ body: new V1TokenReview() })).rejects.toMatchObject({
      code: 403,
    });
    await expect(core.listNamespacedSecret({ namespace: 'default' })).rejects.toMatchObject({
      code: 403,
    });
    const reviewer = admin.makeApiClient(AuthenticationV1Api);
    const review = (fields: { token: string; audiences?: string[] }) =>
      reviewer.createTokenReview({
        body: Object.assign(new V1TokenReview(), {
          spec: Object.assign(new V1TokenReviewSpec(), fields),
        }),
      });
    expect((await review({ token })).status).toMatchObject({
      authenticated: true,
      user: { username: 'system:serviceaccount:default:ci' },
      audiences: [issuer],
    });
    expect((await review({ token, audiences: ['vault'] })).status).toEqual({
      user: {},
      error: 'the token of a service account is meant for other audiences',
    });
    expect((await review({ token: 'nope' })).status).toEqual({
      user: {},
      error: 'invalid bearer token',
    });
  });

  it('acts as somebody else', async () => {
    const config = clientOf({ ...adminUser(), as: 'ann' });
    const reviews = config.makeApiClient(AuthenticationV1Api);
    const { status } = await reviews.createSelfSubjectReview({
      body: new V1SelfSubjectReview(),
    });
    expect(status?.userInfo).toMatchObject({ username: 'ann', groups: ['system:authenticated'] });
  });
});

describe('who issues tokens', () => {
  it('tells how to verify them', async () => {
    const bearer = { authorization: `Bearer ${tokens.root}` };
    const documents = await send('/.well-known/openid-configuration', bearer);
    expect(documents).toMatchObject({ status: 200, contentType: 'application/json' });
    expect(JSON.parse(documents.text)).toMatchObject({
      issuer,
      jwks_uri: `${issuer}/openid/v1/jwks`,
      id_token_signing_alg_values_supported: ['ES256'],
    });
    const keys = await send('/openid/v1/jwks', bearer);
    expect(keys.contentType).toBe('application/jwk-set+json');
    const answer = await send(
      '/api/v1/namespaces/default/serviceaccounts/ci/token',
      bearer,
      'POST',
      '{}',
    );
    const { status } = JSON.parse(answer.text) as { status: { token: string } };
    const set = JSON.parse(keys.text) as JSONWebKeySet;
    const { payload } = await jwtVerify(status.token, createLocalJWKSet(set), { issuer });
    expect(payload.sub).toBe('system:serviceaccount:default:ci');
  });
});

/** What was written down of a request, which happens a moment after its answer. */
async function audited(id: unknown): Promise<IdentityServer['events']> {
  const lines = (): IdentityServer['events'] => events.filter(({ auditID }) => auditID === id);
  await expect.poll(lines).not.toEqual([]);
  return lines();
}

describe('a request', () => {
  const jobs = '/apis/mesocosm.dev/v1/namespaces/default/jobs';

  it.each(['POST', 'PUT', 'PATCH', 'DELETE'])(
    'that writes (%s) without an identity changes nothing',
    async (method) => {
      for (const headers of [
        {},
        { authorization: 'Bearer made-up' },
        { authorization: 'Basic YWRtaW46YWRtaW4=' },
        { 'impersonate-user': 'admin', 'impersonate-group': 'system:masters' },
        { 'x-remote-user': 'admin', 'x-remote-group': 'system:masters' },
        { authorization: 'Bearer made-up', 'impersonate-user': 'admin' },
      ]) {
        for (const path of [jobs, `${jobs}/x`, '/livez', '/version', '/api/v1/namespaces']) {
          const { status } = await send(path, headers, method, '{}');
          expect([401, 405], `${method} ${path}`).toContain(status);
        }
      }
    },
  );

  it.each([{}, { authorization: 'Bearer made-up' }])(
    'that wants to leave HTTP is refused without an identity: %j',
    async (headers) => {
      const upgrade = {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        'sec-websocket-protocol': 'v5.channel.k8s.io',
      };
      const path = '/api/v1/namespaces/default/pods/x/exec?command=id&stdout=true';
      expect((await send(path, { ...upgrade, ...headers })).status).toBe(401);
    },
  );

  it('is not read of a stranger', async () => {
    const big = 'x'.repeat(64 * 1024);
    const answer = await send(jobs, {}, 'POST', big);
    expect(answer.status).toBe(401);
    expect(answer.headers['connection']).toBe('close');
  });

  it.each([
    [{ 'impersonate-group': 'dev' }, 'but no user'],
    [
      { 'impersonate-user': 'ann', 'impersonate-nonsense': '1' },
      'impersonate-nonsense is not known',
    ],
  ])('with the headers %j is refused with 400', async (headers, message) => {
    const bearer = { authorization: `Bearer ${tokens.root}` };
    const answer = await send(jobs, { ...bearer, ...headers });
    expect(answer.status).toBe(400);
    expect(answer.text).toContain(message);
  });

  it('is written down with whom it came from and whom it is for', async () => {
    const bearer = { authorization: `Bearer ${tokens.root}` };
    const answer = await send(jobs, { ...bearer, 'impersonate-user': 'eve' });
    expect(answer.status).toBe(403);
    expect(await audited(answer.headers['audit-id'])).toMatchObject([
      {
        user: { username: 'root' },
        impersonatedUser: { username: 'eve', groups: ['system:authenticated'] },
        responseStatus: { code: 403, reason: 'Forbidden' },
        annotations: { 'authorization.k8s.io/decision': 'forbid' },
      },
    ]);
    const stranger = await send(jobs, {}, 'POST', '{}');
    expect(await audited(stranger.headers['audit-id'])).toMatchObject([
      { user: {}, verb: 'create', responseStatus: { code: 401, reason: 'Unauthorized' } },
    ]);
  });

  it('is found in the audit log by the id in its answer', async () => {
    const bearer = { authorization: `Bearer ${tokens.ann}` };
    const answer = await send(jobs, { ...bearer, 'audit-id': 'my-own-id' });
    expect(answer.headers['audit-id']).toBe('my-own-id');
    const made = await send(jobs, bearer);
    expect(made.headers['audit-id']).toMatch(/^[0-9a-f-]{36}$/);
    for (const id of ['my-own-id', made.headers['audit-id']]) {
      const found = await audited(id);
      expect(found).toHaveLength(1);
      expect(found[0]).toMatchObject({
        stage: 'ResponseComplete',
        verb: 'list',
        user: { username: 'ann', uid: '1000', groups: ['dev', 'system:authenticated'] },
        sourceIPs: ['127.0.0.1'],
        objectRef: { resource: 'jobs', namespace: 'default', apiGroup: 'mesocosm.dev' },
        responseStatus: { code: 200 },
        annotations: { 'authorization.k8s.io/decision': 'allow' },
      });
    }
  });
});

it('writes down no token, and logs none', () => {
  const text = JSON.stringify(events) + JSON.stringify(running.complaints);
  expect(events.length).toBeGreaterThan(50);
  expect(text).not.toContain('hunter2');
  expect(text).not.toMatch(/eyJ[\w-]+\.eyJ/);
  expect(running.complaints).toEqual([]);
});

it('counts a certificate only as long as it holds, also on an old connection', async () => {
  const { caFile, admin } = running.certificates;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = () =>
    exchange(running.port, { caFile, ...admin }, { method: 'GET', path: '/api', agent });
  try {
    expect((await ask()).status).toBe(200);
    started.skip(4000 * 86_400_000);
    expect((await ask()).status).toBe(401);
  } finally {
    agent.destroy();
  }
});
