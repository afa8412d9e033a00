import type { Client } from '../../api/client/client.ts';
import {
  findCondition,
  isConditionTrue,
  type ConditionInput,
} from '../../api/machinery/conditions.ts';
import { jsonEqual } from '../../api/machinery/json.ts';
import { namespaceResource, type Namespace } from '../../api/v1/core.ts';
import type { Job, JobStatus } from '../../api/v1/job.ts';
import { contradictionsOf, reassurance } from '../../api/v1/network-rules.ts';
import {
  cniNameOf,
  networkResource,
  type NamespaceFacts,
  type Network,
} from '../../api/v1/network.ts';
import type { NetworkAttachment } from '../../api/v1/template.ts';

/** What operators offer to a Job: the Networks of its template that there are, and its namespace. */
export interface Offers {
  networks: ReadonlyMap<string, Network>;
  namespace: NamespaceFacts;
}

interface OfferCaches {
  networks: { get(key: string): Network | undefined };
  namespaces: { get(key: string): Namespace | undefined };
}

export function attachmentsOf(job: Job): readonly NetworkAttachment[] {
  return job.spec.template.spec.networks ?? [];
}

/** As the caches have it. */
export function cachedOffers(caches: OfferCaches, job: Job): Offers {
  const namespace = job.metadata.namespace ?? '';
  return offersOf(job, (name) => caches.networks.get(name), caches.namespaces.get(namespace));
}

/**
 * As it is stored: caches of different kinds lag differently, and a Job whose Network they do not show
 * yet contradicts nothing.
 */
async function storedOffers(client: Client, job: Job): Promise<Offers> {
  const name = job.metadata.namespace ?? '';
  const found = await Promise.all(
    attachmentsOf(job).map((attachment) => client.of(networkResource).find(attachment)),
  );
  const networks = new Map(
    found.flatMap((network) => (network === undefined ? [] : [[network.metadata.name, network]])),
  );
  const namespace = await client.of(namespaceResource).find({ name });
  return offersOf(job, (network) => networks.get(network), namespace);
}

function offersOf(
  job: Job,
  networkOf: (name: string) => Network | undefined,
  namespace: Namespace | undefined,
): Offers {
  const networks = attachmentsOf(job).flatMap(({ name }): [string, Network][] => {
    const network = networkOf(name);
    return network === undefined ? [] : [[name, network]];
  });
  const name = job.metadata.namespace ?? '';
  return {
    networks: new Map(networks),
    namespace: { name, labels: namespace?.metadata.labels },
  };
}

/** The offers to plan with: a contradiction that would be news is looked for in the store itself. */
export async function currentOffers(
  client: Client,
  caches: OfferCaches,
  job: Job,
): Promise<Offers> {
  const cached = cachedOffers(caches, job);
  const isKnown = isConditionTrue(job.status?.conditions, contradicted);
  if (isKnown || contradiction(job, cached)?.status !== 'True') return cached;
  return storedOffers(client, job);
}

const contradicted = 'Contradicted';

/** The condition that tells whether the Job contradicts its Networks; none if it never did. */
export function contradiction(job: Job, offers: Offers): ConditionInput | undefined {
  const { networks, namespace } = offers;
  const found = contradictionsOf(attachmentsOf(job), (name) => networks.get(name), namespace);
  const [first] = found;
  if (first !== undefined) {
    const reason = first.isDeleted ? 'NetworkDeleted' : 'NetworkChanged';
    const message = `${found.map(({ why }) => why).join('; ')}; ${reassurance}`;
    return { type: contradicted, status: 'True', reason, message };
  }
  if (findCondition(job.status?.conditions, contradicted) === undefined) return undefined;
  const message = 'its networks allow what it asks for';
  return { type: contradicted, status: 'False', reason: 'Allowed', message };
}

/** The CNI names of the Job's networks; what is known of a Network stays when it is deleted. */
export function recordedNetworks(
  job: Job,
  { networks }: Pick<Offers, 'networks'>,
): JobStatus['networks'] {
  const recorded = attachmentsOf(job).flatMap(({ name }) => {
    const network = networks.get(name);
    if (network !== undefined) return [{ name, cniName: cniNameOf(network) }];
    return job.status?.networks?.find((known) => known.name === name) ?? [];
  });
  return recorded.length === 0 ? undefined : recorded;
}

/** Whether a change of a Network or Namespace is news for the Job. */
export function concernsJob(job: Job, offers: Offers): boolean {
  const before = findCondition(job.status?.conditions, contradicted);
  const after = contradiction(job, offers);
  const isSame = before?.status === after?.status && before?.message === after?.message;
  return !isSame || !jsonEqual(job.status?.networks, recordedNetworks(job, offers));
}
