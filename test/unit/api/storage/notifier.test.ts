import { expect, it } from 'vitest';
import { Notifier } from '../../../../api/storage/notifier.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

/** Whether `work` is done by the time that everything which can run has run. */
async function isDone(work: Promise<void>, clock: VirtualClock): Promise<boolean> {
  let done = false;
  void work.then(() => (done = true));
  await clock.advance(0);
  return done;
}

it('a listener hears of what happens while it waits', async () => {
  const clock = new VirtualClock();
  const notifier = new Notifier();
  const listener = notifier.listen(new AbortController().signal);
  const next = listener.next();
  expect(await isDone(next, clock)).toBe(false);
  notifier.notify();
  expect(await isDone(next, clock)).toBe(true);
  expect(await isDone(listener.next(), clock)).toBe(false);
});

it('what happens between two waits ends the next one, once', async () => {
  const clock = new VirtualClock();
  const notifier = new Notifier();
  const listener = notifier.listen(new AbortController().signal);
  notifier.notify();
  notifier.notify();
  expect(await isDone(listener.next(), clock)).toBe(true);
  expect(await isDone(listener.next(), clock)).toBe(false);
});

it('a wait ends with its time, and a timer that is early enough is kept', async () => {
  const clock = new VirtualClock();
  const notifier = new Notifier();
  const listener = notifier.listen(new AbortController().signal);
  const first = listener.next({ clock, ms: 100 });
  await clock.advance(40);
  notifier.notify();
  expect(await isDone(first, clock)).toBe(true);
  const second = listener.next({ clock, ms: 100 });
  expect(clock.pending).toBe(1);
  await clock.advance(59);
  expect(await isDone(second, clock)).toBe(false);
  await clock.advance(1);
  expect(await isDone(second, clock)).toBe(true);
  const third = listener.next({ clock, ms: 100 });
  await clock.advance(100);
  expect(await isDone(third, clock)).toBe(true);
});

it('a wait for less than the timer that runs sets it anew', async () => {
  const clock = new VirtualClock();
  const listener = new Notifier().listen(new AbortController().signal);
  const first = listener.next({ clock, ms: 100 });
  listener.wake();
  await first;
  const second = listener.next({ clock, ms: 10 });
  expect(clock.pending).toBe(1);
  await clock.advance(10);
  expect(await isDone(second, clock)).toBe(true);
});

it('an aborted signal ends every wait, and an ended listener holds nothing', async () => {
  const clock = new VirtualClock();
  const notifier = new Notifier();
  const life = new AbortController();
  const listener = notifier.listen(life.signal);
  const waiting = listener.next({ clock, ms: 100 });
  life.abort();
  expect(await isDone(waiting, clock)).toBe(true);
  expect(await isDone(listener.next(), clock)).toBe(true);
  listener.end();
  expect(clock.pending).toBe(0);
});
