import { describe, expect, it } from 'vitest';
import { concurrently } from '../../../../controllers/runtime/concurrently.ts';
import { WriteBarrier } from '../../../../controllers/runtime/write-barrier.ts';

describe('WriteBarrier', () => {
  it('opens for a key once every cache shows the newest write made for it', () => {
    const shown = { tasks: 4, jobs: 10 };
    const tasks = { seen: (version: string) => shown.tasks >= Number(version) };
    const jobs = { seen: (version: string) => shown.jobs >= Number(version) };
    const barrier = new WriteBarrier();
    barrier.wrote('a', tasks, '9');
    barrier.wrote('a', tasks, '5');
    barrier.wrote('a', jobs, '11');
    expect(barrier.isOpen('b')).toBe(true);
    expect(barrier.isOpen('a')).toBe(false);
    shown.tasks = 8;
    shown.jobs = 11;
    expect(barrier.isOpen('a')).toBe(false);
    shown.tasks = 9;
    expect(barrier.isOpen('a')).toBe(true);
    barrier.wrote('a', tasks, '12');
    expect(barrier.isOpen('a')).toBe(false);
    barrier.forget('a');
    expect(barrier.isOpen('a')).toBe(true);
  });
});

describe('concurrently', () => {
  it('runs all, at most so many at a time', async () => {
    const done: number[] = [];
    let active = 0;
    let most = 0;
    await concurrently([1, 2, 3, 4, 5], 2, async (item) => {
      active += 1;
      most = Math.max(most, active);
      await Promise.resolve();
      active -= 1;
      done.push(item);
    });
    expect([done, most]).toEqual([[1, 2, 3, 4, 5], 2]);
  });

  it('begins nothing after a failure, waits for what is under way, and throws the first', async () => {
    const begun: number[] = [];
    let slowEnded = false;
    const running = concurrently([1, 2, 3, 4], 2, async (item) => {
      begun.push(item);
      await Promise.resolve();
      if (item === 1) throw new Error('first');
      await Promise.resolve();
      await Promise.resolve();
      slowEnded = true;
    });
    await expect(running).rejects.toThrow('first');
    expect([begun, slowEnded]).toEqual([[1, 2], true]);
  });
});
