import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import type { LeaderElection } from './leader-election.ts';
import type { Leadership } from './leadership.ts';
import type { Runnable } from './runnable.ts';

export interface ManagerOptions {
  election: LeaderElection;
  logger: Logger;
  /**
   * Builds everything that runs under one term: informers and controllers. It is called anew for each
   * term, so that every cache begins with a list made after the term did and so holds every write of
   * the leader before.
   */
  build(leadership: Leadership): readonly Runnable[];
}

/** Runs the leader's controllers while this process leads. */
export class Manager implements Runnable {
  readonly name = 'manager';
  readonly #options: ManagerOptions;

  constructor(options: ManagerOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#options.election.run(signal, (leadership) => this.#lead(leadership));
  }

  async #lead(leadership: Leadership): Promise<void> {
    await runAll(this.#options.build(leadership), leadership.signal, this.#options.logger);
  }
}

/**
 * Runs all until the signal aborts. If one fails the others are stopped; it is thrown once every one of
 * them has ended, so that nothing of a term outlives it.
 */
export async function runAll(
  runnables: readonly Runnable[],
  signal: AbortSignal,
  logger: Logger,
): Promise<void> {
  const stop = new AbortController();
  const all = AbortSignal.any([signal, stop.signal]);
  // Every part listens; Node warns of more than ten listeners, which here are no leak.
  setMaxListeners(0, all);
  const failures: unknown[] = [];
  await Promise.all(
    runnables.map(async (runnable) => {
      try {
        await runnable.run(all);
      } catch (error) {
        logger.error({ err: error, runnable: runnable.name }, 'stopped by a failure');
        failures.push(error);
        stop.abort();
      }
    }),
  );
  if (failures.length > 0) throw new AggregateError(failures, 'a part of the leader failed');
}
