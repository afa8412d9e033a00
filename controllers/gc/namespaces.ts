import type { Logger } from 'pino';
import type { Client } from '../../api/client/client.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import { timestamp } from '../../api/machinery/clock.ts';
import { isApiError } from '../../api/machinery/errors.ts';
import { jsonEqual } from '../../api/machinery/json.ts';
import type { KubeObject } from '../../api/machinery/metadata.ts';
import { splitKey } from '../../api/machinery/metadata.ts';
import type { AnyResource } from '../../api/machinery/resource.ts';
import type { Namespace } from '../../api/v1/core.ts';
import { namespaceResource } from '../../api/v1/core.ts';
import type { Result } from '../runtime/controller.ts';
import { Controller } from '../runtime/controller.ts';
import { concurrently } from '../runtime/concurrently.ts';
import type { Informer } from '../runtime/informer.ts';
import { untyped } from './caches.ts';
import { allOf } from './pages.ts';

export interface NamespaceControllerOptions {
  /** Fenced: every write is refused once somebody else leads. */
  client: Client;
  namespaces: Informer<Namespace>;
  /** Every kind that is served; those without a namespace are passed over. */
  resources: readonly AnyResource[];
  clock: Clock;
  logger: Logger;
}

/** The finalizer in spec.finalizers that keeps a namespace until it is empty. */
const contentFinalizer = 'kubernetes';
/** Time between two looks at a namespace that empties itself. */
const checkMs = 2000;
const deleteConcurrency = 8;

/** Empties namespaces that are being deleted, then lets them go. */
export function createNamespaceController(options: NamespaceControllerOptions): Controller {
  const { namespaces, clock, logger } = options;
  const controller = new Controller({
    name: 'namespace',
    reconcile: (key) => reconcile(options, key),
    waitFor: [namespaces],
    clock,
    logger,
  });
  namespaces.onChange(({ type, object }) => {
    if (type === 'applied' && object.metadata.deletionTimestamp !== undefined) {
      controller.enqueue(object.metadata.name);
    }
  });
  return controller;
}

async function reconcile(options: NamespaceControllerOptions, key: string): Promise<Result> {
  const cached = options.namespaces.get(key);
  if (cached?.metadata.deletionTimestamp === undefined) return {};
  const client = options.client.of(namespaceResource);
  // What is about to be emptied must be the namespace that was deleted, not a later one of its name.
  const namespace = await client.find(splitKey(key));
  if (namespace?.metadata.uid !== cached.metadata.uid) return {};
  if (namespace.spec?.finalizers?.includes(contentFinalizer) !== true) return {};
  const left = await empty(options, namespace);
  if (left.length > 0) {
    await showRemaining(options, namespace, left);
    return { requeueAfterMs: checkMs };
  }
  const finalizers = namespace.spec.finalizers.filter((name) => name !== contentFinalizer);
  await client.finalize({ ...namespace, spec: { ...namespace.spec, finalizers } });
  options.logger.info({ namespace: key }, 'the namespace is empty');
  return {};
}

interface Remaining {
  /** `tasks.mesocosm.dev` */
  kind: string;
  count: number;
  /** Who still has to act on the objects. */
  finalizers: string[];
}

/** Deletes everything in the namespace; returns what the store still had when it was read. */
async function empty(
  { client, resources }: NamespaceControllerOptions,
  { metadata: { name } }: Namespace,
): Promise<Remaining[]> {
  const left: Remaining[] = [];
  for (const resource of resources) {
    if (!resource.namespaced) continue;
    const objects = client.of(untyped(resource));
    const stored = await allOf(objects, name);
    const wanted = stored.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    await concurrently(wanted, deleteConcurrency, async ({ metadata }) => {
      try {
        await objects.delete(metadata, {
          propagationPolicy: 'Background',
          preconditions: { uid: metadata.uid },
        });
      } catch (error) {
        if (!isApiError(error, 'NotFound', 'Conflict')) throw error;
      }
    });
    if (stored.length > 0) left.push(remainingOf(resource, stored));
  }
  return left;
}

function remainingOf({ plural, gvk }: AnyResource, stored: readonly KubeObject[]): Remaining {
  const finalizers = new Set(stored.flatMap(({ metadata }) => metadata.finalizers ?? []));
  return {
    kind: gvk.group === '' ? plural : `${plural}.${gvk.group}`,
    count: stored.length,
    finalizers: [...finalizers].sort(),
  };
}

/** Says what keeps the namespace, under the condition that Kubernetes' own controller uses. */
async function showRemaining(
  { client, clock }: NamespaceControllerOptions,
  namespace: Namespace,
  left: readonly Remaining[],
): Promise<void> {
  const texts = left.map(
    ({ kind, count, finalizers }) =>
      `${kind}: ${count}` + (finalizers.length === 0 ? '' : ` (held by ${finalizers.join(', ')})`),
  );
  const type = 'NamespaceContentRemaining';
  const others = (namespace.status?.conditions ?? []).filter(
    (condition) => condition['type'] !== type,
  );
  const before = namespace.status?.conditions?.find((condition) => condition['type'] === type);
  const condition = {
    type,
    status: 'True',
    reason: 'SomeResourcesRemain',
    message: `still there: ${texts.join('; ')}`,
    lastTransitionTime: before?.['lastTransitionTime'] ?? timestamp(clock),
  };
  if (jsonEqual(before, condition)) return;
  const status = { ...namespace.status, conditions: [...others, condition] };
  try {
    await client.of(namespaceResource).updateStatus({ ...namespace, status });
  } catch (error) {
    // Somebody else has written it meanwhile; the next look says it again if it still holds.
    if (!isApiError(error, 'Conflict', 'NotFound')) throw error;
  }
}
