import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compacted } from '../../../../api/cli/access/rules.ts';
import {
  issuer,
  startIdentityServer,
  tokens,
  type IdentityServer,
} from '../../../conformance/support/identities.ts';
import { kubeconfigFile } from '../../../conformance/support/people.ts';
import { startCommand, type Outcome } from './support/cosm.ts';

let server: IdentityServer;
const kubeconfigs: Record<string, string> = {};

const as = (who: 'root' | 'ann', ...args: string[]): Promise<Outcome> =>
  startCommand(args, '/', { env: { KUBECONFIG: kubeconfigs[who] ?? '' } }).done;

async function make(document: object): Promise<void> {
  const env = { KUBECONFIG: kubeconfigs['root'] ?? '' };
  const stdin = JSON.stringify(document);
  const outcome = await startCommand(['create', '-f', '-'], '/', { env, stdin }).done;
  expect(outcome).toMatchObject({ code: 0, stderr: '' });
}

beforeAll(async () => {
  server = await startIdentityServer();
  for (const [who, token] of Object.entries(tokens)) {
    kubeconfigs[who] = kubeconfigFile(server.running, { token });
  }
  await make({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'dev', namespace: 'default' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'dev' }],
  });
  await make({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'deploy' } });
});
afterAll(() => server.running.stop());

describe('cosm auth can-i', () => {
  it.each([
    [['get', 'jobs'], 0],
    [['get', 'mj'], 0],
    [['get', 'job/web'], 0],
    [['get', 'jobs.mesocosm.dev'], 0],
    [['get', 'pods', '--subresource=log'], 0],
    [['create', 'pods', '--subresource=exec'], 1],
    [['create', 'jobs'], 1],
    [['get', 'jobs', '-n', 'other'], 1],
    [['get', 'jobs', '-A'], 1],
    [['list', 'networks'], 1],
    [['get', '/version'], 0],
    [['get', '/metrics'], 1],
    [['*', '*', '-A'], 1],
  ])('%j ends with %i', async (question, code) => {
    const outcome = await as('ann', 'auth', 'can-i', ...question);
    expect(outcome).toMatchObject({ code, stderr: '' });
    expect(outcome.stdout).toMatch(code === 0 ? /^yes\n$/ : /^no\b/);
  });

  it('says yes to everything for whoever may do everything', async () => {
    const all = await as('root', 'auth', 'can-i', '*', '*', '--all-namespaces');
    expect(all).toEqual({ code: 0, stdout: 'yes\n', stderr: '' });
  });

  it('answers by its exit code alone with -q', async () => {
    const silent = { stdout: '', stderr: '' };
    expect(await as('ann', 'auth', 'can-i', 'get', 'jobs', '-q')).toEqual({ code: 0, ...silent });
    expect(await as('ann', 'auth', 'can-i', 'create', 'jobs', '-q')).toEqual({
      code: 1,
      ...silent,
    });
  });

  it.each([
    [['get', 'nothings'], 'no resource type "nothings"'],
    [['build', 'jobs'], '"build" is no verb that is known'],
    [['create', 'pods/exec'], 'say --subresource=exec'],
  ])('warns of %j, and asks all the same', async (question, warning) => {
    const { code, stdout, stderr } = await as('root', 'auth', 'can-i', ...question);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'yes\n' });
    expect(stderr).toContain(warning);
  });

  it.each([
    [[], 'ask for VERB'],
    [['get'], 'ask for VERB'],
    [['get', 'jobs', 'web'], 'too many arguments'],
    [['get', 'jobs/web/log'], 'see --subresource'],
    [['get', '/metrics', '--subresource=x'], 'not with a path'],
    [['--list', 'get'], 'takes no verb'],
    [['--list', '-A'], 'one namespace'],
  ])('takes %j for wrong usage', async (question, message) => {
    const { code, stdout, stderr } = await as('ann', 'auth', 'can-i', ...question);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('lists what may be done in a namespace', async () => {
    const { code, stdout } = await as('ann', 'auth', 'can-i', '--list');
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^Resources +Non-Resource URLs +Resource Names +Verbs$/);
    expect(stdout).toMatch(/^jobs\.mesocosm\.dev +\[\] +\[\] +\[get list watch\]$/m);
    expect(stdout).toMatch(/^ +\[\/version\] +\[\] +\[get\]$/m);
    expect(stdout).not.toMatch(/^secrets /m);
    const elsewhere = await as('ann', 'auth', 'can-i', '--list', '--no-headers', '-n', 'other');
    expect(elsewhere.stdout).not.toMatch(/Resource Names|jobs\.mesocosm\.dev/);
  });
});

