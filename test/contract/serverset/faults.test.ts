import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { frameworkResource } from '../../../api/v1/framework.ts';
import type { Task } from '../../../api/v1/task.ts';
import { parentOf } from '../../../proto/zookeeper/paths.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import { until } from '../zookeeper/event-log.ts';
import { Cluster, epochPath, finalizersOf } from './cluster.ts';

const path = '/aurora/prod/web';

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(async () => {
  await cluster.stop();
});

async function isFree(task: Task): Promise<boolean> {
  return finalizersOf(await cluster.tasks.find(task.metadata)).length === 0;
}

async function proxied(): Promise<TcpProxy & { connectString: string }> {
  const proxy = await startTcpProxy(cluster.server);
  onTestFinished(() => proxy.stop());
  return Object.assign(proxy, { connectString: `${proxy.host}:${proxy.port}` });
}

async function epochNode(): Promise<Record<string, unknown>> {
  const text = await cluster.read(parentOf(epochPath), 'epoch');
  return JSON.parse(text ?? '{}') as Record<string, unknown>;
}

describe('a create whose answer is lost', () => {
  it('is found again and adopted: there is one member, not two', async () => {
    const proxy = await proxied();
    await cluster.lead({ connectString: proxy.connectString });
    await cluster.publish('web');
    await cluster.ready('web', 0);
    const [first] = await cluster.shows(path, ['10.0.0.1']);
    // The children are listed before the nodes are read: after this read the next request is the create.
    await until(
      async () => (await cluster.server.command('wchp')).includes(`${path}/${first!.name}`),
      'the view is complete',
    );

    // Requests still arrive; no answer does, until the link is cut and opened again.
    proxy.blackHole('toClient');
    const task = await cluster.ready('web', 1);
    await until(async () => (await cluster.members(path)).length === 2, 'it was created');
    const created = (await cluster.members(path)).find(
      ({ task: uid }) => uid === task.metadata.uid,
    );
    proxy.cut();
    proxy.resume();
    await until(async () => {
      const { status } = await cluster.serverSets.get({ namespace: 'prod', name: 'web' });
      return status?.members === 2;
    }, 'the status knows it');
    const after = await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
    expect(after).toContainEqual(created);
    // The counter of the parent tells that no third one ever was.
    const { stat } = await cluster.operator.getChildren(path);
    expect(stat.cversion).toBe(2);
  });
});

describe('ZooKeeper restarted', () => {
  it('loses nothing and misses nothing', async () => {
    await cluster.lead();
    await cluster.publish('web');
    const [task] = [await cluster.ready('web', 0), await cluster.ready('web', 1)];
    const before = await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
    await cluster.server.kill();
    await cluster.become(task, 'Failed');
    await cluster.ready('web', 2);
    await cluster.server.restart();
    await cluster.operator.whenConnected();
    const after = await cluster.shows(path, ['10.0.0.2', '10.0.0.3']);
    expect(after[0]).toEqual(before[1]);
    await until(() => isFree(task), 'the dead one is free');
  });

  it('without its data gets all members again', async () => {
    await cluster.lead();
    await cluster.publish('web');
    await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await cluster.server.restart({ wipe: true });
    await until(() => cluster.operator.phase === 'connected', 'back');
    await cluster.shows(path, ['10.0.0.1']);
  });
});

