import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ServerSetSpec } from '../../../../api/v1/serverset.ts';
import type { Task, TaskPhase } from '../../../../api/v1/task.ts';
import { isReady } from '../../../../api/v1/task.ts';
import {
  desiredMembers,
  isPublishable,
  isSelected,
  slotOf,
} from '../../../../controllers/serverset/desired.ts';
import { serverSet, task } from './objects.ts';
import type { Situation } from './plans.ts';
import { applied, bodyOf, foreign, node, plan, stop, touched } from './plans.ts';

const phases: TaskPhase[] = ['Pending', 'Starting', 'Running', 'Unreachable', 'Failed', 'Killed'];

const seldomNot = (value: boolean): fc.Arbitrary<boolean> =>
  fc.constantFrom(value, value, value, !value);

const anyTask = (uid: number): fc.Arbitrary<Task> =>
  fc
    .record({
      instance: fc.nat({ max: 3 }),
      phase: fc.oneof(fc.constant<TaskPhase>('Running'), fc.constantFrom(...phases)),
      ready: seldomNot(true),
      stops: seldomNot(false),
      deleted: seldomNot(false),
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
    set: fc
      .constantFrom({}, {}, { network: 'x-net' }, { primaryPort: 'grpc' })
      .map((spec: Partial<ServerSetSpec>) => serverSet({ spec })),
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

  it('leads, once carried out, to exactly the desired members, drains, holds and former ones aside', () => {
    fc.assert(
      fc.property(anySituation, ({ set = serverSet(), ...situation }) => {
        const made = plan({ set, ...situation });
        const result = applied(situation.nodes, made);
        const desired =
          situation.mode === 'leave'
            ? []
            : [...desiredMembers(set, situation.tasks).members.keys()];
        const purgedFormer = made.former.map((each) => each.task.metadata.uid);
        const excused = new Set([
          ...[...made.held, ...made.draining].map((each) => each.node.name),
          ...result
            .filter(({ ours }) => purgedFormer.includes(ours?.taskUid ?? ''))
            .map(({ name }) => name),
        ]);
        const found = result.filter(({ ours, name }) => ours !== undefined && !excused.has(name));
        expect(found.map(({ ours }) => ours?.taskUid).sort()).toEqual(desired.sort());
        for (const each of found) {
          const of = situation.tasks.find(({ metadata }) => metadata.uid === each.ours?.taskUid);
          expect(each.body).toBe(of && bodyOf(of));
        }
      }),
    );
  });

  it('takes no ready task off a path where no other run of its instance is published', () => {
    fc.assert(
      fc.property(anySituation, ({ set = serverSet(), ...situation }) => {
        const { bySlot } = desiredMembers(set, situation.tasks);
        const result = applied(situation.nodes, plan({ set, ...situation }));
        const instances = new Set(
          result.map(({ ours }) => {
            const of = situation.tasks.find(({ metadata }) => metadata.uid === ours?.taskUid);
            return of === undefined ? '' : slotOf(of);
          }),
        );
        for (const of of situation.tasks.filter(isPublishable)) {
          const first = situation.nodes.find(({ ours }) => ours?.taskUid === of.metadata.uid);
          if (first === undefined || bySlot.has(slotOf(of)) || !isSelected(set, of)) continue;
          const hosts = of.status?.networks?.flatMap(({ ips }) => ips) ?? [];
          if (!hosts.some((host) => first.body.includes(`{"host":"${host}","port":8080}`)))
            continue;
          expect(instances.has(slotOf(of))).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('keeps of former members only what their tasks have', () => {
    fc.assert(
      fc.property(anySituation, (situation) => {
        const made = plan(situation);
        const result = applied(situation.nodes, made);
        for (const { task: of } of made.former) {
          const hosts = of.status?.networks?.flatMap(({ ips }) => ips) ?? [];
          const [node] = result.filter(({ ours }) => ours?.taskUid === of.metadata.uid);
          for (const [, host] of node?.body.matchAll(/"host":"([^"]*)"/g) ?? []) {
            expect(hosts).toContain(host);
          }
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