describe('rules of several roles', () => {
  it('are put together by what they are about', () => {
    const rule = { apiGroups: ['', 'x.test'], resources: ['b', 'a'], resourceNames: [] };
    const rules = compacted({
      resourceRules: [
        { ...rule, verbs: ['get'] },
        { ...rule, verbs: ['list', 'get'], resources: ['a'], apiGroups: [''] },
        { ...rule, verbs: ['get'], resources: ['a'], apiGroups: [''], resourceNames: ['n', 'm'] },
      ],
      nonResourceRules: [
        { verbs: ['get'], nonResourceURLs: ['/b', '/a'] },
        { verbs: ['post'], nonResourceURLs: ['/b'] },
      ],
      incomplete: false,
      evaluationError: '',
    });
    expect(rules.resources).toEqual([
      { resource: 'a', names: [], verbs: ['get', 'list'] },
      { resource: 'a', names: ['m', 'n'], verbs: ['get'] },
      { resource: 'a.x.test', names: [], verbs: ['get'] },
      { resource: 'b', names: [], verbs: ['get'] },
      { resource: 'b.x.test', names: [], verbs: ['get'] },
    ]);
    expect(rules.paths).toEqual([
      { path: '/a', verbs: ['get'] },
      { path: '/b', verbs: ['get', 'post'] },
    ]);
  });
});

describe('cosm auth whoami', () => {
  it('shows the user that the server sees', async () => {
    const { code, stdout } = await as('ann', 'auth', 'whoami');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ATTRIBUTE +VALUE\nUsername +ann\nUID +1000\n/);
    expect(stdout).toMatch(/^Groups +\[dev system:authenticated\]$/m);
  });

  it('is somebody else with --as', async () => {
    const path = '-ojsonpath={.status.userInfo.username}';
    expect((await as('root', 'auth', 'whoami', '--as', 'joe', path)).stdout).toBe('joe');
  });
});

describe('cosm create token', () => {
  const claimsOf = (token: string): Record<string, unknown> =>
    JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<
      string,
      unknown
    >;

  it('prints a token that counts', async () => {
    const { code, stdout, stderr } = await as('root', 'create', 'token', 'deploy');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(claimsOf(stdout.trim())['aud']).toEqual([issuer]);
    const kubeconfig = kubeconfigFile(server.running, { token: stdout.trim() });
    const me = await startCommand(['auth', 'whoami'], '/', { env: { KUBECONFIG: kubeconfig } })
      .done;
    expect(me.stdout).toContain('system:serviceaccount:default:deploy');
  });

  it('asks for a time, audiences and an object that it dies with', async () => {
    await make({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'ci' } });
    const { stdout } = await as(
      ...(['root', 'create', 'token', 'deploy', '--duration=20m'] as const),
      ...['--audience=a', '--audience', 'b', '--bound-object-kind=Secret'],
      ...['--bound-object-name=ci', '-o', 'json'],
    );
    const request = JSON.parse(stdout) as { kind: string; status: { token: string } };
    expect(request.kind).toBe('TokenRequest');
    const claims = claimsOf(request.status.token);
    expect(claims).toMatchObject({
      aud: ['a', 'b'],
      'kubernetes.io': { secret: { name: 'ci' } },
    });
    expect(Number(claims['exp']) - Number(claims['iat'])).toBe(1200);
  });

  it('says what keeps it from one', async () => {
    expect(await as('root', 'create', 'token', 'nobody')).toMatchObject({
      code: 1,
      stderr: 'error: NotFound (404): serviceaccounts "nobody" not found\n',
    });
    const refused = await as('ann', 'create', 'token', 'deploy');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('cannot create resource "serviceaccounts/token"');
    const short = await as('root', 'create', 'token', 'deploy', '--duration=1m');
    expect(short.stderr).toContain('may not specify a duration less than 10 minutes');
    const half = await as('root', 'create', 'token', 'deploy', '--bound-object-kind=Pod');
    expect(half).toMatchObject({ code: 2 });
    expect(await as('root', 'create', 'token')).toMatchObject({ code: 2 });
  });
});
