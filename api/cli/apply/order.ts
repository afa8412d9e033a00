import { isObject, own } from '../../machinery/json.ts';
import { kindsDefinedBy } from '../manifest/definitions.ts';
import type { Item } from '../manifest/check.ts';

/**
 * What others need to exist comes first; within a rank the order of the files stands. Without a group: of
 * the core or whatever group, since no other kind of ours is called so.
 */
const ranks: Readonly<Record<string, number>> = {
  Namespace: 0,
  CustomResourceDefinition: 1,
  Network: 2,
  ServiceAccount: 3,
  ClusterRole: 4,
  Role: 4,
  ClusterRoleBinding: 5,
  RoleBinding: 5,
  ResourceQuota: 6,
  LimitRange: 6,
  ConfigMap: 7,
  Secret: 7,
};
const ordinary = 8;

/** Kinds up to this one make that the server refuses others as long as they are not there. */
const lastPrerequisite = 4;

export function inOrder(items: readonly Item[]): Item[] {
  return items
    .map((item, index) => ({ item, index }))
    .sort((left, right) => rankOf(left.item) - rankOf(right.item) || left.index - right.index)
    .map(({ item }) => item);
}

/** The order in which objects go: who needs others goes before them. */
export function rankOfKind(kind: string): number {
  return Object.hasOwn(ranks, kind) ? (ranks[kind] ?? ordinary) : ordinary;
}

/** Whether others may need the item before they can be checked. */
export function isPrerequisite(item: Item): boolean {
  return rankOf(item) <= lastPrerequisite;
}

/** The prerequisites among `others` that `item` refers to: all of them come before it. */
export function prerequisitesOf(item: Item, others: readonly Item[]): Item[] {
  const networks = new Set(networkNames(item));
  return others.filter((other) => {
    switch (other.resource.gvk.kind) {
      case 'Namespace':
        return other.name === item.namespace;
      case 'CustomResourceDefinition':
        return kindsDefinedBy(other.document).some(
          ({ gvk }) => gvk.group === item.resource.gvk.group && gvk.kind === item.resource.gvk.kind,
        );
      case 'Network':
        return networks.has(other.name);
      case 'Role':
      case 'ClusterRole':
        return refersTo(item, other);
      default:
        return false;
    }
  });
}

function rankOf(item: Item): number {
  return rankOfKind(item.resource.gvk.kind);
}

function refersTo({ document }: Item, { resource, name }: Item): boolean {
  const role = own(document, 'roleRef');
  return isObject(role) && own(role, 'name') === name && own(role, 'kind') === resource.gvk.kind;
}

function networkNames(item: Item): string[] {
  const path = ['spec', 'template', 'spec', 'networks'];
  const networks = path.reduce<unknown>(
    (value, key) => (isObject(value) ? own(value, key) : undefined),
    item.document,
  );
  const list = Array.isArray(networks) ? networks.filter(isObject) : [];
  return list.map((network) => own(network, 'name')).filter((name) => typeof name === 'string');
}
