import { createClient } from '../../../../api/client/resource-client.ts';
import type { KubeObject, OwnerReference } from '../../../../api/machinery/metadata.ts';
import type { Resource } from '../../../../api/machinery/resource.ts';
import type { Lease } from '../../../../api/v1/core.ts';
import { leaseResource, namespaceResource } from '../../../../api/v1/core.ts';
import { jobRevisionResource } from '../../../../api/v1/job-revision.ts';
import { resources } from '../../../../api/v1/resources.ts';
import { Caches, ownerIndexers } from '../../../../controllers/gc/caches.ts';
import { createCollector } from '../../../../controllers/gc/collector.ts';
import { Kinds } from '../../../../controllers/gc/kinds.ts';
import { createNamespaceController } from '../../../../controllers/gc/namespaces.ts';
import { Informer } from '../../../../controllers/runtime/informer.ts';
import { runAll } from '../../../../controllers/runtime/manager.ts';
import type { TestApi } from '../runtime/api.ts';
import { silent } from '../runtime/api.ts';
import { FaultyTransport } from '../runtime/faulty-transport.ts';

export interface Loops {
  transport: FaultyTransport;
  stop(): Promise<void>;
}

/** Collector and namespace loop over Leases, JobRevisions and Namespaces, on their own faulty link. */
export function startLoops(api: TestApi): Loops {
  const transport = new FaultyTransport(api.transport);
  const client = createClient(transport);
  const { clock, random } = api;
  const options = { clock, random, logger: silent };
  const informerOf = <T extends KubeObject>(resource: Resource<T>): Informer<T> =>
    new Informer({ client: client.of(resource), ...options, indexers: ownerIndexers });
  const namespaces = informerOf(namespaceResource);
  const caches = [informerOf(leaseResource), informerOf(jobRevisionResource), namespaces];
  const collector = createCollector({
    client,
    caches: new Caches(caches),
    clock,
    logger: silent,
  });
  const emptier = createNamespaceController({
    client,
    namespaces,
    kinds: new Kinds({ client, own: resources }),
    clock,
    logger: silent,
  });
  const abort = new AbortController();
  const running = runAll([...caches, collector, emptier], abort.signal, silent);
  return {
    transport,
    stop: async () => {
      abort.abort();
      await running;
    },
  };
}

export function ownedBy(owner: KubeObject, rest: Partial<OwnerReference> = {}): OwnerReference {
  const { apiVersion, kind, metadata } = owner;
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid, ...rest };
}

export function makeLease(
  api: TestApi,
  name: string,
  ownerReferences: OwnerReference[] = [],
  metadata: { namespace?: string; finalizers?: string[] } = {},
): Promise<Lease> {
  return api.client.of(leaseResource).create({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace: 'prod', ownerReferences, ...metadata },
  });
}

export async function leaseNames(api: TestApi, namespace = 'prod'): Promise<string[]> {
  const { items } = await api.client.of(leaseResource).list({ namespace });
  return items.map(({ metadata }) => metadata.name).sort();
}
