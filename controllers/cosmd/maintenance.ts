import type { Logger } from 'pino';
import { sleep, type Clock } from '../../api/machinery/clock.ts';
import { Compactor } from '../../api/storage/compactor.ts';
import type { Storage } from '../../api/storage/storage.ts';
import type { Runnable } from '../runtime/runnable.ts';

const inspectionMs = 60_000;

/** What the store needs besides being used: compaction, and somebody who tells of its troubles. */
export function maintenanceOf(storage: Storage, clock: Clock, logger: Logger): Runnable[] {
  const log = logger.child({ component: 'storage' });
  const compactor = new Compactor({
    storage,
    clock,
    onError: (error) => log.warn({ err: error }, 'a round of compaction failed'),
  });
  return [
    { name: 'compactor', run: (signal) => compactor.run(signal) },
    { name: 'inspector', run: (signal) => inspect(storage, clock, log, signal) },
  ];
}

/** Logs each trouble of the store when it appears, and again only after it was gone. */
async function inspect(
  storage: Storage,
  clock: Clock,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  let told = new Set<string>();
  while (!signal.aborted) {
    const problems = await storage.problems();
    for (const { severity, reason, message } of problems) {
      if (told.has(reason)) continue;
      if (severity === 'fatal') log.error({ reason }, message);
      else log.warn({ reason }, message);
    }
    told = new Set(problems.map(({ reason }) => reason));
    await sleep(clock, inspectionMs, signal);
  }
}
