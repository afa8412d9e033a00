import { isObject, own, type JsonObject } from './json.ts';
import { PatchError } from './patches.ts';
import type { SchemaNode } from './resource.ts';

/**
 * Kubernetes' strategic merge patch, for the kinds of Kubernetes itself. Maps merge, lists are replaced,
 * unless their schema node says otherwise in `x-kubernetes-patch-strategy` (merge, replace, retainKeys)
 * and `x-kubernetes-patch-merge-key`. Directives: `$patch`, `$retainKeys`, `$setElementOrder/<list>`,
 * `$deleteFromPrimitiveList/<list>`. Returns a new object; throws PatchError.
 */
export function applyStrategicMergePatch(
  target: JsonObject,
  patch: JsonObject,
  schema: SchemaNode,
): JsonObject {
  return mergeMap(target, patch, schema);
}

function mergeMap(target: JsonObject, patch: JsonObject, schema: SchemaNode): JsonObject {
  const { how, values, orders, deletions, retained } = readMapPatch(patch);
  if (how === 'delete') return {};
  const base = how === 'replace' ? {} : kept(target, retained);
  const result: JsonObject = { ...base };
  for (const name of new Set([...values.keys(), ...deletions.keys(), ...orders.keys()])) {
    const node = childSchema(schema, name);
    const before = own(base, name);
    checkOrder(values.get(name), orders.get(name), mergeKeyOf(node));
    let value = values.has(name) ? mergeValue(before, values.get(name), node) : before;
    if (Array.isArray(value)) {
      const server: unknown[] = Array.isArray(before) ? before : [];
      value = withoutItems(value, deletions.get(name));
      value = inOrder(value as unknown[], orders.get(name), server, mergeKeyOf(node));
    }
    if (value === undefined) Reflect.deleteProperty(result, name);
    else result[name] = value;
  }
  return result;
}

interface MapPatch {
  how: 'merge' | 'replace' | 'delete';
  values: ReadonlyMap<string, unknown>;
  orders: ReadonlyMap<string, readonly unknown[]>;
  deletions: ReadonlyMap<string, readonly unknown[]>;
  /** The only fields that may stay. */
  retained: ReadonlySet<unknown> | undefined;
}

const orderPrefix = '$setElementOrder/';
const deletionPrefix = '$deleteFromPrimitiveList/';

function readMapPatch(patch: JsonObject): MapPatch {
  const values = new Map<string, unknown>();
  const orders = new Map<string, readonly unknown[]>();
  const deletions = new Map<string, readonly unknown[]>();
  for (const [key, value] of Object.entries(patch)) {
    if (key === '$patch' || key === '$retainKeys' || key === '__proto__') continue;
    if (key.startsWith(orderPrefix)) {
      orders.set(key.slice(orderPrefix.length), listOf(value, 'setElementOrder list'));
    } else if (key.startsWith(deletionPrefix)) {
      deletions.set(key.slice(deletionPrefix.length), listOf(value, 'primitive list'));
    } else if (value !== undefined) values.set(key, value);
  }
  const keys = own(patch, '$retainKeys');
  const retained = keys === undefined ? undefined : new Set(listOf(keys, 'retainKeys'));
  for (const [name, value] of values) {
    if (retained !== undefined && value !== null && !retained.has(name)) {
      throw new PatchError('malformed', 'invalid patch format of retainKeys');
    }
  }
  return { how: directiveOf(patch) ?? 'merge', values, orders, deletions, retained };
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new PatchError('malformed', `invalid patch format of ${what}`);
}

function directiveOf(patch: JsonObject): MapPatch['how'] | undefined {
  const directive = own(patch, '$patch');
  switch (directive) {
    case undefined:
    case 'merge':
    case 'replace':
    case 'delete':
      return directive;
    default:
      throw new PatchError(
        'rejected',
        `unknown patch type: ${JSON.stringify(directive).slice(0, 100)}: must be merge, replace or delete`,
      );
  }
}

function kept(target: JsonObject, retained: MapPatch['retained']): JsonObject {
  if (retained === undefined) return target;
  return Object.fromEntries(Object.entries(target).filter(([name]) => retained.has(name)));
}

function childSchema(schema: SchemaNode, name: string): SchemaNode {
  const { properties, additionalProperties } = schema;
  if (properties !== undefined && Object.hasOwn(properties, name)) return properties[name] ?? {};
  return typeof additionalProperties === 'object' ? additionalProperties : {};
}

function strategiesOf(node: SchemaNode): readonly string[] {
  const text = node['x-kubernetes-patch-strategy'];
  return typeof text === 'string' ? text.split(',') : [];
}

function mergeKeyOf(node: SchemaNode): string | undefined {
  const key = node['x-kubernetes-patch-merge-key'];
  return typeof key === 'string' ? key : undefined;
}

/** undefined: the field goes. */
function mergeValue(before: unknown, patch: unknown, node: SchemaNode): unknown {
  if (patch === null) return undefined;
  if (Array.isArray(patch)) return mergeList(before, patch, node);
  if (!isObject(patch)) return patch;
  const merges = isObject(before) && !strategiesOf(node).includes('replace');
  return mergeMap(merges ? before : {}, patch, node);
}

