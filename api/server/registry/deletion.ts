import { timestamp, type Clock } from '../../machinery/clock.ts';
import { without } from '../../machinery/json.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Resource } from '../../machinery/resource.ts';
import { preconditionFailed } from '../errors.ts';
import { hasGeneration } from './metadata.ts';
import { strategyOf } from './strategy.ts';

/** metav1.DeleteOptions, as far as it means something here. */
export interface DeleteOptions {
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  preconditions?: { uid?: string; resourceVersion?: string };
}

export const orphanFinalizer = 'orphan';
export const foregroundFinalizer = 'foregroundDeletion';

/**
 * Finalizers after a delete with `policy`: orphan and foregroundDeletion ask the garbage collector to
 * act first. Without a policy, what the object already carries stands.
 */
export function finalizersForDeletion(
  finalizers: readonly string[],
  policy: DeleteOptions['propagationPolicy'],
): string[] {
  if (policy === undefined) return [...finalizers];
  const kept = finalizers.filter(
    (finalizer) => finalizer !== orphanFinalizer && finalizer !== foregroundFinalizer,
  );
  if (policy === 'Orphan') return [...kept, orphanFinalizer];
  if (policy === 'Foreground') return [...kept, foregroundFinalizer];
  return kept;
}

/** Throws 409 unless the object is the one that the caller means. */
export function checkPreconditions(
  resource: Resource,
  object: KubeObject,
  preconditions: DeleteOptions['preconditions'],
): void {
  const { name, uid, resourceVersion } = object.metadata;
  if (preconditions?.uid !== undefined && preconditions.uid !== uid) {
    throw preconditionFailed(
      resource,
      name,
      `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
    );
  }
  const wanted = preconditions?.resourceVersion;
  if (wanted !== undefined && wanted !== resourceVersion) {
    throw preconditionFailed(
      resource,
      name,
      `the ResourceVersion in the precondition (${wanted}) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`,
    );
  }
}

/** Whether somebody has to do something before `object` may leave the store. */
export function mustWait(resource: Resource, object: KubeObject): boolean {
  const { finalizers } = object.metadata;
  return (
    (finalizers !== undefined && finalizers.length > 0) ||
    strategyOf(resource).pendingFinalizers(object).length > 0
  );
}

/** `object` with its deletion asked for. A second request may only change the policy. */
export function markedForDeletion(
  resource: Resource,
  object: KubeObject,
  policy: DeleteOptions['propagationPolicy'],
  clock: Clock,
): KubeObject {
  const { metadata } = object;
  const finalizers = finalizersForDeletion(metadata.finalizers ?? [], policy);
  const next = {
    ...without(metadata, 'finalizers'),
    ...(finalizers.length === 0 ? {} : { finalizers }),
  };
  if (metadata.deletionTimestamp !== undefined) return { ...object, metadata: next };
  return strategyOf(resource).terminating({
    ...object,
    metadata: {
      ...next,
      deletionTimestamp: timestamp(clock),
      ...(hasGeneration(resource) ? { generation: (metadata.generation ?? 0) + 1 } : {}),
    },
  });
}
