import { stat } from 'node:fs/promises';
import type { Logger } from 'pino';
import { sleep, type Clock } from '../../api/machinery/clock.ts';
import type { Runnable } from '../runtime/runnable.ts';

export interface ReloadingOptions {
  /** What the files hold, in the log: `certificate of the API`. */
  what: string;
  files: readonly string[];
  /** Reads the files and takes on what they say; answers whether that is anything new. */
  reload: () => boolean;
  clock: Clock;
  logger: Pick<Logger, 'info' | 'error'>;
}

/** Files are looked at so often, and count once two looks have found the same: they change one by one. */
const lookMs = 5_000;

/**
 * Takes on what files say when they change. Files that cannot be used are logged, once for each reason, and
 * tried again at each look; what they said before goes on to count.
 */
export function reloading({ what, files, reload, clock, logger }: ReloadingOptions): Runnable {
  let taken = '';
  let seen = '';
  let refused = '';
  const look = (): void => {
    try {
      if (reload()) logger.info({ files }, `${what}: what the files say now counts`);
      taken = seen;
      refused = '';
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (reason !== refused) {
        const consequence = 'cannot be used; what they said before goes on to count';
        logger.error({ files, reason }, `${what}: the files ${consequence}`);
      }
      refused = reason;
    }
  };
  return {
    name: `reloading (${what})`,
    run: async (signal) => {
      while (!signal.aborted) {
        const versions = await Promise.all(files.map(versionOf));
        const version = versions.join('\n');
        if (version !== seen) seen = version;
        else if (version !== taken) look();
        await sleep(clock, lookMs, signal);
      }
    },
  };
}

/** Of the file that a link leads to, as in mounted Secrets. */
async function versionOf(file: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(file);
    return `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
