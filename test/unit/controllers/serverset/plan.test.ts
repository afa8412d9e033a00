import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ServerSet } from '../../../../api/v1/serverset.ts';
import type { Task, TaskPhase } from '../../../../api/v1/task.ts';
import { isReady } from '../../../../api/v1/task.ts';
import { memberBody, recognise } from '../../../../controllers/serverset/body.ts';
import {
  desiredMembers,
  isPublishable,
  isSelected,
} from '../../../../controllers/serverset/desired.ts';
import { endpointsOf } from '../../../../controllers/serverset/member.ts';
import type { ObservedNode, Plan, PlanContext } from '../../../../controllers/serverset/plan.ts';
import { planMembers } from '../../../../controllers/serverset/plan.ts';
import { clusterName, serverSet, task, type TaskWish } from './objects.ts';

const later = '2026-01-01T00:00:09.000000Z';

interface Situation {
  set?: ServerSet;
  tasks: readonly Task[];
  nodes: readonly ObservedNode[];
  held?: ReadonlySet<string>;
  reused?: ReadonlySet<string>;
  /** Names of nodes. */
  purged?: ReadonlySet<string>;
  stoppingForMs?: number;
  mode?: PlanContext['mode'];
}

function plan(situation: Situation): Plan {
  const { set = serverSet(), tasks, nodes, mode = 'publish' } = situation;
  return planMembers(nodes, {
    clusterName,
    mode,
    deleting: set.metadata.deletionTimestamp !== undefined,
    drainMs: (set.spec.drainSeconds ?? 5) * 1000,
    sharded: true,
    desired: desiredMembers(set, tasks),
    taskOf: (uid) => tasks.find(({ metadata }) => metadata.uid === uid),
    isSelected: (each) => isSelected(set, each),
    endpointsOf: (each) => {
      const endpoints = endpointsOf(each, set.spec);
      return 'reason' in endpoints ? undefined : endpoints;
    },
    isAddressReused: ({ metadata }) => situation.reused?.has(metadata.uid) ?? false,
    isHeld: ({ metadata }) => situation.held?.has(metadata.uid) ?? false,
    isPurged: ({ name }) => situation.purged?.has(name) ?? false,
    stoppingForMs: ({ ours }) =>
      ours?.stoppingSince === later ? 0 : (situation.stoppingForMs ?? 0),
    now: later,
  });
}

function bodyOf(of: Task, stoppingSince?: string): string {
  const endpoints = endpointsOf(of, serverSet().spec);
  if ('reason' in endpoints) throw new Error(endpoints.reason);
  const { uid } = of.metadata;
  return memberBody({
    clusterName,
    taskUid: uid,
    endpoints,
    shard: of.spec.instance,
    stoppingSince,
  });
}

function node(number: number, body: string): ObservedNode {
  const name = `member_${String(number).padStart(10, '0')}`;
  return { name, version: 0, body, ours: recognise(body, clusterName) };
}

const foreign =
  '{"status":"ALIVE","additionalEndpoints":{},"serviceEndpoint":{"host":"h","port":1}}';
const stop = { stop: { reason: 'ScaleDown' as const } };

/** What the nodes are once a plan is carried out. */
function applied(nodes: readonly ObservedNode[], made: Plan): ObservedNode[] {
  const gone = new Set(
    [...made.remove, ...made.release, ...made.replace].map((each) => each.node.name),
  );
  const rewritten = new Map(
    [...made.update, ...made.withdraw].map((each) => [each.node.name, each.body]),
  );
  const numbers = nodes.map(({ name }) => Number(name.slice(7)));
  const from = Math.max(0, ...numbers) + 1;
  return [
    ...nodes
      .filter(({ name }) => !gone.has(name))
      .map((each) => {
        const body = rewritten.get(each.name);
        return body === undefined
          ? each
          : { ...each, body, version: each.version + 1, ours: recognise(body, clusterName) };
      }),
    ...[...made.replace, ...made.create].map(({ body }, index) => node(from + index, body)),
  ];
}

function touched(made: Plan): ObservedNode[] {
  return [...made.update, ...made.replace, ...made.withdraw, ...made.remove, ...made.release].map(
    (each) => each.node,
  );
}

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

const phases: TaskPhase[] = ['Pending', 'Starting', 'Running', 'Unreachable', 'Failed', 'Killed'];

const anyTask = (uid: number): fc.Arbitrary<Task> =>
  fc
    .record({
      instance: fc.nat({ max: 3 }),
      phase: fc.constantFrom(...phases),
      ready: fc.boolean(),
      stops: fc.boolean(),
      deleted: fc.boolean(),
      job: fc.constantFrom('web', 'web', 'web', 'api'),
      hasAddress: fc.boolean(),
      day: fc.integer({ min: 10, max: 20 }),
    })
    .map(({ instance, phase, ready, stops, deleted, job, hasAddress, day }) =>
      task({
        uid: `uid-${uid}`,
        instance,
        job,
        deleted,
        ready: ready && phase === 'Running',
        createdAt: `2026-01-${day}T00:00:00Z`,
        ...(stops ? { spec: stop } : {}),
        status: { phase, ...(hasAddress ? {} : { networks: [] }) },
      }),
    );

