import { jitter, type Random } from '../../api/machinery/random.ts';

export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
}

/**
 * Milliseconds before the next attempt to connect: almost none while some server is untried, then
 * doubling from `baseMs` with each round over the servers up to `capMs`, spread by half either way so
 * that clients which lost the same server do not return in step.
 */
export function reconnectDelay(
  failures: number,
  servers: number,
  backoff: Backoff,
  random: Random,
): number {
  const round = Math.floor(failures / servers);
  const delay = round === 0 ? backoff.baseMs / 4 : backoff.baseMs * 2 ** (round - 1);
  return jitter(random, Math.min(delay, backoff.capMs), 0.5);
}
