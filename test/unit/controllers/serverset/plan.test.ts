import { describe, expect, it } from 'vitest';
import type { Task } from '../../../../api/v1/task.ts';
import { network, serverSet, task, type TaskWish } from './objects.ts';
import type { Situation } from './plans.ts';
import { bodyOf, foreign, later, node, plan, stop } from './plans.ts';

const running = task();
const member = node(3, bodyOf(running));

describe('a plan', () => {
  it('creates a member for a ready task', () => {
    const made = plan({ tasks: [running], nodes: [] });
    expect(made.create.map(({ body }) => body)).toEqual([bodyOf(running)]);
  });

  it('is empty when the nodes are what they should be', () => {
    const made = plan({ tasks: [running], nodes: [member, node(4, foreign)] });
    expect(made).toMatchObject({ create: [], update: [], withdraw: [], remove: [], held: [] });
  });

  it('rewrites a member whose bytes are not those of its task', () => {
    const edited = node(3, bodyOf(running).replace('172.29.11.10', '10.9.9.9'));
    const made = plan({ tasks: [running], nodes: [edited] });
    expect(made.update).toMatchObject([{ node: edited, body: bodyOf(running) }]);
  });

  it('keeps the lowest of two members of one task', () => {
    const made = plan({ tasks: [running], nodes: [node(5, member.body), member] });
    expect(made.remove).toMatchObject([
      { node: { name: 'member_0000000005' }, cause: 'Duplicate' },
    ]);
    expect(made.create).toEqual([]);
  });

  it('writes STOPPING into the member of a task that is to stop, with the time', () => {
    const stopping = task({ spec: stop });
    const made = plan({ tasks: [stopping], nodes: [member] });
    expect(made.withdraw).toEqual([{ node: member, body: bodyOf(running, later) }]);
    expect(made).toMatchObject({ remove: [], wakeAfterMs: 5000 });
  });

  it('waits for the rest of a drain that has begun, without writing', () => {
    const draining = node(3, bodyOf(running, '2026-01-01T00:00:01Z'));
    const made = plan({ tasks: [task({ spec: stop })], nodes: [draining], stoppingForMs: 3500 });
    expect(made).toMatchObject({ withdraw: [], remove: [], wakeAfterMs: 1500 });
  });

  it('removes a member whose drain is over', () => {
    const draining = node(3, bodyOf(running, '2026-01-01T00:00:01Z'));
    const made = plan({ tasks: [task({ spec: stop })], nodes: [draining], stoppingForMs: 5000 });
    expect(made.remove).toMatchObject([{ cause: 'Stopped' }]);
  });

  it('begins a drain whose stamp somebody took away', () => {
    const draining = node(3, bodyOf(running).replace('"ALIVE"', '"STOPPING"'));
    const made = plan({ tasks: [task({ spec: stop })], nodes: [draining], stoppingForMs: 9e9 });
    expect(made.withdraw).toEqual([{ node: draining, body: bodyOf(running, later) }]);
  });

  const cases: [string, TaskWish | undefined, string, Partial<Situation>?][] = [
    ['nobody knows', undefined, 'Unknown'],
    ['is dead', { status: { phase: 'Failed' } }, 'Dead'],
    ['is dead while it drains', { spec: stop, status: { phase: 'Killed' } }, 'Dead'],
    ['is to stop and not ready', { spec: stop, ready: false }, 'Stopped'],
    ['is not ready', { ready: false }, 'NotReady'],
    ['is not selected nor ready', { job: 'api', uid: 'uid-web-0', ready: false }, 'Deselected'],
    ['is out of sight', { ready: false, status: { phase: 'Unreachable' } }, 'Unreachable'],
    ['lost its address', { status: { networks: [] } }, 'NoAddress'],
    [
      'has another address than the network that the set now wants',
      { status: { networks: [network('dev-net', ['172.29.11.99'])] } },
      'NoAddress',
      { set: serverSet({ spec: { network: 'x-net' } }) },
    ],
    ['has moved to another path', {}, 'Moved', { mode: 'leave' }],
    [
      'belongs to a set that is deleted',
      {},
      'SetDeleted',
      { set: serverSet({ deleted: true }), mode: 'leave' },
    ],
  ];
  it.each(cases)('removes at once the member of a task that %s', (_, wish, cause, more = {}) => {
    const tasks = wish === undefined ? [] : [task(wish)];
    expect(plan({ tasks, nodes: [member], ...more }).remove).toEqual([{ node: member, cause }]);
  });

  it('lets the member of a ready task that has no time to drain go last', () => {
    const set = serverSet({ spec: { drainSeconds: 0 } });
    const made = plan({ tasks: [task({ spec: stop })], nodes: [member], set });
    expect(made).toMatchObject({ remove: [], release: [{ node: member, cause: 'Stopped' }] });
  });

  it('lets the member of a task that serves elsewhere go last', () => {
    const other = task({ job: 'api', uid: 'uid-web-0', instance: 7 });
    const made = plan({ tasks: [other, task({ uid: 'uid-b' })], nodes: [member] });
    expect(made).toMatchObject({
      remove: [],
      replace: [],
      create: [{ member: { task: { metadata: { uid: 'uid-b' } } } }],
      release: [{ node: member, cause: 'Deselected' }],
    });
  });

  it('exchanges it in one step for the new member with its shard', () => {
    const [first, second] = [0, 1].map((instance) =>
      task({ job: 'api', uid: `uid-api-${instance}`, instance }),
    );
    const nodes = [node(3, bodyOf(second!)), node(4, bodyOf(first!))];
    const mine = [task(), task({ instance: 5 })];
    const made = plan({ tasks: [first!, second!, ...mine], nodes });
    expect(made.replace).toMatchObject([{ node: nodes[1], body: bodyOf(mine[0]!) }]);
    expect(made.create).toMatchObject([{ body: bodyOf(mine[1]!) }]);
    expect(made.release).toMatchObject([{ node: nodes[0] }]);
    expect(made.remove).toEqual([]);
  });

  const lost = task({ ready: false, status: { phase: 'Unreachable' } });
  const held = new Set(['uid-web-0']);

  it('holds the member of an unreachable task when the brake says so', () => {
    const made = plan({ tasks: [lost], nodes: [member], held });
    expect(made).toMatchObject({ remove: [], held: [{ node: member, task: lost }] });
  });

  const replacement = task({ uid: 'uid-b', createdAt: '2026-01-02T00:00:00Z' });
  it.each<[string, Partial<Situation> & { tasks: Task[] }, string]>([
    ['its address is taken', { tasks: [lost], reused: held }, 'AddressReused'],
    ['a replacement is ready', { tasks: [lost, replacement] }, 'Superseded'],
    ['it is to stop', { tasks: [{ ...lost, spec: { ...lost.spec, ...stop } }] }, 'Stopped'],
    ['the set is deleted', { tasks: [lost], set: serverSet({ deleted: true }) }, 'SetDeleted'],
  ])('does not hold the member of an unreachable task if %s', (_, situation, cause) => {
    const made = plan({ nodes: [member], held, ...situation });
    expect(made.remove).toEqual([{ node: member, cause }]);
  });
});

describe('of two ready runs of one instance', () => {
  it('the newer one is the member', () => {
    const newer = task({ uid: 'uid-b', createdAt: '2026-01-02T00:00:00Z' });
    for (const tasks of [
      [running, newer],
      [newer, running],
    ]) {
      const made = plan({ tasks, nodes: [member] });
      expect(made.remove).toMatchObject([{ node: member, cause: 'Superseded' }]);
      expect(made.create.map((each) => each.member.task)).toEqual([newer]);
    }
  });
});
