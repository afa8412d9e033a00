import { FieldSetError, noFields, parseFieldSet, union, type FieldSet } from './field-set.ts';
import { isObject, jsonEqual } from './json.ts';
import type { ObjectMeta } from './metadata.ts';

/** metadata.managedFields of Kubernetes: who has set which fields, and by what kind of request. */

export type ManagedFields = NonNullable<ObjectMeta['managedFields']>;
type Entry = ManagedFields[number];

/** What tells one manager from another. */
export interface Manager {
  /** As the client calls itself: `kubectl`. */
  name: string;
  operation: 'Apply' | 'Update';
  /** `status` or `scale`; empty for the object itself. */
  subresource: string;
  apiVersion: string;
}

/** A manager with the fields that it owns. */
export interface Owner extends Manager {
  /** When they last changed, in RFC 3339. */
  time: string | undefined;
  fields: FieldSet;
}

/** Owns what was there before anybody's fields were recorded. */
export const beforeFirstApply = 'before-first-apply';

/** Owns what the oldest of too many updates have set. */
export const ancientChanges = 'ancient-changes';

/** Managers by update that an object remembers one by one. */
const maxUpdaters = 10;

/** Most managers of one object: what is stored of them grows with each. */
export const maxManagers = 128;

/** Appliers are told apart whatever version they apply in. */
export function isSameManager(left: Manager, right: Manager): boolean {
  return (
    left.name === right.name &&
    left.operation === right.operation &&
    left.subresource === right.subresource &&
    (left.operation === 'Apply' || left.apiVersion === right.apiVersion)
  );
}

/**
 * The owners in the managedFields of a stored object, as far as they wrote in one of these versions: what
 * is of a version that is no longer there says nothing.
 */
export function ownersOf(
  entries: ManagedFields | undefined,
  versions: ReadonlySet<string>,
): Owner[] {
  return (entries ?? []).flatMap((entry) => {
    const { apiVersion = '' } = entry;
    if (!versions.has(apiVersion) || !isOperation(entry.operation)) return [];
    const { manager: name = '', operation, subresource = '', time, fieldsV1 } = entry;
    const fields = isStoredSet(fieldsV1) ? fieldsV1 : noFields;
    return [{ name, operation, subresource, apiVersion, time, fields }];
  });
}

function isOperation(operation: string | undefined): operation is Manager['operation'] {
  return operation === 'Apply' || operation === 'Update';
}

/** What is stored was parsed when it came, unless it is of a version that kept what clients sent. */
function isStoredSet(fieldsV1: unknown): fieldsV1 is FieldSet {
  return isObject(fieldsV1) && Object.values(fieldsV1).every(isStoredSet);
}

/**
 * What a client says about managedFields in an update: `reset` by an empty list or one empty entry,
 * new `owners`, or nothing that makes sense, so that the stored ones stay.
 */
export function parseManagedFields(
  sent: readonly unknown[] | undefined,
): { kind: 'reset' } | { kind: 'keep' } | { kind: 'owners'; owners: Owner[] } {
  if (sent === undefined || sent.length > maxManagers) return { kind: 'keep' };
  const [first] = sent;
  const empty = isObject(first) && Object.keys(first).length === 0;
  if (sent.length === 0 || (sent.length === 1 && empty)) return { kind: 'reset' };
  const owners: Owner[] = [];
  for (const entry of sent) {
    const owner = parseEntry(entry);
    if (owner === undefined) return { kind: 'keep' };
    const known = owners.findIndex((other) => isSameManager(other, owner));
    if (known < 0) owners.push(owner);
    else owners[known] = owner;
  }
  return { kind: 'owners', owners };
}

function parseEntry(entry: unknown): Owner | undefined {
  if (!isObject(entry)) return undefined;
  const { manager, operation, apiVersion, time, fieldsType, fieldsV1, subresource } = entry;
  if (fieldsType !== 'FieldsV1' || typeof apiVersion !== 'string') return undefined;
  if (operation !== 'Apply' && operation !== 'Update') return undefined;
  // Clients in Go cannot read an object with a time that is none.
  if (time !== undefined && time !== null && !isTime(time)) return undefined;
  try {
    return {
      name: typeof manager === 'string' ? manager : '',
      operation,
      subresource: typeof subresource === 'string' ? subresource : '',
      apiVersion,
      time: typeof time === 'string' ? time : undefined,
      fields: parseFieldSet(fieldsV1 ?? {}),
    };
  } catch (error) {
    if (error instanceof FieldSetError) return undefined;
    throw error;
  }
}

/** metav1.Time: RFC 3339. */
function isTime(time: unknown): boolean {
  const pattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;
  return typeof time === 'string' && pattern.test(time) && !Number.isNaN(Date.parse(time));
}

/** The owners as they are stored, in Kubernetes' order; undefined if there are none. */
export function managedFieldsOf(owners: readonly Owner[]): ManagedFields | undefined {
  if (owners.length === 0) return undefined;
  return [...owners].sort(inOrder).map(entryOf);
}

function entryOf({ name, operation, apiVersion, time, fields, subresource }: Owner): Entry {
  return {
    manager: name,
    operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: fields,
    ...(subresource === '' ? {} : { subresource }),
  };
}

function inOrder(left: Owner, right: Owner): number {
  return (
    compareTexts(left.operation, right.operation) ||
    compareTexts(left.time ?? '', right.time ?? '') ||
    byName(left, right)
  );
}

function byName(left: Manager, right: Manager): number {
  return (
    compareTexts(left.name, right.name) ||
    compareTexts(left.apiVersion, right.apiVersion) ||
    compareTexts(left.subresource, right.subresource)
  );
}

function compareTexts(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1;
}

/** Whether both say the same of every manager, whatever the times. */
export function sameButForTimes(
  left: ManagedFields | undefined,
  right: ManagedFields | undefined,
): boolean {
  const timeless = (entries: ManagedFields | undefined): Entry[] =>
    (entries ?? []).map((entry) => ({ ...entry, time: undefined })).sort(entryOrder);
  return left === right || jsonEqual(timeless(left), timeless(right));
}

function entryOrder(left: Entry, right: Entry): number {
  const text = ({ operation, manager, apiVersion, subresource }: Entry): string =>
    JSON.stringify([operation, manager, apiVersion, subresource]);
  return compareTexts(text(left), text(right));
}

/** At most so many managers by update: the oldest become one. */
export function bounded(owners: readonly Owner[]): readonly Owner[] {
  const updaters = owners.filter(({ operation }) => operation === 'Update');
  if (updaters.length <= maxUpdaters) return owners;
  const oldest = [...updaters]
    .sort((left, right) => compareTexts(left.time ?? '', right.time ?? '') || byName(left, right))
    .slice(0, updaters.length - maxUpdaters + 1);
  const [first] = oldest;
  const last = oldest.at(-1);
  if (first === undefined || last === undefined) return owners;
  const ancient: Owner = {
    ...first,
    name: ancientChanges,
    subresource: '',
    time: last.time,
    fields: oldest.map(({ fields }) => fields).reduce(union, noFields),
  };
  return [...owners.filter((owner) => !oldest.includes(owner)), ancient];
}
