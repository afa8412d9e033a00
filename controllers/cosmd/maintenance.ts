import type { Logger } from 'pino';
import type { Client } from '../../api/client/client.ts';
import { sleep, type Clock } from '../../api/machinery/clock.ts';
import type { Metrics } from '../../api/machinery/metrics.ts';
import type { Random } from '../../api/machinery/random.ts';
import { Compactor } from '../../api/storage/compactor.ts';
import type { Storage, StorageProblem } from '../../api/storage/storage.ts';
import { namespaceResource } from '../../api/v1/core.ts';
import { EventRecorder } from '../runtime/event-recorder.ts';
import type { Runnable } from '../runtime/runnable.ts';

const inspectionMs = 60_000;

/** The object that Events about the store are about. */
const systemNamespace = 'mesocosm-system';

export interface MaintenanceOptions {
  storage: Storage;
  /** Writes the Events. */
  client: Client;
  metrics: Metrics;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/** What the store needs besides being used: compaction, and somebody who tells of its troubles. */
export function maintenanceOf(options: MaintenanceOptions): Runnable[] {
  const log = options.logger.child({ component: 'storage' });
  const { storage, clock } = options;
  const compactor = new Compactor({
    storage,
    clock,
    onError: (error) => log.warn({ err: error }, 'a round of compaction failed'),
  });
  const inspector = new Inspector({ ...options, logger: log });
  return [{ name: 'compactor', run: (signal) => compactor.run(signal) }, inspector];
}

/**
 * Tells each trouble of the store in the log and in an Event when it appears, and again only after it was
 * gone, and in a metric as long as it lasts. /readyz asks the store itself.
 */
class Inspector implements Runnable {
  readonly name = 'inspector';
  readonly #options: MaintenanceOptions;
  readonly #recorder: EventRecorder;
  #problems: readonly StorageProblem[] = [];

  constructor(options: MaintenanceOptions) {
    this.#options = options;
    this.#recorder = new EventRecorder({ ...options, component: 'storage' });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { storage, metrics, clock } = this.#options;
    const remove = metrics.collect(
      'gauge',
      'mesocosm_storage_problems',
      'Troubles of the store that an operator must look at; the log says what to do.',
      () => this.#counts(),
    );
    while (!signal.aborted) {
      const found = await storage.problems();
      const known = new Set(this.#problems.map(identityOf));
      this.#problems = found;
      for (const problem of found) if (!known.has(identityOf(problem))) await this.#tell(problem);
      await sleep(clock, inspectionMs, signal);
    }
    // The store is closed when everything has ended.
    await this.#recorder.idle();
    remove();
  }

  *#counts(): Iterable<{ labels: Record<string, string>; value: number }> {
    const counts = new Map<string, { labels: Record<string, string>; value: number }>();
    for (const { reason, severity } of this.#problems) {
      const key = `${reason} ${severity}`;
      const known = counts.get(key) ?? { labels: { reason, severity }, value: 0 };
      counts.set(key, { ...known, value: known.value + 1 });
    }
    yield* counts.values();
  }

  async #tell(problem: StorageProblem): Promise<void> {
    const { client, logger } = this.#options;
    const { severity, reason, message } = problem;
    if (severity === 'fatal') logger.error({ reason }, message);
    else logger.warn({ reason }, message);
    try {
      const about = await client.of(namespaceResource).get({ name: systemNamespace });
      this.#recorder.record(about, 'Warning', `Storage${reason}`, message);
    } catch (error) {
      // A store in such trouble may not answer at all; the log has it.
      logger.debug({ err: error, reason }, 'no Event tells of the trouble');
    }
  }
}

/** One trouble of one member is one, however its numbers change. */
function identityOf({ reason, message }: StorageProblem): string {
  return `${reason} ${message.replace(/\d+ MiB/g, '')}`;
}
