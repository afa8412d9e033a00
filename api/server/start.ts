import { refusal } from '../client/decode.ts';
import type { Transport } from '../client/transport.ts';
import { sleep, type Clock } from '../machinery/clock.ts';
import type { ApiError } from '../machinery/errors.ts';
import type { ItemCache } from './registry/item.ts';
import { permanentNamespaces } from './registry/strategy.ts';
import type { ServerLogger } from './server.ts';

const pauseMs = 1_000;

/** Creates the namespaces that everybody may count on, however long the store keeps us waiting. */
export async function ensureNamespaces(options: {
  transport: Transport;
  cache: ItemCache;
  clock: Clock;
  logger: ServerLogger;
  signal: AbortSignal;
}): Promise<void> {
  const { transport, cache, clock, logger, signal } = options;
  while (!(await cache.waitFor(1, pauseMs, signal))) if (signal.aborted) return;
  const missing: string[] = [...permanentNamespaces];
  for (let name = missing[0]; name !== undefined; name = missing[0]) {
    const error = await ensure(transport, name);
    if (error === undefined) missing.shift();
    else {
      if (error.code < 500) throw error;
      logger.warn(
        { error: error.message, namespace: name },
        'a standing namespace is not there yet',
      );
      await sleep(clock, pauseMs, signal);
    }
    if (signal.aborted) return;
  }
}

async function ensure(transport: Transport, name: string): Promise<ApiError | undefined> {
  const path = '/api/v1/namespaces';
  const found = await transport.request({ method: 'GET', path: `${path}/${name}` });
  if (found.code === 200) return undefined;
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
  const answer = await transport.request({ method: 'POST', path, body });
  if (answer.code < 400) return undefined;
  const error = refusal(answer.body, answer.code);
  return error.reason === 'AlreadyExists' ? undefined : error;
}
