import { describe, expect, it } from 'vitest';
import { microTimestamp } from '../../../../api/machinery/clock.ts';
import { Drains } from '../../../../controllers/serverset/drains.ts';
import type { ObservedNode } from '../../../../controllers/serverset/plan.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

const path = '/aurora/prod/web/member_0000000001';

function node(stoppingSince: string | undefined): ObservedNode {
  const ours = { taskUid: 'uid', isStopping: true, stoppingSince };
  return { name: 'member_0000000001', version: 1, body: '', ours };
}

describe('a drain', () => {
  it('that this process began is timed by the monotonic clock, wherever the wall clock goes', async () => {
    const clock = new VirtualClock();
    const drains = new Drains(clock);
    // The wall clock has jumped back by an hour since the stamp was written.
    const stamp = new Date(clock.now() + 3_600_000).toISOString();
    drains.began(path, stamp);
    await clock.advance(1500);
    expect(drains.elapsedMs(path, node(stamp))).toBe(1500);
  });

  it('of a former leader goes on from its stamp', async () => {
    const clock = new VirtualClock();
    const stamp = microTimestamp(clock);
    await clock.advance(2000);
    const drains = new Drains(clock);
    expect(drains.elapsedMs(path, node(stamp))).toBe(2000);
    await clock.advance(500);
    expect(drains.elapsedMs(path, node(stamp))).toBe(2500);
  });

  it.each(['2099-01-01T00:00:00Z', 'no time', undefined])(
    'with the stamp %s begins when it is first seen',
    async (stamp) => {
      const clock = new VirtualClock();
      const drains = new Drains(clock);
      expect(drains.elapsedMs(path, node(stamp))).toBe(0);
      await clock.advance(700);
      expect(drains.elapsedMs(path, node(stamp))).toBe(700);
    },
  );

  it('is not taken for that of another task whose node has the same name', async () => {
    const clock = new VirtualClock();
    const drains = new Drains(clock);
    drains.began(path, microTimestamp(clock));
    await clock.advance(4000);
    drains.ended(path);
    expect(drains.elapsedMs(path, node(microTimestamp(clock)))).toBe(0);
  });
});
