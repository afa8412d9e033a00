import type { Logger } from 'pino';
import type { Client } from '../../api/client/client.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import { timestamp } from '../../api/machinery/clock.ts';
import { isApiError } from '../../api/machinery/errors.ts';
import { jsonEqual } from '../../api/machinery/json.ts';
import { splitKey } from '../../api/machinery/metadata.ts';
import type { AnyResource } from '../../api/machinery/resource.ts';
import type { Namespace } from '../../api/v1/core.ts';
import { namespaceResource } from '../../api/v1/core.ts';
import type { Result } from '../runtime/controller.ts';
import { Controller } from '../runtime/controller.ts';
import { concurrently } from '../runtime/concurrently.ts';
import type { Informer } from '../runtime/informer.ts';
import { untyped } from './caches.ts';
import type { Kinds } from './kinds.ts';
import { namespaceConditions, type Contents, type Remaining } from './namespace-conditions.ts';
import { allOf } from './pages.ts';

export interface NamespaceControllerOptions {
  /** Fenced: every write is refused once somebody else leads. */
  client: Client;
  namespaces: Informer<Namespace>;
  kinds: Pick<Kinds, 'all'>;
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
  const contents = await empty(options, namespace);
  if (contents.remaining.length + contents.failures.length > 0 || contents.unknown !== undefined) {
    await show(options, namespace, contents);
    const [failure] = contents.failures;
    if (contents.unknown !== undefined) throw contents.unknown;
    if (failure !== undefined) throw failure;
    return { requeueAfterMs: checkMs };
  }
  const finalizers = namespace.spec.finalizers.filter((name) => name !== contentFinalizer);
  await client.finalize({ ...namespace, spec: { ...namespace.spec, finalizers } });
  options.logger.info({ namespace: key }, 'the namespace is empty');
  return {};
}

/** Deletes everything in the namespace, of every kind that can be; tells what the store still had. */
async function empty(options: NamespaceControllerOptions, namespace: Namespace): Promise<Contents> {
  const remaining: Remaining[] = [];
  const failures: Error[] = [];
  let kinds: readonly AnyResource[];
  try {
    kinds = await options.kinds.all();
  } catch (error) {
    return { remaining, failures, unknown: asError(error) };
  }
  for (const resource of kinds.filter(({ namespaced }) => namespaced)) {
    try {
      const left = await emptyOf(options, namespace, resource);
      if (left.count > 0) remaining.push(left);
    } catch (error) {
      failures.push(asError(error));
    }
  }
  return { remaining, failures, unknown: undefined };
}

async function emptyOf(
  { client }: NamespaceControllerOptions,
  { metadata: { name } }: Namespace,
  resource: AnyResource,
): Promise<Remaining> {
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
  const { gvk, plural } = resource;
  const finalizers = new Map<string, number>();
  for (const { metadata } of stored) {
    for (const finalizer of metadata.finalizers ?? []) {
      finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + 1);
    }
  }
  const kind = gvk.group === '' ? plural : `${plural}.${gvk.group}`;
  return { kind, count: stored.length, finalizers };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** Says what keeps the namespace, under the conditions that Kubernetes' own controller uses. */
async function show(
  { client, clock }: NamespaceControllerOptions,
  namespace: Namespace,
  contents: Contents,
): Promise<void> {
  const before = namespace.status?.conditions ?? [];
  const conditions = namespaceConditions(before, contents, timestamp(clock));
  if (jsonEqual(before, conditions)) return;
  const status = { ...namespace.status, conditions };
  try {
    await client.of(namespaceResource).updateStatus({ ...namespace, status });
  } catch (error) {
    // Somebody else has written it meanwhile; the next look says it again if it still holds.
    if (!isApiError(error, 'Conflict', 'NotFound')) throw error;
  }
}
