import type { Client } from '../../api/client/client.ts';
import { createClient } from '../../api/client/resource-client.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import { seededRandom } from '../../api/machinery/random.ts';
import { createApiServer, type ApiServer } from '../../api/server/server.ts';
import { namespaceResource } from '../../api/v1/core.ts';
import { networkResource } from '../../api/v1/network.ts';
import { resources } from '../../api/v1/resources.ts';
import { serverSetRoot, silent } from './cosmd.ts';
import { offeredNetworks } from './networks.ts';
import type { ObservedStore } from './store.ts';

export const namespace = 'prod';

/** The API server that people talk to, and what they have prepared. */
export async function openUserApi(
  store: ObservedStore,
  clock: Clock,
): Promise<{ client: Client; server: ApiServer }> {
  const server = createApiServer({
    storage: store.as('user'),
    resources,
    clock,
    random: seededRandom(7),
    logger: silent,
    version: '0.0.0',
    authorization: 'AlwaysAllow',
    serverSetRoots: [{ prefix: `${serverSetRoot}/<namespace>` }],
  });
  await server.start();
  const client = createClient(server.transport({ name: 'user', groups: ['system:masters'] }));
  await client
    .of(namespaceResource)
    .create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  for (const [name, spec] of Object.entries(offeredNetworks)) {
    const apiVersion = 'mesocosm.dev/v1' as const;
    await client
      .of(networkResource)
      .create({ apiVersion, kind: 'Network', metadata: { name }, spec });
  }
  return { client, server };
}
