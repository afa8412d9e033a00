import type { Logger } from 'pino';
import { sleep, type Clock } from '../../api/machinery/clock.ts';
import type { Random } from '../../api/machinery/random.ts';
import { frameworkAnnotations } from '../../api/v1/framework.ts';
import type {
  SchedulerEvent,
  SchedulerEventSubscribed,
} from '../../proto/mesos/generated/messages.ts';
import type { SchedulerTransport, Subscription } from '../../proto/mesos/transport.ts';
import { Backoff } from '../runtime/backoff.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { subscribeCall, type FrameworkConfig } from './calls.ts';
import { StoppedError } from './fenced-writer.ts';
import type { FrameworkRecord } from './framework-record.ts';
import { classifyError, decideIdentity, removed } from './identity.ts';
import { Session } from './session.ts';
import { Wakeup } from './wakeup.ts';

export interface SubscriptionLoopOptions {
  transport: SchedulerTransport;
  config: FrameworkConfig;
  record: FrameworkRecord;
  /** Reads the Lease linearizably; false: we do not lead. */
  verifyLease: () => Promise<boolean>;
  /** Whether anything may be done at this moment. */
  mayAct: () => boolean;
  liveTasks: () => { count: number; frameworkIds: readonly string[] };
  /** Whether offers are not wanted at the moment. */
  startsSuppressed: () => boolean;
  /** Stores that every live task is dead, as an operator has confirmed. */
  buryAll: () => Promise<void>;
  onBegin: (session: Session, suppressed: boolean) => void;
  /** Resolves once the next event may be read. */
  onEvent: (session: Session, event: SchedulerEvent) => Promise<void>;
  onEnd: () => void;
  clock: Clock;
  random: Random;
  logger: Logger;
}

export interface Readiness {
  ok: boolean;
  reason: string;
}

/** An ERROR event, or a stream that is not what was asked for. */
class RefusedError extends Error {
  override readonly name = 'RefusedError';
}

/** SUBSCRIBED has to come within this time. */
const subscribedWithinMs = 15_000;
/** A subscription that held so long was none that failed at once. */
const lastingMs = 30_000;
/** Time without a subscription after which the Framework says so. */
const toleratedMs = 15_000;
/** A blocked framework looks again so often, besides when its object changes. */
const blockedMs = 60_000;

/**
 * Keeps one subscription. Mesos has no fence: the last SUBSCRIBE wins, so the Lease is read back before
 * each one; and it takes any framework id, so the id is checked before each one, too.
 */
export class SubscriptionLoop implements Runnable {
  readonly name = 'subscription';
  readonly #options: SubscriptionLoopOptions;
  readonly #backoff: Backoff;
  readonly #decided: Wakeup;
  #readiness: Readiness = { ok: false, reason: 'not subscribed yet' };
  #sessions = 0;
  #lostAt: number;

