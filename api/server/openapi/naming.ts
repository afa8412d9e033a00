import type { GroupVersionKind } from '../../machinery/metadata.ts';

/** Kubernetes' own groups have packages of their own; every other group is its name reversed. */
const packages: Readonly<Record<string, string>> = {
  '': 'io.k8s.api.core',
  'coordination.k8s.io': 'io.k8s.api.coordination',
  'events.k8s.io': 'io.k8s.api.events',
  autoscaling: 'io.k8s.api.autoscaling',
};

export const metaPackage = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** Name of a kind's schema: `dev.mesocosm.v1.Job`. */
export function definitionName({ group, version, kind }: GroupVersionKind): string {
  const base = Object.hasOwn(packages, group)
    ? packages[group]
    : group.split('.').reverse().join('.');
  return `${base ?? ''}.${version}.${kind}`;
}

/** The extension by which clients find the schema of a kind. */
export function gvkExtension(gvk: GroupVersionKind): { [name: string]: unknown } {
  const { group, version, kind } = gvk;
  return { 'x-kubernetes-group-version-kind': [{ group, version, kind }] };
}