const anyBody = (uid: number): fc.Arbitrary<string> => {
  const of = task({ uid: `uid-${uid}` });
  return fc.constantFrom(
    foreign,
    '',
    'not JSON',
    bodyOf(of),
    bodyOf(of).replace('172.29', '10.1'),
    bodyOf(of).replace('"east"', '"west"'),
    bodyOf(of, '2026-01-01T00:00:00Z'),
  );
};

const anySituation: fc.Arbitrary<Situation> = fc
  .record({
    tasks: fc.tuple(...[0, 1, 2, 3, 4].map(anyTask)),
    nodes: fc
      .array(fc.nat({ max: 7 }).chain(anyBody), { maxLength: 10 })
      .map((bodies) => bodies.map((body, index) => node(index, body))),
    held: fc
      .uniqueArray(fc.nat({ max: 4 }))
      .map((list) => new Set(list.map((uid) => `uid-${uid}`))),
    purged: fc
      .uniqueArray(fc.nat({ max: 9 }))
      .map((numbers) => new Set(numbers.map((number) => node(number, '').name))),
    stoppingForMs: fc.constantFrom(0, 4000, 6000),
    mode: fc.constantFrom('publish', 'leave'),
  })
  .map((situation) => {
    const names = new Set(situation.nodes.map(({ name }) => name));
    return {
      ...situation,
      purged: new Set([...situation.purged].filter((name) => names.has(name))),
    };
  });

describe('every plan', () => {
  it('leaves foreign nodes alone', () => {
    fc.assert(
      fc.property(anySituation, (situation) => {
        for (const { ours } of touched(plan(situation))) expect(ours).toBeDefined();
      }),
    );
  });

  it('leads, once carried out, to exactly the desired members, drains and holds aside', () => {
    fc.assert(
      fc.property(anySituation, (situation) => {
        const made = plan(situation);
        const result = applied(situation.nodes, made);
        const desired =
          situation.mode === 'leave'
            ? []
            : [...desiredMembers(serverSet(), situation.tasks).members.keys()];
        const excused = new Set([...made.held, ...made.draining].map((each) => each.node.name));
        const found = result.filter(({ ours, name }) => ours !== undefined && !excused.has(name));
        expect(found.map(({ ours }) => ours?.taskUid).sort()).toEqual(desired.sort());
        for (const each of found) {
          const of = situation.tasks.find(({ metadata }) => metadata.uid === each.ours?.taskUid);
          expect(each.body).toBe(of && bodyOf(of));
        }
      }),
    );
  });

  it('has nothing to do once it is carried out', () => {
    fc.assert(
      fc.property(anySituation, (situation) => {
        const nodes = applied(situation.nodes, plan(situation));
        const again = plan({ ...situation, nodes });
        expect([...again.create, ...touched(again)]).toEqual([]);
      }),
    );
  });

  it('leaves ALIVE only members of tasks that are ready and not to stop, or held', () => {
    fc.assert(
      fc.property(anySituation, (situation) => {
        const made = plan(situation);
        const held = new Set(made.held.map((each) => each.node.name));
        for (const { ours, name, body } of applied(situation.nodes, made)) {
          if (ours === undefined || held.has(name) || ours.isStopping) continue;
          const of = situation.tasks.find(({ metadata }) => metadata.uid === ours.taskUid);
          expect(of !== undefined && isReady(of) && isPublishable(of), body).toBe(true);
          expect(of?.status?.networks).not.toEqual([]);
        }
      }),
    );
  });

  it('leaves at most one member for an instance', () => {
    fc.assert(
      fc.property(anySituation, (situation) => {
        const slots = applied(situation.nodes, plan(situation))
          .map(({ ours }) => situation.tasks.find((each) => each.metadata.uid === ours?.taskUid))
          .filter((each) => each !== undefined)
          .filter(isPublishable)
          .map(({ spec }) => `${spec.job}/${spec.instance}`);
        expect(new Set(slots).size).toBe(slots.length);
      }),
    );
  });

  it("leaves none of our nodes that are purged, and replaces each ready task's in one step", () => {
    fc.assert(
      fc.property(anySituation, (situation) => {
        const made = plan(situation);
        for (const { name, ours } of applied(situation.nodes, made)) {
          if (ours !== undefined) expect(situation.purged?.has(name)).toBe(false);
        }
        for (const {
          node: gone,
          member: { task: of },
        } of made.replace) {
          if (gone.ours?.taskUid === of.metadata.uid) {
            expect(situation.purged?.has(gone.name)).toBe(true);
          } else {
            const former = situation.tasks.find(
              ({ metadata }) => metadata.uid === gone.ours?.taskUid,
            );
            expect(former?.spec).toMatchObject({ job: 'api', instance: of.spec.instance });
          }
        }
        const replaced = made.replace.map(({ node: gone }) => gone.name);
        expect(made.remove.filter(({ node: gone }) => replaced.includes(gone.name))).toEqual([]);
      }),
    );
  });

  it('holds only members of unreachable tasks', () => {
    fc.assert(
      fc.property(anySituation, (situation) => {
        for (const { task: of } of plan(situation).held) {
          expect(of.status?.phase).toBe('Unreachable');
          expect(of.spec.stop).toBeUndefined();
        }
      }),
    );
  });
});
