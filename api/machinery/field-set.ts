import { isObject, type JsonObject } from './json.ts';

/**
 * A set of fields in the form in which metadata.managedFields carries it (FieldsV1 of Kubernetes): each
 * key is a step from a value to one inside it, `f:<name>` to a field, `k:<keys in JSON>` to the item of a
 * list with those keys, `v:<JSON>` to an item that is its own key. A node that has no steps, or has the
 * key `.`, is in the set itself; any other only leads to fields that are. The root is never in the set.
 * Sets are never changed: operations make new ones, and share what stays.
 */
export interface FieldSet {
  readonly [step: string]: FieldSet;
}

export const noFields: FieldSet = Object.freeze({});
/** A field that is in the set, without any below it. */
export const field: FieldSet = Object.freeze({});

const self = '.';

export function isEmpty(set: FieldSet): boolean {
  return Object.keys(set).length === 0;
}

/** Whether the node itself, which must not be the root, is in the set. */
export function isMember(node: FieldSet): boolean {
  return Object.hasOwn(node, self) || isEmpty(node);
}

/** The steps of a node, without `.`. */
export function stepsOf(node: FieldSet): [string, FieldSet][] {
  return Object.entries(node).filter(([step]) => step !== self);
}

/** A node with these steps; undefined if there would be nothing in it. */
export function nodeOf(steps: Record<string, FieldSet>, member: boolean): FieldSet | undefined {
  if (isEmpty(steps)) return member ? field : undefined;
  return member ? { [self]: field, ...steps } : steps;
}

export function union(left: FieldSet, right: FieldSet): FieldSet {
  if (left === right || isEmpty(right)) return left;
  return isEmpty(left) ? right : unionNodes(left, right, false);
}

function unionNodes(left: FieldSet, right: FieldSet, member: boolean): FieldSet {
  const steps: Record<string, FieldSet> = Object.fromEntries(stepsOf(left));
  for (const [step, child] of stepsOf(right)) {
    const known = steps[step];
    steps[step] =
      known === undefined || known === child
        ? child
        : unionNodes(known, child, isMember(known) || isMember(child));
  }
  return nodeOf(steps, member) ?? noFields;
}

export function intersection(left: FieldSet, right: FieldSet): FieldSet {
  return intersectNodes(left, right, false) ?? noFields;
}

function intersectNodes(left: FieldSet, right: FieldSet, member: boolean): FieldSet | undefined {
  const steps: Record<string, FieldSet> = {};
  for (const [step, child] of stepsOf(left)) {
    const other = right[step];
    if (other === undefined) continue;
    const both = intersectNodes(child, other, isMember(child) && isMember(other));
    if (both !== undefined) steps[step] = both;
  }
  return nodeOf(steps, member);
}

/** The fields of `left` that are not in `right`. */
export function difference(left: FieldSet, right: FieldSet): FieldSet {
  return subtract(left, right, false, false) ?? noFields;
}

/** The fields of `left` that neither are in `right` nor lie below a field that is. */
export function differenceOfTrees(left: FieldSet, right: FieldSet): FieldSet {
  return subtract(left, right, false, true) ?? noFields;
}

function subtract(
  left: FieldSet,
  right: FieldSet,
  member: boolean,
  trees: boolean,
): FieldSet | undefined {
  let steps: Record<string, FieldSet> | undefined;
  for (const [step, child] of stepsOf(left)) {
    const other = right[step];
    if (other === undefined) continue;
    const gone = isMember(other);
    const rest =
      gone && trees ? undefined : subtract(child, other, isMember(child) && !gone, trees);
    if (rest === child) continue;
    steps ??= Object.fromEntries(stepsOf(left));
    if (rest === undefined) Reflect.deleteProperty(steps, step);
    else steps[step] = rest;
  }
  const same =
    steps === undefined && (isEmpty(left) ? member : Object.hasOwn(left, self) === member);
  return same ? left : nodeOf(steps ?? Object.fromEntries(stepsOf(left)), member);
}

