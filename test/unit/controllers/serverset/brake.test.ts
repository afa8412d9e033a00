import { describe, expect, it } from 'vitest';
import { Brake, isTooMany } from '../../../../controllers/serverset/brake.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

const limits = { members: 3, percent: 20, windowSeconds: 300 };

/** Loses tasks `from` to `to`, one after the other, and says of each whether its member stays. */
function lose(brake: Brake, from: number, to: number, published = 10): boolean[] {
  const held: boolean[] = [];
  for (let n = from; n <= to; n += 1) {
    brake.lost(`t${n}`);
    held.push(brake.holds(`t${n}`, published));
  }
  return held;
}

describe('the limit', () => {
  it.each([
    [3, 5, false],
    [4, 5, true],
    [20, 100, false],
    [21, 100, true],
  ])('for %i lost of %i published is passed: %s', (lost, published, expected) => {
    expect(isTooMany(lost, published, limits)).toBe(expected);
  });
});

describe('the brake', () => {
  it('lets as many go as the limit says, and holds the rest', () => {
    const brake = new Brake(limits, new VirtualClock());
    expect(lose(brake, 1, 5)).toEqual([false, false, false, true, true]);
  });

  it('holds all when all are lost before the first one is looked at', () => {
    const brake = new Brake(limits, new VirtualClock());
    for (let n = 1; n <= 5; n += 1) brake.lost(`t${n}`);
    expect([1, 2, 3, 4, 5].map((n) => brake.holds(`t${n}`, 10))).toEqual(Array(5).fill(true));
  });

  it('counts only what was lost within the window', async () => {
    const clock = new VirtualClock();
    const brake = new Brake(limits, clock);
    lose(brake, 1, 3);
    await clock.advance(301_000);
    expect(lose(brake, 4, 6)).toEqual([false, false, false]);
  });

  it('holds on whatever time passes', async () => {
    const clock = new VirtualClock();
    const brake = new Brake(limits, clock);
    lose(brake, 1, 4);
    await clock.advance(3_600_000);
    expect(brake.holds('t4', 10)).toBe(true);
  });

  it('counts a task no longer that is back', () => {
    const brake = new Brake(limits, new VirtualClock());
    lose(brake, 1, 3);
    brake.recovered('t1');
    expect(lose(brake, 4, 4)).toEqual([false]);
  });

  it('still counts a lost task that has died meanwhile', () => {
    const brake = new Brake(limits, new VirtualClock());
    lose(brake, 1, 3);
    brake.ended('t1');
    expect(lose(brake, 4, 4)).toEqual([true]);
  });

  it('lets those go that an operator releases, until they are back', () => {
    const brake = new Brake(limits, new VirtualClock());
    lose(brake, 1, 5);
    brake.release('t4');
    expect([brake.holds('t4', 10), brake.holds('t5', 10)]).toEqual([false, true]);
    brake.recovered('t4');
    expect(lose(brake, 4, 4)).toEqual([true]);
  });

  it('takes over the holds and the losses of a former leader', () => {
    const brake = new Brake(limits, new VirtualClock());
    brake.resumeHold('t9');
    expect(brake.holds('t9', 10)).toBe(true);
    brake.lost('t1', 10_000);
    brake.lost('t2', 20_000);
    brake.lost('t3', 400_000);
    expect(lose(brake, 4, 4)).toEqual([true]);
    const other = new Brake(limits, new VirtualClock());
    for (const n of [1, 2, 3]) other.lost(`t${n}`, 400_000);
    expect(lose(other, 4, 4)).toEqual([false]);
  });
});
