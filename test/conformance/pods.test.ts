import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../../api/client/resource-client.ts';
import type { Client } from '../../api/client/client.ts';
import type { Volume } from '../../api/v1/contents.ts';
import { jobLabel, jobResource } from '../../api/v1/job.ts';
import { resources } from '../../api/v1/resources.ts';
import { runAnnotation } from '../../api/v1/runs.ts';
import { taskResource, type TaskStatus } from '../../api/v1/task.ts';
import type { Container } from '../../api/v1/template.ts';
import { startFileAgent, type FileAgent } from '../support/file-agent.ts';
import { makeAgent, makeTask, setTaskStatus } from '../unit/api/cli/support/objects.ts';
import { kubectlVersions, type Kubectl } from './support/kubectl.ts';
import { administrator } from './support/people.ts';
import { startServer, type RunningServer } from './support/server.ts';

const all = await kubectlVersions();
/** The oldest, the first that speaks WebSocket, the newest: the ones between do not differ here. */
const versions = all.filter(
  ({ minor }, index) => index === 0 || minor === 30 || index === all.length - 1,
);

/** One server for every client: the tests only read, but for those of one name each. */
let running: RunningServer;
let client: Client;
let agent: FileAgent;

const startTime = '2026-01-01T00:00:00Z';

function on(name: string, more: Partial<TaskStatus> = {}): TaskStatus {
  return {
    phase: 'Running',
    mesos: {
      taskId: `default.${name}`,
      frameworkId: 'F-1',
      agentId: 'A-1',
      agentHostname: 'node-1',
      containerId: `C-${name}`,
      state: 'TASK_RUNNING',
    },
    ip: '172.29.11.12',
    ips: ['172.29.11.12'],
    scheduledTime: startTime,
    startTime,
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        reason: 'Running',
        message: 'it runs',
        lastTransitionTime: startTime,
      },
    ],
    ...more,
  };
}

const sandbox = (name: string): string => `/frameworks/F-1/executors/default.${name}/runs/latest`;

/** Takes what it needs from Secrets and ConfigMaps. */
const secretive: Container = {
  name: 'main',
  script: 'sleep 1000',
  resources: { requests: { cpu: '100m', memory: '32Mi' } },
  env: [
    { name: 'PLAIN', value: 'hunter2' },
    { name: 'DB_PASSWORD', valueFrom: { secretKeyRef: { name: 'db', key: 'password' } } },
    { name: 'MODE', valueFrom: { configMapKeyRef: { name: 'web', key: 'mode', optional: true } } },
  ],
  envFrom: [{ prefix: 'WEB_', configMapRef: { name: 'web' } }, { secretRef: { name: 'all' } }],
  volumeMounts: [{ name: 'tls', mountPath: 'etc/tls' }],
};
const volumes: Volume[] = [
  { name: 'tls', secret: { secretName: 'web-tls', optional: true } },
  { name: 'conf', configMap: { name: 'web' } },
];

