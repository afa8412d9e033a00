import { timestamp, type Clock } from '../../machinery/clock.ts';
import { difference, isEmpty, type FieldSet } from '../../machinery/field-set.ts';
import { isObject, jsonEqual, own, type JsonObject } from '../../machinery/json.ts';
import {
  beforeFirstApply,
  managedFieldsOf,
  maxManagers,
  ownersOf,
  parseManagedFields,
  sameButForTimes,
  type ManagedFields,
  type Manager,
  type Owner,
} from '../../machinery/managed-fields.ts';
import { apiVersionOf, type KubeObject } from '../../machinery/metadata.ts';
import type { Resource, SchemaNode } from '../../machinery/resource.ts';
import {
  applyConfiguration,
  fieldsAsApplied,
  ownersAfterUpdate,
  type Application,
  type Applied,
} from '../../machinery/server-side-apply.ts';
import { conformed, listProblems } from '../../machinery/structured-merge.ts';
import { badRequest, invalid } from '../errors.ts';
import { applyConflict } from './apply-conflict.ts';
import { annotates, lastAppliedOf, withLastApplied } from './last-applied.ts';
import { documentOf, nothing, ownable, ownableOf, ownershipSchema, partOf } from './ownable.ts';

/** Who makes a request, and through what part of the object. */
export interface Requester {
  name: string;
  subresource: string;
}

/** What an apply makes of the stored object. */
export interface AppliedDocument {
  document: JsonObject;
  owners: readonly Owner[];
}

/** Keeps metadata.managedFields of one kind: who owns which field after every write. */
export class Ownership {
  readonly #resource: Resource;
  readonly #schema: SchemaNode;
  readonly #clock: Clock;
  /** The versions whose fields are those of this one. */
  readonly #versions: ReadonlySet<string>;
  /** Sets that were seen before, in terms of the schema: most writes leave most sets as they are. */
  readonly #conformed = new WeakMap<FieldSet, FieldSet>();

  constructor(options: { resource: Resource; clock: Clock }) {
    this.#resource = options.resource;
    this.#schema = ownershipSchema(options.resource);
    this.#clock = options.clock;
    this.#versions = new Set([this.#apiVersion, ...(options.resource.siblingVersions ?? [])]);
  }

  get #apiVersion(): string {
    return apiVersionOf(this.#resource.gvk);
  }

  #manager({ name, subresource }: Requester, operation: Manager['operation']): Manager {
    return { name, operation, subresource, apiVersion: this.#apiVersion };
  }

  #ownersOf(entries: ManagedFields | undefined): Owner[] {
    return ownersOf(entries, this.#versions).map((owner) => this.#conforming(owner));
  }

  #conforming(owner: Owner): Owner {
    let fields = this.#conformed.get(owner.fields);
    if (fields === undefined) {
      fields = conformed(owner.fields, this.#schema);
      this.#conformed.set(owner.fields, fields);
    }
    return fields === owner.fields ? owner : { ...owner, fields };
  }

