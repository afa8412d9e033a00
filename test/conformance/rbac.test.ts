import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resources } from '../../api/v1/resources.ts';
import { kubectlVersions, type Kubectl } from './support/kubectl.ts';
import { kubectlOf } from './support/people.ts';
import { startServer, type RunningServer } from './support/server.ts';

const all = await kubectlVersions();
const versions = all.filter((_each, index) => index === 0 || index === all.length - 1);

const job = `
apiVersion: mesocosm.dev/v1
kind: Job
metadata: {name: web}
spec:
  template:
    spec:
      containers: [{name: main, script: sleep 1, resources: {requests: {cpu: 100m, memory: 64Mi}}}]
`;

const task = `
apiVersion: mesocosm.dev/v1
kind: Task
metadata: {name: web-0-abc}
spec: {}
`;

const escalation = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: everything}
rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]
`;

describe.each(versions)('kubectl 1.$minor', ({ file }) => {
  let running: RunningServer;
  let admin: Kubectl;
  let owner: Kubectl;
  let stranger: Kubectl;

  beforeAll(async () => {
    running = await startServer(resources);
    admin = kubectlOf({ name: 'root', groups: ['system:masters'] }, file, running);
    owner = kubectlOf({ name: 'olga', groups: ['team-web'] }, file, running);
    stranger = kubectlOf({ name: 'stan', groups: [] }, file, running);
  });
  afterAll(async () => {
    await running.stop();
    expect(running.complaints).toEqual([]);
  });

  it('gives roles, and shows them', async () => {
    await admin.run('create', 'ns', 'web');
    await admin.run(
      'create',
      'rolebinding',
      'owners',
      '-n',
      'web',
      '--clusterrole=admin',
      '--group=team-web',
    );
    await admin.run(
      'create',
      'role',
      'reader',
      '-n',
      'web',
      '--verb=get,list',
      '--resource=jobs.mesocosm.dev',
    );
    await admin.run(
      'create',
      'clusterrole',
      'scraper',
      '--verb=get',
      '--non-resource-url=/metrics',
    );
    await admin.run(
      'create',
      'clusterrolebinding',
      'scraper',
      '--clusterrole=scraper',
      '--user=prom',
      '--serviceaccount=web:prom',
    );
    expect(await admin.run('get', 'rolebindings', '-n', 'web')).toMatch(
      /^NAME +ROLE +AGE\nowners +ClusterRole\/admin +\S+\n$/,
    );
    const wide = await admin.run('get', 'clusterrolebindings', 'scraper', '-o', 'wide');
    expect(wide).toMatch(/^NAME +ROLE +AGE +USERS +GROUPS +SERVICEACCOUNTS\n/);
    expect(wide).toMatch(/scraper +ClusterRole\/scraper +\S+ +prom +web\/prom/);
    expect(await admin.run('get', 'roles', '-n', 'web')).toMatch(
      /^NAME +CREATED AT\nreader +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n$/,
    );
    const described = await admin.run('describe', 'clusterrole', 'view');
    expect(described).toMatch(/jobs\.mesocosm\.dev +\[\] +\[\] +\[get list watch\]/);
    expect(described).not.toMatch(/secrets/);
  });

  it('lets the owner of a namespace do his work there', async () => {
    const jobs = await owner.file('job.yaml', job);
    expect(await owner.run('apply', '-n', 'web', '-f', jobs)).toContain('web created');
    await owner.run('scale', '-n', 'web', 'job/web', '--replicas=2');
    expect(await owner.run('get', 'jobs', '-n', 'web')).toMatch(/^web /m);
    await owner.run('create', 'secret', 'generic', 's', '-n', 'web', '--from-literal=a=b');
  });

  it('refuses him what is not his', async () => {
    const refused = async (...args: string[]): Promise<string> => {
      const { code, stderr } = await owner.try(args);
      expect({ args, code }).toEqual({ args, code: 1 });
      return stderr;
    };
    expect(await refused('get', 'jobs', '-n', 'default')).toContain(
      'Error from server (Forbidden): jobs.mesocosm.dev is forbidden: User "olga" cannot list resource "jobs" in API group "mesocosm.dev" in the namespace "default"',
    );
    expect(await refused('get', 'networks')).toContain('at the cluster scope');
    const tasks = await owner.file('task.yaml', task);
    expect(await refused('create', '-n', 'web', '--validate=false', '-f', tasks)).toMatch(
      /cannot create resource "tasks" in API group "mesocosm.dev" in the namespace "web"/,
    );
    expect(await refused('get', '--raw', '/metrics')).toMatch(/cannot get path "\/metrics"/);
    const { code, stderr } = await stranger.try(['get', 'jobs', '-n', 'web']);
    expect(code).toBe(1);
    expect(stderr).toContain('User "stan" cannot list resource "jobs"');
  });

  it('answers what he may do', async () => {
    const can = (...args: string[]) => owner.try(['auth', 'can-i', ...args]);
    expect(await can('create', 'jobs.mesocosm.dev', '-n', 'web')).toMatchObject({
      code: 0,
      stdout: 'yes\n',
    });
    expect(await can('create', 'tasks.mesocosm.dev', '-n', 'web')).toMatchObject({
      code: 1,
      stdout: 'no\n',
    });
    expect(
      await can('update', 'jobs.mesocosm.dev', '--subresource=status', '-n', 'web'),
    ).toMatchObject({ code: 1 });
    expect(
      await can('update', 'jobs.mesocosm.dev', '--subresource=scale', '-n', 'web'),
    ).toMatchObject({ code: 0 });
    expect(await can('get', '/apis')).toMatchObject({ code: 0 });
    expect(await can('get', '/metrics')).toMatchObject({ code: 1 });
    const list = await owner.run('auth', 'can-i', '--list', '-n', 'web');
    expect(list).toMatch(/^jobs\.mesocosm\.dev\/scale .*\[.*patch.*update.*\]$/m);
    expect(list).toMatch(/^selfsubjectaccessreviews\.authorization\.k8s\.io .*\[create\]$/m);
    expect(list).toMatch(/^ +\[\/apis\] +\[\] +\[get\]$/m);
    const asRoot = await admin.run('auth', 'can-i', '--list');
    expect(asRoot).toMatch(/^\*\.\* +\[\] +\[\] +\[\*\]$/m);
  });

  it('lets an administrator ask for others', async () => {
    const asOlga = await admin.try([
      'auth',
      'can-i',
      'delete',
      'jobs.mesocosm.dev',
      '-n',
      'web',
      '--as=olga',
      '--as-group=team-web',
    ]);
    expect(asOlga).toMatchObject({ code: 0, stdout: 'yes\n' });
    expect(await admin.try(['get', 'networks', '--as=olga'])).toMatchObject({ code: 1 });
    expect((await owner.try(['get', 'jobs', '-n', 'web', '--as=root'])).stderr).toContain(
      'User "olga" cannot impersonate resource "users"',
    );
  });

  it('refuses to grant what he does not hold', async () => {
    const roles = await owner.file('role.yaml', escalation);
    const { code, stderr } = await owner.try(['apply', '-n', 'web', '-f', roles]);
    expect(code).toBe(1);
    expect(stderr).toContain(
      'is forbidden: user "olga" (groups=["team-web" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:["*"], Resources:["*"], Verbs:["*"]}',
    );
    const given = await owner.try([
      'create',
      'rolebinding',
      'root',
      '-n',
      'web',
      '--clusterrole=cluster-admin',
      '--user=olga',
    ]);
    expect(given.stderr).toContain('attempting to grant RBAC permissions not currently held');
    await owner.run(
      'create',
      'rolebinding',
      'watchers',
      '-n',
      'web',
      '--clusterrole=view',
      '--user=stan',
    );
    expect(await stranger.run('get', 'jobs', '-n', 'web')).toMatch(/^web /m);
  });

  it('takes a right away with its binding', async () => {
    await owner.run('delete', 'rolebinding', 'watchers', '-n', 'web', '--wait=false');
    expect(await stranger.try(['get', 'jobs', '-n', 'web'])).toMatchObject({ code: 1 });
    await admin.run('delete', 'rolebinding', 'owners', '-n', 'web', '--wait=false');
    expect(await owner.try(['get', 'jobs', '-n', 'web'])).toMatchObject({ code: 1 });
  });

  it('keeps the role of a binding', async () => {
    await admin.run('create', 'rolebinding', 'kept', '-n', 'web', '--role=reader', '--user=stan');
    const patch = '{"roleRef":{"name":"other"}}';
    const { code, stderr } = await admin.try([
      'patch',
      'rolebinding',
      'kept',
      '-n',
      'web',
      '--type=merge',
      '-p',
      patch,
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain('cannot change roleRef');
    const subject = '{"subjects":[{"kind":"User","name":"olga"}]}';
    await admin.run('patch', 'rolebinding', 'kept', '-n', 'web', '-p', subject);
    expect(await owner.run('get', 'jobs', '-n', 'web')).toMatch(/^web /m);
    expect(await stranger.try(['get', 'jobs', '-n', 'web'])).toMatchObject({ code: 1 });
  });

  it('reconciles a file of roles', async () => {
    const text = `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: kept, namespace: web}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: stan}]
`;
    const path = await admin.file('binding.yaml', text);
    expect(await admin.run('auth', 'reconcile', '-f', path)).toMatch(/kept reconciled/);
    expect(await stranger.run('get', 'jobs', '-n', 'web')).toMatch(/^web /m);
  });
});
