import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Task } from '../../../../api/v1/task.ts';
import { isDead } from '../../../../api/v1/task.ts';
import { numbersOf } from '../../../../controllers/job/decide.ts';
import { availableFrom, timeOf } from '../../../../controllers/job/instances.ts';
import type { Plan } from '../../../../controllers/job/plan-parts.ts';
import { isQuiet, template, World } from './world.ts';

const pick = fc.nat(1000);

/** What may happen to a Job between two plans, in any order; and plans of which some is not carried out. */
const move = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('reconcile' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('crash' as const), writes: fc.nat(6) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('obey' as const), pick }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('run' as const), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('unready' as const), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('die' as const), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('lose' as const), pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('scale' as const), to: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('update' as const), to: fc.nat(3) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      seconds: fc.constantFrom(1, 20, 120),
    }),
  },
);
type Move = typeof move extends fc.Arbitrary<infer M> ? M : never;

const setting = fc.record({
  replicas: fc.integer({ min: 1, max: 5 }),
  maxUnavailable: fc.integer({ min: 1, max: 2 }),
  minReadySeconds: fc.constantFrom(0, 10),
  replaceAfterSeconds: fc.constantFrom(0, 60),
});

function newWorld(of: typeof setting extends fc.Arbitrary<infer S> ? S : never): World {
  const { replicas, maxUnavailable, minReadySeconds, replaceAfterSeconds } = of;
  return new World({
    replicas,
    updateStrategy: { maxUnavailable, minReadySeconds },
    unreachable: { replaceAfterSeconds },
  });
}

function play(world: World, step: Move): void {
  const live = world.live();
  const chosen = 'pick' in step ? live[step.pick % Math.max(1, live.length)] : undefined;
  switch (step.do) {
    case 'reconcile':
      checked(world, () => world.reconcile());
      return;
    case 'crash':
      checked(world, () => world.reconcile(step.writes));
      return;
    case 'wait':
      world.now += step.seconds * 1000;
      return;
    case 'scale':
      world.edit({ replicas: step.to });
      return;
    case 'update':
      world.edit({ template: template(String(step.to)) });
      return;
    case 'obey':
      if (chosen?.spec.stop !== undefined) world.die(chosen, 'Killed');
      else if (chosen !== undefined) world.run(chosen);
      return;
    case 'run':
      if (chosen !== undefined) world.run(chosen);
      return;
    case 'unready':
      if (chosen !== undefined) world.run(chosen, false);
      return;
    case 'die':
      if (chosen !== undefined) world.die(chosen);
      return;
    case 'lose':
      if (chosen !== undefined) world.lose(chosen);
  }
}

/** Carries out a plan and holds it against the laws. */
function checked(world: World, reconcile: () => Plan): void {
  const before = world.tasks;
  const numbers = numbersOf(world.job);
  const plan = reconcile();
  const created = world.tasks.filter(
    ({ metadata }) => !before.some((old) => old.metadata.name === metadata.name),
  );

  // A run starts only where no other is in sight: none at all, or all unreachable for long enough.
  const started = created.map(({ spec }) => spec.instance);
  expect(new Set(started).size).toBe(started.length);
  for (const task of created) {
    expect(task.spec.instance).toBeLessThan(numbers.replicas);
    for (const other of before.filter(({ spec }) => spec.instance === task.spec.instance)) {
      if (isDead(other)) continue;
      expect(other.status?.phase).toBe('Unreachable');
      const since = timeOf(other.status?.unreachableTime)!;
      expect(world.now - since).toBeGreaterThanOrEqual(numbers.replaceAfterSeconds * 1000);
    }
  }

  // An update never takes a serving run when that leaves fewer than the budget allows.
  const serves = (task: Task): boolean =>
    task.spec.instance < numbers.replicas &&
    (availableFrom(task, numbers.minReadySeconds) ?? Infinity) <= world.now;
  const available = new Set(world.tasks.filter(serves).map(({ spec }) => spec.instance)).size;
  const updated = plan.stop.filter(({ stop }) => stop.reason === 'Update');
  if (updated.some(({ task }) => availableFrom(task, 0) !== undefined)) {
    expect(available).toBeGreaterThanOrEqual(numbers.replicas - numbers.maxUnavailable);
  }

  // Only what is not wanted any more is stopped while it is out of sight; nothing is stopped twice.
  for (const { task, stop } of plan.stop) {
    expect(task.spec.stop).toBeUndefined();
    expect(isDead(task)).toBe(false);
    if (task.status?.phase === 'Unreachable') expect(stop.reason).toBe('ScaleDown');
  }
  for (const task of plan.prune.tasks) expect(isDead(task)).toBe(true);
}

describe('the laws of a Service', () => {
  it('hold through every order of events, crashes between two writes included, and it converges', () => {
    fc.assert(
      fc.property(setting, fc.array(move, { maxLength: 80 }), (of, moves) => {
        const world = newWorld(of);
        for (const step of moves) play(world, step);
        world.settle();
        const { replicas } = numbersOf(world.job);
        const live = world.live();
        expect(live.map(({ spec }) => spec.instance).sort((a, b) => a - b)).toEqual(
          Array.from({ length: replicas }, (_, index) => index),
        );
        const current = world.plan().revision?.upToDate;
        for (const { spec } of live) expect(current?.has(spec.revision)).toBe(true);
        expect(new Set(world.created).size).toBe(world.created.length);
        expect(world.job.status).toMatchObject({
          readyReplicas: replicas,
          updatedReplicas: replicas,
        });
      }),
      { numRuns: 500 },
    );
  });

  it('include that a plan, once carried out, is not made again', () => {
    fc.assert(
      fc.property(setting, fc.array(move, { maxLength: 60 }), (of, moves) => {
        const world = newWorld(of);
        for (const step of moves) play(world, step);
        world.reconcile();
        const again = world.reconcile();
        expect(isQuiet(again)).toBe(true);
        expect(world.plan().status).toEqual(world.job.status);
      }),
      { numRuns: 300 },
    );
  });

  it('include that the same state gives the same plan', () => {
    fc.assert(
      fc.property(setting, fc.array(move, { maxLength: 40 }), (of, moves) => {
        const world = newWorld(of);
        for (const step of moves) play(world, step);
        const frozen = JSON.stringify(world.state());
        const plan = world.plan();
        expect(JSON.stringify(world.state())).toBe(frozen);
        world.tasks = [...world.tasks].reverse();
        const other = world.plan();
        expect(other.start).toEqual(plan.start);
        expect(other.stop.map(({ task }) => task.metadata.name).sort()).toEqual(
          plan.stop.map(({ task }) => task.metadata.name).sort(),
        );
        expect(other.status).toEqual(plan.status);
      }),
      { numRuns: 200 },
    );
  });
});
