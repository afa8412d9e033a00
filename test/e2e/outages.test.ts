import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findCondition } from '../../api/machinery/conditions.ts';
import { jobResource } from '../../api/v1/job.ts';
import { serverSetResource } from '../../api/v1/serverset.ts';
import { mesosTaskId, type Task } from '../../api/v1/task.ts';
import type { SchedulerCall } from '../../proto/mesos/generated/messages.ts';
import { eventually, TestCluster } from '../support/cluster.ts';
import type { MesosTap } from '../support/mesos-tap.ts';
import { etcdHistory, isRoutine, quiet } from './support/etcd-history.ts';
import {
  change,
  describeTask,
  liveTasksOf,
  namespace,
  pathOf,
  remove,
  running,
  service,
  tasksOf,
} from './support/jobs.ts';
import {
  membersOf,
  mesosTasks,
  mirrored,
  repeated,
  taskOf,
  watchLaunches,
} from './support/laws.ts';
import { readyOverTime } from './support/ready-history.ts';
import { endedSessions, zookeeperHistory } from './support/zookeeper-history.ts';

// The masters do not use this ZooKeeper, so that only cosmd feels what is done to it.
let cluster: TestCluster;
let tap: MesosTap;
let unknown: string[];

beforeAll(async () => {
  cluster = await TestCluster.start({
    tapped: true,
    zookeeperProxied: true,
    emulator: { agents: 4 },
    config: { leaseSeconds: 5 },
  });
  const [only] = cluster.taps;
  if (only === undefined) throw new Error('the cluster is not tapped');
  tap = only;
});
afterAll(() => cluster.stop());

beforeEach(() => {
  unknown = watchLaunches(cluster);
});
afterEach(async () => {
  cluster.zookeeperProxy?.resume();
  await remove(cluster.client, 'store', 'path', 'rest');
  expect(unknown).toEqual([]);
  expect(repeated(tap.launched)).toEqual([]);
});

const version = (number: number): string => `exec server --version ${number} --port 8080`;

const kills = (calls: readonly SchedulerCall[]): string[] =>
  calls.flatMap(({ kill }) => (kill === undefined ? [] : [kill.task_id.value]));

const uids = (tasks: readonly Task[]): string[] => tasks.map(({ metadata }) => metadata.uid);

describe('etcd killed and started again', { timeout: 180_000 }, () => {
  it('while tasks run touches none of them, and cosmd goes on', async () => {
    await cluster.client.of(jobResource).create(service('store', { replicas: 3, published: true }));
    const before = await running(cluster.client, 'store', 3);
    await mirrored(cluster, 'store');
    const calls = tap.calls.length;
    await cluster.etcd.kill();
    await eventually('the API says that the store is away', () =>
      liveTasksOf(cluster.client, 'store').then(
        () => false,
        () => true,
      ),
    );
    await cluster.etcd.restart();
    expect(uids(await running(cluster.client, 'store', 3))).toEqual(uids(before));
    await change(cluster.client, 'store', { replicas: 4 });
    const after = await running(cluster.client, 'store', 4);
    expect(uids(after.slice(0, 3))).toEqual(uids(before));
    await mirrored(cluster, 'store');
    expect(kills(tap.calls.slice(calls))).toEqual([]);
  });

  it('in the middle of a rollout, which goes on within its budget', async () => {
    const job = service('store', {
      replicas: 4,
      published: true,
      container: { script: version(1) },
      updateStrategy: { maxUnavailable: 1, minReadySeconds: 1 },
    });
    await cluster.client.of(jobResource).create(job);
    const before = await running(cluster.client, 'store', 4);
    const from = await quiet(cluster.etcd.endpoint);
    const calls = tap.calls.length;
    await change(cluster.client, 'store', {
      template: {
        spec: service('store', { container: { script: version(2) } }).spec.template.spec,
      },
    });
    await eventually('one task is replaced', async () => {
      const tasks = await liveTasksOf(cluster.client, 'store');
      return tasks.some(({ spec }) => spec.containers[0]?.script === version(2));
    });
    await cluster.etcd.kill();
    await cluster.etcd.restart();
    await eventually('all tasks are of the new template', async () => {
      const tasks = await running(cluster.client, 'store', 4);
      return tasks.every(({ spec }) => spec.containers[0]?.script === version(2));
    });
    await mirrored(cluster, 'store');
    const ready = readyOverTime(await etcdHistory(cluster.etcd.endpoint), 'store');
    const since = ready.filter(({ revision }) => revision > from).map(({ count }) => count);
    expect(Math.min(...since)).toBe(3);
    expect([...new Set(kills(tap.calls.slice(calls)))].sort()).toEqual(
      before.map(mesosTaskId).sort(),
    );
  });
});

