import type { Clock } from '../../api/machinery/clock.ts';
import type { Offer } from '../../proto/mesos/generated/messages.ts';

/** All offers in hand of one agent to one role: they are used, or refused, together. */
export interface OfferGroup {
  agentId: string;
  role: string;
  offers: readonly Offer[];
}

interface Held {
  offer: Offer;
  group: string;
  /** Monotonic milliseconds. */
  since: number;
}

/** Offers in hand of one subscription. Bounded by what Mesos gives out: an agent's rest is offered once. */
export class OfferStore {
  readonly #clock: Clock;
  /** In the order in which they came. */
  readonly #offers = new Map<string, Held>();
  readonly #groups = new Map<string, Map<string, Offer>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#offers.size;
  }

  add(offer: Offer): void {
    const id = offer.id.value;
    const group = `${offer.agent_id.value} ${roleOf(offer)}`;
    this.remove(id);
    this.#offers.set(id, { offer, group, since: this.#clock.monotonic() });
    let members = this.#groups.get(group);
    if (members === undefined) this.#groups.set(group, (members = new Map<string, Offer>()));
    members.set(id, offer);
  }

  /** Rescinded or used. */
  remove(id: string): void {
    const held = this.#offers.get(id);
    if (held === undefined) return;
    this.#offers.delete(id);
    const members = this.#groups.get(held.group);
    members?.delete(id);
    if (members?.size === 0) this.#groups.delete(held.group);
  }

  /** Nothing is in hand of a subscription that has ended. */
  clear(): void {
    this.#offers.clear();
    this.#groups.clear();
  }

  groups(): OfferGroup[] {
    return [...this.#groups.values()].flatMap((members) => {
      const offers = [...members.values()];
      const [first] = offers;
      if (first === undefined) return [];
      return [{ agentId: first.agent_id.value, role: roleOf(first), offers }];
    });
  }

  /** Takes out the offers that have been in hand for `ms`; all of them at 0. */
  takeOlderThan(ms: number): string[] {
    const latest = this.#clock.monotonic() - ms;
    const old: string[] = [];
    for (const [id, { since }] of this.#offers) {
      if (since > latest) break;
      old.push(id);
    }
    for (const id of old) this.remove(id);
    return old;
  }
}

/** Without MULTI_ROLE the role is not in the offer; we always have it. */
function roleOf(offer: Offer): string {
  return offer.allocation_info?.role ?? '*';
}