  constructor(options: SubscriptionLoopOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ base: 500, cap: 30_000, random: options.random });
    this.#decided = new Wakeup(options.clock);
    this.#lostAt = options.clock.monotonic();
  }

  get readiness(): Readiness {
    return this.#readiness;
  }

  /** The Framework object has changed: an operator may have decided. */
  reviewed(): void {
    this.#decided.wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#attempt(signal);
      } catch (error) {
        if (error instanceof StoppedError) return;
        await this.#retry(error, signal);
      }
    }
  }

  async #retry(error: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const retryInMs = this.#backoff.next();
    await this.#failed(error, retryInMs);
    await sleep(this.#options.clock, retryInMs, signal);
  }

  /** One step: a decision carried out, a wait for one, or a subscription from beginning to end. */
  async #attempt(signal: AbortSignal): Promise<void> {
    const { record, liveTasks, buryAll } = this.#options;
    const framework = await record.load();
    const { count, frameworkIds } = liveTasks();
    const decision = decideIdentity({ framework, liveTasks: count, launchedUnder: frameworkIds });
    switch (decision.kind) {
      case 'adopt':
        await record.identify(decision.id);
        await record.dropAnnotation(frameworkAnnotations.adopt);
        return;
      case 'reset':
        await buryAll();
        await record.identify(undefined);
        await record.dropAnnotation(frameworkAnnotations.reset);
        return;
      case 'block':
        await this.#block(decision.reason, decision.message, signal);
        return;
      case 'subscribe':
        await this.#subscribe(decision.id, signal);
    }
  }

  async #block(reason: string, message: string, signal: AbortSignal): Promise<void> {
    if (!this.#readiness.reason.startsWith(reason)) {
      this.#options.logger.error({ reason }, message);
    }
    this.#readiness = { ok: false, reason: `${reason}: ${message}` };
    await this.#options.record.notSubscribed('Blocked', reason, message);
    await this.#decided.wait(signal, blockedMs);
  }

  async #subscribe(id: string | undefined, signal: AbortSignal): Promise<void> {
    const { transport, config, startsSuppressed, verifyLease, clock } = this.#options;
    if (!(await verifyLease())) throw new RefusedError('we do not hold the lease');
    const suppressed = startsSuppressed();
    const call = subscribeCall(config, id, suppressed);
    const subscription = await transport.subscribe(call, signal, verifyLease);
    const overdue = clock.after(subscribedWithinMs, () => subscription.close());
    try {
      await this.#follow(subscription, id, suppressed, signal, () => overdue.cancel());
    } finally {
      overdue.cancel();
      subscription.close();
    }
    if (!signal.aborted) throw new RefusedError('the subscription has ended');
  }

  async #follow(
    subscription: Subscription,
    id: string | undefined,
    suppressed: boolean,
    signal: AbortSignal,
    confirmed: () => void,
  ): Promise<void> {
    const { onBegin, onEvent, onEnd, clock } = this.#options;
    let session: Session | undefined;
    let since = clock.monotonic();
    try {
      for await (const event of subscription.events) {
        if (signal.aborted) return;
        if (event.type === 'ERROR') await this.#refused(event.error?.message ?? 'no reason');
        else if (event.subscribed !== undefined) {
          confirmed();
          session = await this.#confirm(subscription, event.subscribed, id);
          since = clock.monotonic();
          onBegin(session, suppressed);
        } else if (session !== undefined) await onEvent(session, event);
      }
    } finally {
      if (session !== undefined) {
        session.close();
        this.#lostAt = clock.monotonic();
        if (this.#lostAt - since >= lastingMs) this.#backoff.reset();
        this.#readiness = { ok: false, reason: 'the subscription has ended' };
        onEnd();
      }
    }
  }

  /** The id is stored before anything can be launched under it. */
  async #confirm(
    subscription: Subscription,
    { framework_id: frameworkId, master_info: master }: SchedulerEventSubscribed,
    id: string | undefined,
  ): Promise<Session> {
    const { record, mayAct, logger } = this.#options;
    if (id !== undefined && frameworkId.value !== id) {
      throw new RefusedError(`subscribed as ${id}, but the master answers ${frameworkId.value}`);
    }
    this.#sessions += 1;
    const session = new Session({
      subscription,
      frameworkId: frameworkId.value,
      masterId: master?.id,
      number: this.#sessions,
      stillHolding: mayAct,
    });
    await record.subscribed(session);
    this.#readiness = { ok: true, reason: 'subscribed' };
    const { hostname, port } = session.master;
    logger.info({ framework: session.frameworkId, master: `${hostname}:${port}` }, 'subscribed');
    return session;
  }

  async #refused(message: string): Promise<never> {
    if (classifyError(message) === 'Removed') {
      await this.#options.record.notSubscribed('Blocked', 'FrameworkRemoved', removed());
    }
    throw new RefusedError(message);
  }

  async #failed(error: unknown, retryInMs: number): Promise<void> {
    const { logger, record, clock } = this.#options;
    const message = error instanceof Error ? error.message : String(error);
    logger.warn({ err: error, retryInMs: Math.round(retryInMs) }, 'not subscribed to Mesos');
    this.#readiness = { ok: false, reason: `not subscribed to Mesos: ${message}` };
    const shown = record.current?.status?.state;
    if (clock.monotonic() - this.#lostAt < toleratedMs || shown !== 'Subscribed') return;
    try {
      await record.notSubscribed('Disconnected', 'NotSubscribed', message);
    } catch (failure) {
      if (failure instanceof StoppedError) return;
      logger.warn({ err: failure }, 'the state of the framework could not be stored');
    }
  }
}