export type FieldPath = readonly string[];

/** The fields of a set in Kubernetes' order: those of one value before those further down. */
export function* pathsOf(set: FieldSet, prefix: FieldPath = []): Generator<FieldPath> {
  const steps = stepsOf(set).sort(([left], [right]) => (left < right ? -1 : 1));
  for (const [step, node] of steps) if (isMember(node)) yield [...prefix, step];
  for (const [step, node] of steps) yield* pathsOf(node, [...prefix, step]);
}

/** A path as conflicts show it: `.spec.containers[name="main"].image`. */
export function fieldPathText(path: FieldPath): string {
  return path.map(stepText).join('');
}

function stepText(step: string): string {
  const rest = step.slice(2);
  switch (step.slice(0, 2)) {
    case 'k:': {
      const keys: unknown = JSON.parse(rest);
      const entries = isObject(keys) ? Object.entries(keys) : [];
      return `[${entries.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`;
    }
    case 'v:':
      return `[=${rest}]`;
    case 'i:':
      return `[${rest}]`;
    default:
      return `.${rest}`;
  }
}

export function fieldStep(name: string): string {
  return `f:${name}`;
}

/** The step to the item of a list with these keys. */
export function keyStep(keys: JsonObject): string {
  return `k:${canonicalJson(keys)}`;
}

/** The step to an item that is its own key. */
export function valueStep(value: unknown): string {
  return `v:${canonicalJson(value)}`;
}

/** JSON text in which the order of keys says nothing. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries.map(([key, child]) => [key, sorted(child)]));
}

/** What a client sent as fieldsV1 is no set of fields, or too large a one. */
export class FieldSetError extends Error {
  override readonly name = 'FieldSetError';
}

const bounds = { depth: 64, nodes: 20_000 } as const;

/**
 * The set in a `fieldsV1` of a client, with its keys in canonical form. Steps of unknown kinds are left
 * out, as Kubernetes does. Throws FieldSetError.
 */
export function parseFieldSet(fieldsV1: unknown): FieldSet {
  let nodes = 0;
  const parse = (given: unknown, depth: number): FieldSet | undefined => {
    nodes += 1;
    if (!isObject(given)) throw new FieldSetError('a node of fieldsV1 must be an object');
    if (depth > bounds.depth) throw new FieldSetError(`nested deeper than ${bounds.depth} levels`);
    if (nodes > bounds.nodes) throw new FieldSetError(`more than ${bounds.nodes} fields`);
    const steps: Record<string, FieldSet> = {};
    for (const [step, child] of Object.entries(given)) {
      const canonical = canonicalStep(step);
      if (canonical === undefined) continue;
      const node = parse(child, depth + 1);
      if (node !== undefined) steps[canonical] = node;
    }
    const named = Object.keys(given);
    return nodeOf(steps, depth > 0 && (named.length === 0 || named.includes(self)));
  };
  return parse(fieldsV1, 0) ?? noFields;
}

function canonicalStep(step: string): string | undefined {
  const rest = step.slice(2);
  switch (step.slice(0, 2)) {
    case 'f:':
      return step;
    case 'i:':
      return /^\d{1,9}$/.test(rest) ? step : undefined;
    case 'v:':
      return valueStep(parsedStep(rest));
    case 'k:': {
      const keys = parsedStep(rest);
      if (isObject(keys)) return keyStep(keys);
      throw new FieldSetError(`the keys of an item must be an object, not ${rest.slice(0, 64)}`);
    }
    default:
      return undefined;
  }
}

function parsedStep(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FieldSetError(`${JSON.stringify(text.slice(0, 64))} is no JSON`, { cause: error });
  }
  if (isDeeper(value, bounds.depth)) {
    throw new FieldSetError(`a step is nested deeper than ${bounds.depth} levels`);
  }
  return value;
}

function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((child) => isDeeper(child, depth - 1));
}