function mergeList(before: unknown, patch: readonly unknown[], node: SchemaNode): unknown[] {
  const fresh = (items: readonly unknown[]): unknown[] =>
    items
      .filter(isItem)
      .map((item) => (item === null ? null : mergeValue(undefined, item, node.items ?? {})));
  if (!strategiesOf(node).includes('merge')) return fresh(patch);
  const server: readonly unknown[] = Array.isArray(before) ? before : [];
  const key = mergeKeyOf(node);
  if (key === undefined) {
    if (patch.some(isObject)) {
      throw new PatchError('rejected', 'cannot merge lists of objects without merge key');
    }
    return inOrder(distinct([...server, ...patch]), patch, server, undefined);
  }
  const items = patch.map((item) => keyedItem(item, key));
  if (items.some((item) => directiveOf(item) === 'replace')) return fresh(patch);
  const changed = items.filter(isItem);
  const gone = new Set(items.filter((item) => !isItem(item)).map((item) => identity(item, key)));
  const left = server.filter((item) => !gone.has(identity(item, key)));
  return inOrder(mergeItems(left, changed, key, node.items ?? {}), changed, server, key);
}

/** Not a directive about the list that it is in. */
function isItem(item: unknown): boolean {
  return !isObject(item) || own(item, '$patch') === undefined;
}

function keyedItem(item: unknown, key: string): JsonObject {
  if (isObject(item)) {
    const directive = directiveOf(item);
    if (directive === 'merge') {
      throw new PatchError('rejected', 'merging lists cannot be specified in the patch');
    }
    if (directive === 'replace' || own(item, key) !== undefined) return item;
  }
  throw new PatchError('rejected', `an item of the patch lacks its merge key "${key}"`);
}

/** The first item of each key changes; what is new comes after all others. */
function mergeItems(
  server: readonly unknown[],
  changed: readonly JsonObject[],
  key: string,
  schema: SchemaNode,
): unknown[] {
  const result = [...server];
  const places = new Map<string, number>();
  for (const [place, item] of result.entries()) {
    const id = identity(item, key);
    if (!places.has(id)) places.set(id, place);
  }
  for (const item of changed) {
    const id = identity(item, key);
    const place = places.get(id) ?? result.length;
    const before = result[place];
    result[place] = mergeMap(isObject(before) ? before : {}, item, schema);
    places.set(id, place);
  }
  return result;
}

/** What makes an item of a list the same as another. */
function identity(item: unknown, key: string | undefined): string {
  return JSON.stringify([key !== undefined && isObject(item) ? own(item, key) : item]);
}

function distinct(items: readonly unknown[]): unknown[] {
  return [...new Map(items.map((item) => [identity(item, undefined), item] as const)).values()];
}

function withoutItems(list: readonly unknown[], gone: readonly unknown[] = []): readonly unknown[] {
  if (gone.length === 0) return list;
  const ids = new Set(gone.map((item) => identity(item, undefined)));
  return list.filter((item) => !ids.has(identity(item, undefined)));
}

/**
 * `list` with the items that `order` names in that order. The others stay in theirs, each before the
 * first named one that stood behind it on the server; they come last where the server knew no place.
 */
function inOrder(
  list: unknown[],
  order: readonly unknown[] | undefined,
  server: readonly unknown[],
  key: string | undefined,
): unknown[] {
  if (order === undefined) return list;
  const id = (item: unknown): string => identity(item, key);
  const wanted = positions(order, id);
  const known = positions(server, id);
  const place = (item: unknown, of: ReadonlyMap<string, number>): number => of.get(id(item)) ?? -1;
  const named = list.filter((item) => wanted.has(id(item)));
  const others = list.filter((item) => !wanted.has(id(item)));
  named.sort((left, right) => place(left, wanted) - place(right, wanted));
  const result: unknown[] = [];
  let next = 0;
  for (const item of named) {
    while (next < others.length && comesBefore(place(others[next], known), place(item, known))) {
      result.push(others[next]);
      next += 1;
    }
    result.push(item);
  }
  return [...result, ...others.slice(next)];
}

/** What a patch adds to a list must stand in the order that it demands. */
function checkOrder(
  patch: unknown,
  order: readonly unknown[] | undefined,
  key: string | undefined,
): void {
  if (order === undefined || !Array.isArray(patch)) return;
  const items = patch.filter(isItem).map((item) => identity(item, key));
  let next = 0;
  for (const item of order) if (identity(item, key) === items[next]) next += 1;
  if (next < items.length) {
    throw new PatchError(
      'malformed',
      "the order in the patch's list is not that of setElementOrder",
    );
  }
}

function comesBefore(left: number, right: number): boolean {
  return left >= 0 && right >= 0 && left < right;
}

function positions(
  items: readonly unknown[],
  id: (item: unknown) => string,
): ReadonlyMap<string, number> {
  const result = new Map<string, number>();
  for (const [index, item] of items.entries()) {
    if (!result.has(id(item))) result.set(id(item), index);
  }
  return result;
}
