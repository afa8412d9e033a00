import { describe, expect, it } from 'vitest';
import { sleep } from '../../../api/machinery/clock.ts';
import { seededRandom } from '../../../api/machinery/random.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

describe('VirtualClock', () => {
  it('runs timers in order of time, also those set by timers, and none too early', async () => {
    const clock = new VirtualClock({ epoch: 1000 });
    const seen: string[] = [];
    const note = (name: string) => () => {
      seen.push(`${name}@${clock.monotonic()}`);
    };
    clock.after(30, note('c'));
    clock.after(10, () => {
      note('a')();
      clock.after(5, note('b'));
      clock.after(100, note('late'));
    });
    clock.after(20, note('cancelled')).cancel();
    await clock.advance(30);
    expect(seen).toEqual(['a@10', 'b@15', 'c@30']);
    expect(clock.now()).toBe(1030);
    expect(await clock.next()).toBe(true);
    expect(seen.at(-1)).toBe('late@110');
    expect(await clock.next()).toBe(false);
  });

  it('lets what a timer wakes run before the next timer', async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    const walk = async (): Promise<void> => {
      await sleep(clock, 10);
      await Promise.resolve();
      seen.push(`woken at ${clock.monotonic()}`);
      await sleep(clock, 1);
      seen.push(`again at ${clock.monotonic()}`);
    };
    clock.after(12, () => seen.push('timer'));
    const walking = walk();
    await clock.advance(20);
    await walking;
    expect(seen).toEqual(['woken at 10', 'again at 11', 'timer']);
  });

  it('shuffles timers due together by its seed, the same way each time', async () => {
    const order = async (seed: number): Promise<number[]> => {
      const clock = new VirtualClock({ random: seededRandom(seed) });
      const seen: number[] = [];
      for (let index = 0; index < 8; index += 1) clock.after(5, () => seen.push(index));
      await clock.advance(5);
      return seen;
    };
    expect(await order(1)).toEqual(await order(1));
    expect(await order(1)).not.toEqual(await order(2));
    expect((await order(3)).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});
