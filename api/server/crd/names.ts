import { jsonEqual } from '../../machinery/json.ts';
import type { Resource } from '../../machinery/resource.ts';
import {
  conditionOf,
  type CustomResourceCondition,
  type CustomResourceDefinition,
  type CustomResourceNames,
  type CustomResourceStatus,
} from '../../v1/custom-resource-types.ts';

/** Names that somebody else in the group has. */
export interface Claims {
  resources: ReadonlySet<string>;
  kinds: ReadonlySet<string>;
}

/**
 * What the other kinds of the group are called: those of the program, those of definitions that are
 * accepted, and those of older ones that are not yet.
 */
export function claimsOf(
  definition: CustomResourceDefinition,
  definitions: readonly CustomResourceDefinition[],
  own: readonly Resource[],
): Claims {
  const { group } = definition.spec;
  const resources = new Set<string>();
  const kinds = new Set<string>();
  for (const { gvk, plural, singular, shortNames } of own) {
    if (gvk.group !== group) continue;
    for (const name of [plural, singular, ...shortNames]) resources.add(name);
    kinds.add(gvk.kind).add(`${gvk.kind}List`);
  }
  for (const other of definitions) {
    if (other.spec.group !== group || other.metadata.name === definition.metadata.name) continue;
    const accepted = other.status?.acceptedNames;
    const names = [...(accepted === undefined ? [] : [accepted])];
    if (conditionOf(other, 'NamesAccepted') === undefined && isOlder(other, definition)) {
      names.push(other.spec.names);
    }
    for (const { plural, singular, shortNames = [], kind, listKind } of names) {
      for (const name of [plural, singular, ...shortNames]) addName(resources, name);
      for (const name of [kind, listKind]) addName(kinds, name);
    }
  }
  return { resources, kinds };
}

function addName(names: Set<string>, name: string | undefined): void {
  if (name !== undefined && name !== '') names.add(name);
}

/** Whoever came first gets the name, whichever server looks. */
function isOlder(left: CustomResourceDefinition, right: CustomResourceDefinition): boolean {
  const [first, second] = [left.metadata, right.metadata];
  if (first.creationTimestamp !== second.creationTimestamp) {
    return first.creationTimestamp < second.creationTimestamp;
  }
  return first.name < second.name;
}

/**
 * The status that a definition should have; its own if it has it. A name that is taken is not accepted,
 * and what was accepted before stays.
 */
export function acceptedStatus(
  definition: CustomResourceDefinition,
  claims: Claims,
  time: string,
): CustomResourceStatus {
  const status = definition.status ?? {};
  const { names, conflicts } = settledNames(definition, claims);
  const [conflict] = conflicts;
  const accepted =
    conflict === undefined
      ? { status: 'True', reason: 'NoConflicts', message: 'no conflicts found' }
      : { status: 'False', reason: conflict.reason, message: conflict.message };
  const initial = {
    status: 'True',
    reason: 'InitialNamesAccepted',
    message: 'the initial names have been accepted',
  };
  const waiting = { status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' };
  const established = conditionOf(definition, 'Established');
  let conditions = status.conditions ?? [];
  conditions = withCondition(conditions, { type: 'NamesAccepted', ...accepted }, time);
  // Once established it stays so: there may be objects.
  if (established?.status !== 'True') {
    const now = conflict === undefined ? initial : waiting;
    conditions = withCondition(conditions, { type: 'Established', ...now }, time);
  }
  const next = { ...status, conditions, acceptedNames: names };
  return jsonEqual(next, status) ? status : next;
}

function withCondition(
  conditions: readonly CustomResourceCondition[],
  wanted: CustomResourceCondition,
  time: string,
): CustomResourceCondition[] {
  const known = conditions.find(({ type }) => type === wanted.type);
  const since = known?.status === wanted.status ? known.lastTransitionTime : time;
  const next = { ...wanted, lastTransitionTime: since ?? time };
  if (known === undefined) return [...conditions, next];
  return conditions.map((condition) => (condition === known ? next : condition));
}

interface Conflict {
  reason: string;
  message: string;
}

function settledNames(
  { spec, status }: CustomResourceDefinition,
  { resources, kinds }: Claims,
): { names: CustomResourceNames; conflicts: Conflict[] } {
  const wanted = spec.names;
  const had: CustomResourceNames = status?.acceptedNames ?? { plural: '', kind: '' };
  const conflicts: Conflict[] = [];
  const settle = (
    reason: string,
    name: string,
    before: string | undefined,
    taken: ReadonlySet<string>,
  ): string => {
    if (name === before || !taken.has(name)) return name;
    conflicts.push({ reason, message: `${JSON.stringify(name)} is already in use` });
    return before ?? '';
  };
  const names: CustomResourceNames = {
    plural: settle('PluralConflict', wanted.plural, had.plural, resources),
    singular: settle('SingularConflict', wanted.singular ?? '', had.singular, resources),
    kind: settle('KindConflict', wanted.kind, had.kind, kinds),
    listKind: settle('ListKindConflict', wanted.listKind ?? '', had.listKind, kinds),
  };
  const shortNames = wanted.shortNames ?? [];
  const taken = shortNames.filter(
    (name) => resources.has(name) && had.shortNames?.includes(name) !== true,
  );
  if (taken.length > 0) {
    const message = taken.map((name) => `${JSON.stringify(name)} is already in use`).join(', ');
    conflicts.push({ reason: 'ShortNamesConflict', message });
    if (had.shortNames !== undefined) names.shortNames = had.shortNames;
  } else if (shortNames.length > 0) names.shortNames = shortNames;
  if (wanted.categories !== undefined) names.categories = wanted.categories;
  return { names, conflicts };
}
