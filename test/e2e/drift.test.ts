import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { jobDriftSchema, type JobDrift } from '../../api/v1/drift.ts';
import { jobResource } from '../../api/v1/job.ts';
import { mesosTaskId, taskResource, type Task } from '../../api/v1/task.ts';
import { eventually, TestCluster } from '../support/cluster.ts';
import { namespace, pathOf, running, service } from './support/jobs.ts';

// One cosmd serves the API, another runs the controllers alone, by a certificate of their own, so that
// these can be away.
let cluster: TestCluster;
const path = pathOf('web');

beforeAll(async () => {
  cluster = await TestCluster.start({
    cosmds: 2,
    roles: ['api', 'controllers'],
    zookeeperProxied: true,
    // Only these agents can be asked what their containers have.
    emulator: { mode: 'process', agents: 2 },
  });
  const script = `exec node -e 'require("node:net").createServer().listen(8080)'`;
  const resources = { requests: { cpu: '100m', memory: '64Mi' } };
  await cluster.client
    .of(jobResource)
    .create(service('web', { replicas: 3, published: true, container: { script, resources } }));
});
afterAll(() => cluster.stop());

beforeEach(async () => {
  if (cluster.cosmds[1]?.running === false) await cluster.cosmds[1].start();
  await running(cluster.client, 'web', 3);
  await eventually('all truths agree', async () => {
    const { code, stdout } = await cosm('drift', 'job/web', '--strict');
    if (code === 0) return true;
    throw new Error(stdout);
  });
});

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

function cosm(...args: string[]): Promise<Outcome> {
  const program = resolve(import.meta.dirname, '../../.local/build/cosm.mjs');
  const env = { ...process.env, KUBECONFIG: cluster.kubeconfig };
  return new Promise((done) => {
    execFile(
      process.execPath,
      [program, ...args, '-n', namespace],
      { env },
      (error, stdout, stderr) => {
        const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1;
        done({ code, stdout, stderr });
      },
    );
  });
}

async function drift(): Promise<{ code: number; report: JobDrift; reasons: string[] }> {
  const { code, stdout } = await cosm('drift', 'job/web', '-o', 'json');
  const report = jobDriftSchema.parse(JSON.parse(stdout));
  const reasons = [
    ...report.instances.flatMap(({ instance, findings }) =>
      findings.map(({ verdict, reason }) => `${instance} ${verdict} ${reason}`),
    ),
    ...report.unexplained.map(({ verdict, reason }) => `${verdict} ${reason}`),
  ];
  return { code, report, reasons };
}

async function stopControllers(): Promise<Task[]> {
  const tasks = await running(cluster.client, 'web', 3);
  await cluster.cosmds[1]?.terminate();
  return tasks;
}

async function memberOf({ metadata }: Task): Promise<{ node: string; body: string }> {
  for (const [node, body] of await cluster.members(path)) {
    if (body.includes(metadata.uid)) return { node: `${path}/${node}`, body };
  }
  throw new Error(`no member of ${metadata.name}`);
}

describe('controllers without the API', () => {
  it('work under their own role, and tell how they are', async () => {
    const controllers = cluster.cosmds[1];
    const ask = async (path: string): Promise<string> =>
      (await fetch(`http://127.0.0.1:${controllers?.port}${path}`)).text();
    expect(await ask('/livez')).toBe('ok');
    expect(await ask('/readyz?verbose')).toBe(
      '[+]ping ok\n[+]api ok\n[+]framework ok\nreadyz check passed\n',
    );
    const metrics = await ask('/metrics');
    expect(metrics).toMatch(/^mesocosm_leading 1$/m);
    expect(metrics).toMatch(/^mesocosm_tasks\{phase="Running"\} 3$/m);
    expect(metrics).toMatch(/^process_resident_memory_bytes /m);
    expect(controllers?.log).not.toMatch(/forbidden/i);
  });
});

