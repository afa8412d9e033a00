import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import { until } from '../zookeeper/event-log.ts';
import { Cluster } from './cluster.ts';

const path = '/aurora/prod/web';
const hosts = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];
const set = { namespace: 'prod', name: 'web' };

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(async () => {
  await cluster.stop();
});

async function purge(id = 'one'): Promise<void> {
  const annotations = { 'mesocosm.dev/purge': id };
  await cluster.serverSets.patch(set, { metadata: { annotations } }, { type: 'merge' });
}

async function isPurged(): Promise<boolean> {
  return (await cluster.serverSets.get(set)).metadata.annotations === undefined;
}

/** The numbers of members at every moment until `condition` holds: a listing is one moment. */
async function countsUntil(condition: () => Promise<boolean>, what: string): Promise<Set<number>> {
  const counts = new Set<number>();
  await until(async () => {
    const children = await cluster.children(path);
    counts.add(children.filter((name) => name.startsWith('member_')).length);
    return condition();
  }, what);
  return counts;
}

describe('a purge', () => {
  it('replaces the members of ready tasks, and no reader ever misses one', async () => {
    await cluster.lead();
    await cluster.publish('web');
    const west = `{"serviceEndpoint":{"host":"h","port":1},"additionalEndpoints":{},"status":"ALIVE","metadata":{"mesocosm.dev/cluster":"west","mesocosm.dev/task":"x"}}`;
    const foreign = [
      await cluster.foreign(path, 'member_'),
      await cluster.foreign(path, 'member_', west),
    ];
    for (const instance of [0, 1, 2]) await cluster.ready('web', instance);
    const before = await cluster.shows(path, hosts);
    const { cversion } = (await cluster.operator.getChildren(path)).stat;
    await purge();
    expect([...(await countsUntil(isPurged, 'it is done'))]).toEqual([5]);
    const after = await cluster.shows(path, hosts);
    const names = before.map(({ name }) => name);
    expect(after.filter(({ name }) => names.includes(name))).toEqual([]);
    // Three went, three came, and each once.
    expect((await cluster.operator.getChildren(path)).stat.cversion).toBe(cversion + 6);
    for (const node of foreign) {
      expect(await cluster.operator.exists(node)).toMatchObject({ version: 0 });
    }
    await until(async () => (await cluster.eventReasons()).includes('Purged'), 'an Event');
  });

  it('removes for good what is held and what is stopping', async () => {
    await cluster.lead({ brake: { members: 1, percent: 1, windowSeconds: 300 } });
    await cluster.publish('web', { drainSeconds: 600 });
    const tasks = [];
    for (const instance of [0, 1, 2, 3]) tasks.push(await cluster.ready('web', instance));
    await cluster.shows(path, [...hosts, '10.0.0.4']);
    for (const task of tasks.slice(0, 2)) await cluster.become(task, 'Unreachable');
    await cluster.says('web', 'Held', 'True');
    await cluster.stopTask(tasks[2]!);
    await until(
      async () => (await cluster.members(path)).some(({ status }) => status === 'STOPPING'),
      'one is stopping',
    );
    await purge();
    await cluster.shows(path, ['10.0.0.4']);
    await cluster.says('web', 'Held', 'False');
    await until(isPurged, 'it is done');
    await cluster.become(tasks[0]!, 'Running', '10.0.0.1');
    await cluster.shows(path, ['10.0.0.1', '10.0.0.4']);
  });

  it('works when nobody led, and when the tasks are gone', async () => {
    const first = await cluster.lead();
    await cluster.publish('web');
    const task = await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await first.stop();
    await purge();
    const annotations = { 'mesocosm.dev/serverset-paths': null };
    const metadata = { annotations, finalizers: null };
    await cluster.tasks.patch(task.metadata, { metadata }, { type: 'merge' });
    await cluster.tasks.delete(task.metadata);
    expect(await cluster.members(path)).toHaveLength(1);
    await cluster.lead();
    await cluster.shows(path, []);
    await until(isPurged, 'it is done');
  });

  it('waits while ZooKeeper is away, and is done once when it is back', async () => {
    const proxy = await startTcpProxy(cluster.server);
    onTestFinished(() => proxy.stop());
    await cluster.lead({ connectString: `${proxy.host}:${proxy.port}` });
    await cluster.publish('web');
    await cluster.ready('web', 0);
    const before = await cluster.shows(path, ['10.0.0.1']);
    proxy.refuse();
    await purge();
    await cluster.says('web', 'Stalled', 'True', 'ZooKeeperAway');
    expect(await isPurged()).toBe(false);
    expect(await cluster.members(path)).toEqual(before);
    proxy.resume();
    await until(isPurged, 'it is done');
    const [after] = await cluster.shows(path, ['10.0.0.1']);
    expect(after!.name).not.toBe(before[0]!.name);
    expect((await cluster.operator.getChildren(path)).stat.cversion).toBe(3);
  });
});
