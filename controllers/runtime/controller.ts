import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import type { Clock } from '../../api/machinery/clock.ts';
import { isApiError } from '../../api/machinery/errors.ts';
import { RateLimitedQueue, WorkQueue } from './queue.ts';
import type { RateLimits } from './queue.ts';
import type { Runnable } from './runnable.ts';

/** What a reconciliation that did not fail asks for. */
export interface Result {
  /** Look again after this many milliseconds, even if nothing changes. */
  requeueAfterMs?: number | undefined;
}

/**
 * Brings the world one step nearer to what the object at `key` wants. It gets the key only: what
 * happened does not matter, what is does. Throwing means "try again"; see TerminalError.
 */
export type Reconcile = (key: string, signal: AbortSignal) => Promise<Result>;

/** An error that trying again cannot mend: only a change of the object can. */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';
}

export type Outcome = 'success' | 'requeue' | 'error' | 'terminal';

/** Told of every reconciliation; the composition root turns it into metrics. */
export interface ControllerObserver {
  reconciled(controller: string, outcome: Outcome, milliseconds: number): void;
}

export interface ControllerOptions {
  name: string;
  reconcile: Reconcile;
  /** Caches that must have synced before the first reconciliation. */
  waitFor: readonly { synced(signal: AbortSignal): Promise<void> }[];
  clock: Clock;
  logger: Logger;
  /** Keys worked on at the same time; 1 if absent. */
  concurrency?: number;
  rateLimits?: RateLimits;
  observer?: ControllerObserver;
}

/**
 * Runs a reconciliation for every key that is enqueued. Two never run for one key at a time. A failure
 * is retried with back-off; nothing that a reconciliation throws ends the controller.
 */
export class Controller implements Runnable {
  readonly name: string;
  readonly #options: ControllerOptions;
  readonly #queue: RateLimitedQueue;

  constructor(options: ControllerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#queue = new RateLimitedQueue(new WorkQueue(), options.clock, options.rateLimits);
  }

  /** Keys that wait. */
  get depth(): number {
    return this.#queue.depth;
  }

  /** Keys that came to be worked on so far. */
  get added(): number {
    return this.#queue.added;
  }

  /** Reconciliations so far that failed and were tried again. */
  get retried(): number {
    return this.#queue.retried;
  }

  enqueue(key: string): void {
    this.#queue.add(key);
  }

  enqueueAfter(key: string, ms: number): void {
    this.#queue.addAfter(key, ms);
  }

  /** Works until the signal aborts; returns once every reconciliation under way has ended. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#options.waitFor.map((cache) => cache.synced(signal)));
    // Each worker that waits listens for the end: of a signal of its own, which may have that many.
    const ended = AbortSignal.any([signal]);
    setMaxListeners(0, ended);
    const workers = Array.from({ length: this.#options.concurrency ?? 1 }, () => this.#work(ended));
    await Promise.all(workers);
    this.#queue.end();
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (;;) {
      const key = await this.#queue.get(signal);
      if (key === undefined) return;
      await this.#process(key, signal);
      this.#queue.done(key);
    }
  }

  async #process(key: string, signal: AbortSignal): Promise<void> {
    const { clock, reconcile, observer } = this.#options;
    const started = clock.monotonic();
    let outcome: Outcome;
    try {
      const { requeueAfterMs } = await reconcile(key, signal);
      this.#queue.forget(key);
      if (requeueAfterMs !== undefined) this.#queue.addAfter(key, requeueAfterMs);
      outcome = requeueAfterMs === undefined ? 'success' : 'requeue';
    } catch (error) {
      outcome = this.#failed(key, error, signal);
    }
    observer?.reconciled(this.name, outcome, clock.monotonic() - started);
  }

  #failed(key: string, error: unknown, signal: AbortSignal): Outcome {
    const { logger } = this.#options;
    const fields = { controller: this.name, key, err: error };
    if (error instanceof TerminalError) {
      this.#queue.forget(key);
      logger.error(fields, 'reconciliation failed for good');
      return 'terminal';
    }
    const retryInMs = Math.round(this.#queue.addRateLimited(key));
    // Losing a race, or leadership, is no fault: the next round sees the newer state.
    const expected = signal.aborted || isApiError(error, 'Conflict', 'LeaderChanged');
    if (expected) logger.debug({ ...fields, retryInMs }, 'reconciliation was overtaken');
    else logger.warn({ ...fields, retryInMs }, 'reconciliation failed');
    return 'error';
  }
}
