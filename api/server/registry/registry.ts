import type { Clock } from '../../machinery/clock.ts';
import { isApiError, type FieldError } from '../../machinery/errors.ts';
import type { JsonObject } from '../../machinery/json.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Random } from '../../machinery/random.ts';
import type { AnyResource, Resource, SchemaNode } from '../../machinery/resource.ts';
import {
  alreadyExists,
  badRequest,
  conflict,
  forbidden,
  invalid,
  leaderChanged,
  notFound,
} from '../errors.ts';
import type {
  Admission,
  AdmissionRequest,
  Advisor,
  Budget,
  Defaulter,
  Directory,
  WriteContext,
} from './context.ts';
import { checkPreconditions, markedForDeletion, mustWait, type DeleteOptions } from './deletion.ts';
import { asSubmitted, parseDocument } from './document.ts';
import { drafted, withoutForeignStatus, withoutStatus } from './draft.ts';
import { erased } from './erase.ts';
import type { Item } from './item.ts';
import { objectStorageKey } from './keys.ts';
import {
  desiredStateChanged,
  hasGeneration,
  validateMetadata,
  validateMetadataUpdate,
} from './metadata.ts';
import { checkNamespace } from './namespace.ts';
import { wholeSchema } from './object-meta.ts';
import { hasFields } from './ownable.ts';
import { Ownership, type Requester } from './ownership.ts';
import type { StoredItems } from './store.ts';
import { remembered } from './remembered.ts';
import { restricted } from './restricted.ts';
import { strategyOf } from './strategy.ts';
import { withoutNulls } from './structure.ts';
import {
  checkIdentity,
  checkNew,
  completedMetadata,
  withoutManagedFields,
  type UpdateMode,
} from './update.ts';
import { maxAttempts, Writer, type Reserve } from './writer.ts';

export interface ObjectRef {
  namespace?: string | undefined;
  name: string;
}

export interface RegistryOptions {
  resource: AnyResource;
  store: StoredItems;
  clock: Clock;
  random: Random;
  /** Rules about what is right: 422. */
  admissions: readonly Admission[];
  /** Rules about what is allowed here: 403. */
  restrictions: readonly Admission[];
  defaulters: readonly Defaulter[];
  advisors: readonly Advisor[];
  budget: Budget;
  /** Other objects, for admission: `cached` may lag, `live` does not. */
  lookups: { cached: Directory; live: Directory };
}

export interface ApplyOptions {
  subresource: 'status' | 'scale' | undefined;
  /** Take fields from the managers that own them. */
  force: boolean;
  /** Throws unless whoever applies may create the object, too. */
  mayCreate?: () => Promise<void>;
}

/** Makes the next document out of the stored object; throws to refuse. */
export type Change = (stored: KubeObject) => JsonObject;

/** How often a name is made from generateName before the client is told that they are taken. */
const generateAttempts = 8;

/** All writes of one kind: shape, rules, optimistic concurrency. Reads are in reader.ts. */
export class Registry {
  readonly resource: Resource;
  readonly schema: SchemaNode;
  readonly #ownership: Ownership;
  readonly #writer: Writer;
  readonly #sources: { clock: Clock; random: Random };
  readonly #admissions: readonly Admission[];
  readonly #restrictions: readonly Admission[];
  readonly #budget: Budget;
  readonly #defaulters: readonly Defaulter[];
  readonly #advisors: readonly Advisor[];
  readonly #lookups: RegistryOptions['lookups'];

  constructor(options: RegistryOptions) {
    this.resource = erased(options.resource);
    this.schema = wholeSchema(options.resource);
    this.#ownership = new Ownership({ resource: this.resource, clock: options.clock });
    this.#writer = new Writer({ resource: this.resource, store: options.store });
    this.#sources = { clock: options.clock, random: options.random };
    this.#admissions = options.admissions;
    this.#restrictions = options.restrictions;
    this.#budget = options.budget;
    this.#defaulters = options.defaulters;
    this.#advisors = options.advisors;
    this.#lookups = options.lookups;
  }

  key(ref: ObjectRef): string {
    return objectStorageKey(this.resource, ref);
  }

