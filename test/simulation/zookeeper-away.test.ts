import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findCondition } from '../../api/machinery/conditions.ts';
import { jobResource } from '../../api/v1/job.ts';
import { serverSetResource, type ServerSet } from '../../api/v1/serverset.ts';
import { draftOf, pathOf, type Wish } from './jobs.ts';
import { namespace } from './user.ts';
import {
  isDead,
  isUnwanted,
  memberFacts,
  mesosIdsOf,
  phaseOf,
  prefixes,
  taskFacts,
} from './views.ts';
import type { TaskFacts } from './views.ts';
import { World } from './world.ts';

const hour = 3_600_000;
const wish: Wish = {
  name: 'web',
  replicas: 4,
  version: 1,
  networks: [{ name: 'dev-net' }, { name: 'data-net' }],
  onMissingAddress: 'Wait',
  addressDeadlineSeconds: 60,
  group: false,
  path: 0,
  drainSeconds: 2,
  maxUnavailable: 1,
  minReadySeconds: 0,
  replaceAfterSeconds: 300,
  readinessProbe: true,
};
const path = pathOf(wish) ?? '';

let world: World;

beforeEach(async () => {
  world = new World({ seed: 3, agents: 3, keepTrace: 0 });
  await world.start();
  const created = world.user.of(jobResource).create(draftOf(wish));
  await world.clock.advance(20_000);
  await created;
  expect(members()).toEqual(
    tasks()
      .map(({ metadata }) => metadata.uid)
      .sort(),
  );
  expect(members()).toHaveLength(4);
});
afterEach(() => world.stop());

function tasks(): TaskFacts[] {
  return [...world.store.list(prefixes.tasks)]
    .map(([, object]) => taskFacts(object))
    .filter((task) => !isDead(task));
}

/** Tasks of ours that ALIVE members stand for. */
function members(): string[] {
  const { tree } = world.ensemble;
  const names = [...(tree.get(path)?.children ?? [])];
  return names
    .flatMap((name) => {
      const node = tree.get(`${path}/${name}`);
      const member = node === undefined ? undefined : memberFacts(node.data);
      return member?.status === 'ALIVE' ? [member.task] : [];
    })
    .sort();
}

async function request<T>(work: Promise<T>): Promise<T> {
  await world.clock.advance(1_000);
  return work;
}

function serverSet(): Promise<ServerSet> {
  return request(world.user.of(serverSetResource).get({ namespace, name: wish.name }));
}

describe('ZooKeeper away for an hour', () => {
  it('removes nobody; stops wait, the rest goes on, a leader may change, and all is right afterwards', async () => {
    const before = members();
    const { zxid } = world.ensemble.tree;
    const sessions = world.alive().map(({ zookeeper }) => zookeeper.sessionId);
    for (const { zookeeper } of world.alive()) zookeeper.session.keepAway();

    await request(
      world.user
        .of(jobResource)
        .patch({ namespace, name: wish.name }, { spec: { replicas: 3 } }, { type: 'merge' }),
    );
    const died = tasks().find(({ spec }) => spec.instance === 1);
    if (died === undefined) throw new Error('there is no instance 1');
    expect(world.mesos.agents.finishTask(mesosIdsOf(died)[0] ?? '', 1 << 8)).toBe(true);
    await world.clock.advance(hour / 2);
    const leader = world.leader();
    if (leader === undefined) throw new Error('nobody leads');
    world.killCosmd(leader, 2 * hour);
    await world.clock.advance(hour / 2);

    expect(sessions.filter((id) => world.ensemble.hasSession(id))).toEqual([]);
    expect(world.ensemble.tree.zxid).toBe(zxid);
    expect(members()).toEqual(before);
    // The surplus task serves on; the dead one has a successor, which nobody can publish.
    const stopping = tasks().filter(isUnwanted);
    expect(stopping.map(({ spec }) => spec.instance)).toEqual([3]);
    expect(world.runningTasks()).toContain(mesosIdsOf(stopping[0]!)[0]);
    const running = tasks().filter((task) => phaseOf(task) === 'Running');
    expect(running.map(({ spec }) => spec.instance).sort()).toEqual([0, 1, 2, 3]);
    expect(running.map(({ metadata }) => metadata.uid)).not.toContain(died.metadata.uid);
    const { status } = await serverSet();
    expect(findCondition(status?.conditions, 'Stalled')).toMatchObject({
      status: 'True',
      reason: 'WithdrawBlocked',
    });
    expect(status?.members).toBe(4);

    for (const { zookeeper } of world.alive()) zookeeper.session.admit();
    await world.clock.advance(60_000);
    const after = tasks();
    expect(after.map(({ spec }) => spec.instance).sort()).toEqual([0, 1, 2]);
    expect(members()).toEqual(after.map(({ metadata }) => metadata.uid).sort());
    // Those that had nothing to do with it kept their very nodes.
    expect(members().filter((uid) => before.includes(uid))).toHaveLength(2);
    const set = await serverSet();
    expect(findCondition(set.status?.conditions, 'Stalled')?.status).toBe('False');
    expect(set.status).toMatchObject({ members: 3, readyTasks: 3 });
    expect(set.status?.drift).toBeUndefined();
    expect(world.book.violations).toEqual([]);
  });
});
