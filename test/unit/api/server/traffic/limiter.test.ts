import { beforeEach, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  Limiter,
  type LevelLimits,
  type Refusal,
} from '../../../../../api/server/traffic/limiter.ts';
import { VirtualClock } from '../../../../support/virtual-clock.ts';

const bounds: LevelLimits = {
  seats: 2,
  seatsPerFlow: 2,
  queue: 4,
  queuePerFlow: 3,
  patienceMs: 1_000,
};
const endless = new AbortController().signal;

let clock: VirtualClock;
let refusals: Refusal[];
beforeEach(() => {
  clock = new VirtualClock();
  refusals = [];
});

const limiterOf = (limits: Partial<LevelLimits> = {}): Limiter =>
  new Limiter({ limits: { ...bounds, ...limits }, clock, onRefusal: (why) => refusals.push(why) });

/** Lets promises that can settle do so. */
const settled = (): Promise<void> => clock.advance(0);

describe('a limiter', () => {
  it('seats as many as it has seats, then the next when one leaves', async () => {
    const limiter = limiterOf();
    const leave = await limiter.admit('a', endless);
    await limiter.admit('a', endless);
    let third = false;
    const waiting = limiter.admit('a', endless).then((end) => {
      third = true;
      return end;
    });
    await settled();
    expect([limiter.seated, limiter.waiting, third]).toEqual([2, 1, false]);
    leave();
    leave();
    await waiting;
    expect([limiter.seated, limiter.waiting]).toEqual([2, 0]);
  });

  it('gives seats to the flows in turn, however many requests each has', async () => {
    const limiter = limiterOf({ seats: 1, queue: 100, queuePerFlow: 100 });
    const leave = await limiter.admit('flood', endless);
    const order: string[] = [];
    const work = (flow: string): Promise<void> =>
      limiter.admit(flow, endless).then((end) => {
        order.push(flow);
        end();
      });
    const works = [...Array.from({ length: 5 }, () => work('flood')), work('x'), work('y')];
    leave();
    await Promise.all(works);
    expect(order).toEqual(['flood', 'x', 'y', 'flood', 'flood', 'flood', 'flood']);
  });

  it('keeps seats from a flow that has its share, for others', async () => {
    const limiter = limiterOf({ seats: 3, seatsPerFlow: 2 });
    const leave = await limiter.admit('slow', endless);
    await limiter.admit('slow', endless);
    const third = limiter.admit('slow', endless);
    await settled();
    expect(limiter.waiting).toBe(1);
    await limiter.admit('other', endless);
    expect(limiter.seated).toBe(3);
    leave();
    await third;
    expect([limiter.seated, limiter.waiting]).toEqual([3, 0]);
  });

  it('refuses with 429 and Retry-After what does not fit its queue', async () => {
    const limiter = limiterOf();
    for (let count = 0; count < 5; count += 1) void limiter.admit('a', endless).catch(() => 'late');
    await settled();
    const refused = { code: 429, reason: 'TooManyRequests', details: { retryAfterSeconds: 1 } };
    await expect(limiter.admit('a', endless)).rejects.toMatchObject(refused);
    void limiter.admit('b', endless).catch(() => 'late');
    await expect(limiter.admit('c', endless)).rejects.toMatchObject(refused);
    expect(refusals).toEqual(['queue-full', 'queue-full']);
  });

  it('lets nobody wait longer than it says, nor anybody who has gone', async () => {
    const limiter = limiterOf({ seats: 1 });
    const leave = await limiter.admit('a', endless);
    const late = limiter.admit('a', endless).catch((error: unknown) => error);
    const gone = new AbortController();
    const left = limiter.admit('b', gone.signal).catch((error: unknown) => error);
    gone.abort();
    expect(await left).toMatchObject({ code: 429 });
    await clock.advance(1_001);
    expect(await late).toMatchObject({ code: 429 });
    expect(refusals).toEqual(['time-out', 'time-out']);
    expect(limiter.waiting).toBe(0);
    leave();
    expect(limiter.seated).toBe(0);
    (await limiter.admit('b', endless))();
    expect(limiter.seated).toBe(0);
  });

  it('never exceeds a bound, and idles for nobody who may go on', async () => {
    type Step = { do: 'come'; flow: string } | { do: 'leave'; which: number } | { do: 'wait' };
    const step: fc.Arbitrary<Step> = fc.oneof(
      fc.record({ do: fc.constant('come' as const), flow: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ do: fc.constant('leave' as const), which: fc.nat(10) }),
      fc.record({ do: fc.constant('wait' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const limits = { seats: 3, seatsPerFlow: 2, queue: 4, queuePerFlow: 2, patienceMs: 500 };
        const limiter = limiterOf(limits);
        const seated: { flow: string; leave: () => void }[] = [];
        const waiting = new Map<string, number>();
        const add = (flow: string, by: number): void => {
          waiting.set(flow, (waiting.get(flow) ?? 0) + by);
        };
        for (const one of steps) {
          if (one.do === 'come') {
            add(one.flow, 1);
            void limiter.admit(one.flow, endless).then(
              (leave) => {
                add(one.flow, -1);
                seated.push({ flow: one.flow, leave });
              },
              () => add(one.flow, -1),
            );
          } else if (one.do === 'leave' && seated.length > 0) {
            const [left] = seated.splice(one.which % seated.length, 1);
            left?.leave();
          } else if (one.do === 'wait') await clock.advance(200);
          await settled();
          const of = (flow: string): number => seated.filter((seat) => seat.flow === flow).length;
          expect(limiter.seated).toBe(seated.length);
          expect(seated.length).toBeLessThanOrEqual(limits.seats);
          expect(limiter.waiting).toBeLessThanOrEqual(limits.queue);
          for (const [flow, count] of waiting) {
            expect(of(flow)).toBeLessThanOrEqual(limits.seatsPerFlow);
            expect(count).toBeLessThanOrEqual(limits.queuePerFlow);
            const couldSit = seated.length < limits.seats && of(flow) < limits.seatsPerFlow;
            expect(couldSit && count > 0).toBe(false);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});
