import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { WatchEvent, ZooKeeperClient } from '../../../proto/zookeeper/client.ts';
import { ensurePath } from '../../../proto/zookeeper/ensure-path.ts';
import { until } from '../zookeeper/event-log.ts';
import { Cluster, connect } from './cluster.ts';

const path = '/aurora/prod/web';

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(async () => {
  await cluster.stop();
});

/** An Aurora executor: a session of its own with one ephemeral member, which goes with it. */
async function announce(shard: number): Promise<{ node: string; executor: ZooKeeperClient }> {
  const executor = connect(cluster.server.connectString);
  onTestFinished(() => executor.close());
  await executor.whenConnected();
  await ensurePath(executor, path);
  const node = await executor.create(`${path}/member_`, Buffer.from(bodyOf(shard)), {
    ephemeral: true,
    sequential: true,
  });
  return { node, executor };
}

/** As Aurora's announcer writes it. */
function bodyOf(shard: number): string {
  return `{"status": "ALIVE", "additionalEndpoints": {"http": {"host": "agent${shard}", "port": 31000}}, "serviceEndpoint": {"host": "agent${shard}", "port": 31000}, "shard": ${shard}}`;
}

/** Looks at every change of the path, and notes how many members it had. */
async function watchCounts(): Promise<{ least(): number; most(): number }> {
  const reader = connect(cluster.server.connectString);
  onTestFinished(() => reader.close());
  await reader.whenConnected();
  const counts: number[] = [];
  const watch = ({ type }: WatchEvent): void => {
    if (type !== 'lost') void look();
  };
  const look = async (): Promise<void> => {
    const { children } = await reader.getChildren(path, { watch });
    counts.push(children.filter((name) => name.startsWith('member_')).length);
  };
  await look();
  return { least: () => Math.min(...counts), most: () => Math.max(...counts) };
}

describe('a path that moves from an Aurora job to a ServerSet', () => {
  it('is never without a member, and each member is written by its owner alone', async () => {
    const aurora = [await announce(0), await announce(1)];
    const seen = await watchCounts();
    const leader = await cluster.lead();
    // While only Aurora's tasks run, an empty set changes nothing.
    await cluster.publish('web', { drainSeconds: 0 });
    await cluster.says('web', 'Ready', 'True');
    expect(await cluster.children(path)).toHaveLength(2);

    // Both announce: the number of a node is its parent's to give, and no two are equal.
    await cluster.ready('web', 0);
    await cluster.ready('web', 1);
    await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
    const children = await cluster.children(path);
    expect(new Set(children).size).toBe(4);
    for (const [shard, { node }] of aurora.entries()) {
      const { data, stat } = await cluster.operator.getData(node);
      expect([data.toString(), stat.version]).toEqual([bodyOf(shard), 0]);
    }

    await until(() => seen.most() === 4, 'the reader has seen all');

    // Aurora's job is killed, one instance after the other.
    for (const { node, executor } of aurora) {
      await executor.close();
      await until(async () => (await cluster.operator.exists(node)) === undefined, 'it is gone');
    }
    const ours = await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
    expect(await cluster.children(path)).toEqual(ours.map(({ name }) => name));
    expect([seen.least(), seen.most()]).toEqual([2, 4]);
    expect(leader.log.filter((line) => line.includes('member removed'))).toEqual([]);
  });

  it('and back: ours are withdrawn while Aurora announces, and its path stays', async () => {
    await cluster.lead();
    const set = await cluster.publish('web');
    await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    const seen = await watchCounts();
    const aurora = [await announce(0), await announce(1)];
    await cluster.serverSets.delete(set.metadata);
    await until(async () => (await cluster.serverSets.find(set.metadata)) === undefined, 'gone');
    expect(await cluster.children(path)).toEqual(
      aurora.map(({ node }) => node.slice(path.length + 1)),
    );
    await announce(2);
    await until(() => seen.most() >= 3, 'the reader has seen it');
    expect(seen.least()).toBe(1);
  });
});
