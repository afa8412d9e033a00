/** Whether offers are wanted: a pure function of what waits and of what was asked last. */

export interface DemandState {
  /** Whether a task waits that is not being launched. */
  waiting: boolean;
  /** Offers in hand. */
  offers: number;
  suppressed: boolean;
  /** Monotonic time in milliseconds, here and below. */
  now: number;
  /** When something waited last. */
  busyAt: number;
  revivedAt: number | undefined;
  /** Offers asked for in a row without a launch that followed. */
  fruitless: number;
}

export type Demand =
  /** `checkInMs`: when to ask again though nothing happens. */
  | { kind: 'Wait'; checkInMs: number | undefined }
  /** Clears our refusals and asks for offers. */
  | { kind: 'Revive' }
  /** Gives back what is in hand and asks for none. */
  | { kind: 'Suppress' };

/** Offers are kept so long after the last task was served: more tasks may come. */
export const lingerMs = 1_000;
/** Delay between two REVIVEs that each led to launches. */
const eagerMs = 200;
/** Delay after a first REVIVE that led to none; doubled at each further one. */
const fruitlessMs = 2_000;
const maxFruitlessMs = 60_000;

export function demandFor(state: DemandState): Demand {
  const { waiting, offers, suppressed, now, busyAt } = state;
  if (waiting) {
    if (suppressed) return { kind: 'Revive' };
    if (offers > 0) return { kind: 'Wait', checkInMs: undefined };
    const left = (state.revivedAt ?? -Infinity) + pauseAfter(state.fruitless) - now;
    return left <= 0 ? { kind: 'Revive' } : { kind: 'Wait', checkInMs: left };
  }
  if (suppressed && offers === 0) return { kind: 'Wait', checkInMs: undefined };
  const left = suppressed ? 0 : busyAt + lingerMs - now;
  return left <= 0 ? { kind: 'Suppress' } : { kind: 'Wait', checkInMs: left };
}

function pauseAfter(fruitless: number): number {
  if (fruitless === 0) return eagerMs;
  return Math.min(maxFruitlessMs, fruitlessMs * 2 ** Math.min(fruitless - 1, 20));
}
