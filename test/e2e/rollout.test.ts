import { execFile, type PromiseWithChild } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { jobResource } from '../../api/v1/job.ts';
import { phaseOf, type Task } from '../../api/v1/task.ts';
import { eventually, TestCluster } from '../support/cluster.ts';
import { etcdHistory } from './support/etcd-history.ts';
import { change, liveTasksOf, namespace, pathOf, running, service } from './support/jobs.ts';
import { aliveOverTime, mirrored, watchLaunches } from './support/laws.ts';
import { readyOverTime } from './support/ready-history.ts';
import { zookeeperHistory } from './support/zookeeper-history.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({ tapped: true, emulator: { agents: 4 } });
});
afterAll(() => cluster.stop());

const runs = (command: string): object => ({
  template: {
    spec: {
      containers: service('rolling', { container: { script: command } }).spec.template.spec
        .containers,
    },
  },
});
const version2 = 'exec server --version 2 --port 8080';

describe('a rolling update', { timeout: 180_000 }, () => {
  it('never has fewer ready tasks or members than its budget allows, and replaces every task', async () => {
    const unknown = watchLaunches(cluster);
    const job = service('rolling', {
      replicas: 6,
      published: true,
      updateStrategy: { maxUnavailable: 2, minReadySeconds: 1 },
      template: { networks: [{ name: 'dev-net' }, { name: 'data-net' }] },
    });
    await cluster.client.of(jobResource).create(job);
    const before = await running(cluster.client, 'rolling', 6);
    await mirrored(cluster, 'rolling');
    const whole = (await zookeeperHistory(cluster.zookeeper)).at(-1)?.zxid ?? 0n;

    await change(cluster.client, 'rolling', runs(version2));
    const after = await updated(version2);
    await mirrored(cluster, 'rolling');

    expect(after.map(({ spec }) => spec.instance)).toEqual([0, 1, 2, 3, 4, 5]);
    const uids = new Set(before.map(({ metadata }) => metadata.uid));
    expect(after.filter(({ metadata }) => uids.has(metadata.uid))).toEqual([]);

    // Every state that the stores were in, not a sample of them.
    const members = aliveOverTime(await zookeeperHistory(cluster.zookeeper), pathOf('rolling'))
      .filter(({ write }) => write.zxid > whole)
      .map(({ alive }) => alive);
    expect(members.length).toBeGreaterThanOrEqual(12);
    expect(Math.min(...members.map(({ length }) => length))).toBe(4);
    for (const alive of members) {
      const shards = alive.map(({ shard }) => shard);
      expect(new Set(shards).size).toBe(shards.length);
    }
    const ready = readyOverTime(await etcdHistory(cluster.etcd.endpoint), 'rolling');
    const full = ready.findIndex(({ count }) => count === 6);
    expect(Math.min(...ready.slice(full).map(({ count }) => count))).toBe(4);
    expect(unknown).toEqual([]);
  });

  it('stops at its budget when the new template never gets ready, and goes back when told', async () => {
    const good = await running(cluster.client, 'rolling', 6);
    const from = (await etcdHistory(cluster.etcd.endpoint)).at(-1)?.revision ?? 0;
    await change(cluster.client, 'rolling', runs('sleep 1000'));
    await eventually('two instances run the new template and are not ready', async () => {
      const tasks = await liveTasksOf(cluster.client, 'rolling');
      const broken = tasks.filter(({ spec }) => spec.containers[0]?.script === 'sleep 1000');
      return broken.length === 2 && broken.every((task) => phaseOf(task) === 'Running');
    });
    const waiting = startCosm(
      'rollout',
      'status',
      'job/rolling',
      '-n',
      namespace,
      '--timeout=120s',
    );
    let shown = '';
    waiting.child.stdout?.on('data', (text: string) => (shown += text));
    await eventually('it says what it waits for', () => shown.includes('\n'));
    expect(await cosm('rollout', 'undo', 'job/rolling', '-n', namespace)).toBe(
      'job.mesocosm.dev/rolling rolled back\n',
    );
    const after = await updated(version2);
    await mirrored(cluster, 'rolling');
    expect((await waiting).stdout).toMatch(/\njob "rolling" successfully rolled out\n$/);
    const uid = ({ metadata }: Task): string => metadata.uid;
    expect(after.slice(2).map(uid)).toEqual(good.slice(2).map(uid));
    const ready = readyOverTime(await etcdHistory(cluster.etcd.endpoint), 'rolling');
    const since = ready.filter(({ revision }) => revision > from).map(({ count }) => count);
    expect(Math.min(...since)).toBe(4);
  });
});

