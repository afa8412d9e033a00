import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentResource } from '../../../../api/v1/agent.ts';
import { eventResource, leaseResource } from '../../../../api/v1/core.ts';
import { frameworkResource } from '../../../../api/v1/framework.ts';
import { jobResource } from '../../../../api/v1/job.ts';
import { jobRevisionResource } from '../../../../api/v1/job-revision.ts';
import { secretResource } from '../../../../api/v1/secret.ts';
import { controllerReference } from '../../../../api/machinery/metadata.ts';
import { serverSetResource } from '../../../../api/v1/serverset.ts';
import { startCosm, type Cosm } from './support/cosm.ts';
import { makeTask } from './support/objects.ts';
import { at, pending, running } from './support/statuses.ts';

let cosm: Cosm;
const now = Date.parse('2026-01-01T00:05:00Z');

const jobText = `apiVersion: v1
kind: Namespace
metadata: {name: default}
---
apiVersion: mesocosm.dev/v1
kind: Network
metadata: {name: dev-net}
spec: {}
---
apiVersion: mesocosm.dev/v1
kind: Network
metadata: {name: data-net}
spec: {}
---
apiVersion: mesocosm.dev/v1
kind: Job
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 3
  template:
    spec:
      networks:
      - {name: dev-net, labels: {tier: web}}
      - {name: data-net, ipFamilies: [IPv4, IPv6]}
      containers:
      - name: web
        script: |
          exec ./web \\
            --listen 0.0.0.0:8080
        env:
        - {name: PASSWORD, value: hunter2}
        - {name: DB, valueFrom: {secretKeyRef: {name: db, key: url, optional: true}}}
        - {name: MODE, valueFrom: {configMapKeyRef: {name: web, key: mode}}}
        envFrom: [{prefix: WEB_, configMapRef: {name: web}}, {secretRef: {name: all}}]
        volumeMounts: [{name: tls, mountPath: etc/tls}]
        resources: {requests: {cpu: 100m, memory: 64Mi}}
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {port: http, path: /healthz}}
      volumes:
      - {name: tls, secret: {secretName: web-tls, items: [{key: tls.key, path: key.pem}]}}
      - {name: conf, configMap: {name: web, optional: true}}
      constraints: [{attribute: rack, operator: MaxPerDomain, max: 2}]
  serverSet: {zkPath: /mesocosm/default/web, network: dev-net, primaryPort: http}
`;

const secondsAgo: Readonly<Record<string, number>> = { ScaledUp: 90, Started: 60 };

