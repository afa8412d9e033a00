import { sleep, type Clock } from '../../api/machinery/clock.ts';
import type { Random } from '../../api/machinery/random.ts';
import type { Coverage } from './trace.ts';

/**
 * What may become of one request:
 * - `lost`: it has its effect, its answer is lost;
 * - `dropped`: it has no effect, and nobody says so;
 * - `late`: it is given up and has its effect afterwards;
 * - `refused`: the other side says that it cannot.
 */
export type RequestFault = 'lost' | 'dropped' | 'late' | 'refused';

export const requestFaults: readonly RequestFault[] = ['lost', 'dropped', 'late', 'refused'];

/** Faults that wait for the n-th request from now on. */
export class ArmedFaults {
  readonly #armed: { left: number; fault: RequestFault }[] = [];
  readonly #coverage: Coverage;
  readonly #name: string;

  constructor(name: string, coverage: Coverage) {
    this.#name = name;
    this.#coverage = coverage;
  }

  arm(fault: RequestFault, requests: number): void {
    this.#armed.push({ left: requests, fault });
  }

  disarm(): void {
    this.#armed.length = 0;
  }

  /** What becomes of the request that is made now. */
  next(): RequestFault | undefined {
    let due: RequestFault | undefined;
    for (const armed of this.#armed) {
      armed.left -= 1;
      if (armed.left <= 0) due ??= armed.fault;
    }
    if (due === undefined) return undefined;
    const remaining = this.#armed.filter(({ left }) => left > 0);
    this.#armed.splice(0, this.#armed.length, ...remaining);
    this.#coverage.count(`${this.#name} ${due}`);
    return due;
  }
}

export interface NetworkOptions {
  clock: Clock;
  random: Random;
  /** Most milliseconds of one way. */
  latencyMs: number;
}

/** Messages take their time, each its own. */
export async function travel({ clock, random, latencyMs }: NetworkOptions): Promise<void> {
  await sleep(clock, random.next() * latencyMs);
}
