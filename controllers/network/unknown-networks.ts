import type { Clock } from '../../api/machinery/clock.ts';

/** How long a launch that found a CNI network missing keeps others that need it off the agent. */
export const unknownForMs = 600_000;

/**
 * CNI networks that agents turned out not to have. Offers do not say which networks an agent has, so
 * what is not in here is eligible. An entry lapses by itself: agents are mended.
 */
export class UnknownNetworks {
  readonly #clock: Clock;
  /** Deadlines in monotonic milliseconds, by agent id and CNI name. */
  readonly #until = new Map<string, Map<string, number>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  mark(agentId: string, cniName: string, forMs = unknownForMs): void {
    if (forMs <= 0) return;
    const until = this.#clock.monotonic() + Math.min(forMs, unknownForMs);
    const networks = this.#until.get(agentId) ?? new Map<string, number>();
    this.#until.set(agentId, networks.set(cniName, until));
  }

  /** The networks that the agent lacks, and for how many milliseconds that still counts. */
  of(agentId: string): ReadonlyMap<string, number> {
    const networks = this.#until.get(agentId);
    if (networks === undefined) return new Map();
    const now = this.#clock.monotonic();
    for (const [name, until] of networks) if (until <= now) networks.delete(name);
    if (networks.size === 0) this.#until.delete(agentId);
    return new Map([...networks].map(([name, until]) => [name, until - now]));
  }
}
