import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import { until } from '../zookeeper/event-log.ts';
import { Cluster } from './cluster.ts';

const path = '/aurora/prod/web';

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(async () => {
  await cluster.stop();
});

describe('a set whose path changes', () => {
  it('publishes on the new path before it withdraws from the old one', async () => {
    await cluster.lead();
    const { metadata } = await cluster.publish('web');
    await cluster.ready('web', 0);
    await cluster.ready('web', 1);
    await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
    await cluster.serverSets.patch(
      metadata,
      { spec: { zkPath: '/aurora/prod/new' } },
      { type: 'merge' },
    );
    const counts: number[] = [];
    await until(async () => {
      // The old path is read first, so a member between the two would be missed on neither.
      const old = await cluster.members(path);
      const now = await cluster.members('/aurora/prod/new');
      counts.push(new Set([...old, ...now].map(({ host }) => host)).size);
      return old.length === 0 && now.length === 2;
    }, 'the set has moved');
    expect(Math.min(...counts)).toBe(2);
    await until(async () => (await cluster.operator.exists(path)) === undefined, 'it is empty');
    await until(async () => {
      const { status } = await cluster.serverSets.get(metadata);
      return status?.publishedPaths?.join() === '/aurora/prod/new';
    }, 'the old path is forgotten');
  });

  it('finds the old path again after a leader that got no further', async () => {
    const first = await cluster.lead();
    const { metadata } = await cluster.publish('web');
    await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await first.stop();
    await cluster.serverSets.patch(
      metadata,
      { spec: { zkPath: '/aurora/prod/new' } },
      { type: 'merge' },
    );
    await cluster.lead();
    await cluster.shows('/aurora/prod/new', ['10.0.0.1']);
    await cluster.shows(path, []);
  });

  it('lets a task that stops meanwhile drain where it is', async () => {
    await cluster.lead();
    const { metadata } = await cluster.publish('web', { drainSeconds: 2 });
    const task = await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await cluster.stopTask(task);
    await cluster.serverSets.patch(
      metadata,
      { spec: { zkPath: '/aurora/prod/new' } },
      { type: 'merge' },
    );
    await until(async () => (await cluster.members(path))[0]?.status === 'STOPPING', 'STOPPING');
    await until(
      async () => (await cluster.tasks.get(task.metadata)).metadata.finalizers?.length !== 1,
      'the task is free',
    );
    expect(await cluster.members(path)).toEqual([]);
  });
});

describe('two sets that want one path', () => {
  it('share nothing: the younger one writes nothing and says whose it is', async () => {
    await cluster.lead();
    const first = await cluster.publish('web');
    await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    const second = await cluster.publish('api', { zkPath: path });
    await cluster.ready('api', 0, '10.0.9.9');
    const { status } = await cluster.says('api', 'Stalled', 'True', 'PathConflict');
    expect(status?.conditions?.find(({ type }) => type === 'Stalled')?.message).toContain(
      'prod/web',
    );
    expect(status?.members).toBe(0);
    await cluster.shows(path, ['10.0.0.1']);
    expect((await cluster.serverSets.get(second.metadata)).metadata.finalizers).toBeUndefined();
    await until(
      async () => (await cluster.eventReasons()).includes('PathConflict'),
      'an Event tells it',
    );

    await cluster.serverSets.delete(first.metadata);
    await cluster.shows(path, ['10.0.9.9']);
    await cluster.says('api', 'Stalled', 'False');
  });

  it('leave it to the one that is there, though the other is older', async () => {
    await cluster.lead();
    const older = await cluster.publish('api');
    await cluster.ready('api', 0, '10.0.9.9');
    await cluster.shows('/aurora/prod/api', ['10.0.9.9']);
    await until(() => Date.now() - Date.parse(older.metadata.creationTimestamp) > 2000, 'age');
    await cluster.publish('web');
    await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await cluster.serverSets.patch(older.metadata, { spec: { zkPath: path } }, { type: 'merge' });
    await cluster.says('api', 'Stalled', 'True', 'PathConflict');
    await cluster.shows(path, ['10.0.0.1']);
    await cluster.shows('/aurora/prod/api', ['10.0.9.9']);
  });
});

