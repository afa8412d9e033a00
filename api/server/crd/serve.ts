import type { Transport } from '../../client/transport.ts';
import type { Clock } from '../../machinery/clock.ts';
import type { Resource } from '../../machinery/resource.ts';
import type { Catalog } from '../catalog.ts';
import type { Endpoint, EndpointOptions } from '../endpoint.ts';
import type { User } from '../registry/context.ts';
import type { ItemCache } from '../registry/item.ts';
import type { ServerLogger } from '../server.ts';
import { Cleanup } from './cleanup.ts';
import { CustomEndpoint } from './custom-endpoint.ts';
import type { CustomKind } from './custom-kind.ts';
import { CustomKinds } from './custom-kinds.ts';
import { versionedItems } from './view.ts';

export interface ServeOptions {
  catalog: Catalog;
  own: readonly Resource[];
  cache: ItemCache;
  store: EndpointOptions['store'];
  endpoint(of: Pick<EndpointOptions, 'resource' | 'cache' | 'store'>): Endpoint;
  /** As `user`, the server itself. */
  transport: Transport;
  user: User;
  clock: Clock;
  logger: ServerLogger;
  /** Of the server: ends all of it. */
  signal: AbortSignal;
}

/** Has the catalog serve the kinds of users; follows them while `run` does. */
export function createCustomKinds(options: ServeOptions): { run(): Promise<void> } {
  const { catalog, signal } = options;
  const endpointOf = (kind: CustomKind): Endpoint =>
    options.endpoint({ resource: kind.resource, ...versionedItems(kind, options) });
  const cleanup = new Cleanup({ ...options, endpointOf });
  const kinds = new CustomKinds({
    ...options,
    endpointOf: (kind) => new CustomEndpoint(kind, endpointOf(kind)),
    onTerminating: (definition) => cleanup.begin(definition),
  });
  catalog.refreshBy(() => kinds.refresh());
  return {
    run: async () => {
      await kinds.run(signal);
      await cleanup.ended();
    },
  };
}
