import type { Logger } from 'pino';
import type { Client } from '../../api/client/client.ts';
import { setCondition, type ConditionInput } from '../../api/machinery/conditions.ts';
import { timestamp, type Clock } from '../../api/machinery/clock.ts';
import { jsonEqual } from '../../api/machinery/json.ts';
import type { Namespace } from '../../api/v1/core.ts';
import type { Job } from '../../api/v1/job.ts';
import { contradictionMessage, contradictionsOf } from '../../api/v1/network-rules.ts';
import { networkResource, type Network, type NetworkStatus } from '../../api/v1/network.ts';
import { Controller } from '../runtime/controller.ts';
import type { Informer } from '../runtime/informer.ts';

export interface ContradictionsOptions {
  /** Fenced: every write is refused once somebody else leads. */
  client: Client;
  /** The informer of Jobs must find them by the names of their networks, as `network`. */
  caches: {
    networks: Informer<Network>;
    jobs: Informer<Job>;
    namespaces: Informer<Namespace>;
  };
  clock: Clock;
  logger: Logger;
}

/** Changes of Jobs within this time are looked at together. */
const windowMs = 1_000;

/**
 * Tells in the status of every Network which Jobs would not be admitted to it as it is now. It changes
 * nothing else: what was admitted goes on. The Jobs themselves say it in their own status.
 */
export function createContradictionsController(options: ContradictionsOptions): Controller {
  const { client, caches, clock, logger } = options;
  const networks = client.of(networkResource);
  const controller = new Controller({
    name: 'network-contradictions',
    waitFor: Object.values(caches),
    clock,
    logger,
    reconcile: async (name) => {
      const network = caches.networks.get(name);
      if (network === undefined) return {};
      const contradicting = caches.jobs
        .byIndex('network', name)
        .filter((job) => contradicts(job, network, caches.namespaces));
      const status = networkStatus(network, contradicting, timestamp(clock));
      if (!jsonEqual(network.status, status)) await networks.updateStatus({ ...network, status });
      return {};
    },
  });
  const look = (names: readonly string[]): void => {
    for (const name of names) controller.enqueueAfter(name, windowMs);
  };
  caches.networks.onChange(({ object }) => look([object.metadata.name]));
  caches.jobs.onChange((change) => {
    const previous = change.type === 'applied' ? change.previous : undefined;
    const isNews = previous?.metadata.generation !== change.object.metadata.generation;
    if (!isNews && change.type === 'applied') return;
    look([...networksOf(change.object), ...(previous === undefined ? [] : networksOf(previous))]);
  });
  caches.namespaces.onChange((change) => {
    const { name, labels } = change.object.metadata;
    const before = change.type === 'applied' ? change.previous?.metadata.labels : undefined;
    if (!jsonEqual(before, labels))
      look(caches.jobs.byIndex('networked', name).flatMap(networksOf));
  });
  return controller;
}

function networksOf({ spec }: Job): string[] {
  return (spec.template.spec.networks ?? []).map(({ name }) => name);
}

function contradicts(
  { metadata, spec }: Job,
  network: Network,
  namespaces: Pick<Informer<Namespace>, 'get'>,
): boolean {
  if (metadata.deletionTimestamp !== undefined) return false;
  const name = metadata.namespace ?? '';
  const here = (spec.template.spec.networks ?? []).filter(
    (attachment) => attachment.name === network.metadata.name,
  );
  const facts = { name, labels: namespaces.get(name)?.metadata.labels };
  return contradictionsOf(here, () => network, facts).length > 0;
}

/** An offer stands from when it is seen: there is nothing to wait for, and Jobs that contradict it go on. */
const offered: readonly ConditionInput[] = [
  { type: 'Ready', status: 'True', reason: 'Offered', message: 'Jobs may join it by its rules' },
  { type: 'Reconciling', status: 'False', reason: 'Idle', message: '' },
  { type: 'Stalled', status: 'False', reason: 'Progressing', message: '' },
];

/** The status of a Network that these Jobs contradict. */
export function networkStatus(
  network: Network,
  contradicting: readonly Job[],
  now: string,
): NetworkStatus {
  const observedGeneration = network.metadata.generation ?? 0;
  const message = contradictionMessage(contradicting);
  const contradicted: ConditionInput =
    message === undefined
      ? {
          type: 'Contradicted',
          status: 'False',
          reason: 'Allowed',
          message: 'it allows what every Job that joins it asks for',
        }
      : { type: 'Contradicted', status: 'True', reason: 'JobsContradict', message };
  const conditions = [...offered, contradicted].reduce(
    (known, each) => setCondition(known, { ...each, observedGeneration }, now),
    network.status?.conditions ?? [],
  );
  return { ...network.status, observedGeneration, conditions };
}