  /** The owner of all that an object says, as far as its part may. */
  #ownersOfAll(object: KubeObject, by: Manager): readonly Owner[] {
    return ownersAfterUpdate({
      before: nothing,
      after: { ...nothing, ...partOf(this.#resource, ownable(object), by.subresource) },
      schema: this.#schema,
      owners: [],
      by,
      time: timestamp(this.#clock),
    });
  }

  /** An object that is about to be created, as its creator's own. */
  created(object: KubeObject, by: Requester): KubeObject {
    if (this.#resource.fieldOwners === 'OnceApplied') return object;
    const owners = this.#ownersOfAll(object, this.#manager(by, 'Update'));
    return withManagedFields(object, managedFieldsOf(owners));
  }

  /**
   * `next` with its owners after a write over `stored`. `sent` are the managedFields of the request,
   * which may set or reset them on the object itself. An object without owners gets none: only its
   * creation and an apply begin to record them.
   */
  updated(next: KubeObject, stored: KubeObject, sent: unknown, by: Requester): KubeObject {
    const known = stored.metadata.managedFields;
    const wish =
      by.subresource === '' && sent !== known && Array.isArray(sent)
        ? parseManagedFields(sent)
        : ({ kind: 'keep' } as const);
    if (wish.kind === 'reset') return withManagedFields(next, undefined);
    const owners =
      wish.kind === 'owners'
        ? wish.owners.map((owner) => this.#conforming(owner))
        : this.#ownersOf(known);
    if (owners.length === 0) return withManagedFields(next, known);
    const after = ownersAfterUpdate({
      before: ownable(stored),
      after: ownable(next),
      schema: this.#schema,
      owners,
      by: this.#manager(by, 'Update'),
      time: timestamp(this.#clock),
    });
    if (after === owners && wish.kind === 'keep') return withManagedFields(next, known);
    const entries = managedFieldsOf(after);
    const same = after === owners && sameButForTimes(entries, known);
    return withManagedFields(next, same ? known : entries);
  }

  /** Merges a configuration into the stored object. Throws 409 for conflicts, 400 for bad lists. */
  apply(
    config: JsonObject,
    stored: KubeObject | undefined,
    by: Requester,
    force: boolean,
  ): AppliedDocument {
    const applied = partOf(this.#resource, ownableOf(config), by.subresource);
    const [problem] = listProblems(applied, this.#schema);
    if (problem !== undefined) throw this.#badList(config, problem.path, problem.message);
    const live = stored === undefined ? nothing : ownable(stored);
    const result = this.#merged(
      {
        live,
        config: applied,
        schema: this.#schema,
        owners: this.#ownersBefore(stored, by.subresource),
        by: this.#manager(by, 'Apply'),
        time: timestamp(this.#clock),
        force,
      },
      lastAppliedOf(live),
    );
    if (result.outcome === 'conflict') throw applyConflict(result.disputes);
    const merged = isObject(result.document) ? result.document : {};
    const document = documentOf(config, merged, stored);
    const { owners } = result;
    if (owners.length > maxManagers) throw this.#tooManyManagers(document);
    return { document: annotates(by) ? withLastApplied(document, config) : document, owners };
  }

  /** What a client has applied on its own side before is its own on the server's side, too. */
  #merged(application: Application, before: JsonObject | undefined): Applied {
    const result = applyConfiguration(application);
    const { live, schema, by } = application;
    if (result.outcome === 'applied' || before === undefined || !annotates(by)) return result;
    const allowed = fieldsAsApplied(live, ownableOf(before), schema);
    const disputes = result.disputes
      .map((dispute) => ({ ...dispute, fields: difference(dispute.fields, allowed) }))
      .filter(({ fields }) => !isEmpty(fields));
    if (disputes.length > 0) return { outcome: 'conflict', disputes };
    return applyConfiguration({ ...application, force: true });
  }

  /** The owners that an apply finds: if nobody was recorded, one of all that is there. */
  #ownersBefore(stored: KubeObject | undefined, subresource: string): readonly Owner[] {
    const owners = this.#ownersOf(stored?.metadata.managedFields);
    if (stored === undefined || owners.length > 0) return owners;
    const by = this.#manager({ name: beforeFirstApply, subresource }, 'Update');
    return this.#ownersOfAll(stored, by);
  }

  /** `next` with the owners after an apply; the stored ones to the letter if nothing has changed. */
  withOwners(
    next: KubeObject,
    owners: readonly Owner[],
    stored: KubeObject | undefined,
  ): KubeObject {
    const entries = managedFieldsOf(owners);
    const known = stored?.metadata.managedFields;
    if (stored !== undefined && sameButForTimes(entries, known)) {
      const same = withManagedFields(next, known);
      if (jsonEqual(same, stored)) return same;
    }
    return withManagedFields(next, entries);
  }

  #tooManyManagers({ metadata }: JsonObject): Error {
    const name = isObject(metadata) ? metadata['name'] : undefined;
    const message = `Too many: an object may have ${maxManagers} managers: apply as one of them, or set the list to [] to begin anew`;
    const field = 'metadata.managedFields';
    return invalid(this.#resource, typeof name === 'string' ? name : '', [
      { field, message, reason: 'FieldValueForbidden' },
    ]);
  }

  #badList(config: JsonObject, path: string, message: string): Error {
    const { group, version, kind } = this.#resource.gvk;
    const metadata = own(config, 'metadata');
    const { name, namespace } = isObject(metadata) ? metadata : {};
    const where = [namespace, name].filter((part) => typeof part === 'string').join('/');
    const gv = apiVersionOf({ group, version });
    return badRequest(
      `failed to create typed patch object (${where}; ${gv}, Kind=${kind}): ${path}: ${message}`,
    );
  }
}

/** `object` with these managedFields; the same object if it has them. */
function withManagedFields(object: KubeObject, entries: ManagedFields | undefined): KubeObject {
  const { managedFields, ...rest } = object.metadata;
  if (managedFields === entries) return object;
  const metadata = entries === undefined ? rest : { ...rest, managedFields: entries };
  return { ...object, metadata };
}
