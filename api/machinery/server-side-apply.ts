import {
  difference,
  differenceOfTrees,
  intersection,
  isEmpty,
  noFields,
  union,
  type FieldSet,
} from './field-set.ts';
import { bounded, isSameManager, type Manager, type Owner } from './managed-fields.ts';
import type { SchemaNode } from './resource.ts';
import { compare, fieldsOf, merge, prune, type Comparison } from './structured-merge.ts';

/**
 * The rules of server-side apply. Documents are objects without what nobody owns (apiVersion, kind, the
 * server's part of the metadata); their schema says what their fields are, and the fields of the owners
 * conform to it.
 */

/** A write of some other kind than apply. */
export interface Update {
  /** undefined: the object is created. */
  before: unknown;
  after: unknown;
  schema: SchemaNode;
  owners: readonly Owner[];
  by: Manager;
  time: string;
}

/**
 * The owners after a write: whatever it changed or added is its manager's alone, and what it removed
 * is nobody's. The same list if it changed nothing.
 */
export function ownersAfterUpdate(update: Update): readonly Owner[] {
  const { before, after, schema, owners, by, time } = update;
  const difference = compare(before ?? {}, after, schema);
  const taken = union(difference.added, difference.modified);
  if (isEmpty(taken) && isEmpty(difference.removed)) return owners;
  const rest = owners.map((owner) => without(owner, difference, taken));
  if (isEmpty(taken)) return rest.filter(ownsAny);
  const known = rest.find((owner) => isSameManager(owner, by));
  const fields = union(known?.fields ?? noFields, taken);
  const others = rest.filter((owner) => owner !== known && ownsAny(owner));
  return bounded([...others, { ...by, time, fields }]);
}

function without(owner: Owner, { removed }: Comparison, taken: FieldSet): Owner {
  const fields = difference(differenceOfTrees(owner.fields, removed), taken);
  return fields === owner.fields ? owner : { ...owner, fields };
}

function ownsAny({ fields }: Owner): boolean {
  return !isEmpty(fields);
}

/** An apply: all that its manager wants to own, with the values. */
export interface Application {
  /** undefined: the object is created. */
  live: unknown;
  config: unknown;
  schema: SchemaNode;
  owners: readonly Owner[];
  by: Manager;
  time: string;
  /** Take the fields of others that have another value. */
  force: boolean;
}

/** Fields that another manager owns and to which the configuration gives other values. */
export interface Dispute {
  owner: Owner;
  fields: FieldSet;
}

export type Applied =
  | { outcome: 'applied'; document: unknown; owners: readonly Owner[] }
  | { outcome: 'conflict'; disputes: readonly Dispute[] };

/**
 * Merges a configuration into the live document, removes what its manager applied before and does no
 * longer, unless somebody else owns it, and says who owns what then.
 */
export function applyConfiguration(application: Application): Applied {
  const { live, config, schema, owners, by, time, force } = application;
  const known = owners.find((owner) => isSameManager(owner, by));
  const others = owners.filter((owner) => owner !== known);
  const fields = fieldsOf(config, schema);
  const merged = merge(live ?? {}, config, schema);
  const kept = [fields, ...others.map((other) => other.fields)];
  const document = known === undefined ? merged : prune(merged, schema, known.fields, kept);
  const changes = compare(live ?? {}, document, schema);
  const taken = union(changes.added, changes.modified);
  const disputes = others
    .map((owner) => ({ owner, fields: intersection(owner.fields, taken) }))
    .filter((dispute) => !isEmpty(dispute.fields));
  if (!force && disputes.length > 0) return { outcome: 'conflict', disputes };
  const rest = others.map((owner) => without(owner, changes, taken)).filter(ownsAny);
  const mine = isEmpty(fields) ? [] : [{ ...by, time, fields }];
  return { outcome: 'applied', document, owners: [...rest, ...mine] };
}

/**
 * The fields of what somebody applied on the client's side, as far as the live document still says the
 * same: the same tool may take them over when it begins to apply on the server's side.
 */
export function fieldsAsApplied(live: unknown, applied: unknown, schema: SchemaNode): FieldSet {
  const { added, removed, modified } = compare(live, applied, schema);
  return [added, removed, modified].reduce(difference, fieldsOf(applied, schema));
}