  /** Creates the object in `body`. Its name may come from generateName. */
  async create(namespace: string | undefined, body: unknown, context: WriteContext): Promise<Item> {
    const { resource } = this;
    const { document, metadata } = asSubmitted(resource, body);
    if (typeof metadata['resourceVersion'] === 'string' && metadata['resourceVersion'] !== '') {
      throw badRequest('resourceVersion should not be set on objects to be created');
    }
    const given = metadata['namespace'];
    if (typeof given === 'string' && given !== '' && given !== (namespace ?? '')) {
      throw badRequest(
        `the namespace of the provided object does not match the namespace sent on the request`,
      );
    }
    const by = requester(context);
    return this.#created(document, namespace, context, (object) =>
      this.#ownership.created(object, by),
    );
  }

  /** Creates what `document` says, with the owners that `own` adds. */
  async #created(
    document: JsonObject,
    namespace: string | undefined,
    context: WriteContext,
    own: (object: KubeObject) => KubeObject,
  ): Promise<Item> {
    const { resource } = this;
    const { rest } = withoutManagedFields(document);
    const shape = withoutForeignStatus(resource, rest);
    const parsed = parseDocument(resource, this.schema, shape, context);
    for (let attempt = 1; ; attempt += 1) {
      const draft = drafted(resource, parsed, namespace, this.#sources);
      const object = own(await this.#completed(draft, undefined, namespace));
      await this.#check('CREATE', object, undefined, undefined, namespace, context);
      const reserve = this.#reserve(undefined, namespace, context);
      const result = await this.#writer.create(object, context, reserve);
      if (result.outcome === 'written') {
        for (const text of this.#advice(object.metadata.name, object)) context.warn(text);
        return result.item;
      }
      const { name } = object.metadata;
      if (result.outcome === 'fenced') throw leaderChanged(resource, name);
      const given = parsed.metadata.name as string | undefined;
      if ((given === undefined || given === '') && attempt < generateAttempts) continue;
      const deleting = result.current?.object.metadata.deletionTimestamp !== undefined;
      throw alreadyExists(resource, name, deleting);
    }
  }

  async #completed(
    given: KubeObject,
    old: KubeObject | undefined,
    namespace: string | undefined,
  ): Promise<KubeObject> {
    const { resource } = this;
    const live = remembered(this.#lookups.live);
    let object = given;
    for (const complete of this.#defaulters) {
      object = await complete({ resource, namespace, object, old }, live);
    }
    return object;
  }

  #reserve(
    subresource: string | undefined,
    namespace: string | undefined,
    { dryRun }: WriteContext,
  ): Reserve {
    const { resource } = this;
    return (object, old) =>
      this.#budget.reserve({ resource, namespace, object, old, subresource, dryRun });
  }

  #advice(name: string, object: KubeObject | undefined): string[] {
    const { resource } = this;
    return this.#advisors.flatMap((advise) => advise({ resource, name, object }));
  }

  /** Replaces the object by `body` (PUT) or by what `change` makes of the stored one (PATCH). */
  async update(
    ref: ObjectRef,
    change: Change,
    mode: UpdateMode,
    context: WriteContext,
  ): Promise<Item> {
    const by = requester(context, mode.subresource);
    return this.#changed(ref, mode, context, async (stored) => {
      const { rest, sent } = withoutManagedFields(change(stored.object));
      const object = await this.#updated(ref, rest, stored, mode, context);
      return this.#ownership.updated(object, stored.object, sent, by);
    }).then((item) => item ?? this.#missing(ref));
  }

  /**
   * Merges `config` into the object as its manager's own, or creates it if `mayCreate` does not throw;
   * `created` tells which. A subresource of an object that is not there is not found.
   */
  async apply(
    ref: ObjectRef,
    config: JsonObject,
    options: ApplyOptions,
    context: WriteContext,
  ): Promise<{ created: boolean; item: Item }> {
    const { subresource, force } = options;
    const by = requester(context, subresource);
    const clean = withoutNulls(config, this.schema);
    const ownership = this.#ownership;
    const mode = { verb: 'patch', subresource } as const;
    // As in Kubernetes: what the schema does not have nobody can own, whatever validation is asked for.
    const strict: WriteContext = hasFields(this.resource)
      ? { ...context, fieldValidation: 'Strict' }
      : context;
    for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
      const item = await this.#changed(ref, mode, context, async (stored) => {
        const { document, owners } = ownership.apply(clean, stored.object, by, force);
        const object = await this.#updated(ref, document, stored, mode, strict);
        return ownership.withOwners(object, owners, stored.object);
      });
      if (item !== undefined) return { created: false, item };
      if (subresource !== undefined) return this.#missing(ref);
      await options.mayCreate?.();
      checkNew(this.resource, ref, config);
      const { document, owners } = ownership.apply(clean, undefined, by, force);
      try {
        const made = await this.#created(document, ref.namespace, strict, (object) =>
          ownership.withOwners(object, owners, undefined),
        );
        return { created: true, item: made };
      } catch (error) {
        // Somebody was faster: then it is a change.
        if (!isApiError(error, 'AlreadyExists')) throw error;
      }
    }
    throw conflict(this.resource, ref.name);
  }

  #missing(ref: ObjectRef): never {
    throw notFound(this.resource, ref.name);
  }

  /** Changes an object by all rules; undefined if it is not there. */
  async #changed(
    ref: ObjectRef,
    mode: UpdateMode,
    context: WriteContext,
    change: (stored: Item) => Promise<KubeObject>,
  ): Promise<Item | undefined> {
    let advice: string[] = [];
    const reserve = this.#reserve(mode.subresource, ref.namespace, context);
    const checked = async (stored: Item): Promise<KubeObject> => {
      const object = await change(stored);
      await this.#check('UPDATE', object, stored.object, mode.subresource, ref.namespace, context);
      if (mode.subresource === undefined || mode.subresource === 'scale') {
        advice = this.#advice(ref.name, object);
      }
      return object;
    };
    const item = await this.#writer.modify(ref, context, checked, { reserve });
    for (const text of advice) context.warn(text);
    return item;
  }

  async #updated(
    ref: ObjectRef,
    document: JsonObject,
    stored: Item,
    mode: UpdateMode,
    context: WriteContext,
  ): Promise<KubeObject> {
    const { resource } = this;
    const whole = checkIdentity(resource, ref, document, stored.object, mode);
    const main = mode.subresource === undefined;
    const sentPart = main ? withoutForeignStatus(resource, whole) : whole;
    const parsed = parseDocument(resource, this.schema, sentPart, context, stored.object);
    const old = stored.object;
    const given = { ...parsed, metadata: completedMetadata(parsed.metadata, old.metadata) };
    // What finalize is told to leave out must not come back by default.
    if (mode.subresource === 'finalize') return mode.finalize(old, given);
    const sent = resource.defaults(given);
    if (mode.subresource === 'status') return withStatusOf(old, sent);
    const kept = resource.subresources.status ? withStatusOf(sent, old) : sent;
    const next = await this.#completed(strategyOf(resource).keep(kept, old), old, ref.namespace);
    if (!hasGeneration(resource) || !desiredStateChanged(resource, next, old)) return next;
    const generation = (old.metadata.generation ?? 0) + 1;
    return { ...next, metadata: { ...next.metadata, generation } };
  }

  /** All rules; admission is asked again about the newest state before it refuses. */
  async #check(
    operation: 'CREATE' | 'UPDATE',
    object: KubeObject,
    old: KubeObject | undefined,
    subresource: string | undefined,
    namespace: string | undefined,
    context: WriteContext,
  ): Promise<void> {
    const { resource } = this;
    const { name } = object.metadata;
    if (operation === 'CREATE' && resource.namespaced && namespace !== undefined) {
      await checkNamespace(resource, name, namespace, this.#lookups);
    }
    const errors: FieldError[] = [
      ...(old === undefined ? [] : validateMetadataUpdate(object.metadata, old.metadata)),
      ...validateMetadata(resource, object.metadata),
      // scale changes what the rules are about; status does not.
      ...(subresource === undefined || subresource === 'scale'
        ? resource.validate(object, old === undefined ? {} : { old })
        : []),
    ];
    if (errors.length > 0) throw invalid(resource, name, errors);
    const request: AdmissionRequest = {
      operation,
      resource,
      namespace,
      object,
      old,
      subresource,
      user: context.user,
      warn: (text: string) => context.warn(text),
    };
    for (const admission of this.#admissions) {
      const errors = await this.#asked(admission, request);
      if (errors.length > 0) throw invalid(resource, name, errors);
    }
    for (const restriction of this.#restrictions) {
      const errors = await this.#asked(restriction, request);
      if (errors.length > 0) throw restricted(resource, name, errors);
    }
  }

  async #asked(rule: Admission, request: AdmissionRequest): Promise<FieldError[]> {
    const doubts = await rule(request, this.#lookups.cached);
    return doubts.length === 0 ? doubts : rule(request, this.#lookups.live);
  }

  /** Deletes the object, or marks it while finalizers hold it; `deleted` tells which. */
  async delete(
    ref: ObjectRef,
    options: DeleteOptions,
    context: WriteContext,
  ): Promise<{ deleted: boolean; item: Item }> {
    const { resource } = this;
    const why = strategyOf(resource).undeletable(ref.name);
    if (why !== undefined) throw forbidden(resource, ref.name, why);
    const { clock } = this.#sources;
    let gone = false;
    let advice: string[] = [];
    const item = await this.#writer.modify(
      ref,
      context,
      ({ object }) => {
        checkPreconditions(resource, object, options.preconditions);
        const marked = markedForDeletion(resource, object, options.propagationPolicy, clock);
        gone = !mustWait(resource, marked);
        advice = this.#advice(ref.name, undefined);
        return Promise.resolve(gone ? object : marked);
      },
      { remove: () => gone },
    );
    for (const text of advice) context.warn(text);
    return { deleted: gone, item: item ?? this.#missing(ref) };
  }
}

function requester(context: WriteContext, subresource?: string): Requester {
  return { name: context.manager, subresource: subresource ?? '' };
}

/** `object` with the status of `from`, or without one if that has none. */
function withStatusOf(object: KubeObject, from: KubeObject): KubeObject {
  const { status } = from as KubeObject & { status?: unknown };
  const rest = withoutStatus(object);
  return status === undefined ? rest : ({ ...rest, status } as KubeObject);
}
