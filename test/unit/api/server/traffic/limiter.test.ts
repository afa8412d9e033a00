import { beforeEach, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  Limiter,
  type LevelLimits,
  type Refusal,
  type Seat,
} from '../../../../../api/server/traffic/limiter.ts';
import { VirtualClock } from '../../../../support/virtual-clock.ts';

const bounds: LevelLimits = {
  seats: 2,
  seatsPerFlow: 2,
  queue: 4,
  queuePerFlow: 3,
  patienceMs: 1_000,
  untaken: 1_000,
  untakenPerFlow: 600,
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
    const seat = await limiter.admit('a', endless);
    await limiter.admit('a', endless);
    let third = false;
    const waiting = limiter.admit('a', endless).then(() => {
      third = true;
    });
    await settled();
    expect([limiter.seated, limiter.waiting, third]).toEqual([2, 1, false]);
    seat.leave();
    seat.leave();
    await waiting;
    expect([limiter.seated, limiter.waiting]).toEqual([2, 0]);
  });

  it('gives seats to the flows in turn, however many requests each has', async () => {
    const limiter = limiterOf({ seats: 1, queue: 100, queuePerFlow: 100 });
    const seat = await limiter.admit('flood', endless);
    const order: string[] = [];
    const work = (flow: string): Promise<void> =>
      limiter.admit(flow, endless).then((end) => {
        order.push(flow);
        end.leave();
      });
    const works = [...Array.from({ length: 5 }, () => work('flood')), work('x'), work('y')];
    seat.leave();
    await Promise.all(works);
    expect(order).toEqual(['flood', 'x', 'y', 'flood', 'flood', 'flood', 'flood']);
  });

  it('keeps seats from a flow that has its share, for others', async () => {
    const limiter = limiterOf({ seats: 3, seatsPerFlow: 2 });
    const seat = await limiter.admit('slow', endless);
    await limiter.admit('slow', endless);
    const third = limiter.admit('slow', endless);
    await settled();
    expect(limiter.waiting).toBe(1);
    await limiter.admit('other', endless);
    expect(limiter.seated).toBe(3);
    seat.leave();
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
    const seat = await limiter.admit('a', endless);
    const late = limiter.admit('a', endless).catch((error: unknown) => error);
    const gone = new AbortController();
    const left = limiter.admit('b', gone.signal).catch((error: unknown) => error);
    gone.abort();
    expect(await left).toMatchObject({ code: 429 });
    await clock.advance(1_001);
    expect(await late).toMatchObject({ code: 429 });
    expect(refusals).toEqual(['time-out', 'time-out']);
    expect(limiter.waiting).toBe(0);
    seat.leave();
    expect(limiter.seated).toBe(0);
    (await limiter.admit('b', endless)).leave();
    expect(limiter.seated).toBe(0);
  });

  it('gives the seat of an answer that is made to others, and its flow none beyond its share', async () => {
    const limiter = limiterOf({ seats: 1 });
    const made = await limiter.admit('deaf', endless);
    made.rise(400);
    made.rise(400);
    expect([limiter.seated, limiter.untaken]).toEqual([0, 400]);
    const second = await limiter.admit('deaf', endless);
    second.rise(400);
    let third = false;
    const waiting = limiter.admit('deaf', endless).then((seat) => {
      third = true;
      return seat;
    });
    (await limiter.admit('other', endless)).leave();
    await settled();
    expect([third, limiter.waiting]).toEqual([false, 1]);
    made.leave();
    made.leave();
    await waiting;
    expect([limiter.seated, limiter.untaken]).toEqual([1, 400]);
    second.leave();
    (await waiting).leave();
    expect([limiter.seated, limiter.untaken]).toEqual([0, 0]);
  });

  it('leaves an answer its seat where too much waits for clients already', async () => {
    const limiter = limiterOf({ untakenPerFlow: 5_000 });
    const first = await limiter.admit('a', endless);
    first.rise(900);
    const second = await limiter.admit('a', endless);
    second.rise(200);
    expect([limiter.seated, limiter.untaken]).toEqual([1, 900]);
    second.leave();
    first.leave();
    expect([limiter.seated, limiter.untaken]).toEqual([0, 0]);
  });

  it('never exceeds a bound, and idles for nobody who may go on', async () => {
    const come = fc.record({
      do: fc.constant('come' as const),
      flow: fc.constantFrom('a', 'b', 'c'),
    });
    const other = fc.record({ do: fc.constantFrom('leave', 'rise', 'wait'), which: fc.nat(10) });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(come, other), { maxLength: 60 }), async (steps) => {
        const limits = {
          seats: 3,
          seatsPerFlow: 2,
          queue: 4,
          queuePerFlow: 2,
          patienceMs: 500,
          untaken: 250,
          untakenPerFlow: 200,
        };
        const limiter = limiterOf(limits);
        const under: { flow: string; seat: Seat; hasRisen: boolean }[] = [];
        const waiting = new Map<string, number>();
        const add = (flow: string, by: number): void => {
          waiting.set(flow, (waiting.get(flow) ?? 0) + by);
        };
        const count = (hasRisen: boolean, flow?: string): number =>
          under.filter((one) => one.hasRisen === hasRisen && one.flow === (flow ?? one.flow))
            .length;
        const come = (flow: string): void => {
          add(flow, 1);
          void limiter.admit(flow, endless).then(
            (seat) => {
              add(flow, -1);
              under.push({ flow, seat, hasRisen: false });
            },
            () => add(flow, -1),
          );
        };
        for (const step of steps) {
          if ('flow' in step) come(step.flow);
          else if (step.do === 'wait') await clock.advance(200);
          else if (under.length > 0) {
            const at = step.which % under.length;
            const one = under[at];
            if (step.do === 'leave') {
              under.splice(at, 1);
              one?.seat.leave();
            } else if (one !== undefined) {
              one.hasRisen ||= limiter.untaken + 100 <= limits.untaken;
              one.seat.rise(100);
            }
          }
          await settled();
          expect(limiter.seated).toBe(count(false));
          expect(limiter.untaken).toBe(count(true) * 100);
          expect(limiter.seated).toBeLessThanOrEqual(limits.seats);
          expect(limiter.untaken).toBeLessThanOrEqual(limits.untaken);
          expect(limiter.waiting).toBeLessThanOrEqual(limits.queue);
          for (const [flow, length] of waiting) {
            expect(count(false, flow)).toBeLessThanOrEqual(limits.seatsPerFlow);
            expect(length).toBeLessThanOrEqual(limits.queuePerFlow);
            const couldSit =
              limiter.seated < limits.seats &&
              count(false, flow) < limits.seatsPerFlow &&
              count(true, flow) * 100 < limits.untakenPerFlow;
            expect(couldSit && length > 0).toBe(false);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