describe('ZooKeeper away', () => {
  it('blocks the stop of a task, says so, and goes on when it is back', async () => {
    const proxy = await proxied();
    await cluster.lead({ connectString: proxy.connectString });
    await cluster.publish('web', { drainSeconds: 0.2 });
    const task = await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    proxy.refuse();
    await cluster.stopTask(task);
    const { status } = await cluster.says('web', 'Stalled', 'True', 'WithdrawBlocked');
    expect(status?.conditions?.find(({ type }) => type === 'Stalled')?.message).toContain(
      task.metadata.name,
    );
    expect(status?.members).toBe(1);
    await until(async () => (await cluster.eventReasons()).includes('WithdrawBlocked'), 'an Event');
    expect(await isFree(task)).toBe(false);
    expect(await cluster.members(path)).toMatchObject([{ status: 'ALIVE' }]);

    proxy.resume();
    await until(() => isFree(task), 'the task is free');
    expect(await cluster.members(path)).toEqual([]);
    await cluster.says('web', 'Stalled', 'False');
  });

  it('does not hold back a task that is deleted by force; its member goes later', async () => {
    const proxy = await proxied();
    await cluster.lead({ connectString: proxy.connectString });
    await cluster.publish('web');
    const task = await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    proxy.refuse();
    await cluster.stopTask(task);
    const annotations = { 'mesocosm.dev/force-delete': 'true' };
    await cluster.tasks.patch(task.metadata, { metadata: { annotations } }, { type: 'merge' });
    await until(() => isFree(task), 'the task is free');
    await cluster.tasks.delete(task.metadata);
    expect(await cluster.members(path)).toHaveLength(1);
    proxy.resume();
    await cluster.shows(path, []);
  });

  it('for longer than the session removes nobody', async () => {
    const proxy = await proxied();
    await cluster.lead({ connectString: proxy.connectString });
    await cluster.publish('web');
    await cluster.ready('web', 0);
    const before = await cluster.shows(path, ['10.0.0.1']);
    const sessions = async (): Promise<number> =>
      (await cluster.server.command('dump')).split('\n').filter((line) => /^\s*0x/.test(line))
        .length;
    proxy.refuse();
    await until(async () => (await sessions()) < 2, 'the session is over');
    await cluster.says('web', 'Ready', 'Unknown', 'ZooKeeperAway');
    proxy.resume();
    await cluster.says('web', 'Ready', 'True');
    expect(await cluster.members(path)).toEqual(before);
  });
});

describe('a session that expires with all members', () => {
  it('takes none of them along: another session of ours goes on with the same nodes', async () => {
    const proxy = await proxied();
    await cluster.lead({ connectString: proxy.connectString });
    const sets = ['web', 'api'];
    for (const name of sets) await cluster.publish(name, { drainSeconds: 0 });
    const tasks: Task[] = [];
    for (const [index, name] of sets.entries()) {
      for (let instance = 0; instance < 15; instance += 1) {
        tasks.push(await cluster.ready(name, instance, `10.0.${index}.${instance + 1}`));
      }
    }
    const all = async () =>
      (await Promise.all(sets.map((name) => cluster.members(`/aurora/prod/${name}`)))).flat();
    await until(async () => (await all()).length === 30, 'all are members');
    const before = await all();
    const sessions = async (): Promise<string[]> =>
      (await cluster.server.command('dump')).match(/0x[0-9a-f]{8,}/g) ?? [];
    const own = `0x${cluster.operator.sessionId.toString(16)}`;
    const [ours] = (await sessions()).filter((id) => id !== own);
    proxy.refuse();
    await until(async () => !(await sessions()).includes(ours!), 'our session has expired');
    expect(await all()).toEqual(before);
    const { stat } = await cluster.operator.getChildren(path);
    proxy.resume();
    await cluster.stopTask(tasks[0]!);
    await until(async () => (await all()).length === 29, 'it is withdrawn');
    expect(await all()).toEqual(before.filter(({ task }) => task !== tasks[0]!.metadata.uid));
    expect((await cluster.operator.getChildren(path)).stat.cversion).toBe(stat.cversion + 1);
  });
});

