import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../api/machinery/random.ts';
import { reconnectDelay } from '../../../../proto/zookeeper/backoff.ts';
import {
  afterLoss,
  afterReply,
  afterResponse,
  afterSilentRefusal,
  connectRequestOf,
  newSession,
  type SessionState,
} from '../../../../proto/zookeeper/session-state.ts';

const password = Buffer.alloc(16, 7);

function openedSession(): SessionState {
  const handshake = afterResponse(newSession(10_000), { timeoutMs: 4000, sessionId: 9n, password });
  if (handshake.verdict !== 'opened') throw new Error(handshake.verdict);
  return handshake.state;
}

describe('a session', () => {
  it('begins without an id, a password or a transaction', () => {
    expect(connectRequestOf(newSession(10_000), 10_000)).toEqual({
      lastZxidSeen: 0n,
      timeoutMs: 10_000,
      sessionId: 0n,
      password: new Uint8Array(16),
    });
  });

  it('resumes with its id and password, and asks for the timeout that its owner wants', () => {
    const state = afterReply(openedSession(), 0x55n);
    expect(state.timeoutMs).toBe(4000);
    expect(connectRequestOf(state, 10_000)).toEqual({
      lastZxidSeen: 0x55n,
      timeoutMs: 10_000,
      sessionId: 9n,
      password,
    });
    const again = afterResponse(state, { timeoutMs: 5000, sessionId: 9n, password });
    expect(again).toMatchObject({
      verdict: 'resumed',
      state: { lastZxid: 0x55n, timeoutMs: 5000 },
    });
  });

  it('is over when the server says so or answers with another id', () => {
    const refusal = { timeoutMs: 0, sessionId: 0n, password: Buffer.alloc(16) };
    expect(afterResponse(openedSession(), refusal)).toEqual({ verdict: 'expired' });
    const other = { timeoutMs: 4000, sessionId: 10n, password };
    expect(afterResponse(openedSession(), other)).toEqual({ verdict: 'expired' });
  });

  it('remembers the newest transaction, whatever the order of the replies', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 1n, max: 1000n }), { minLength: 1 }), (zxids) => {
        const state = zxids.reduce(afterReply, openedSession());
        expect(state.lastZxid).toBe(zxids.reduce((a, b) => (a > b ? a : b)));
      }),
    );
  });
});

describe('servers that hang up on a session', () => {
  const seen = afterLoss(afterReply(openedSession(), 0x55n), 1000);

  function refusedAt(state: SessionState, ...times: number[]): boolean {
    let expired = false;
    for (const now of times) ({ state, expired } = afterSilentRefusal(state, now));
    return expired;
  }

  it('are believed after three refusals and a session timeout since the loss', () => {
    expect(refusedAt(seen, 2000, 3000, 4999)).toBe(false);
    expect(refusedAt(seen, 2000, 5000)).toBe(false);
    expect(refusedAt(seen, 2000, 3000, 5000)).toBe(true);
  });

  it('count from the loss, though attempts failed in other ways since', () => {
    expect(refusedAt(afterLoss(seen, 4500), 4600, 4700, 5000)).toBe(true);
  });

  it('begin anew once a server has answered', () => {
    const { state } = afterSilentRefusal(afterSilentRefusal(seen, 2000).state, 3000);
    const resumed = afterResponse(state, { timeoutMs: 4000, sessionId: 9n, password });
    if (resumed.verdict !== 'resumed') throw new Error(resumed.verdict);
    expect(refusedAt(afterLoss(resumed.state, 6000), 10_000)).toBe(false);
  });

  it('cost nothing that was not there: a session without a transaction goes on', () => {
    expect(refusedAt(newSession(4000), 0, 10_000, 20_000, 30_000)).toBe(false);
  });
});

describe('the wait before the next attempt to connect', () => {
  const backoff = { baseMs: 100, capMs: 2000 };

  it('is short until each server was tried, then doubles up to its cap', () => {
    const middle = { next: () => 0.5, uuid: () => '' };
    const waits = [0, 1, 2, 3, 4, 5, 6, 8, 100, 5000].map((failures) =>
      reconnectDelay(failures, 3, backoff, middle),
    );
    expect(waits).toEqual([25, 25, 25, 100, 100, 100, 200, 200, 2000, 2000]);
  });

  it('is spread by half, and never more', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.nat(50),
        fc.integer({ min: 1, max: 7 }),
        (seed, failures, servers) => {
          const wait = reconnectDelay(failures, servers, backoff, seededRandom(seed));
          expect(wait).toBeGreaterThanOrEqual(12.5);
          expect(wait).toBeLessThanOrEqual(3000);
        },
      ),
    );
  });
});
