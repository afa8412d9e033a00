import type { Clock } from '../../api/machinery/clock.ts';
import type { ObservedNode } from './plan.ts';

/**
 * Since when members are STOPPING. In this process by the monotonic clock; a drain that a former leader
 * began goes on from the stamp in the member, as far as the wall clocks agree.
 */
export class Drains {
  readonly #clock: Clock;
  /** Monotonic times, by path of the node and its stamp: a name may be used again. */
  readonly #since = new Map<string, { stamp: string; at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The member has been STOPPING with this stamp from now on, unless it was already. */
  began(nodePath: string, stamp: string): void {
    if (this.#since.get(nodePath)?.stamp === stamp) return;
    this.#since.set(nodePath, { stamp, at: this.#clock.monotonic() });
  }

  ended(nodePath: string): void {
    this.#since.delete(nodePath);
  }

  elapsedMs(nodePath: string, { ours }: ObservedNode): number {
    const stamp = ours?.stoppingSince ?? '';
    const known = this.#since.get(nodePath);
    const now = this.#clock.monotonic();
    if (known?.stamp === stamp) return now - known.at;
    const written = Date.parse(stamp);
    // A stamp from the future, or none that is one, begins now.
    const ago = Number.isNaN(written) ? 0 : Math.max(0, this.#clock.now() - written);
    this.#since.set(nodePath, { stamp, at: now - ago });
    return ago;
  }
}
