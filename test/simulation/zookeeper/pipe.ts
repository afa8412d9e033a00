import type { Clock } from '../../../api/machinery/clock.ts';

/** One direction of a connection: what is sent arrives later, in its order, or not at all. */
export class Pipe {
  readonly #clock: Clock;
  readonly #latencyMs: () => number;
  readonly #waiting: (() => void)[] = [];
  #lastDue = 0;
  #silent = false;

  constructor(clock: Clock, latencyMs: () => number) {
    this.#clock = clock;
    this.#latencyMs = latencyMs;
  }

  send(arrive: () => void): void {
    if (this.#silent) return;
    this.#waiting.push(arrive);
    const now = this.#clock.monotonic();
    this.#lastDue = Math.max(this.#lastDue, now + this.#latencyMs());
    this.#clock.after(this.#lastDue - now, () => this.#waiting.shift()?.());
  }

  /** Nothing that is sent from now on arrives; of what is under way, so much of the front as `share` says. */
  close(share = 0): void {
    this.#silent = true;
    const kept = Math.ceil(this.#waiting.length * share);
    for (let at = kept; at < this.#waiting.length; at += 1) this.#waiting[at] = () => undefined;
  }
}
