import { expect, it } from 'vitest';
import type { Clock } from '../../../../../api/machinery/clock.ts';
import { limits } from '../../../../../api/server/http/limits.ts';
import { Patience } from '../../../../../api/server/http/patience.ts';
import { VirtualClock } from '../../../../support/virtual-clock.ts';

it('ends once, while its client keeps it waiting, counting all the times before', async () => {
  const clock = new VirtualClock();
  let ends = 0;
  const patience = new Patience(clock, () => (ends += 1));
  const half = limits.seatedMs / 2;
  const waiting = async (ms: number): Promise<void> => {
    let over = (): void => undefined;
    const wait = patience.during(() => new Promise<void>((resolve) => (over = resolve)));
    await clock.advance(ms);
    over();
    await wait;
  };
  await waiting(half);
  await clock.advance(limits.seatedMs);
  expect(ends).toBe(0);
  await waiting(half);
  expect(ends).toBe(1);
  await waiting(limits.seatedMs);
  expect(ends).toBe(1);
  expect(clock.pending).toBe(0);
});

it('ends although the wait that uses it up is over before any timer', async () => {
  let now = 0;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    after: () => ({ cancel: () => undefined }),
  };
  let ends = 0;
  const patience = new Patience(clock, () => (ends += 1));
  for (const ms of [limits.seatedMs - 1, 2, limits.seatedMs]) {
    await patience.during(() => {
      now += ms;
      return Promise.resolve();
    });
  }
  expect(ends).toBe(1);
});
