import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { ServerSetStatus } from '../../../api/v1/serverset.ts';
import type { Task } from '../../../api/v1/task.ts';
import { FollowingReader } from '../../support/reader.ts';
import { until } from '../zookeeper/event-log.ts';
import { Cluster, finalizersOf } from './cluster.ts';

const path = '/aurora/prod/web';

type ServerSetDrift = ServerSetStatus['drift'];

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(async () => {
  await cluster.stop();
});

async function driftOf(name: string): Promise<ServerSetDrift> {
  return (await cluster.serverSets.get({ namespace: 'prod', name })).status?.drift;
}

async function get(task: Task): Promise<Task | undefined> {
  return cluster.tasks.find(task.metadata);
}

describe('ready tasks', () => {
  it('become members, each with its address and its instance', async () => {
    await cluster.lead();
    await cluster.publish('web');
    const tasks = [await cluster.ready('web', 0), await cluster.ready('web', 1)];
    const members = await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
    expect(members.map(({ shard }) => shard).sort()).toEqual([0, 1]);
    expect(members.map(({ name }) => name)).toEqual([
      expect.stringMatching(/^member_\d{10}$/),
      expect.stringMatching(/^member_\d{10}$/),
    ]);
    for (const task of tasks) {
      expect(finalizersOf(await get(task))).toEqual(['mesocosm.dev/serverset']);
    }
    const { status } = await cluster.says('web', 'Ready', 'True');
    expect(status).toMatchObject({ members: 2, readyTasks: 2, publishedPaths: [path] });
  });

  it('are published persistently: the end of a control plane removes nobody', async () => {
    const leader = await cluster.lead();
    await cluster.publish('web');
    await cluster.ready('web', 0);
    const [before] = await cluster.shows(path, ['10.0.0.1']);
    await leader.stop();
    const { ephemeralOwner } = (await cluster.operator.getData(`${path}/${before!.name}`)).stat;
    expect(ephemeralOwner).toBe(0n);
    await cluster.lead();
    await cluster.ready('web', 1);
    const after = await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
    expect(after[0]).toEqual(before);
  });

  it('of other jobs, and tasks that are not ready, are no members', async () => {
    await cluster.lead();
    await cluster.publish('web');
    const pending = await cluster.ready('web', 1);
    await cluster.become(pending, 'Running', '10.0.0.2', false);
    await cluster.ready('api', 0, '10.0.9.9');
    await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
  });

  it('whose address changes keep their node', async () => {
    await cluster.lead();
    await cluster.publish('web');
    const task = await cluster.ready('web', 0);
    const [before] = await cluster.shows(path, ['10.0.0.1']);
    await cluster.become(task, 'Running', '10.0.7.7');
    expect(await cluster.shows(path, ['10.0.7.7'])).toEqual([{ ...before, host: '10.0.7.7' }]);
  });

  it('without an address on the network are named in the status', async () => {
    await cluster.lead();
    await cluster.publish('web', { family: 'IPv6' });
    const task = await cluster.ready('web', 0);
    const { status } = await cluster.says('web', 'Ready', 'False', 'NotPublishable');
    expect(status?.conditions?.[0]?.message).toContain(
      `${task.metadata.name} has no IPv6 address on network dev-net`,
    );
  });
});

describe('tasks that do not join the network that their set now asks for', () => {
  it('stay members until they are replaced, and drain with the address that they have', async () => {
    await cluster.lead();
    const { metadata } = await cluster.publish('web', { drainSeconds: 2 });
    const tasks = [await cluster.ready('web', 0), await cluster.ready('web', 1)];
    await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
    const { connectString } = cluster.server;
    const reader = await FollowingReader.start({ connectString, path });
    onTestFinished(() => reader.stop());
    await cluster.serverSets.patch(metadata, { spec: { network: 'data-net' } }, { type: 'merge' });
    await cluster.says('web', 'Ready', 'False', 'NotPublishable');
    await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
    await cluster.stopTask(tasks[0]!);
    await until(async () => {
      const [member] = await cluster.members(path);
      return member?.host === '10.0.0.1' && member.status === 'STOPPING';
    }, 'the first one drains');
    await cluster.shows(path, ['10.0.0.2']);
    await until(() => reader.members.length === 1, 'the reader sees it');
    const hosts = reader.looks.map(({ members }) => members.map(({ service }) => service.host));
    expect(Math.min(...reader.counts())).toBe(1);
    expect(new Set(hosts.flat())).toEqual(new Set(['10.0.0.1', '10.0.0.2']));
  });
});

describe('a task that is no longer ready', () => {
  it.each([
    ['fails its probe', 'Running', '10.0.0.1'],
    ['is unreachable', 'Unreachable', undefined],
    ['has died', 'Failed', undefined],
  ] as const)('because it %s leaves at once', async (_, phase, ip) => {
    await cluster.lead();
    await cluster.publish('web', { drainSeconds: 3000 });
    const task = await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await cluster.become(task, phase, ip, false);
    await cluster.shows(path, []);
    const isDead = phase === 'Failed';
    await until(async () => (finalizersOf(await get(task)).length === 0) === isDead, 'finalizer');
  });

  it('comes back when it is ready again', async () => {
    await cluster.lead();
    await cluster.publish('web');
    const task = await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await cluster.become(task, 'Unreachable');
    await cluster.shows(path, []);
    await cluster.become(task, 'Running', '10.0.0.1');
    await cluster.shows(path, ['10.0.0.1']);
  });
});

