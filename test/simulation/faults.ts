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

/** Share of the requests that go wrong while a link is flaky. */
const flakyShare = 0.3;

/** Faults that wait for the n-th request from now on, and times in which many go wrong. */
export class ArmedFaults {
  readonly #armed: { left: number; fault: RequestFault }[] = [];
  readonly #name: string;
  readonly #coverage: Coverage;
  readonly #network: Pick<NetworkOptions, 'clock' | 'random'>;
  #flakyUntil = 0;

  constructor(name: string, coverage: Coverage, network: Pick<NetworkOptions, 'clock' | 'random'>) {
    this.#name = name;
    this.#coverage = coverage;
    this.#network = network;
  }

  flakyFor(ms: number): void {
    this.#flakyUntil = this.#network.clock.monotonic() + ms;
  }

  arm(fault: RequestFault, requests: number): void {
    this.#armed.push({ left: requests, fault });
  }

  disarm(): void {
    this.#armed.length = 0;
    this.#flakyUntil = 0;
  }

  /** What becomes of the request that is made now. */
  next(): RequestFault | undefined {
    let due = this.#flaky();
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

  #flaky(): RequestFault | undefined {
    const { clock, random } = this.#network;
    if (clock.monotonic() >= this.#flakyUntil || random.next() >= flakyShare) return undefined;
    return requestFaults[Math.floor(random.next() * requestFaults.length)];
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
