import type { AnyResource } from '../../machinery/resource.ts';

/** Keys under the storage driver's prefix: `/<group>/<plural>/<namespace>/<name>`; the core group is `core`. */
export function resourcePrefix(
  resource: Pick<AnyResource, 'gvk' | 'plural' | 'storageGroup'>,
): string {
  const group = resource.storageGroup ?? resource.gvk.group;
  return `/${group === '' ? 'core' : group}/${resource.plural}/`;
}

/** Prefix of one namespace's objects, or of all if `namespace` is undefined. */
export function listPrefix(resource: AnyResource, namespace: string | undefined): string {
  const prefix = resourcePrefix(resource);
  return resource.namespaced && namespace !== undefined ? `${prefix}${namespace}/` : prefix;
}

export function objectStorageKey(
  resource: AnyResource,
  ref: { namespace?: string | undefined; name: string },
): string {
  return `${listPrefix(resource, ref.namespace)}${ref.name}`;
}