describe('a task that is to stop', () => {
  it('is STOPPING, drains, is removed, and only then may be killed', async () => {
    await cluster.lead();
    await cluster.publish('web', { drainSeconds: 2 });
    const task = await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    const began = performance.now();
    await cluster.stopTask(task);
    const seen: string[] = [];
    await until(async () => {
      const marked = finalizersOf(await get(task)).length > 0;
      const [member] = await cluster.members(path);
      const now = `${member?.status ?? 'gone'} ${marked ? 'held' : 'free'}`;
      if (seen.at(-1) !== now) seen.push(now);
      return now === 'gone free';
    }, 'the task is free');
    // The finalizer is read before the node, so 'ALIVE free' and 'STOPPING free' would be seen.
    expect(seen.filter((each) => each !== 'gone held')).toEqual([
      ...seen.filter((each) => each === 'ALIVE held'),
      'STOPPING held',
      'gone free',
    ]);
    expect(performance.now() - began).toBeGreaterThan(1950);
    expect(await get(task)).not.toHaveProperty(
      'metadata.annotations.mesocosm\\.dev/serverset-paths',
    );
  });

  it.each([0, 1])(
    'with %i s to drain serves until those that come are there',
    async (drainSeconds) => {
      const first = await cluster.lead();
      await cluster.publish('web', { drainSeconds });
      const tasks = [await cluster.ready('web', 0), await cluster.ready('web', 1)];
      await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
      await first.stop();
      // As in a rollout whose leader is killed: the next one finds others ready and these to be stopped.
      for (const instance of [2, 3]) await cluster.ready('web', instance);
      for (const task of tasks) await cluster.stopTask(task);
      const { connectString } = cluster.server;
      const reader = await FollowingReader.start({ connectString, path });
      onTestFinished(() => reader.stop());
      await cluster.lead();
      await cluster.shows(path, ['10.0.0.3', '10.0.0.4']);
      await until(
        () => reader.members.map(({ service: { host } }) => host).join() === '10.0.0.3,10.0.0.4',
        'the reader sees it',
      );
      expect(Math.min(...reader.counts())).toBe(2);
    },
  );

  it('goes on draining under the next leader where the last one was', async () => {
    const first = await cluster.lead();
    await cluster.publish('web', { drainSeconds: 3600 });
    const task = await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await cluster.stopTask(task);
    await until(async () => (await cluster.members(path))[0]?.status === 'STOPPING', 'STOPPING');
    await first.stop();
    // One that began anew would hold the task for an hour.
    await cluster.lead({ laterMs: 3600_000 });
    await until(async () => finalizersOf(await get(task)).length === 0, 'the task is free');
  });

  it('and dies meanwhile is removed at once', async () => {
    await cluster.lead();
    await cluster.publish('web', { drainSeconds: 3000 });
    const task = await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await cluster.stopTask(task);
    await until(async () => (await cluster.members(path))[0]?.status === 'STOPPING', 'STOPPING');
    await cluster.become(task, 'Killed');
    await until(async () => finalizersOf(await get(task)).length === 0, 'the task is free');
    expect(await cluster.members(path)).toEqual([]);
  });

  it('as its object is deleted drains as well', async () => {
    await cluster.lead();
    await cluster.publish('web', { drainSeconds: 2 });
    const task = await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await cluster.tasks.delete(task.metadata);
    await until(async () => (await cluster.members(path))[0]?.status === 'STOPPING', 'STOPPING');
    await until(async () => (await get(task)) === undefined, 'the object is gone');
    expect(await cluster.members(path)).toEqual([]);
  });

  it('and is published by two sets waits for both', async () => {
    await cluster.lead();
    await cluster.publish('web', { drainSeconds: 0.2 });
    await cluster.publish('all', {
      selector: { matchExpressions: [{ key: 'mesocosm.dev/job', operator: 'Exists' }] },
      drainSeconds: 1,
    });
    const task = await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    const [member] = await cluster.shows('/aurora/prod/all', ['10.0.0.1']);
    expect(member?.shard).toBeUndefined();
    await cluster.stopTask(task);
    await until(async () => finalizersOf(await get(task)).length === 0, 'the task is free');
    expect(await cluster.members(path)).toEqual([]);
    expect(await cluster.members('/aurora/prod/all')).toEqual([]);
  });
});