async function event(kind: string, name: string, reason: string, message: string): Promise<void> {
  await cosm.client.of(eventResource).create({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${name}.${reason.toLowerCase()}`, namespace: 'default' },
    involvedObject: {
      kind,
      name,
      namespace: 'default',
      ...(kind === 'Job'
        ? {
            uid: (await cosm.client.of(jobResource).get({ namespace: 'default', name })).metadata
              .uid,
          }
        : {}),
    },
    reason,
    message,
    type: reason === 'FailedScheduling' ? 'Warning' : 'Normal',
    lastTimestamp: new Date(now - (secondsAgo[reason] ?? 0) * 1000).toISOString(),
    count: 3,
  });
}

beforeAll(async () => {
  cosm = await startCosm();
  expect(await cosm.run(['apply', '-f', '-'], { stdin: jobText })).toMatchObject({ code: 0 });
  const networks = ['dev-net', 'data-net'];
  await makeTask(cosm.client, 'web-0-a', { networks, status: running });
  await makeTask(cosm.client, 'web-1-b', { networks, instance: 1, status: pending });
  await makeTask(cosm.client, 'web-2-c', { networks, instance: 2, status: pending });
  const job = await cosm.client.of(jobResource).get({ namespace: 'default', name: 'web' });
  const owned = { namespace: 'default', ownerReferences: [controllerReference(job)] };
  await cosm.client.of(jobRevisionResource).create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'JobRevision',
    metadata: { ...owned, name: 'web-1' },
    spec: { revision: 1, template: job.spec.template },
  });
  const set = await cosm.client.of(serverSetResource).create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'ServerSet',
    metadata: { ...owned, name: 'web' },
    spec: { zkPath: '/mesocosm/default/web', selector: {}, primaryPort: 'http' },
  });
  await cosm.client
    .of(serverSetResource)
    .updateStatus({ ...set, status: { members: 1, readyTasks: 1 } });
  await cosm.client
    .of(jobResource)
    .updateStatus({ ...job, status: { replicas: 3, readyReplicas: 1, currentRevision: 'web-1' } });
  await event('Job', 'web', 'ScaledUp', 'made 3 tasks');
  await event('Task', 'web-1-b', 'FailedScheduling', 'no agent\u001b[2J offers 64Mi\nof memory');
  await event('Task', 'other-0-a', 'Started', 'of another job');
});
afterAll(() => cosm.stop());

describe('cosm describe', () => {
  it('shows a job with its tasks by network, its revisions, its members and events, and says why it waits', async () => {
    const { code, stdout } = await cosm.run(['describe', 'job/web']);
    expect(code).toBe(0);
    const compact = stdout.replace(/ {2,}/g, '  ');
    for (const line of [
      'Labels:  app=web',
      'Instances:  3 desired, 3 live, 0 up to date, 1 ready, 0 available, 0 unreachable',
      'ServerSet:  /mesocosm/default/web (web: 1 members of 1 ready tasks)',
      'Problems:\n  web-1-b and web-2-c: waits to be placed: no agent offers 64Mi of memory\n',
      'Networks:  dev-net (tier=web)\n  data-net (IPv4, IPv6)\n',
      'Constraints:  rack MaxPerDomain 2',
      'Requests:  cpu 100m, memory 64Mi',
      'Readiness:  HTTP GET /healthz on port http',
      "Environment:  all of ConfigMap web with prefix 'WEB_'\n  all of Secret all\n  PASSWORD\n",
      "DB: <set to the key 'url' of secret 'db'> (optional)\n",
      "MODE: <set to the key 'mode' of config map 'web'>\n",
      'Mounts:  etc/tls from tls (ro)\n',
      'Volumes:\n  tls: Secret web-tls\n  tls.key as key.pem\n  conf: ConfigMap web (optional)\n',
      'NAME  REVISION  LIVE TASKS  CURRENT  AGE\n  web-1  1  3  yes  ',
      'NAME  PHASE  READY  RESTARTS  AGENT  dev-net  data-net  AGE',
      'web-0-a  Running  True  0  node-1  172.29.11.12  172.29.12.7,fd29:12::7  ',
      'web-1-b  Pending  False  0  <none>  <none>  <none>  ',
      '(x3)  Normal  ScaledUp  job/web  made 3 tasks',
      'Warning  FailedScheduling  task/web-1-b  no agent\\x1b[2J offers 64Mi …',
    ]) {
      expect(compact).toContain(line);
    }
    expect(stdout.indexOf('ScaledUp')).toBeLessThan(stdout.indexOf('FailedScheduling'));
    expect(stdout).not.toContain('of another job');
    expect(stdout).not.toContain('hunter2');
    expect(stdout).not.toContain('last-applied');
  });

  it('shows how far a job that runs to completion is', async () => {
    const text = jobText
      .replace('name: web', 'name: report')
      .replace('replicas: 3', 'type: Batch\n  replicas: 3\n  ttlSecondsAfterFinished: 60')
      .replace(/\n {2}serverSet:.*/, '');
    expect(await cosm.run(['apply', '-f', '-'], { stdin: text })).toMatchObject({ code: 0 });
    const jobs = cosm.client.of(jobResource);
    const job = await jobs.get({ namespace: 'default', name: 'report' });
    const failures = [{ instance: 1, failed: 2 }];
    const told = { succeeded: 2, completedIndexes: '0,2', failed: 2, failures };
    await jobs.updateStatus({ ...job, status: { ...told, startTime: '2026-01-01T00:00:00Z' } });
    const { stdout } = await cosm.run(['describe', 'job/report']);
    const compact = stdout.replace(/ {2,}/g, '  ');
    for (const line of [
      'Completions:  2 of 3 (0,2)',
      'Parallelism:  3',
      'Failures:  2 (of instance 1: 2), at most 6 are outlived',
      'Started:  2026-01-01T00:00:00Z',
      'Deleted:  60s after it has ended',
    ]) {
      expect(compact).toContain(line);
    }
    expect(compact).not.toContain('Update:');
    const wide = (await cosm.run(['get', 'job/report', '-o', 'wide'])).stdout;
    expect(wide).toMatch(/COMPLETIONS[^]*2\/3/);
    await jobs.delete(job.metadata);
  });

  it('shows a task with its networks and what Mesos said', async () => {
    const { stdout } = await cosm.run(['describe', 'task', 'web-0-a']);
    const compact = stdout.replace(/ {2,}/g, '  ');
    for (const line of [
      'Job:  web, instance 0, revision web-1',
      'Networks:\n  NAME  CNI  INTERFACE  ADDRESSES  VERDICT  MESSAGE\n  dev-net  dev-net  eth0  172.29.11.12  Assigned\n  data-net  data-net  eth1  172.29.12.7, fd29:12::7  Assigned\n',
      'State:  TASK_RUNNING',
      'Agent:  node-1 at 10.1.0.1:5051 (A-1)',
      'TYPE  STATUS  SINCE  REASON  MESSAGE\n  Ready  True',
    ]) {
      expect(compact).toContain(line);
    }
    expect(stdout).not.toContain('Problems:');
  });

  it('shows any other kind by its fields', async () => {
    const { code, stdout } = await cosm.run(['describe', 'ss/web', 'net/dev-net']);
    expect(code).toBe(0);
    expect(stdout).toContain('Spec:\n  zkPath: /mesocosm/default/web\n');
    expect(stdout).toContain('Status:\n  members: 1\n');
    expect(stdout).toMatch(/\n\n\nName: +dev-net\n/);
  });

  it('shows of a Secret how long its values are, and no more', async () => {
    await cosm.client.of(secretResource).create({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'db', namespace: 'default' },
      stringData: { password: 'hunter2' },
    });
    const { stdout } = await cosm.run(['describe', 'secret', 'db']);
    expect(stdout).toContain('password: 7 bytes');
    expect(stdout).not.toMatch(/hunter2|aHVudGVyMg/);
  });

  it('fails for what is not there and shows the rest', async () => {
    const outcome = await cosm.run(['describe', 'job', 'nope', 'web']);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('jobs.mesocosm.dev "nope" not found');
    expect(outcome.stdout).toContain('web');
    expect((await cosm.run(['describe', 'job'])).code).toBe(2);
  });
});

describe('cosm events', () => {
  it('prints the oldest first, of the object that is asked for', async () => {
    const { stdout } = await cosm.run(['events']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^LAST SEEN {3}TYPE +REASON +OBJECT +MESSAGE +COUNT$/);
    expect(lines.map((line) => line.split(/ {3,}/)[2])).toEqual([
      'REASON',
      'ScaledUp',
      'Started',
      'FailedScheduling',
    ]);
    const about = await cosm.run(['events', '--for', 'job/web', '--no-headers']);
    expect(about.stdout.trimEnd().split('\n')).toEqual([expect.stringContaining('made 3 tasks')]);
    const warnings = await cosm.run(['events', '-A', '--types', 'Warning', '--no-headers']);
    expect(warnings.stdout).toMatch(/^default .*Warning .*task\/web-1-b/);
    expect((await cosm.run(['events', '--for', 'job'])).code).toBe(2);
    expect((await cosm.run(['events', '--types', 'Bad'])).code).toBe(2);
  });

  it('goes on with -w', async () => {
    const watching = cosm.start(['events', '-w', '--for', 'job/web']);
    await watching.shows('made 3 tasks');
    await event('Job', 'web', 'Deleted', 'all is over');
    await watching.shows('all is over');
    watching.interrupt();
    expect((await watching.done).stdout).not.toContain('Started');
  });
});

describe('cosm framework', () => {
  it('says that there is none, who leads, and whether the server is ready', async () => {
    const { code, stdout } = await cosm.run(['framework']);
    expect(code).toBe(0);
    expect(stdout).toContain('Framework:  <none');
    expect(stdout).toMatch(/Agents: +0 active of 0/);
    expect(stdout).toMatch(/Server: +ready\nChecks:\n {2}\[\+\]ping ok\n/);
    expect(await cosm.run(['framework', 'adopt', 'F-2'])).toMatchObject({ code: 1 });
  });

  it('shows id, master, leader and agents, and carries decisions', async () => {
    const frameworks = cosm.client.of(frameworkResource);
    const made = await frameworks.create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Framework',
      metadata: { name: 'dev' },
      spec: {},
    });
    await frameworks.updateStatus({
      ...made,
      status: {
        id: 'F-1',
        state: 'Blocked',
        reason: 'Removed',
        message: 'adopt or reset',
        masterAddress: 'm1:5050',
        masterId: 'M-1',
      },
    });
    await cosm.client.of(leaseResource).create({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'cosmd', namespace: 'default' },
      spec: { holderIdentity: 'host-1', acquireTime: at, renewTime: at },
    });
    const agents = cosm.client.of(agentResource);
    const agent = await agents.create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Agent',
      metadata: { name: 'node-1' },
      spec: { unschedulable: true },
    });
    await agents.updateStatus({ ...agent, status: { active: true } });
    const { stdout } = await cosm.run(['framework']);
    for (const text of [
      'F-1',
      'Blocked (Removed)',
      'adopt or reset',
      'm1:5050 (M-1)',
      'default/cosmd   host-1',
      '1 active of 1, 1 unschedulable',
    ]) {
      expect(stdout).toContain(text);
    }
    expect((await cosm.run(['framework', 'reset'])).code).toBe(2);
    expect((await cosm.run(['framework', 'adopt', 'F-2'])).stdout).toBe(
      'framework.mesocosm.dev/dev will subscribe as F-2\n',
    );
    expect((await cosm.run(['framework', 'reset', '--confirm-all-dead'])).code).toBe(0);
    expect((await cosm.run(['framework', 'take-epoch', 'mine'])).code).toBe(2);
    expect((await cosm.run(['framework', 'take-epoch', '77'])).stdout).toBe(
      'framework.mesocosm.dev/dev will write over epoch 77 in ZooKeeper\n',
    );
    expect((await frameworks.get({ name: 'dev' })).metadata.annotations).toEqual({
      'mesocosm.dev/adopt-framework': 'F-2',
      'mesocosm.dev/reset-confirm-all-dead': 'true',
      'mesocosm.dev/take-epoch': '77',
    });
    expect(JSON.parse((await cosm.run(['framework', '-o', 'json'])).stdout)).toMatchObject({
      frameworks: [{ status: { id: 'F-1' } }],
    });
  });
});
