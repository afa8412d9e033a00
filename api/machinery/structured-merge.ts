import {
  field,
  fieldPathText,
  isEmpty,
  isMember,
  nodeOf,
  noFields,
  stepsOf,
  type FieldPath,
  type FieldSet,
} from './field-set.ts';
import {
  fieldsWithin,
  isBelowAtomic,
  itemStep,
  listMapKeys,
  listTypeOf,
  schemaAt,
  type Field,
} from './fields-within.ts';
import { isObject, jsonEqual, own, type JsonObject } from './json.ts';
import type { SchemaNode } from './resource.ts';

/**
 * What server-side apply does with documents: name their fields, compare, merge and prune them. Which
 * parts of a document are fields is said by its schema: x-kubernetes-list-type, x-kubernetes-list-map-keys
 * and x-kubernetes-map-type.
 */

/** The fields that a document sets. A property of the schema counts only by what is in it. */
export function fieldsOf(document: unknown, schema: SchemaNode): FieldSet {
  return withoutRoot(nodeFor(document, schema, (child) => !child.named));
}

function withoutRoot(node: FieldSet): FieldSet {
  return nodeOf(Object.fromEntries(stepsOf(node)), false) ?? noFields;
}

/** The node of a value: itself if it is one field, else the steps to those that it is made of. */
function nodeFor(
  value: unknown,
  schema: SchemaNode,
  counts: (child: Field) => boolean,
  member = true,
): FieldSet {
  const within = fieldsWithin(value, schema);
  const steps: Record<string, FieldSet> = {};
  for (const [step, child] of within ?? []) {
    steps[step] = nodeFor(child.value, child.schema, counts, counts(child));
  }
  return nodeOf(steps, member) ?? field;
}

const everything = (): boolean => true;

/** How one document differs from another. A value that was added or removed is so with all in it. */
export interface Comparison {
  added: FieldSet;
  removed: FieldSet;
  modified: FieldSet;
}

export function compare(before: unknown, after: unknown, schema: SchemaNode): Comparison {
  const { added, removed, modified } = difference(before, after, schema) ?? {};
  return {
    added: added ?? noFields,
    removed: removed ?? noFields,
    modified: modified ?? noFields,
  };
}

const kinds = ['added', 'removed', 'modified'] as const;

function difference(
  before: unknown,
  after: unknown,
  schema: SchemaNode,
): Partial<Comparison> | undefined {
  if (before === after) return undefined;
  const [left, right] = differing(before, after, schema);
  if (left === undefined || right === undefined || left.size + right.size === 0) {
    return jsonEqual(before, after) ? undefined : replaced(before, after, schema);
  }
  const steps: Record<(typeof kinds)[number], Record<string, FieldSet>> = {
    added: {},
    removed: {},
    modified: {},
  };
  for (const [step, child] of left) {
    const other = right.get(step);
    if (other === undefined) steps.removed[step] = nodeFor(child.value, child.schema, everything);
    else {
      const inner = difference(child.value, other.value, agreed(child, other));
      for (const kind of kinds) if (inner?.[kind] !== undefined) steps[kind][step] = inner[kind];
    }
  }
  for (const [step, child] of right) {
    if (!left.has(step)) steps.added[step] = nodeFor(child.value, child.schema, everything);
  }
  const found: Partial<Comparison> = {};
  for (const kind of kinds) if (!isEmpty(steps[kind])) found[kind] = steps[kind];
  return found;
}

/** The fields of both but for those that are the same object: most of a document in most writes. */
function differing(
  before: unknown,
  after: unknown,
  schema: SchemaNode,
): [Map<string, Field> | undefined, Map<string, Field> | undefined] {
  if (!isObject(before) || !isObject(after)) {
    return [fieldsWithin(before, schema), fieldsWithin(after, schema)];
  }
  const changed = (one: JsonObject, other: JsonObject): JsonObject =>
    Object.fromEntries(
      Object.entries(one).filter(
        ([name, value]) => value === undefined || value !== own(other, name),
      ),
    );
  return [
    fieldsWithin(changed(before, after), schema),
    fieldsWithin(changed(after, before), schema),
  ];
}

/** Repeated items are one value, and so is what takes their place. */
function agreed(left: Field, right: Field): SchemaNode {
  return left.repeated ? left.schema : right.schema;
}

/** A value of another shape took the place of `before`: what was in that is gone. */
function replaced(before: unknown, after: unknown, schema: SchemaNode): Partial<Comparison> {
  const removed = withoutRoot(nodeFor(before, schema, everything));
  const added = withoutRoot(nodeFor(after, schema, everything));
  return {
    modified: field,
    ...(isEmpty(removed) ? {} : { removed }),
    ...(isEmpty(added) ? {} : { added }),
  };
}

/** `live` with everything that `config` says. Shares with its arguments what stays as it is. */
export function merge(live: unknown, config: unknown, schema: SchemaNode): unknown {
  if (live === undefined) return config;
  if (config === undefined || live === config) return live;
  const left = fieldsWithin(live, schema);
  const right = fieldsWithin(config, schema);
  if (left === undefined || right === undefined || Array.isArray(live) !== Array.isArray(config)) {
    return jsonEqual(live, config) ? live : config;
  }
  return Array.isArray(live)
    ? mergedItems(live as unknown[], left, right)
    : mergedProperties(live, left, right);
}