describe('of two leaders', () => {
  it('the one with the older epoch writes nothing to ZooKeeper', async () => {
    const deposed = await cluster.lead();
    await cluster.publish('web');
    await cluster.ready('web', 0);
    const [member] = await cluster.shows(path, ['10.0.0.1']);
    expect(await epochNode()).toMatchObject({ epoch: deposed.epoch });

    // It is frozen as it were: it believes that it leads, and sees all that the next one sees.
    const next = await cluster.lead();
    await until(async () => (await epochNode())['epoch'] === next.epoch, 'the next one leads');
    await next.stop();
    await cluster.operator.delete(`${path}/${member!.name}`);
    await until(() => deposed.log.some((line) => line.includes('DeposedError')), 'it is refused');
    expect(await cluster.members(path)).toEqual([]);
    expect(await epochNode()).toMatchObject({ epoch: next.epoch });

    await cluster.lead();
    await cluster.shows(path, ['10.0.0.1']);
  });

  it('none takes an epoch back: after a restored store the sets say what to do', async () => {
    const ahead = JSON.stringify({ epoch: 1e9, holder: 'before-the-restore' });
    await cluster.foreign('/aurora/.mesocosm/east', 'x');
    await cluster.operator.create(epochPath, Buffer.from(ahead));
    await cluster.lead();
    await cluster.publish('web');
    await cluster.ready('web', 0);
    const { status } = await cluster.says('web', 'Stalled', 'True', 'EpochAhead');
    expect(status?.conditions?.find(({ type }) => type === 'Stalled')?.message).toContain(
      'before-the-restore',
    );
    expect(await cluster.members(path)).toEqual([]);
    expect(JSON.stringify(await epochNode())).toBe(ahead);
  });

  it('the one with the older epoch goes on once an operator names the epoch that is over', async () => {
    const ahead = JSON.stringify({ epoch: 1e9, holder: 'before-the-restore' });
    await cluster.foreign('/aurora/.mesocosm/east', 'x');
    await cluster.operator.create(epochPath, Buffer.from(ahead));
    const frameworks = cluster.client.of(frameworkResource);
    const metadata = { name: 'east' };
    const apiVersion = 'mesocosm.dev/v1' as const;
    await frameworks.create({ apiVersion, kind: 'Framework', metadata, spec: {} });
    const decide = (epoch: string): Promise<unknown> =>
      frameworks.patch(
        metadata,
        { metadata: { annotations: { 'mesocosm.dev/take-epoch': epoch } } },
        { type: 'merge' },
      );
    await decide('999999999');
    const leader = await cluster.lead();
    await cluster.publish('web');
    await cluster.ready('web', 0);
    await cluster.says('web', 'Stalled', 'True', 'EpochAhead');
    expect(JSON.stringify(await epochNode())).toBe(ahead);

    await decide('1000000000');
    await cluster.ready('web', 1);
    await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
    expect(await epochNode()).toMatchObject({ epoch: leader.epoch });
    // It is used up: it would not count a second time.
    expect((await frameworks.get(metadata)).metadata.annotations ?? {}).toEqual({});
  });

  it('the next one keeps the framework id that the last one mirrored', async () => {
    const first = await cluster.lead();
    first.setFrameworkId('framework-7');
    await until(async () => (await epochNode())['frameworkId'] === 'framework-7', 'mirrored');
    await first.stop();
    const next = await cluster.lead();
    await until(async () => (await epochNode())['epoch'] === next.epoch, 'the next one leads');
    expect(await epochNode()).toEqual({
      epoch: next.epoch,
      holder: `leader-${next.epoch}`,
      frameworkId: 'framework-7',
    });
  });

  it('a leader whose epoch node is changed by hand claims it again', async () => {
    const leader = await cluster.lead();
    await cluster.publish('web');
    await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await cluster.operator.setData(epochPath, Buffer.from('oops'));
    await cluster.ready('web', 1);
    await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
    expect(await epochNode()).toMatchObject({ epoch: leader.epoch });
  });
});

describe('a task that is ready and then not, faster than ZooKeeper', () => {
  it('is never left ALIVE', async () => {
    const proxy = await proxied();
    await cluster.lead({ connectString: proxy.connectString });
    await cluster.publish('web');
    await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    proxy.delay(100);
    const task = await cluster.ready('web', 1);
    for (let round = 0; round < 5; round += 1) {
      await cluster.become(task, 'Running', '10.0.0.2', false);
      await cluster.become(task, 'Running', '10.0.0.2', true);
    }
    await cluster.become(task, 'Running', '10.0.0.2', false);
    proxy.delay(0);
    await cluster.says('web', 'Ready', 'True');
    await until(async () => {
      const { status } = await cluster.serverSets.get({ namespace: 'prod', name: 'web' });
      return status?.readyTasks === 1 && status.members === 1;
    }, 'quiet');
    await cluster.shows(path, ['10.0.0.1']);
  });
});
