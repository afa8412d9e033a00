import type { Logger } from 'pino';
import type { Client, ResourceClient } from '../../api/client/client.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import { microTimestamp, sleep } from '../../api/machinery/clock.ts';
import { isApiError } from '../../api/machinery/errors.ts';
import type { Draft } from '../../api/machinery/metadata.ts';
import type { Random } from '../../api/machinery/random.ts';
import { jitter } from '../../api/machinery/random.ts';
import type { Lease } from '../../api/v1/core.ts';
import { leaseResource } from '../../api/v1/core.ts';
import type { Leadership } from './leadership.ts';
import { Holding } from './leadership.ts';

export interface LeaderElectionOptions {
  client: Client;
  /** The Lease. Its namespace must exist. */
  namespace: string;
  name: string;
  /** Unique for each process that ever runs: two of one identity would take each other's Lease. */
  identity: string;
  /** Term of the Lease in seconds, a whole number of at least 3; 15 if absent. */
  leaseDurationSeconds?: number;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/**
 * Election over a Lease object. What it gives, and what not:
 *
 * - It does not by itself keep two processes from believing that they lead: clocks of two machines may
 *   run apart, and a process may be frozen between a check and an act. What holds is the fence: a
 *   takeover deletes the Lease and creates a new one, whose create revision is the epoch. A deposed
 *   leader's writes carry the old epoch and are refused by the store.
 * - A challenger times an unchanged Lease on its own monotonic clock, from when it first saw it so. No
 *   wall clock is ever compared with another machine's.
 * - A holder stops at two thirds of the term after the moment it *sent* its last good renewal, so that
 *   it has stopped, clocks of equal pace assumed, a third of a term before anybody may take over.
 */
export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #leases: ResourceClient<Lease>;
  readonly #termMs: number;
  /** The Lease as it was last seen, and since when it has been so. */
  #observed: { uid: string; resourceVersion: string; since: number } | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#leases = options.client.of(leaseResource);
    this.#termMs = (options.leaseDurationSeconds ?? 15) * 1000;
  }

  /**
   * Campaigns until the signal aborts; calls `lead` each time the Lease is won. When leadership or the
   * signal ends, it waits for `lead` to return before it campaigns again or gives the Lease back.
   * What `lead` throws ends the term and is logged; another candidate may fare better.
   */
  async run(signal: AbortSignal, lead: (leadership: Leadership) => Promise<void>): Promise<void> {
    const { clock, random, logger } = this.#options;
    while (!signal.aborted) {
      const holding = await this.#campaign(signal);
      if (holding !== undefined) {
        logger.info({ identity: this.#options.identity, epoch: holding.epoch }, 'leading');
        await this.#serve(holding, signal, lead);
        logger.info({ epoch: holding.epoch, reason: holding.lostReason }, 'no longer leading');
      }
      // Also after a term: work that fails at once must not make this a busy loop.
      await sleep(clock, jitter(random, this.#termMs / 5, 0.2), signal);
    }
  }

  async #serve(
    holding: Holding,
    signal: AbortSignal,
    lead: (leadership: Leadership) => Promise<void>,
  ): Promise<void> {
    const { logger } = this.#options;
    const stop = (): void => holding.lose('shutting down');
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    const renewing = this.#renew(holding);
    try {
      await lead(holding);
      holding.lose('the work of the leader has ended');
    } catch (error) {
      logger.error({ err: error, epoch: holding.epoch }, 'the work of the leader failed');
      holding.lose('the work of the leader failed');
    } finally {
      signal.removeEventListener('abort', stop);
    }
    await renewing;
    await this.#release(holding);
  }

  /** One attempt to win; failures are logged and count as not having won. */
  async #campaign(signal: AbortSignal): Promise<Holding | undefined> {
    try {
      return await this.#attempt(signal);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'campaigning failed');
      return undefined;
    }
  }

  async #attempt(signal: AbortSignal): Promise<Holding | undefined> {
    const { namespace, name, logger } = this.#options;
    const lease = await this.#leases.find({ namespace, name });
    if (signal.aborted) return undefined;
    if (lease === undefined) return this.#create(0);
    if (!this.#mayTake(lease)) return undefined;
    const { uid, resourceVersion } = lease.metadata;
    logger.info({ holder: lease.spec?.holderIdentity }, 'taking over a stale lease');
    await this.#leases.delete({ namespace, name }, { preconditions: { uid, resourceVersion } });
    return this.#create((lease.spec?.leaseTransitions ?? 0) + 1);
  }

  /**
   * Whether the Lease is given back, unchanged for its whole term, or our own: of an earlier term, all
   * work of which has ended, or of a create whose answer was lost.
   */
  #mayTake(lease: Lease): boolean {
    const { clock, identity } = this.#options;
    const { uid, resourceVersion } = lease.metadata;
    const holder = lease.spec?.holderIdentity ?? '';
    if (holder === '' || holder === identity) return true;
    const now = clock.monotonic();
    const seen = this.#observed;
    if (seen?.uid !== uid || seen.resourceVersion !== resourceVersion) {
      this.#observed = { uid, resourceVersion, since: now };
      return false;
    }
    // A holder with a longer term than ours has been promised that term.
    const term = Math.max(this.#termMs, (lease.spec?.leaseDurationSeconds ?? 0) * 1000);
    return now - seen.since >= term;
  }

  async #create(transitions: number): Promise<Holding | undefined> {
    const { client, namespace, name, identity, clock } = this.#options;
    const now = microTimestamp(clock);
    const draft: Draft<Lease> = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: this.#termMs / 1000,
        acquireTime: now,
        renewTime: now,
        leaseTransitions: transitions,
      },
    };
    const sentAt = clock.monotonic();
    try {
      const lease = await this.#leases.create(draft);
      return new Holding({ client, lease, clock, sentAt, stopAfterMs: (this.#termMs * 2) / 3 });
    } catch (error) {
      if (isApiError(error, 'AlreadyExists')) return undefined;
      throw error;
    }
  }

  /** Renews until the holding is lost; a failed renewal is tried again while there is time. */
  async #renew(holding: Holding): Promise<void> {
    const { clock, random, logger } = this.#options;
    while (holding.stillHolding()) {
      await sleep(clock, jitter(random, this.#termMs / 5, 0.1), holding.signal);
      if (!holding.stillHolding()) return;
      try {
        await holding.renew();
      } catch (error) {
        logger.warn({ err: error, epoch: holding.epoch }, 'renewing the lease failed');
      }
    }
  }

  /** Gives the Lease back, so that nobody has to wait for its term. Only called once all work ended. */
  async #release(holding: Holding): Promise<void> {
    try {
      await holding.release();
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'giving the lease back failed; it will expire');
    }
  }
}