describe('a change of networks', { timeout: 180_000 }, () => {
  it('withdraws no member before its task is replaced, though the set asks for the new one at once', async () => {
    const requests = { cpu: '100m', memory: '32Mi' };
    const job = service('moving', {
      replicas: 3,
      published: true,
      container: { resources: { requests } },
    });
    await cluster.client.of(jobResource).create(job);
    await running(cluster.client, 'moving', 3);
    await mirrored(cluster, 'moving');
    const whole = (await zookeeperHistory(cluster.zookeeper)).at(-1)?.zxid ?? 0n;
    await change(cluster.client, 'moving', {
      template: { spec: { networks: [{ name: 'data-net' }] } },
      serverSet: { network: 'data-net' },
    });
    await eventually('all tasks are on data-net', async () => {
      const tasks = await running(cluster.client, 'moving', 3);
      return tasks.every(({ spec }) => spec.networks?.[0]?.name === 'data-net');
    });
    await mirrored(cluster, 'moving');
    const members = aliveOverTime(await zookeeperHistory(cluster.zookeeper), pathOf('moving'))
      .filter(({ write }) => write.zxid > whole)
      .map(({ alive }) => alive.length);
    expect(members.length).toBeGreaterThanOrEqual(6);
    expect(Math.min(...members)).toBe(2);
  });
});

describe('cosm sync', { timeout: 180_000 }, () => {
  it('waits until controllers have done what was applied, and then until what was pruned is gone', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'cosm-sync-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const requests = { cpu: '100m', memory: '32Mi' };
    const draft = (name: string): string =>
      JSON.stringify(
        service(name, { published: { drainSeconds: 1 }, container: { resources: { requests } } }),
      );
    const sync = async (): Promise<unknown> =>
      JSON.parse(await cosm('sync', directory, '--applyset=e2e', '-o', 'json'));
    writeFileSync(join(directory, 'one.json'), draft('one'));
    writeFileSync(join(directory, 'two.json'), draft('two'));
    const healthy = { action: 'Created', health: 'Current' };
    expect(await sync()).toMatchObject({ verdict: 'Healthy', objects: [healthy, healthy] });
    expect(await running(cluster.client, 'one', 1)).toHaveLength(1);
    rmSync(join(directory, 'two.json'));
    expect(await sync()).toMatchObject({
      verdict: 'Healthy',
      objects: [
        { name: 'one', action: 'Unchanged', health: 'Current' },
        { name: 'two', action: 'Pruned', health: 'Absent' },
      ],
    });
    expect(await liveTasksOf(cluster.client, 'two')).toEqual([]);
  });
});

/** The built cosm, which must end well. */
function startCosm(...args: string[]): PromiseWithChild<{ stdout: string }> {
  const program = resolve(import.meta.dirname, '../../.local/build/cosm.mjs');
  const env = { ...process.env, KUBECONFIG: cluster.kubeconfig };
  return promisify(execFile)(process.execPath, [program, ...args], { env });
}

async function cosm(...args: string[]): Promise<string> {
  return (await startCosm(...args)).stdout;
}

/** The tasks once all six are ready and run `script`. */
function updated(script: string): Promise<Task[]> {
  return eventually(`six tasks run ${script}`, async () => {
    const tasks = await running(cluster.client, 'rolling', 6);
    return tasks.every(({ spec }) => spec.containers[0]?.script === script) && tasks;
  });
}
