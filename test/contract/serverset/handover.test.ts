import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { WatchEvent } from '../../../proto/zookeeper/client.ts';
import { isZooKeeperError } from '../../../proto/zookeeper/errors.ts';
import { until } from '../zookeeper/event-log.ts';
import { Cluster, connect, finalizersOf } from './cluster.ts';

const path = '/aurora/prod/web';
const old = ['10.0.0.1', '10.0.0.2'];

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(async () => {
  await cluster.stop();
});

/** Looks at every change of the path, and notes which members it had. */
async function watchNames(): Promise<string[][]> {
  const reader = connect(cluster.server.connectString);
  onTestFinished(() => reader.close());
  await reader.whenConnected();
  const seen: string[][] = [];
  const watch = ({ type }: WatchEvent): void => {
    if (type !== 'lost') void look();
  };
  const look = async (): Promise<void> => {
    try {
      const { children } = await reader.getChildren(path, { watch });
      seen.push(children.filter((name) => name.startsWith('member_')).sort());
    } catch (error) {
      // The last set on the path takes it along.
      if (!isZooKeeperError(error, 'NO_NODE')) throw error;
    }
  };
  await look();
  return seen;
}

describe('a path whose Job gets another name', () => {
  it('is never empty, has no shard twice, and passes on when the old set is deleted', async () => {
    await cluster.lead();
    const before = await cluster.publish('web');
    const tasks = [await cluster.ready('web', 0), await cluster.ready('web', 1)];
    await cluster.shows(path, old);
    const after = await cluster.publish('www', { zkPath: path });
    for (const instance of [0, 1, 2]) {
      await cluster.ready('www', instance, `10.0.9.${instance}`);
    }
    await cluster.says('www', 'Stalled', 'True', 'PathConflict');
    await cluster.shows(path, old);
    const seen = await watchNames();

    await cluster.serverSets.delete(before.metadata);
    const members = await cluster.shows(path, ['10.0.9.0', '10.0.9.1', '10.0.9.2']);
    await until(() => seen.at(-1)?.join() === members.map(({ name }) => name).join(), 'it is seen');
    // Each of the two was exchanged in one step; the third has come as well.
    expect(Math.min(...seen.map(({ length }) => length))).toBe(2);
    expect(Math.max(...seen.map(({ length }) => length))).toBe(3);
    const { status } = await cluster.says('www', 'Stalled', 'False');
    expect(status).toMatchObject({ publishedPaths: [path] });
    expect(status?.drift).toBeUndefined();
    await until(async () => (await cluster.serverSets.find(before.metadata)) === undefined, 'gone');

    // Nothing holds the old tasks, and the end of the new set leaves nothing.
    for (const task of tasks) await cluster.stopTask(task);
    await until(async () => {
      const [first, second] = await Promise.all(
        tasks.map((task) => cluster.tasks.get(task.metadata)),
      );
      return finalizersOf(first).length + finalizersOf(second).length === 0;
    }, 'the old tasks are free');
    await cluster.serverSets.delete(after.metadata);
    await until(async () => (await cluster.serverSets.find(after.metadata)) === undefined, 'gone');
    expect(await cluster.operator.exists(path)).toBeUndefined();
  });

  it('passes on also if nobody led when the old set was deleted', async () => {
    const leader = await cluster.lead();
    const before = await cluster.publish('web');
    await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await cluster.publish('www', { zkPath: path });
    await cluster.ready('www', 0, '10.0.9.0');
    await leader.stop();
    const seen = await watchNames();
    await cluster.serverSets.delete(before.metadata);
    await cluster.lead();
    await cluster.shows(path, ['10.0.9.0']);
    expect(seen.map(({ length }) => length)).toEqual(seen.map(() => 1));
  });

  it('keeps its very nodes when a set over both Jobs takes it over', async () => {
    await cluster.lead();
    const before = await cluster.publish('web');
    await cluster.ready('web', 0);
    await cluster.ready('web', 1);
    const nodes = (await cluster.shows(path, old)).map(({ name }) => name);
    await cluster.publish('both', {
      zkPath: path,
      selector: {
        matchExpressions: [{ key: 'mesocosm.dev/job', operator: 'In', values: ['web', 'www'] }],
      },
    });
    await cluster.ready('www', 0, '10.0.9.0');
    await cluster.says('both', 'Stalled', 'True', 'PathConflict');
    const seen = await watchNames();
    await cluster.serverSets.delete(before.metadata);
    const members = await cluster.shows(path, [...old, '10.0.9.0']);
    expect(members.slice(0, 2).map(({ name }) => name)).toEqual(nodes);
    await until(
      async () => (await cluster.members(path)).every(({ shard }) => shard === undefined),
      'a set of two Jobs says no shards',
    );
    expect((await cluster.operator.getChildren(path)).stat.cversion).toBe(3);
    for (const names of seen) expect(names).toEqual(expect.arrayContaining(nodes));
  });
});