describe('ZooKeeper', { timeout: 180_000 }, () => {
  it('restarted keeps every member, and later ones are written as ever', async () => {
    await cluster.client.of(jobResource).create(service('path', { replicas: 3, published: true }));
    const tasks = await running(cluster.client, 'path', 3);
    await mirrored(cluster, 'path');
    const before = await membersOf(cluster, 'path');
    await cluster.zookeeper.restart();
    expect(await eventually('it answers', () => membersOf(cluster, 'path'))).toEqual(before);
    await change(cluster.client, 'path', { replicas: 4 });
    expect(uids((await running(cluster.client, 'path', 4)).slice(0, 3))).toEqual(uids(tasks));
    await mirrored(cluster, 'path');
    const after = await membersOf(cluster, 'path');
    expect([...after.keys()].slice(0, 3)).toEqual([...before.keys()]);
  });

  it('away for longer than its session keeps members; stops wait, say so, and then go on', async () => {
    await cluster.client.of(jobResource).create(service('path', { replicas: 4, published: true }));
    const tasks = await running(cluster.client, 'path', 4);
    await mirrored(cluster, 'path');
    const before = await membersOf(cluster, 'path');
    const [first, , third, last] = tasks;
    if (first === undefined || third === undefined || last === undefined)
      throw new Error('too few');
    const calls = tap.calls.length;
    const { zxid: since, session } = (await zookeeperHistory(cluster.zookeeper)).at(-1) ?? {};
    if (since === undefined) throw new Error('nobody has written');

    cluster.zookeeperProxy?.blackHole();
    await change(cluster.client, 'path', { replicas: 3 });
    await cluster.emulator.killTask(mesosTaskId(first));
    // What needs no ZooKeeper goes on: the dead one is replaced.
    const replaced = await eventually('instance 0 runs again', async () => {
      const live = await liveTasksOf(cluster.client, 'path');
      const again = live.find(({ spec }) => spec.instance === 0);
      return (
        again?.metadata.uid !== first.metadata.uid && again?.status?.phase === 'Running' && again
      );
    });
    const message = await stalled('path', 'WithdrawBlocked');
    expect(message).toContain(last.metadata.name);
    await eventually('the session of cosmd has expired', async () =>
      (await endedSessions(cluster.zookeeper)).some((id) => id === session),
    );
    expect(await membersOf(cluster, 'path')).toEqual(before);
    expect(kills(tap.calls.slice(calls))).toEqual([]);
    const waiting = (await liveTasksOf(cluster.client, 'path')).map(describeTask);
    expect(waiting).toHaveLength(4);
    expect((await mesosTasks(cluster, 'path')).live).toContain(mesosTaskId(last));

    cluster.zookeeperProxy?.resume();
    const after = await running(cluster.client, 'path', 3);
    expect(uids(after)).toEqual([replaced.metadata.uid, ...uids(tasks.slice(1, 3))]);
    const members = await mirrored(cluster, 'path');
    expect(members.map(taskOf)).not.toContain(first.metadata.uid);
    expect([...new Set(kills(tap.calls.slice(calls)))]).toEqual([mesosTaskId(last)]);
    const untouched = [...before].filter(([, member]) =>
      uids(tasks.slice(1, 3)).includes(taskOf(member)),
    );
    const written = (await zookeeperHistory(cluster.zookeeper)).filter(
      ({ zxid, path }) =>
        zxid > since && untouched.some(([node]) => path === `${pathOf('path')}/${node}`),
    );
    expect(written).toEqual([]);
  });
});

/** Waits until the ServerSet of a Job is Stalled for a reason; answers its message. */
function stalled(name: string, reason: string): Promise<string> {
  return eventually(`ServerSet ${name} is Stalled: ${reason}`, async () => {
    const set = await cluster.client.of(serverSetResource).get({ namespace, name });
    const condition = findCondition(set.status?.conditions, 'Stalled');
    if (condition?.status === 'True' && condition.reason === reason) return condition.message;
    throw new Error(`its conditions are ${JSON.stringify(set.status?.conditions)}`);
  });
}

describe('cosmd started again while nothing happens', { timeout: 180_000 }, () => {
  it.each(['stop', 'kill'] as const)(
    'after a %s touches no task and rewrites no status',
    async (end) => {
      await cluster.client
        .of(jobResource)
        .create(service('rest', { replicas: 5, published: true }));
      await running(cluster.client, 'rest', 5);
      await mirrored(cluster, 'rest');
      const revision = await quiet(cluster.etcd.endpoint);
      const stored = JSON.stringify(await tasksOf(cluster.client, 'rest'));
      const zxid = (await zookeeperHistory(cluster.zookeeper)).at(-1)?.zxid ?? 0n;
      const calls = tap.calls.length;

      const [cosmd] = cluster.cosmds;
      if (end === 'kill') await cosmd?.kill();
      else await cosmd?.terminate();
      await cosmd?.start();
      await eventually('it has asked Mesos about every task', () => {
        const asked = tap.calls.slice(calls).flatMap(({ reconcile }) => reconcile?.tasks ?? []);
        return new Set(asked.map(({ task_id: { value } }) => value)).size >= 5;
      });
      await eventually('its epoch is written', async () => {
        const history = await zookeeperHistory(cluster.zookeeper);
        return history.some((write) => write.zxid > zxid && write.path.endsWith('/epoch'));
      });
      await quiet(cluster.etcd.endpoint);

      const writes = (await etcdHistory(cluster.etcd.endpoint)).filter(
        (write) => write.revision > revision && !isRoutine(write),
      );
      // It subscribed anew, which is what the Framework is to say, and the etcd of Debian is an old one.
      const keys = new Set(writes.map(({ key }) => key));
      const advice = [...keys].filter((key) =>
        key.startsWith('core/events/default/mesocosm-system.'),
      );
      expect(advice.length).toBeLessThanOrEqual(1);
      expect([...keys].filter((key) => !advice.includes(key))).toEqual([
        'mesocosm.dev/frameworks/test',
      ]);
      expect(JSON.stringify(await tasksOf(cluster.client, 'rest'))).toBe(stored);
      const history = await zookeeperHistory(cluster.zookeeper);
      const others = history.filter((write) => write.zxid > zxid && !write.path.endsWith('/epoch'));
      expect(others).toEqual([]);
      const acts = tap.calls
        .slice(calls)
        .map(({ type = '' }) => type)
        .filter((type) => ['ACCEPT', 'KILL', 'SHUTDOWN', 'TEARDOWN'].includes(type));
      expect(acts).toEqual([]);
    },
  );
});
