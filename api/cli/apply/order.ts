import { isObject, own } from '../../machinery/json.ts';
import type { Item } from '../manifest/check.ts';

/** What others need to exist comes first; within a rank the order of the files stands. */
const ranks: Readonly<Record<string, number>> = { Namespace: 0, Network: 1 };
const ordinary = 2;

export function inOrder(items: readonly Item[]): Item[] {
  return items
    .map((item, index) => ({ item, index }))
    .sort((left, right) => rankOf(left.item) - rankOf(right.item) || left.index - right.index)
    .map(({ item }) => item);
}

/** Whether others may need the item before they can be checked. */
export function isPrerequisite(item: Item): boolean {
  return rankOf(item) < ordinary;
}

/** The prerequisites among `others` that `item` refers to: its namespace and the networks it joins. */
export function prerequisitesOf(item: Item, others: readonly Item[]): Item[] {
  const networks = new Set(networkNames(item));
  return others.filter((other) => {
    if (other.resource.gvk.kind === 'Namespace') return other.name === item.namespace;
    return other.resource.gvk.kind === 'Network' && networks.has(other.name);
  });
}

function rankOf(item: Item): number {
  const { kind } = item.resource.gvk;
  return Object.hasOwn(ranks, kind) ? (ranks[kind] ?? ordinary) : ordinary;
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