describe('cosm drift', { timeout: 180_000 }, () => {
  it('shows for each instance what spec, etcd, master, agent and ZooKeeper say, and ends with 0', async () => {
    const tasks = await running(cluster.client, 'web', 3);
    const { code, report } = await drift();
    expect({ code, verdict: report.verdict }).toEqual({ code: 0, verdict: 'Agrees' });
    for (const [instance, task] of tasks.entries()) {
      const ips = task.status?.ips ?? [];
      expect(ips).toHaveLength(1);
      expect(report.instances[instance]).toMatchObject({
        verdict: 'Agrees',
        spec: { wanted: true, revision: task.spec.revision, networks: ['dev-net'] },
        tasks: [
          {
            etcd: { task: task.metadata.name, phase: 'Running', networks: [{ ips }] },
            mesos: {
              tasks: [{ taskId: mesosTaskId(task), state: 'TASK_RUNNING' }],
              container: { networks: [{ name: 'dev-net', ips }] },
            },
            zookeeper: [{ path, host: ips[0], port: 8080, status: 'ALIVE' }],
          },
        ],
      });
    }
    expect(report.truths.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['Mesos master', `ZooKeeper ${path}`]),
    );
    expect(await cosm('drift', '-A')).toMatchObject({ code: 0 });
  });

  it('names members edited or deleted by hand and a task killed behind our back, until they are mended', async () => {
    const [first, second, third] = await stopControllers();
    if (first === undefined || second === undefined || third === undefined) throw new Error('few');
    const edited = await memberOf(first);
    const body = edited.body.replaceAll(first.status?.ip ?? 'nothing', '192.0.2.1');
    await cluster.zk.setData(edited.node, Buffer.from(body));
    await cluster.zk.delete((await memberOf(second)).node);
    await cluster.emulator.killTask(mesosTaskId(third));
    // A task that has only just become ready may lack its member for a moment.
    const { code, report } = await eventually('all three are drift', async () => {
      const found = await drift();
      const expected = ['0 Drift MemberDiffers', '1 Drift NoMember', '2 Drift DeadInMesos'];
      return expected.every((reason) => found.reasons.includes(reason)) && found;
    });
    expect(code).toBe(1);
    expect(report.instances[0]?.findings[0]?.message).toContain(
      `${edited.node} says 192.0.2.1:8080 ALIVE`,
    );
    expect((await cosm('drift')).stdout).toMatch(/web +2 +Drift .* FAILED /);
  });

  it('names a task and a member that etcd does not know', async () => {
    const [first] = await stopControllers();
    if (first === undefined) throw new Error('no task');
    const { name } = first.metadata;
    const tasks = cluster.client.of(taskResource);
    const forget = { metadata: { finalizers: null } };
    await tasks.patch({ namespace, name }, forget, { type: 'merge' });
    await tasks.delete({ namespace, name });
    const { code, reasons, report } = await drift();
    expect({ code, reasons }).toEqual({
      code: 1,
      reasons: ['0 Drift NoTask', 'Drift Orphan', 'Drift UnknownMember'],
    });
    expect(report.unexplained[0]?.mesosTask?.taskId).toBe(mesosTaskId(first));
    await cluster.emulator.killTask(mesosTaskId(first));
  });

  it('ends with 2 while ZooKeeper is away, and says so', async () => {
    cluster.zookeeperProxy?.refuse();
    const { code, stdout } = await cosm('drift', 'job/web');
    expect(code).toBe(2);
    expect(stdout).toContain(`cannot read ZooKeeper ${path}: `);
    expect(stdout).toMatch(/web +0 +Unknown/);
    cluster.zookeeperProxy?.resume();
  });

  it('ends with 2 while no master leads, and still shows the rest', async () => {
    await cluster.emulator.killMaster(0);
    const stdout = await eventually('what was known of the tasks is too old', async () => {
      const outcome = await cosm('drift', 'job/web');
      return outcome.code === 2 ? outcome.stdout : undefined;
    });
    expect(stdout).toMatch(/cannot read Mesos master: /);
    expect(stdout).toMatch(/<unread>.*member_\d+ /);
    await cluster.emulator.startMaster(0);
  });
});
