import { pino } from 'pino';
import type { Logger } from 'pino';
import type { Client } from '../../../../api/client/client.ts';
import { createClient } from '../../../../api/client/resource-client.ts';
import type { Transport } from '../../../../api/client/transport.ts';
import type { Random } from '../../../../api/machinery/random.ts';
import { seededRandom } from '../../../../api/machinery/random.ts';
import type { ApiServer } from '../../../../api/server/server.ts';
import { createApiServer } from '../../../../api/server/server.ts';
import { MemoryStorage } from '../../../../api/storage/memory.ts';
import type { Storage } from '../../../../api/storage/storage.ts';
import { namespaceResource } from '../../../../api/v1/core.ts';
import { resources } from '../../../../api/v1/resources.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

export const silent: Logger = pino({ level: 'silent' });

/** The real API server over the memory driver, in process and on a virtual clock. */
export interface TestApi {
  clock: VirtualClock;
  random: Random;
  storage: MemoryStorage;
  server: ApiServer;
  transport: Transport;
  client: Client;
  stop(): Promise<void>;
}

export const tester = { name: 'tester', groups: ['system:masters'] };

export async function startServer(on: {
  storage: Storage;
  clock: VirtualClock;
  random: Random;
}): Promise<ApiServer> {
  const server = createApiServer({
    ...on,
    resources,
    logger: silent,
    version: '0.0.0',
    authorization: 'AlwaysAllow',
    serverSetRoots: [{ prefix: '/aurora', namespaces: ['prod'] }],
  });
  await server.start();
  return server;
}

export async function startApi(seed = 1): Promise<TestApi> {
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const storage = new MemoryStorage({ clock });
  const server = await startServer({ storage, clock, random });
  const transport = server.transport(tester);
  const client = createClient(transport);
  await client.of(namespaceResource).create({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'prod' },
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    await storage.close();
  };
  return { clock, random, storage, server, transport, client, stop };
}

/** Advances time until `condition` holds; fails after `limitMs` of virtual time. */
export async function until(
  clock: VirtualClock,
  condition: () => boolean | Promise<boolean>,
  limitMs = 60_000,
): Promise<void> {
  const end = clock.monotonic() + limitMs;
  await settle();
  while (!(await condition())) {
    if (!(await clock.next(end - clock.monotonic()))) {
      throw new Error(`the condition did not come true within ${limitMs} ms`);
    }
  }
}
