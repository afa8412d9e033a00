import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../api/machinery/random.ts';
import type { Task } from '../../../../api/v1/task.ts';
import { OfferStore } from '../../../../controllers/scheduler/offers.ts';
import { RetrySchedule } from '../../../../controllers/scheduler/retry-schedule.ts';
import { Semaphore } from '../../../../controllers/scheduler/semaphore.ts';
import { Session } from '../../../../controllers/scheduler/session.ts';
import { TaskView } from '../../../../controllers/scheduler/task-view.ts';
import { UnschedulableLog } from '../../../../controllers/scheduler/unschedulable.ts';
import { boundTask } from '../../../support/tasks.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';
import { offerOf, ScriptedMesos, ScriptedSubscription, updateOf, uuid } from './scripted-mesos.ts';

describe('offers in hand', () => {
  it('belong together by agent and role', () => {
    const offers = new OfferStore(new VirtualClock());
    offers.add(offerOf('O1', 'S0'));
    offers.add(offerOf('O2', 'S1'));
    offers.add(offerOf('O3', 'S0'));
    offers.add({ ...offerOf('O4', 'S0'), allocation_info: { role: 'other' } });
    const groups = offers
      .groups()
      .map(({ agentId, role, offers: held }) => [agentId, role, held.map(({ id }) => id.value)]);
    expect(groups).toEqual([
      ['S0', 'mesocosm', ['O1', 'O3']],
      ['S1', 'mesocosm', ['O2']],
      ['S0', 'other', ['O4']],
    ]);
  });

  it('are given out once, and not after they were rescinded', async () => {
    const clock = new VirtualClock();
    const offers = new OfferStore(clock);
    offers.add(offerOf('O1'));
    offers.add(offerOf('O2'));
    await clock.advance(100);
    offers.add(offerOf('O3'));
    offers.remove('O1');
    expect(offers.takeOlderThan(100)).toEqual(['O2']);
    expect(offers.takeOlderThan(0)).toEqual(['O3']);
    expect(offers.takeOlderThan(0)).toEqual([]);
    expect(offers.groups()).toEqual([]);
  });
});

describe('a session', () => {
  const open = (stillHolding: () => boolean) => {
    const mesos = new ScriptedMesos();
    const subscription = new ScriptedSubscription(mesos, 'stream');
    const session = new Session({
      subscription,
      frameworkId: 'F1',
      masterId: undefined,
      number: 1,
      stillHolding,
    });
    return { mesos, session };
  };

  it('calls in the name of the framework', async () => {
    const { mesos, session } = open(() => true);
    expect(await session.call({ type: 'REVIVE' })).toEqual({ kind: 'accepted' });
    expect(mesos.calls).toEqual([{ type: 'REVIVE', framework_id: { value: 'F1' } }]);
  });

  it('lets nothing out once its process may not lead any more, as after a freeze', async () => {
    let holding = true;
    const { mesos, session } = open(() => holding);
    holding = false;
    expect((await session.call({ type: 'REVIVE' })).kind).toBe('unsent');
    session.acknowledge(updateOf('web-0-a', 'TASK_RUNNING', { uuid: uuid('1') }));
    await settle();
    expect(mesos.calls).toEqual([]);
    expect(session.isOpen).toBe(false);
  });

  it('lets a call be judged once more when its turn to leave comes', async () => {
    let holding = true;
    const mesos = new ScriptedMesos();
    const queued = new ScriptedSubscription(mesos, 'stream');
    const judges: ((() => boolean) | undefined)[] = [];
    const session = new Session({
      subscription: {
        streamId: 'stream',
        master: queued.master,
        events: queued.events,
        call: (call, mayLeave) => {
          judges.push(mayLeave);
          return queued.call(call);
        },
        close: () => undefined,
      },
      frameworkId: 'F1',
      masterId: undefined,
      number: 1,
      stillHolding: () => holding,
    });
    await session.call({ type: 'REVIVE' });
    expect(judges.map((mayLeave) => mayLeave?.())).toEqual([true]);
    holding = false;
    expect(judges.map((mayLeave) => mayLeave?.())).toEqual([false]);
  });

  it('lets nothing out once it is closed', async () => {
    const { mesos, session } = open(() => true);
    session.close();
    expect((await session.call({ type: 'REVIVE' })).kind).toBe('unsent');
    expect(mesos.calls).toEqual([]);
  });
});

