import { afterEach, describe, expect, it } from 'vitest';
import type { Outcome, Reconcile } from '../../../../controllers/runtime/controller.ts';
import { Controller, TerminalError } from '../../../../controllers/runtime/controller.ts';
import { sleep } from '../../../../api/machinery/clock.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';
import { silent } from './api.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

function start(
  reconcile: Reconcile,
  options: { concurrency?: number; synced?: Promise<void> } = {},
): { controller: Controller; clock: VirtualClock; outcomes: Outcome[]; stop: () => Promise<void> } {
  const clock = new VirtualClock();
  const outcomes: Outcome[] = [];
  const controller = new Controller({
    name: 'test',
    reconcile,
    waitFor: [{ synced: () => options.synced ?? Promise.resolve() }],
    clock,
    logger: silent,
    concurrency: options.concurrency ?? 1,
    observer: { reconciled: (_, outcome) => outcomes.push(outcome) },
  });
  const abort = new AbortController();
  const running = controller.run(abort.signal);
  const stop = async (): Promise<void> => {
    abort.abort();
    await running;
  };
  stops.push(stop);
  return { controller, clock, outcomes, stop };
}

describe('Controller', () => {
  it('reconciles nothing before the caches have synced', async () => {
    const keys: string[] = [];
    let finish = (): void => undefined;
    const synced = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const { controller } = start(
      (key) => {
        keys.push(key);
        return Promise.resolve({});
      },
      { synced },
    );
    controller.enqueue('a');
    await settle();
    expect(keys).toEqual([]);
    finish();
    await settle();
    expect(keys).toEqual(['a']);
  });

  it('leaves nothing that keeps the process once it has ended, whoever asks it for more', async () => {
    const { controller, clock, stop } = start(() => Promise.resolve({ requeueAfterMs: 1000 }));
    controller.enqueue('a');
    await settle();
    await stop();
    controller.enqueueAfter('b', 300_000);
    expect(clock.pending).toBe(0);
  });

  it('retries what fails, with growing delay, and starts over after a success', async () => {
    const at: number[] = [];
    let failing = true;
    const { controller, clock, outcomes } = start(() => {
      at.push(clock.monotonic());
      return failing ? Promise.reject(new Error('not yet')) : Promise.resolve({});
    });
    controller.enqueue('a');
    await clock.advance(40);
    expect(at).toEqual([0, 5, 15, 35]);
    failing = false;
    await clock.advance(60_000);
    expect(at).toHaveLength(5);
    failing = true;
    controller.enqueue('a');
    await clock.advance(5);
    expect(at).toHaveLength(7);
    expect(outcomes.filter((outcome) => outcome === 'success')).toHaveLength(1);
  });

  it('takes an exception thrown at once like any failure', async () => {
    let calls = 0;
    const { controller, clock } = start(() => {
      calls += 1;
      throw new TypeError('a bug');
    });
    controller.enqueue('a');
    await clock.advance(5);
    expect(calls).toBe(2);
  });

  it('does not retry a terminal error', async () => {
    let calls = 0;
    const { controller, clock, outcomes } = start(() => {
      calls += 1;
      return Promise.reject(new TerminalError('never'));
    });
    controller.enqueue('a');
    await clock.advance(600_000);
    expect([calls, outcomes]).toEqual([1, ['terminal']]);
  });

  it('looks again after the time that was asked for', async () => {
    const at: number[] = [];
    const { controller, clock } = start(() => {
      at.push(clock.monotonic());
      return Promise.resolve(at.length < 3 ? { requeueAfterMs: 1000 } : {});
    });
    controller.enqueue('a');
    await clock.advance(10_000);
    expect(at).toEqual([0, 1000, 2000]);
  });

  it('works on several keys at a time but never twice on one', async () => {
    const active: string[] = [];
    let most = 0;
    const { controller, clock } = start(
      async (key) => {
        expect(active).not.toContain(key);
        active.push(key);
        most = Math.max(most, active.length);
        await sleep(clock, 100);
        active.splice(active.indexOf(key), 1);
        return {};
      },
      { concurrency: 3 },
    );
    for (const key of ['a', 'b', 'c', 'd']) controller.enqueue(key);
    await clock.advance(50);
    for (const key of ['a', 'b', 'c', 'd']) controller.enqueue(key);
    await clock.advance(1000);
    expect([most, active, controller.depth]).toEqual([3, [], 0]);
  });

  it('lets many workers wait for work without a warning of Node', async () => {
    const warnings: string[] = [];
    const note = ({ message }: Error): void => void warnings.push(message);
    process.on('warning', note);
    const { stop } = start(() => Promise.resolve({}), { concurrency: 64 });
    await settle();
    await stop();
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });

  it('returns from run only when the work under way has ended', async () => {
    let ended = false;
    const { controller, clock, stop } = start(async (_, signal) => {
      await sleep(clock, 1000, signal);
      await Promise.resolve();
      ended = true;
      return {};
    });
    controller.enqueue('a');
    await settle();
    await stop();
    expect(ended).toBe(true);
    expect(clock.pending).toBe(0);
  });
});
