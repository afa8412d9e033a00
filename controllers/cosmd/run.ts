import type { Logger } from 'pino';
import type { Clock } from '../../api/machinery/clock.ts';
import type { Random } from '../../api/machinery/random.ts';
import { apiServerOf } from './api.ts';
import type { Config, Role } from './config.ts';
import { openStorage } from './storage.ts';

export interface Process {
  config: Config;
  roles: readonly Role[];
  logger: Logger;
  clock: Clock;
  random: Random;
}

/** Runs the roles of this process until the signal aborts; throws if one of them fails. */
export async function runCosmd(
  { config, logger, clock, random }: Process,
  signal: AbortSignal,
): Promise<void> {
  const storage = openStorage(config, clock, random);
  const server = apiServerOf({ config, storage, clock, random, logger, readyChecks: [] });
  await server.start();
  logger.info({ address: server.address }, 'the API listens');
  await new Promise((resolve) => {
    signal.addEventListener('abort', resolve, { once: true });
  });
  await server.stop();
  await storage.close();
}
