import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exponential } from '../../../../controllers/runtime/backoff.ts';
import {
  DelayingQueue,
  RateLimitedQueue,
  TokenBucket,
  WorkQueue,
} from '../../../../controllers/runtime/queue.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

const open = new AbortController().signal;

describe('WorkQueue', () => {
  it('gives keys out in order, each once however often it was added', async () => {
    const queue = new WorkQueue();
    for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key);
    expect(queue.depth).toBe(3);
    expect(queue.added).toBe(3);
    expect([await queue.get(open), await queue.get(open), await queue.get(open)]).toEqual([
      'a',
      'b',
      'c',
    ]);
  });

  it('gives a key that was added while it is worked on again, and only after that work', async () => {
    const queue = new WorkQueue();
    queue.add('a');
    await queue.get(open);
    queue.add('a');
    queue.add('a');
    expect(queue.depth).toBe(0);
    queue.done('a');
    expect(queue.depth).toBe(1);
    expect(queue.added).toBe(2);
    await queue.get(open);
    queue.done('a');
    expect(queue.depth).toBe(0);
  });

  it('hands a key straight to a worker that waits, and to none whose signal has aborted', async () => {
    const queue = new WorkQueue();
    const stop = new AbortController();
    const gaveUp = queue.get(stop.signal);
    const waits = queue.get(open);
    stop.abort();
    expect(await gaveUp).toBeUndefined();
    queue.add('a');
    expect(await waits).toBe('a');
    expect(await queue.get(stop.signal)).toBeUndefined();
  });

  it('never gives a key to two workers and never loses an add', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('add' as const), key: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ do: fc.constant('take' as const) }),
      fc.record({ do: fc.constant('done' as const), which: fc.nat(5) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const queue = new WorkQueue();
        const working: string[] = [];
        /** Keys added since work on them last began. */
        const owed = new Set<string>();
        const take = async (): Promise<void> => {
          const key = (await queue.get(open))!;
          expect(working).not.toContain(key);
          working.push(key);
          owed.delete(key);
        };
        for (const move of steps) {
          if (move.do === 'add') {
            queue.add(move.key);
            owed.add(move.key);
          } else if (move.do === 'take' && queue.depth > 0) {
            await take();
          } else if (move.do === 'done' && working.length > 0) {
            const [key] = working.splice(move.which % working.length, 1);
            queue.done(key!);
          }
        }
        for (const key of working.splice(0)) queue.done(key);
        while (queue.depth > 0) {
          await take();
          queue.done(working.pop()!);
        }
        expect(owed.size).toBe(0);
      }),
    );
  });
});

describe('DelayingQueue', () => {
  it('adds a key when its time has come, the earlier of two wishes', async () => {
    const clock = new VirtualClock();
    const queue = new DelayingQueue(new WorkQueue(), clock);
    queue.addAfter('a', 100);
    queue.addAfter('a', 50);
    queue.addAfter('a', 200);
    queue.addAfter('b', 0);
    expect(queue.depth).toBe(1);
    await clock.advance(49);
    expect(queue.depth).toBe(1);
    await clock.advance(1);
    expect(queue.depth).toBe(2);
    expect(clock.pending).toBe(0);
  });

  it('plans nothing once it has ended, neither what was planned nor what comes late', () => {
    const clock = new VirtualClock();
    const queue = new DelayingQueue(new WorkQueue(), clock);
    queue.addAfter('a', 100);
    queue.end();
    queue.addAfter('b', 100);
    expect(clock.pending).toBe(0);
  });
});

describe('RateLimitedQueue', () => {
  const limits = { baseMs: 10, capMs: 1000, perSecond: 1000, burst: 1000 };

  it('doubles the delay of a key that fails until it is forgotten', () => {
    const queue = new RateLimitedQueue(new WorkQueue(), new VirtualClock(), limits);
    expect([1, 2, 3].map(() => queue.addRateLimited('a'))).toEqual([10, 20, 40]);
    expect(queue.addRateLimited('b')).toBe(10);
    queue.forget('a');
    expect(queue.addRateLimited('a')).toBe(10);
  });

  it('caps the delay and limits the retries of all keys together', () => {
    const queue = new RateLimitedQueue(new WorkQueue(), new VirtualClock(), {
      ...limits,
      perSecond: 10,
      burst: 2,
    });
    const delays = ['a', 'b', 'c', 'd'].map((key) => queue.addRateLimited(key));
    expect(delays).toEqual([10, 10, 100, 200]);
    expect(exponential(10, 1000, 400)).toBe(1000);
  });
});

describe('TokenBucket', () => {
  it('lets a burst pass and then as many as it earns', async () => {
    const clock = new VirtualClock();
    const bucket = new TokenBucket(clock, 2, 3);
    const takes = (): number => [1, 2, 3, 4, 5].filter(() => bucket.take()).length;
    expect(takes()).toBe(3);
    await clock.advance(1000);
    expect(takes()).toBe(2);
    await clock.advance(60_000);
    expect(takes()).toBe(3);
    await settle();
  });
});
