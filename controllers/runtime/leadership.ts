import type { Client, ResourceClient } from '../../api/client/client.ts';
import type { LeaseFence } from '../../api/client/transport.ts';
import type { Clock, Timer } from '../../api/machinery/clock.ts';
import { microTimestamp } from '../../api/machinery/clock.ts';
import { isApiError } from '../../api/machinery/errors.ts';
import type { Lease } from '../../api/v1/core.ts';
import { leaseResource } from '../../api/v1/core.ts';

/** One term of leadership, as those who act under it see it. */
export interface Leadership {
  /** Create revision of the Lease: greater in every later term. */
  readonly epoch: number;
  readonly fence: LeaseFence;
  /** Every write through it is refused by the store once somebody else has taken over. */
  readonly client: Client;
  /** Aborts when the term ends, for whatever reason. */
  readonly signal: AbortSignal;
  /**
   * Whether there is time left to act. Ask right before every call that the store cannot fence. It
   * cannot see a freeze between the question and the act.
   */
  stillHolding(): boolean;
  /** Reads the Lease back, linearizably: false is certain and ends the term; throws if it cannot tell. */
  verify(): Promise<boolean>;
}

export interface HoldingOptions {
  client: Client;
  /** As its create answered: the resourceVersion is the epoch. */
  lease: Lease;
  clock: Clock;
  /** Monotonic time at which the create was sent. */
  sentAt: number;
  /** Time after a good renewal was sent at which the holder stops. */
  stopAfterMs: number;
}

/** A Lease that is ours until it is not renewed in time, seen to be another's, or given up. */
export class Holding implements Leadership {
  readonly epoch: number;
  readonly fence: LeaseFence;
  readonly client: Client;
  readonly #leases: ResourceClient<Lease>;
  readonly #clock: Clock;
  readonly #stopAfterMs: number;
  readonly #controller = new AbortController();
  #lease: Lease;
  #renewedAt: number;
  #expiry: Timer | undefined;
  #lostReason: string | undefined;

  constructor({ client, lease, clock, sentAt, stopAfterMs }: HoldingOptions) {
    const { namespace = '', name, resourceVersion } = lease.metadata;
    this.epoch = Number(resourceVersion);
    this.fence = { namespace, name, epoch: this.epoch };
    this.client = client.fenced(this.fence);
    this.#leases = client.of(leaseResource);
    this.#clock = clock;
    this.#stopAfterMs = stopAfterMs;
    this.#lease = lease;
    this.#renewedAt = sentAt;
    this.#renewed(sentAt);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get lostReason(): string | undefined {
    return this.#lostReason;
  }

  stillHolding(): boolean {
    return (
      this.#lostReason === undefined &&
      this.#clock.monotonic() - this.#renewedAt < this.#stopAfterMs
    );
  }

  async verify(): Promise<boolean> {
    if (!this.stillHolding()) return false;
    await this.#reread();
    return this.stillHolding();
  }

  /**
   * Extends the term. If it fails, reading back tells whether the write arrived though its answer did
   * not, and which version to try next.
   */
  async renew(): Promise<void> {
    const sentAt = this.#clock.monotonic();
    const renewTime = microTimestamp(this.#clock);
    const spec = { ...this.#lease.spec, renewTime };
    try {
      this.#lease = await this.#leases.update({ ...this.#lease, spec });
      this.#renewed(sentAt);
    } catch (error) {
      await this.#reread();
      if (!this.stillHolding()) return;
      if (this.#lease.spec?.renewTime === renewTime) this.#renewed(sentAt);
      else throw error;
    }
  }

  lose(reason: string): void {
    if (this.#lostReason !== undefined) return;
    this.#lostReason = reason;
    this.#expiry?.cancel();
    this.#controller.abort();
  }

  /** Deletes the Lease if it is still this one: the next leader makes its own. */
  async release(): Promise<void> {
    const { namespace, name, uid } = this.#lease.metadata;
    try {
      await this.#leases.delete({ namespace, name }, { preconditions: { uid } });
    } catch (error) {
      if (!isApiError(error, 'NotFound', 'Conflict')) throw error;
    }
  }

  /** The uid is unique for each create, so the same uid is the same epoch. */
  async #reread(): Promise<void> {
    const { namespace, name, uid } = this.#lease.metadata;
    const current = await this.#leases.find({ namespace, name });
    const holder = this.#lease.spec?.holderIdentity;
    if (current?.metadata.uid === uid && current.spec?.holderIdentity === holder) {
      this.#lease = current;
    } else {
      this.lose('the lease is no longer ours');
    }
  }

  #renewed(sentAt: number): void {
    if (this.#lostReason !== undefined) return;
    this.#renewedAt = sentAt;
    this.#expiry?.cancel();
    const left = sentAt + this.#stopAfterMs - this.#clock.monotonic();
    this.#expiry = this.#clock.after(left, () => this.lose('the lease was not renewed in time'));
  }
}