beforeAll(async () => {
  agent = await startFileAgent();
  running = await startServer(resources, undefined, undefined, { agents: { format: 'json' } });
  client = createClient(
    running.server.transport({ name: 'controller', groups: ['system:masters'] }),
  );
  await makeAgent(client, 'node-1', { id: 'A-1', port: agent.port });
  await makeTask(client, 'web-0-a', { status: on('web-0-a') });
  await makeTask(client, 'pair-0-a', {
    job: 'pair',
    containers: ['main', 'side'],
    status: on('pair-0-a'),
  });
  await makeTask(client, 'new-0-a', { job: 'new', spec: { containers: [secretive], volumes } });
  const failed = { ...on('old-0-a').mesos!, message: 'Command exited with status 3' };
  await makeTask(client, 'old-0-a', {
    job: 'old',
    status: on('old-0-a', { phase: 'Failed', mesos: { ...failed, state: 'TASK_FAILED' } }),
  });
  await makeTask(client, 'old-0-b', { job: 'old', status: on('old-0-b') });
  for (const [run, name] of ['old-0-a', 'old-0-b'].entries()) {
    const annotations = { [runAnnotation]: String(run + 1) };
    await client
      .of(taskResource)
      .patch({ namespace: 'default', name }, { metadata: { annotations } }, { type: 'merge' });
  }
  agent.files.set(`${sandbox('web-0-a')}/stdout`, Buffer.from('one\ntwo\nthree\n'));
  agent.files.set(`${sandbox('web-0-a')}/stderr`, Buffer.from('oops\n'));
  agent.files.set(`${sandbox('old-0-a')}/stdout`, Buffer.from('the first run\n'));
  agent.files.set(`${sandbox('old-0-a')}/stderr`, Buffer.from(''));
  const some = { requests: { cpu: '100m', memory: '32Mi' } };
  await client.of(jobResource).create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: { namespace: 'default', name: 'busy' },
    spec: {
      template: { spec: { containers: [{ name: 'main', script: 'true', resources: some }] } },
    },
  });
  agent.used.set('default.web-0-a', { cores: 0.25, bytes: 48 * 2 ** 20 });
  agent.used.set('default.pair-0-a', { cores: 1.5, bytes: 96 * 2 ** 20 });
  for (const container of ['main', 'side']) {
    const path = `${sandbox('pair-0-a')}/tasks/default.pair-0-a.${container}`;
    agent.files.set(`${path}/stdout`, Buffer.from(`from ${container}\n`));
    agent.files.set(`${path}/stderr`, Buffer.from(''));
  }
});
afterAll(async () => {
  await running.stop();
  await agent.stop();
  expect(running.complaints).toEqual([]);
});

