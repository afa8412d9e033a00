import type { ConnectRequest, ConnectResponse } from './records.ts';

/**
 * What survives a lost link, and what each attempt to take it up again means. Pure: the clock's
 * reading is a parameter.
 */
export interface SessionState {
  /** 0 until a server has given one. */
  readonly id: bigint;
  readonly password: Uint8Array;
  /** As asked for, then as negotiated. */
  readonly timeoutMs: number;
  /** The newest transaction seen. A server that is behind it refuses us. */
  readonly lastZxid: bigint;
  /** Connections closed without a reply to the connect request, since one was answered. */
  readonly silentRefusals: number;
  /** Monotonic time at which the link was lost. */
  readonly lostAt: number | undefined;
}

/** So often, and for longer than the session could have lived, before a silent refusal is believed. */
const silentRefusalsBelieved = 3;

export function newSession(timeoutMs: number): SessionState {
  return {
    id: 0n,
    password: new Uint8Array(16),
    timeoutMs,
    lastZxid: 0n,
    silentRefusals: 0,
    lostAt: undefined,
  };
}

/** The timeout is negotiated anew on every connection, so the one that is wanted is asked for. */
export function connectRequestOf(state: SessionState, timeoutMs: number): ConnectRequest {
  return {
    lastZxidSeen: state.lastZxid,
    timeoutMs,
    sessionId: state.id,
    password: state.password,
  };
}

export type Handshake =
  | { readonly verdict: 'opened' | 'resumed'; readonly state: SessionState }
  | { readonly verdict: 'expired' };

/** A server answered the connect request. */
export function afterResponse(state: SessionState, response: ConnectResponse): Handshake {
  if (response.timeoutMs <= 0) return { verdict: 'expired' };
  if (state.id !== 0n && response.sessionId !== state.id) return { verdict: 'expired' };
  return {
    verdict: state.id === 0n ? 'opened' : 'resumed',
    state: {
      id: response.sessionId,
      password: response.password,
      timeoutMs: response.timeoutMs,
      lastZxid: state.lastZxid,
      silentRefusals: 0,
      lostAt: undefined,
    },
  };
}

export function afterReply(state: SessionState, zxid: bigint): SessionState {
  return zxid > state.lastZxid ? { ...state, lastZxid: zxid } : state;
}

export function afterLoss(state: SessionState, now: number): SessionState {
  return state.lostAt === undefined ? { ...state, lostAt: now } : state;
}

/**
 * A server closed the connection instead of answering the connect request. Servers do so while they
 * have no quorum and above their limit of connections, which passes; and to a client that has seen a
 * newer transaction than they have. On one follower that passes as well, but servers that were wiped
 * or restored would refuse for ever. After several refusals, and when the session would have expired
 * unattended anyway, it is given up; its successor starts from transaction 0.
 */
export function afterSilentRefusal(
  state: SessionState,
  now: number,
): { readonly state: SessionState; readonly expired: boolean } {
  const refused = { ...afterLoss(state, now), silentRefusals: state.silentRefusals + 1 };
  const lostFor = now - (refused.lostAt ?? now);
  return {
    state: refused,
    expired:
      refused.lastZxid > 0n &&
      refused.silentRefusals >= silentRefusalsBelieved &&
      lostFor >= refused.timeoutMs,
  };
}
