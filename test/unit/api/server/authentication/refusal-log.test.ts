import { expect, it } from 'vitest';
import { RefusalLog } from '../../../../../api/server/authentication/refusal-log.ts';
import { VirtualClock } from '../../../../support/virtual-clock.ts';

function logged(clock: VirtualClock) {
  const lines: [string, number][] = [];
  const log = new RefusalLog({ clock, tell: (reason, count) => lines.push([reason, count]) });
  return { log, lines };
}

it('the first refusal is told at once, those of the next second together', async () => {
  const clock = new VirtualClock();
  const { log, lines } = logged(clock);
  log.refused('first');
  expect(lines).toEqual([['first', 1]]);
  for (let n = 0; n < 1_000; n += 1) log.refused(`guess ${n}`);
  expect(lines).toHaveLength(1);
  await clock.advance(1_000);
  expect(lines.slice(1)).toEqual([['guess 999', 1_000]]);
  await clock.advance(60_000);
  log.refused('much later');
  expect(lines.slice(2)).toEqual([['much later', 1]]);
});

it('a flood costs a line a second, and none of it goes uncounted', async () => {
  const clock = new VirtualClock();
  const { log, lines } = logged(clock);
  for (let n = 0; n < 10_000; n += 1) {
    log.refused('flood');
    await clock.advance(1);
  }
  log.close();
  expect(lines.length).toBeLessThanOrEqual(12);
  expect(lines.reduce((sum, [, count]) => sum + count, 0)).toBe(10_000);
});
