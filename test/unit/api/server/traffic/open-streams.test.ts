import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OpenStreams, type StreamSort } from '../../../../../api/server/traffic/open-streams.ts';

const user = (name: string, ...groups: string[]) => ({ name, groups });
const bounds = { watches: 20, watchesPerUser: 5, sessionsPerUser: 2 };

function many(open: OpenStreams, sort: StreamSort, who: { name: string; groups: string[] }) {
  const left: (() => void)[] = [];
  try {
    for (;;) left.push(open.enter(sort, who));
  } catch (error) {
    return { left, error };
  }
}

describe('what is open', () => {
  it('has a bound by user for each sort, named in the refusal', () => {
    const open = new OpenStreams(bounds);
    const watches = many(open, 'watches', user('bob'));
    expect(watches.left).toHaveLength(5);
    expect(watches.error).toMatchObject({
      reason: 'TooManyRequests',
      message: expect.stringContaining('api.limits.watchesPerUser') as string,
      details: { retryAfterSeconds: 5 },
    });
    const sessions = many(open, 'sessions', user('bob'));
    expect(sessions.left).toHaveLength(2);
    expect(sessions.error).toMatchObject({
      message: expect.stringContaining('api.limits.sessionsPerUser') as string,
    });
    expect(many(open, 'watches', user('ann')).left).toHaveLength(5);
  });

  it('makes room once, however often somebody says that it is over', () => {
    const open = new OpenStreams(bounds);
    const { left } = many(open, 'watches', user('bob'));
    left[0]?.();
    left[0]?.();
    expect(many(open, 'watches', user('bob')).left).toHaveLength(1);
  });

  it('has a bound for all, the last tenth of it for superusers and controllers', () => {
    const open = new OpenStreams(bounds);
    const taken = [1, 2, 3, 4].map((n) => many(open, 'watches', user(`u${n}`)));
    expect(taken.map(({ left }) => left.length)).toEqual([5, 5, 5, 3]);
    expect(taken[3]?.error).toMatchObject({
      message: expect.stringMatching(/api\.limits\.watches$/) as string,
    });
    open.enter('watches', user('system:mesocosm-controllers'));
    expect(many(open, 'watches', user('root', 'system:masters')).left).toHaveLength(1);
  });

  it('is never counted wrongly, whoever comes and goes', () => {
    const step = fc.record({ name: fc.constantFrom('a', 'b'), leave: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const open = new OpenStreams(bounds);
        const inside: Record<string, (() => void)[]> = { a: [], b: [] };
        for (const { name, leave } of steps) {
          const own = inside[name] ?? [];
          if (leave % 2 === 0) own.splice(leave % (own.length + 1), 1)[0]?.();
          else if (own.length < bounds.watchesPerUser) {
            own.push(open.enter('watches', user(name)));
          } else expect(() => open.enter('watches', user(name))).toThrow('as many as');
        }
      }),
    );
  });
});