describe('a set that is deleted', () => {
  it('goes once its nodes are gone, and takes its empty path with it', async () => {
    await cluster.lead();
    const { metadata } = await cluster.publish('web');
    const task = await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await cluster.serverSets.delete(metadata);
    await until(async () => (await cluster.serverSets.find(metadata)) === undefined, 'gone');
    expect(await cluster.operator.exists(path)).toBeUndefined();
    // The task knows that nothing is left to wait for.
    await cluster.stopTask(task);
    await until(
      async () => (await cluster.tasks.get(task.metadata)).metadata.finalizers === undefined,
      'the task is free',
    );
  });

  it('leaves the path to others that use it', async () => {
    await cluster.lead();
    const { metadata } = await cluster.publish('web');
    await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    const other = await cluster.foreign(path, 'singleton_candidate_');
    await cluster.serverSets.delete(metadata);
    await until(async () => (await cluster.serverSets.find(metadata)) === undefined, 'gone');
    expect(await cluster.children(path)).toEqual([other.slice(path.length + 1)]);
  });

  it('while the loop reads its path is no failure', async () => {
    const proxy = await startTcpProxy(cluster.server);
    onTestFinished(() => proxy.stop());
    const leader = await cluster.lead({ connectString: `${proxy.host}:${proxy.port}` });
    await cluster.publish('api');
    await cluster.ready('api', 0);
    await cluster.shows('/aurora/prod/api', ['10.0.0.1']);
    await cluster.ready('web', 0);
    proxy.delay(300);
    // As the garbage collector does: it has no finalizer yet, so it is gone at once.
    const { metadata } = await cluster.publish('web');
    await cluster.serverSets.delete(metadata);
    const isTold = (line: string): boolean => line.includes('something is gone');
    await until(() => leader.log.some(isTold), 'the loop has noticed');
    proxy.delay(0);
    await cluster.ready('api', 1);
    await cluster.shows('/aurora/prod/api', ['10.0.0.1', '10.0.0.2']);
    expect(leader.log.filter((line) => line.includes('reconciliation failed'))).toEqual([]);
    expect(await cluster.children(path)).toEqual([]);
  });

  it('takes its members along though nobody led when it was deleted', async () => {
    const leader = await cluster.lead();
    const { metadata } = await cluster.publish('web');
    await cluster.ready('web', 0);
    await cluster.shows(path, ['10.0.0.1']);
    await leader.stop();
    await cluster.serverSets.delete(metadata);
    await cluster.lead();
    await cluster.shows(path, []);
    await until(async () => (await cluster.serverSets.find(metadata)) === undefined, 'gone');
  });
});

describe('a path that cannot be written', () => {
  it('because a parent is ephemeral says so, and is used once it can be', async () => {
    await cluster.lead();
    await cluster.publish('api');
    await cluster.ready('api', 0);
    await cluster.shows('/aurora/prod/api', ['10.0.0.1']);
    await cluster.operator.create(path, Buffer.alloc(0), { ephemeral: true });
    await cluster.publish('web');
    await cluster.ready('web', 0);
    await cluster.says('web', 'Stalled', 'True', 'EphemeralParent');
    await cluster.operator.delete(path);
    await cluster.shows(path, ['10.0.0.1']);
    await cluster.says('web', 'Stalled', 'False');
  });

  it('because of its ACL says so', async () => {
    await cluster.lead();
    await cluster.publish('api');
    await cluster.ready('api', 0);
    await cluster.shows('/aurora/prod/api', ['10.0.0.1']);
    const readOnly = [{ permissions: 1, scheme: 'world', id: 'anyone' }];
    await cluster.operator.create(path, Buffer.alloc(0), { acl: readOnly });
    await cluster.publish('web');
    await cluster.ready('web', 0);
    const { status } = await cluster.says('web', 'Stalled', 'True', 'AccessDenied');
    expect(status?.conditions?.find(({ type }) => type === 'Stalled')?.message).toContain(
      'NO_AUTH',
    );
    expect(await cluster.children(path)).toEqual([]);
  });
});
