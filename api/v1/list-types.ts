/**
 * How server-side apply merges a list, as Kubernetes' schemas say it; a list of which nothing is said is
 * one value that one manager owns.
 */

/** Items are told apart by these fields of theirs: each can have owners of its own. */
export function keyedBy(...keys: string[]): Record<string, unknown> {
  return { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys };
}

/** The order means nothing, and each item can have owners of its own. */
export const unordered: Readonly<Record<string, unknown>> = { 'x-kubernetes-list-type': 'set' };

/** A strategic merge patch merges the list: items with the same value of this field are one. */
export function mergedBy(key: string): Record<string, unknown> {
  return { 'x-kubernetes-patch-strategy': 'merge', 'x-kubernetes-patch-merge-key': key };
}
