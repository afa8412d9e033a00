import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  recommend,
  type Aim,
  type Measured,
} from '../../../../controllers/autoscaling/recommend.ts';

const measured = (usage: number, request = 100): Measured => ({ kind: 'measured', usage, request });
const missing: Measured = { kind: 'missing', request: 100 };
const unready: Measured = { kind: 'unready', request: 100 };
const half: Aim = { utilization: 50 };
const times = (count: number, task: Measured): Measured[] =>
  Array.from({ length: count }, () => task);

describe('a recommendation', () => {
  it.each<[string, number, Measured[], Aim, number]>([
    ['doubles what is used twice as much', 2, times(2, measured(100)), half, 4],
    ['rounds up', 3, times(3, measured(60)), half, 4],
    ['halves what is used half as much', 4, times(4, measured(25)), half, 2],
    ['leaves what is a tenth away', 10, times(10, measured(55)), half, 10],
    ['follows an amount of each task', 2, times(2, measured(300)), { average: 100 }, 6],
    [
      'takes those that become ready to use nothing, on the way up',
      3,
      [measured(100), measured(100), unready],
      half,
      4,
    ],
    ['sets them aside, on the way down', 4, [...times(3, measured(25)), unready], half, 2],
    [
      'takes those that are not measured to use nothing, on the way up',
      3,
      [measured(150), measured(150), missing],
      half,
      6,
    ],
    ['takes nobody away while those that there are have too much', 4, [measured(150)], half, 4],
    ['keeps every replica until there is a task of each', 4, times(3, measured(1)), half, 4],
    ['adds none while those that there are have little to do', 1, times(9, measured(20)), half, 1],
    ['does not turn round for what it guesses', 2, [measured(60), missing], half, 2],
    [
      'keeps every replica if one is not measured',
      10,
      [...times(9, measured(1)), missing],
      half,
      10,
    ],
  ])('%s', (_, current, tasks, aim, replicas) => {
    expect(recommend(current, tasks, aim)?.replicas).toBe(replicas);
  });

  it('says how many tell nothing when it keeps what there is for them', () => {
    const tasks = [...times(7, measured(1)), ...times(2, missing)];
    expect(recommend(9, tasks, half)).toMatchObject({ replicas: 9, heldBy: 2, utilization: 1 });
    expect(recommend(9, times(9, measured(1)), half)).toMatchObject({ replicas: 1, heldBy: 0 });
  });

  it('is none without a measured task', () => {
    expect(recommend(3, [missing, unready], half)).toBeUndefined();
  });

  const aims = fc.oneof(
    fc.record({ utilization: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ average: fc.integer({ min: 1, max: 1000 }) }),
  );
  const tasks = fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant('measured' as const),
        usage: fc.integer({ min: 0, max: 2000 }),
        request: fc.integer({ min: 1, max: 500 }),
      }),
      fc.record({
        kind: fc.constantFrom('missing' as const, 'unready' as const),
        request: fc.integer({ min: 1, max: 500 }),
      }),
    ),
    { maxLength: 20 },
  );
  const currents = fc.integer({ min: 1, max: 50 });

  it('is never fewer because a task tells nothing', () => {
    fc.assert(
      fc.property(
        currents,
        tasks,
        aims,
        fc.integer({ min: 1, max: 5 }),
        (current, some, aim, n) => {
          const result = recommend(current, [...some, ...times(n, missing)], aim);
          expect(result?.replicas ?? current).toBeGreaterThanOrEqual(current);
        },
      ),
    );
  });

  it('is what there is within the tolerance', () => {
    const near = fc.integer({ min: 91, max: 109 });
    fc.assert(
      fc.property(currents, near, fc.integer({ min: 1, max: 20 }), (current, percent, count) => {
        const all = times(count, measured(percent, 100));
        expect(recommend(current, all, { utilization: 100 })?.replicas).toBe(current);
      }),
    );
  });

  it('is a whole number that grows with use', () => {
    fc.assert(
      fc.property(currents, tasks, aims, (current, some, aim) => {
        const result = recommend(current, some, aim);
        if (result === undefined) return;
        expect(Number.isInteger(result.replicas) && result.replicas >= 0).toBe(true);
        const busier = some.map((task) =>
          task.kind === 'measured' ? { ...task, usage: task.usage * 3 } : task,
        );
        expect(recommend(current, busier, aim)?.replicas).toBeGreaterThanOrEqual(result.replicas);
      }),
    );
  });
});
