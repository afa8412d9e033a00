import type { KubeObject, OwnerReference } from '../../api/machinery/metadata.ts';

/**
 * What is known about the owner that a reference names.
 * `present`: it exists. `leaving`: it is being deleted and waits for its dependents (foreground).
 * `absent`: the store itself said that no object of this uid exists. `unknown`: nobody can tell, as for
 * a kind that is not served; it counts as present, since collecting on a guess cannot be undone.
 */
export type OwnerState = 'present' | 'leaving' | 'absent' | 'unknown';

export type Verdict =
  | { action: 'keep' }
  /** Some owners are gone, others are not: the references to the former are dropped. */
  | { action: 'release'; ownerReferences: OwnerReference[] }
  | { action: 'delete' };

/** What becomes of an object that has owners. */
export function judge(
  owners: readonly { reference: OwnerReference; state: OwnerState }[],
): Verdict {
  if (owners.length === 0) return { action: 'keep' };
  const held = owners.filter(({ state }) => state === 'present' || state === 'unknown');
  const leaving = owners.filter(({ state }) => state === 'leaving');
  if (held.length === owners.length) return { action: 'keep' };
  if (held.length > 0) {
    return { action: 'release', ownerReferences: held.map(({ reference }) => reference) };
  }
  // Its owner's own deletion deletes it.
  return leaving.length > 0 ? { action: 'keep' } : { action: 'delete' };
}

/** What an object that is being deleted asks of the collector before it may go. */
export function deletionPolicy(object: KubeObject): 'orphan' | 'foreground' | undefined {
  if (object.metadata.deletionTimestamp === undefined) return undefined;
  if (object.metadata.finalizers?.includes(orphanFinalizer) === true) return 'orphan';
  if (object.metadata.finalizers?.includes(foregroundFinalizer) === true) return 'foreground';
  return undefined;
}

export const orphanFinalizer = 'orphan';
export const foregroundFinalizer = 'foregroundDeletion';

/** Whether `dependent` keeps the owner of this uid from going. */
export function blocks(dependent: KubeObject, uid: string): boolean {
  const references = dependent.metadata.ownerReferences ?? [];
  return references.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true);
}