describe.each(versions)('kubectl 1.$minor', ({ file, minor }) => {
  let kubectl: Kubectl;
  beforeAll(() => {
    kubectl = administrator(file, running);
  });

  it('lists tasks as pods', async () => {
    const lines = (await kubectl.run('get', 'pods', '-o', 'wide')).trim().split('\n');
    expect(lines[0]?.split(/\s{2,}/).map((word) => word.trim())).toEqual([
      'NAME',
      'READY',
      'STATUS',
      'RESTARTS',
      'AGE',
      'IP',
      'NODE',
      'NOMINATED NODE',
      'READINESS GATES',
    ]);
    const row = (name: string): string[] =>
      lines.find((line) => line.startsWith(name))?.split(/\s+/) ?? [];
    expect(row('web-0-a').slice(1, 4)).toEqual(['1/1', 'Running', '0']);
    expect(row('web-0-a').slice(5)).toEqual(['172.29.11.12', 'node-1', '<none>', '<none>']);
    expect(row('new-0-a').slice(1, 3)).toEqual(['0/1', 'Pending']);
    expect(row('old-0-a').slice(1, 3)).toEqual(['0/1', 'Error']);
    expect(row('pair-0-a')[1]).toBe('2/2');
  });

  it('selects them by label and by fields of a pod', async () => {
    const names = async (...args: string[]): Promise<string[]> =>
      (await kubectl.run('get', 'po', '-o', 'name', ...args)).trim().split('\n');
    expect(await names('-l', `${jobLabel}=pair`)).toEqual(['pod/pair-0-a']);
    expect(await names('--field-selector', 'status.phase=Failed')).toEqual(['pod/old-0-a']);
    expect(await names('--field-selector', 'spec.nodeName=node-1,status.phase=Running')).toEqual([
      'pod/old-0-b',
      'pod/pair-0-a',
      'pod/web-0-a',
    ]);
    expect(await names('--field-selector', 'metadata.name=new-0-a')).toEqual(['pod/new-0-a']);
    const refused = await kubectl.try(['get', 'pods', '--field-selector', 'spec.host=x']);
    expect(refused.stderr).toContain('field label not supported: spec.host');
    expect((await names('--chunk-size=2')).length).toBe(5);
  });

  it('describes one, and says when there is none', async () => {
    const text = await kubectl.run('describe', 'pod', 'old-0-a');
    expect(text).toMatch(/Status:\s+Failed/);
    expect(text).toMatch(/Exit Code:\s+3/);
    const contents = (await kubectl.run('describe', 'pod', 'new-0-a')).replace(/ {2,}/g, '  ');
    for (const line of [
      "Environment Variables from:\n  web  ConfigMap with prefix 'WEB_'  Optional: false\n  all  Secret  Optional: false\n",
      'PLAIN:  \n',
      "DB_PASSWORD:  <set to the key 'password' in secret 'db'>  Optional: false\n",
      "MODE:  <set to the key 'mode' of config map 'web'>  Optional: true\n",
      'Mounts:\n  etc/tls from tls (ro)\n',
      'tls:\n  Type:  Secret (a volume populated by a Secret)\n  SecretName:  web-tls\n  Optional:  true\n',
      'conf:\n  Type:  ConfigMap (a volume populated by a ConfigMap)\n  Name:  web\n',
    ]) {
      expect(contents).toContain(line);
    }
    expect(contents).not.toContain('hunter2');
    const { stderr } = await kubectl.try(['get', 'pod', 'nope']);
    expect(stderr).toContain('pods "nope" not found');
  });

  it('watches them, and waits for one', async () => {
    const name = `late-0-${minor}`;
    const waiting = kubectl.start('get', 'pods', '-w', '--field-selector', `metadata.name=${name}`);
    await makeTask(client, name, { job: 'late' });
    await waiting.until(/0\/1\s+Pending/);
    const ready = kubectl.start('wait', `pod/${name}`, '--for=condition=Ready', '--timeout=60s');
    await setTaskStatus(client, name, on(name));
    await waiting.until(/1\/1\s+Running/);
    expect(await ready.ended()).toBe(0);
    await waiting.stop();
    // Without a finalizer it goes at once.
    await kubectl.run('delete', 'pod', name, '--timeout=60s');
    expect(await client.of(taskResource).find({ namespace: 'default', name })).toBeUndefined();
  });

  it('reads logs', async () => {
    expect(await kubectl.run('logs', 'web-0-a')).toBe('one\ntwo\nthree\noops\n');
    expect(await kubectl.run('logs', 'web-0-a', '--tail=1')).toBe('three\noops\n');
    expect(await kubectl.run('logs', 'web-0-a', '--limit-bytes=5')).toBe('one\nt');
    expect(await kubectl.run('logs', 'pair-0-a', '-c', 'side')).toBe('from side\n');
    // kubectl asks for all at once and shows them as they come.
    const all = await kubectl.run('logs', '-l', `${jobLabel}=pair`, '--all-containers');
    expect(all.trim().split('\n').sort()).toEqual(['from main', 'from side']);
    expect(await kubectl.run('logs', 'old-0-b', '-p')).toBe('the first run\n');
  });

  it('reads what is new if that can be known, else is told why not', async () => {
    agent.modified.set(`${sandbox('web-0-a')}/stdout`, Date.now() - 60_000);
    agent.modified.set(`${sandbox('web-0-a')}/stderr`, Date.now() - 60_000);
    expect(await kubectl.run('logs', 'web-0-a', '--since=30s')).toBe('');
    expect(await kubectl.run('logs', 'web-0-a', `--since-time=${startTime}`)).toContain('one\n');
    const since = await kubectl.try(['logs', 'web-0-a', '--since=10m']);
    expect(since.stderr).toContain('use tailLines instead of sinceSeconds');
    const stamped = await kubectl.try(['logs', 'web-0-a', '--timestamps']);
    expect(stamped.stderr).toContain('do not keep when a line was written');
  });

  it('tells what they use, of those whose agents tell', async () => {
    const rows = async (...args: string[]): Promise<string[][]> => {
      const lines = (await kubectl.run('top', 'pods', '--no-headers', ...args)).trim().split('\n');
      return lines.map((line) => line.trim().split(/\s+/)).sort();
    };
    const [pair, web, ...others] = await rows();
    expect(others).toEqual([]);
    expect([pair?.[0], pair?.[2]]).toEqual(['pair-0-a', '96Mi']);
    expect([web?.[0], web?.[2]]).toEqual(['web-0-a', '48Mi']);
    expect(Number.parseInt(web?.[1] ?? '')).toBeGreaterThanOrEqual(240);
    expect(Number.parseInt(web?.[1] ?? '')).toBeLessThanOrEqual(260);
    expect((await rows('-l', `${jobLabel}=pair`)).map(([name]) => name)).toEqual(['pair-0-a']);
    const containers = (await rows('--containers')).map((row) => row.slice(0, 2));
    expect(containers).toEqual([
      ['pair-0-a', '*'],
      ['web-0-a', 'main'],
    ]);
    const { stderr } = await kubectl.try(['top', 'pod', 'new-0-a']);
    expect(stderr).toContain('pods.metrics.k8s.io "new-0-a" not found');
  });

  it('autoscales a Job, and shows by what', async () => {
    const name = `scaled-${minor}`;
    const old = { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler' };
    await kubectl.run('autoscale', 'job.mesocosm.dev/busy', `--name=${name}`, '--max=5', '--min=2');
    const [row = ''] = (await kubectl.run('get', 'hpa', name, '--no-headers')).trim().split('\n');
    expect(row.split(/\s{2,}/).slice(0, 6)).toEqual([
      name,
      'Job/busy',
      'cpu: <unknown>/80%',
      '2',
      '5',
      '0',
    ]);
    expect(await kubectl.run('describe', 'hpa', name)).toMatch(/Max replicas:\s+5/);
    const spec = {
      scaleTargetRef: { apiVersion: 'mesocosm.dev/v1', kind: 'Job', name: 'busy' },
      maxReplicas: 6,
      targetCPUUtilizationPercentage: 70,
    };
    const file = join(running.directory, `${name}.json`);
    const write = (more: object): void =>
      writeFileSync(
        file,
        JSON.stringify({ ...old, metadata: { name }, spec: { ...spec, ...more } }),
      );
    write({});
    await kubectl.run('apply', '-f', file);
    write({ maxReplicas: 7 });
    await kubectl.run('apply', '-f', file);
    const path =
      'jsonpath={.apiVersion} {.spec.maxReplicas} {.spec.metrics[0].resource.target.averageUtilization}';
    expect(await kubectl.run('get', 'hpa', name, '-o', path)).toBe('autoscaling/v2 7 70');
    await kubectl.run('delete', 'hpa', name);
  });

  it('is told why there are no logs', async () => {
    const why = async (...args: string[]): Promise<string> =>
      (await kubectl.try(['logs', ...args])).stderr;
    expect(await why('new-0-a')).toContain('container "main" in pod "new-0-a" is waiting to start');
    expect(await why('web-0-a', '-c', 'nope')).toContain('container nope is not valid for pod');
    expect(await why('web-0-a', '-p')).toContain(
      'previous terminated container "main" in pod "web-0-a" not found',
    );
    expect(await why('old-0-b')).toContain('its sandbox has been collected');
  });

  it('follows logs until the task ends', async () => {
    const name = `tick-0-${minor}`;
    await makeTask(client, name, { job: 'tick', status: on(name) });
    const put = (text: string): unknown =>
      agent.files.set(`${sandbox(name)}/stdout`, Buffer.from(text));
    put('first\n');
    const following = kubectl.start('logs', '-f', name);
    await following.until(/^first\n$/);
    put('first\nsecond\n');
    await following.until(/^first\nsecond\n$/);
    await setTaskStatus(client, name, on(name, { phase: 'Finished' }));
    expect(await following.ended()).toBe(0);
    await client.of(taskResource).delete({ namespace: 'default', name });
  });

  it('is told what cannot be done to a pod', async () => {
    const told = async (...args: string[]): Promise<string> => {
      const { code, stderr } = await kubectl.try(args);
      expect(code).not.toBe(0);
      return stderr;
    };
    expect(await told('label', 'pod', 'web-0-a', 'a=b')).toContain('not supported');
    expect(await told('delete', 'pod', 'web-0-a', '--now')).toContain(
      'gracePeriodSeconds cannot be chosen',
    );
    const exec = await told('exec', 'new-0-a', '--', 'true');
    expect(exec).toContain('does not run yet: it is Pending');
    const forward = await told('port-forward', 'web-0-a', ':8080');
    expect(forward).toContain('ports are not forwarded: tasks have addresses of their own');
    expect(forward).toContain('Connect to 172.29.11.12');
    expect(await told('attach', 'web-0-a', '-i')).toContain('the container takes no input');
    if (minor < 30) {
      expect(await told('exec', 'web-0-a', '--', 'true')).toContain('use kubectl 1.30 or newer');
    }
  });
});
