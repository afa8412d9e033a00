import type { FieldError } from '../../machinery/errors.ts';
import { valueAt } from '../../machinery/json.ts';
import { group } from '../../v1/group.ts';
import type { Admission } from '../registry/context.ts';

/** Which namespaces may publish under a ZooKeeper path. */
export interface ServerSetRoot {
  /** Absolute, ending in `/`. `<namespace>` in it stands for the namespace itself. */
  prefix: string;
  /** Namespaces that may; all if absent. */
  namespaces?: readonly string[];
}

/** Where a kind names the path that it publishes at. */
const zkPaths: Readonly<Record<string, readonly string[]>> = {
  Job: ['spec', 'serverSet', 'zkPath'],
  ServerSet: ['spec', 'zkPath'],
};

/** Prefixes under which `namespace` may publish. */
export function prefixesFor(roots: readonly ServerSetRoot[], namespace: string): string[] {
  return roots
    .filter(({ namespaces }) => namespaces?.includes(namespace) ?? true)
    .map(({ prefix }) => prefix.replaceAll('<namespace>', namespace))
    .map((prefix) => (prefix.endsWith('/') ? prefix : `${prefix}/`));
}

/** A published path must lie under a root that is allowed for the namespace. */
export function admitServerSetPath(roots: readonly ServerSetRoot[]): Admission {
  return ({ resource, namespace, object, old, subresource }) => {
    const path = resource.gvk.group === group ? zkPaths[resource.gvk.kind] : undefined;
    if (path === undefined || namespace === undefined || subresource !== undefined) {
      return Promise.resolve([]);
    }
    const zkPath = valueAt(object, path);
    if (typeof zkPath !== 'string') return Promise.resolve([]);
    if (old !== undefined && valueAt(old, path) === zkPath) return Promise.resolve([]);
    const allowed = prefixesFor(roots, namespace);
    if (allowed.some((prefix) => zkPath.startsWith(prefix))) return Promise.resolve([]);
    const error: FieldError = {
      field: path.join('.'),
      message: `Invalid value: ${JSON.stringify(zkPath)}: the namespace "${namespace}" may publish under ${allowed.length === 0 ? 'no path' : allowed.join(', ')} only`,
      reason: 'FieldValueInvalid',
    };
    return Promise.resolve([error]);
  };
}