function mergedValue(left: Field | undefined, right: Field): unknown {
  if (left === undefined || left.repeated) return right.value;
  return merge(left.value, right.value, right.schema);
}

function mergedProperties(
  live: unknown,
  left: Map<string, Field>,
  right: Map<string, Field>,
): unknown {
  const values = new Map([...left].map(([step, child]) => [step, child.value]));
  let same = true;
  for (const [step, child] of right) {
    const known = left.get(step);
    const value = mergedValue(known, child);
    if (known === undefined || value !== known.value) same = false;
    values.set(step, value);
  }
  if (same) return live;
  return Object.fromEntries([...values].map(([step, value]) => [nameOf(step), value]));
}

function nameOf(step: string): string {
  return step.slice(2);
}

/** Items of the configuration are in its order; the others stay before those that they stood before. */
function mergedItems(
  live: readonly unknown[],
  left: Map<string, Field>,
  right: Map<string, Field>,
): readonly unknown[] {
  const merged: unknown[] = [];
  const pending = new Map(right);
  const take = (until: string | undefined): void => {
    for (const [step, child] of pending) {
      pending.delete(step);
      merged.push(mergedValue(left.get(step), child));
      if (step === until) return;
    }
  };
  for (const [step, child] of left) {
    if (pending.has(step)) take(step);
    else if (!right.has(step)) merged.push(...itemsOf(child));
  }
  take(undefined);
  const same = merged.length === live.length && merged.every((item, at) => item === live[at]);
  return same ? live : merged;
}

function itemsOf(child: Field): unknown[] {
  return child.repeated && Array.isArray(child.value) ? (child.value as unknown[]) : [child.value];
}

/**
 * `document` without the fields that are in `last` and in none of `kept`: what somebody applied before,
 * applies no longer, and nobody else owns. A field goes with all that is in it.
 */
export function prune(
  document: unknown,
  schema: SchemaNode,
  last: FieldSet,
  kept: readonly FieldSet[],
): unknown {
  const within = fieldsWithin(document, schema);
  if (within === undefined) return document;
  const rest = new Map(within);
  for (const [step, child] of within) {
    const was = last[step];
    if (was === undefined) continue;
    const holders = kept.map((set) => set[step]).filter((node) => node !== undefined);
    const holds = (node: FieldSet): boolean => child.named || isMember(node);
    if (holds(was) && !holders.some(holds)) rest.delete(step);
    else if (!child.repeated) {
      const value = prune(child.value, child.schema, was, holders);
      if (value !== child.value) rest.set(step, { ...child, value });
    }
  }
  const same =
    rest.size === within.size && [...rest].every(([s, child]) => within.get(s) === child);
  if (same) return document;
  if (Array.isArray(document)) return [...rest.values()].flatMap(itemsOf);
  return Object.fromEntries([...rest].map(([step, child]) => [nameOf(step), child.value]));
}

/**
 * A set in terms of the present schema: where a value was made of fields when they were recorded and is
 * one field now, whoever owned any of them owns it.
 */
export function conformed(set: FieldSet, schema: SchemaNode): FieldSet {
  let steps: Record<string, FieldSet> | undefined;
  for (const [step, node] of stepsOf(set)) {
    const { schema: below } = schemaAt(schema, step);
    const inner = stepsOf(node);
    if (inner.length === 0) continue;
    const next = inner.some(([s]) => isBelowAtomic(below, s)) ? field : conformed(node, below);
    if (next === node) continue;
    steps ??= { ...set };
    steps[step] = next;
  }
  return steps ?? set;
}

/** A list of a configuration whose items cannot be told apart. */
export interface ListProblem {
  /** The list: `.spec.containers`. */
  path: string;
  message: string;
}

/** What keeps the lists of a configuration from being merged item by item. */
export function listProblems(
  document: unknown,
  schema: SchemaNode,
  path: FieldPath = [],
): ListProblem[] {
  if (Array.isArray(document) && listTypeOf(schema) !== 'atomic') {
    const problem = listProblem(document, schema);
    if (problem !== undefined) return [{ path: fieldPathText(path), message: problem }];
  }
  const within = fieldsWithin(document, schema) ?? new Map<string, Field>();
  return [...within].flatMap(([step, child]) =>
    listProblems(child.value, child.schema, [...path, step]),
  );
}

function listProblem(list: readonly unknown[], schema: SchemaNode): string | undefined {
  const seen = new Set<string>();
  for (const item of list) {
    const step = itemStep(item, schema);
    if (step === undefined) {
      const keys = listMapKeys(schema).map((key) => JSON.stringify(key));
      return isObject(item)
        ? `associative list with keys has an element that omits key field ${keys.join(', ')}`
        : 'associative list with keys may not have non-map elements';
    }
    if (seen.has(step)) return `duplicate entries for key ${fieldPathText([step])}`;
    seen.add(step);
  }
  return undefined;
}