describe('a retry schedule', () => {
  const start = () => {
    const clock = new VirtualClock();
    const schedule = new RetrySchedule<string>({
      clock,
      random: seededRandom(5),
      baseMs: 1_000,
      capMs: 8_000,
      spacingMs: 100,
    });
    const given: { at: number; keys: string[] }[] = [];
    const abort = new AbortController();
    const running = (async () => {
      while (!abort.signal.aborted) {
        const due = await schedule.next(abort.signal);
        if (due.length > 0) given.push({ at: clock.monotonic(), keys: due.map(({ key }) => key) });
      }
    })();
    const stop = async (): Promise<void> => {
      abort.abort();
      await running;
    };
    return { clock, schedule, given, stop };
  };

  it('gives an entry out with growing pauses until it is deleted', async () => {
    const { clock, schedule, given, stop } = start();
    schedule.set('a', 'A', 500);
    await clock.advance(40_000);
    const times = given.map(({ at }) => at);
    expect(times[0]).toBe(500);
    const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    for (const [index, pause] of pauses.entries()) {
      const expected = Math.min(8_000, 1_000 * 2 ** index);
      expect(pause).toBeGreaterThanOrEqual(expected * 0.8);
      expect(pause).toBeLessThanOrEqual(expected * 1.2);
    }
    schedule.delete('a');
    const count = given.length;
    await clock.advance(60_000);
    expect(given).toHaveLength(count);
    await stop();
  });

  it('gives together what becomes due together, and begins anew when it is told to', async () => {
    const { clock, schedule, given, stop } = start();
    schedule.set('a', 'A');
    schedule.set('b', 'B');
    await settle();
    schedule.set('c', 'C');
    await clock.advance(100);
    expect(given).toEqual([
      { at: 0, keys: ['a', 'b'] },
      { at: 100, keys: ['c'] },
    ]);
    await clock.advance(100);
    schedule.restart();
    await settle();
    expect(given.at(-1)).toEqual({ at: 200, keys: ['a', 'b', 'c'] });
    await stop();
  });
});

describe('a semaphore', () => {
  it('never lets more work at a time than it has permits, and forgets nobody', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.nat(20), { maxLength: 20 }),
        async (permits, durations) => {
          const clock = new VirtualClock();
          const semaphore = new Semaphore(permits);
          let working = 0;
          let most = 0;
          let done = 0;
          for (const ms of durations) {
            void semaphore.run(async () => {
              working += 1;
              most = Math.max(most, working);
              await new Promise<void>((resolve) => clock.after(ms, resolve));
              working -= 1;
              done += 1;
            });
          }
          await clock.advance(20 * durations.length + 1);
          expect(most).toBeLessThanOrEqual(permits);
          expect(done).toBe(durations.length);
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('the view of tasks', () => {
  const version = (task: Task, resourceVersion: number, change: Partial<Task> = {}): Task => ({
    ...task,
    ...change,
    metadata: { ...task.metadata, resourceVersion: String(resourceVersion) },
  });
  const key = 'prod/web-0-bcdfghjklm';

  it('keeps the newest of what it is told, in whatever order', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([1, 2, 3, 4, 5, 6], { minLength: 1 }), (versions) => {
        const view = new TaskView();
        for (const each of versions) view.put(version(boundTask(), each));
        expect(view.get(key)?.metadata.resourceVersion).toBe(String(Math.max(...versions)));
      }),
    );
  });

  it('does not bring back what was deleted', () => {
    const view = new TaskView();
    view.put(version(boundTask(), 1));
    view.removed(version(boundTask(), 3));
    view.put(version(boundTask(), 2));
    view.put(version(boundTask(), 4));
    expect(view.get(key)).toBeUndefined();
    expect([...view.live()]).toEqual([]);
    expect([...view.waiting()]).toEqual([]);
  });

  it('counts as placed what is bound and in sight', () => {
    const view = new TaskView();
    const task = boundTask();
    view.put(version(task, 1, { status: undefined }));
    expect([...view.waiting()]).toHaveLength(1);
    expect([...view.placed('prod/web')]).toEqual([]);
    view.put(version(task, 2));
    expect([...view.waiting()]).toEqual([]);
    expect([...view.placed('prod/web')]).toHaveLength(1);
    view.put(version(task, 3, { status: { ...task.status, phase: 'Unreachable' } }));
    expect([...view.placed('prod/web')]).toEqual([]);
    expect(view.liveCount).toBe(1);
    view.put(version(task, 4, { status: { ...task.status, phase: 'Failed' } }));
    expect(view.liveCount).toBe(0);
  });
});

describe('saying why a task waits', () => {
  const waiting = (message: string) => [{ task: boundTask(), message }];

  it('takes patience, then is said once, and again only when there is news', async () => {
    const clock = new VirtualClock();
    const log = new UnschedulableLog(clock);
    expect(log.worthSaying(waiting('cpus'), true)).toEqual([]);
    await clock.advance(9_999);
    expect(log.worthSaying(waiting('cpus'), true)).toEqual([]);
    await clock.advance(1);
    expect(log.worthSaying(waiting('cpus'), true)).toHaveLength(1);
    await clock.advance(30_000);
    expect(log.worthSaying(waiting('mem'), true)).toEqual([]);
    await clock.advance(30_000);
    expect(log.worthSaying(waiting('no offers'), false)).toEqual([]);
    expect(log.worthSaying(waiting('cpus'), true)).toEqual([]);
    expect(log.worthSaying(waiting('mem'), true)).toHaveLength(1);
  });

  it('forgets a task that waits no more', async () => {
    const clock = new VirtualClock();
    const log = new UnschedulableLog(clock);
    log.worthSaying(waiting('cpus'), true);
    await clock.advance(20_000);
    log.worthSaying([], true);
    expect(log.worthSaying(waiting('cpus'), true)).toEqual([]);
  });
});