describe('nodes of others', () => {
  it('are never touched, whatever becomes of ours', async () => {
    const others = [
      await cluster.foreign(
        path,
        'member_',
        '{"status":"ALIVE","serviceEndpoint":{"host":"h","port":1},"additionalEndpoints":{},"shard":0}',
      ),
      await cluster.foreign(
        path,
        'member_',
        '{"status":"ALIVE","metadata":{"mesocosm.dev/cluster":"west","mesocosm.dev/task":"x"}}',
      ),
      await cluster.foreign(path, 'member_', 'no JSON'),
      await cluster.foreign(path, 'singleton_candidate_'),
      await cluster.foreign(path, 'vector_', '{"vector":[]}'),
    ];
    await cluster.lead();
    const set = await cluster.publish('web', { drainSeconds: 0 });
    const task = await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await cluster.stopTask(task);
    await cluster.shows(path, []);
    await cluster.serverSets.delete(set.metadata);
    await until(async () => (await cluster.serverSets.find(set.metadata)) === undefined, 'gone');
    const stats = await Promise.all(others.map((each) => cluster.operator.exists(each)));
    expect(stats.map((stat) => stat?.version)).toEqual([0, 0, 0, 0, 0]);
  });
});

describe('a member that somebody', () => {
  it.each([
    ['deletes', 'Deleted', (at: string) => cluster.operator.delete(at)],
    [
      'edits',
      'Edited',
      (at: string) => cluster.operator.setData(at, Buffer.from('{"status":"DEAD"}')),
    ],
  ] as const)('%s by hand is mended, counted and told', async (_, change, harm) => {
    await cluster.lead();
    await cluster.publish('web');
    const task = await cluster.ready('web', 0);
    const [before] = await cluster.shows(path, ['10.0.0.1']);
    const ready = await cluster.says('web', 'Ready', 'True');
    expect(ready.status?.drift).toBeUndefined();
    const node = `${path}/${before!.name}`;
    await harm(node);
    const [after] = await cluster.shows(path, ['10.0.0.1']);
    expect(after?.task).toBe(task.metadata.uid);
    expect(await cluster.children(path)).toEqual([after!.name]);
    await until(async () => (await driftOf('web')) !== undefined, 'it is counted');
    expect(await driftOf('web')).toEqual({
      mended: 1,
      lastTime: expect.stringMatching(/^\d{4}-/) as string,
      lastPath: node,
      lastChange: change,
    });
    await until(async () => (await cluster.eventReasons()).includes('MembersChanged'), 'an Event');

    // The count goes on under the next leader, which sees what is done while it leads.
    await cluster.lead();
    await cluster.ready('web', 1);
    await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
    await harm(`${path}/${after!.name}`);
    await until(async () => (await driftOf('web'))?.mended === 2, 'it is counted, too');
    await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
  });

  it('copies is counted; what becomes of members by our own hand is not', async () => {
    await cluster.lead();
    await cluster.publish('web', { drainSeconds: 0.2 });
    const tasks = await Promise.all(
      Array.from({ length: 12 }, (_, instance) => cluster.ready('web', instance)),
    );
    await until(async () => (await cluster.members(path)).length === 12, 'all are members');
    for (const task of tasks.slice(0, 3)) await cluster.stopTask(task);
    for (const task of tasks.slice(3, 6)) await cluster.become(task, 'Failed');
    await Promise.all(
      tasks.slice(6).map((task, index) => cluster.become(task, 'Running', `10.0.8.${index}`)),
    );
    const hosts = [0, 1, 2, 3, 4, 5].map((index) => `10.0.8.${index}`);
    const [first] = await cluster.shows(path, hosts);
    const quiet = await cluster.says('web', 'Ready', 'True');
    expect(quiet.status?.drift).toBeUndefined();
    const copy = await cluster.foreign(path, 'member_', await cluster.read(path, first!.name));
    await until(async () => (await driftOf('web'))?.mended === 1, 'it is counted');
    expect(await driftOf('web')).toMatchObject({ lastPath: copy, lastChange: 'Added' });
    await cluster.shows(path, hosts);
    const { metadata } = await cluster.serverSets.get({ namespace: 'prod', name: 'web' });
    await cluster.says('web', 'Ready', 'True');
    // Equal state writes nothing: foreign nodes come and go without a word.
    await cluster.foreign(path, 'singleton_candidate_');
    await cluster.publish('other');
    await cluster.ready('other', 0);
    await cluster.says('other', 'Ready', 'True');
    const now = await cluster.serverSets.get({ namespace: 'prod', name: 'web' });
    expect(now.metadata.resourceVersion).toBe(metadata.resourceVersion);
  });

  it('deletes with its whole path is made again', async () => {
    await cluster.lead();
    await cluster.publish('web');
    await cluster.ready('web', 0);
    const [member] = await cluster.shows(path, ['10.0.0.1']);
    await cluster.operator.multi([
      { type: 'delete', path: `${path}/${member!.name}` },
      { type: 'delete', path },
    ]);
    await cluster.shows(path, ['10.0.0.1']);
  });

  it('made twice is left once', async () => {
    const first = await cluster.lead();
    await cluster.publish('web');
    await cluster.ready('web', 0);
    const [member] = await cluster.shows(path, ['10.0.0.1']);
    await first.stop();
    await cluster.foreign(path, 'member_', await cluster.read(path, member!.name));
    await cluster.lead();
    expect(await cluster.shows(path, ['10.0.0.1'])).toEqual([member]);
  });
});
