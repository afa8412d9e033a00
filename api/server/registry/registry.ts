import { timestamp, type Clock } from '../../machinery/clock.ts';
import type { FieldError } from '../../machinery/errors.ts';
import { jsonEqual, without, type JsonObject } from '../../machinery/json.ts';
import type { KubeObject, ObjectMeta } from '../../machinery/metadata.ts';
import { nameSuffix, type Random } from '../../machinery/random.ts';
import type { AnyResource, Resource, SchemaNode } from '../../machinery/resource.ts';
import {
  alreadyExists,
  badRequest,
  conflict,
  forbidden,
  invalid,
  leaderChanged,
  notFound,
  tooLarge,
} from '../errors.ts';
import { maxValueBytes } from '../../storage/storage.ts';
import type { Admission, Advisor, Defaulter, Lookup, WriteContext } from './context.ts';
import { checkPreconditions, markedForDeletion, mustWait, type DeleteOptions } from './deletion.ts';
import { asSubmitted, parseDocument } from './document.ts';
import { erased } from './erase.ts';
import { encodeObject, itemOf, type Item } from './item.ts';
import { objectStorageKey } from './keys.ts';
import {
  desiredStateChanged,
  hasGeneration,
  validateMetadata,
  validateMetadataUpdate,
} from './metadata.ts';
import { checkNamespace } from './namespace.ts';
import { wholeSchema } from './object-meta.ts';
import type { Outgoing } from './outbox.ts';
import type { ItemStore, Written, WriteTerms } from './store.ts';
import { strategyOf } from './strategy.ts';
import { checkIdentity, clientMetadata, completedMetadata, type UpdateMode } from './update.ts';

export interface ObjectRef {
  namespace?: string | undefined;
  name: string;
}

export interface RegistryOptions {
  resource: AnyResource;
  store: ItemStore;
  clock: Clock;
  random: Random;
  admissions: readonly Admission[];
  defaulters: readonly Defaulter[];
  advisors: readonly Advisor[];
  /** Other objects, for admission: `cached` may lag, `live` does not. */
  lookups: { cached: Lookup; live: Lookup };
}

/** Makes the next document out of the stored object; throws to refuse. */
export type Change = (stored: KubeObject) => JsonObject;

/** How often a write that lost its race is tried again before the client is told to. */
const maxAttempts = 20;

/** Length of names made from generateName: a DNS label with room for the suffix. */
const generatedPrefixLength = 58;
const generatedSuffixLength = 5;
const generateAttempts = 8;

const defaultMaxBytes = maxValueBytes;

/** All writes of one kind: shape, rules, optimistic concurrency. Reads are in reader.ts. */
export class Registry {
  readonly resource: Resource;
  readonly schema: SchemaNode;
  readonly #store: ItemStore;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #admissions: readonly Admission[];
  readonly #defaulters: readonly Defaulter[];
  readonly #advisors: readonly Advisor[];
  readonly #lookups: RegistryOptions['lookups'];

  constructor(options: RegistryOptions) {
    this.resource = erased(options.resource);
    this.schema = wholeSchema(options.resource);
    this.#store = options.store;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#admissions = options.admissions;
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
    const parsed = parseDocument(resource, this.schema, document, context);
    for (let attempt = 1; ; attempt += 1) {
      const object = await this.#completed(this.#drafted(parsed, namespace), namespace);
      await this.#check('CREATE', object, undefined, undefined, namespace, context);
      const result = await this.#insert(object, context);
      if (result.outcome === 'written') return result.item;
      const { name } = object.metadata;
      if (result.outcome === 'fenced') throw leaderChanged(resource, name);
      const generated = metadata['name'] === undefined || metadata['name'] === '';
      if (generated && attempt < generateAttempts) continue;
      const deleting = result.current?.object.metadata.deletionTimestamp !== undefined;
      throw alreadyExists(resource, name, deleting);
    }
  }

  async #insert(object: KubeObject, context: WriteContext): Promise<Written> {
    const key = this.key(object.metadata);
    const outgoing = this.#outgoing(key, object);
    if (context.dryRun) {
      const current = await this.#store.read(key);
      if (current !== undefined) return { outcome: 'conflict', current };
      return { outcome: 'written', item: itemOf(key, object, 0) };
    }
    return this.#store.create(outgoing, this.#terms(context));
  }

  /** Throws 413 for an object that is larger than its kind may be. */
  #outgoing(key: string, object: KubeObject): Outgoing {
    const bytes = encodeObject(object);
    const limit = this.resource.maxBytes ?? defaultMaxBytes;
    if (bytes.length <= limit) return { key, object, bytes };
    throw tooLarge(this.resource, object.metadata.name, bytes.length, limit);
  }

  #terms({ fence }: WriteContext): WriteTerms {
    return { fence, ttlSeconds: this.resource.ttlSeconds };
  }

  /** The object to be created: what the server owns is set, whatever the client sent there. */
  #drafted(parsed: KubeObject, namespace: string | undefined): KubeObject {
    const { resource } = this;
    const sent = parsed.metadata;
    const metadata: ObjectMeta = {
      ...clientMetadata(sent),
      name: this.#nameOf(sent),
      ...(sent.generateName === undefined ? {} : { generateName: sent.generateName }),
      ...(namespace === undefined ? {} : { namespace }),
      uid: this.#random.uuid(),
      creationTimestamp: timestamp(this.#clock),
      ...(hasGeneration(resource) ? { generation: 1 } : {}),
      resourceVersion: '',
    };
    const draft = { ...parsed, metadata: without(metadata, 'resourceVersion') };
    const object = resource.subresources.status ? withoutStatus(draft) : draft;
    // The revision is not known before the store has answered; nothing below asks for it.
    return resource.defaults(object as KubeObject);
  }

  async #completed(drafted: KubeObject, namespace: string | undefined): Promise<KubeObject> {
    const { resource } = this;
    let object = drafted;
    for (const complete of this.#defaulters) {
      object = await complete({ resource, namespace, object }, this.#lookups.live);
    }
    return object;
  }

  #advice(name: string, object: KubeObject | undefined): string[] {
    const { resource } = this;
    return this.#advisors.flatMap((advise) => advise({ resource, name, object }));
  }

  #nameOf(sent: ObjectMeta): string {
    const { name, generateName } = sent as Partial<ObjectMeta>;
    if (name !== undefined && name !== '') return name;
    if (generateName === undefined || generateName === '') return '';
    const base = generateName.slice(0, generatedPrefixLength);
    return `${base}${nameSuffix(this.#random, generatedSuffixLength)}`;
  }

  /** Replaces the object by `body` (PUT) or by what `change` makes of the stored one (PATCH). */
  async update(
    ref: ObjectRef,
    change: Change,
    mode: UpdateMode,
    context: WriteContext,
  ): Promise<Item> {
    let advice: string[] = [];
    const item = await this.#modify(ref, context, async (stored) => {
      const document = change(stored.object);
      const object = this.#updated(ref, document, stored, mode, context);
      await this.#check('UPDATE', object, stored.object, mode.subresource, ref.namespace, context);
      if (mode.subresource === undefined) advice = this.#advice(ref.name, object);
      return object;
    });
    for (const text of advice) context.warn(text);
    return item;
  }

  #updated(
    ref: ObjectRef,
    document: JsonObject,
    stored: Item,
    mode: UpdateMode,
    context: WriteContext,
  ): KubeObject {
    const { resource } = this;
    checkIdentity(resource, ref, document, stored.object, mode);
    const parsed = parseDocument(resource, this.schema, document, context, stored.object);
    const old = stored.object;
    const given = { ...parsed, metadata: completedMetadata(parsed.metadata, old.metadata) };
    // What finalize is told to leave out must not come back by default.
    if (mode.subresource === 'finalize') return mode.finalize(old, given);
    const sent = resource.defaults(given);
    if (mode.subresource === 'status') return withStatusOf(old, sent);
    const kept = resource.subresources.status ? withStatusOf(sent, old) : sent;
    const next = strategyOf(resource).keep(kept, old);
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
    const request = {
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
      const doubts = await admission(request, this.#lookups.cached);
      if (doubts.length === 0) continue;
      const certain = await admission(request, this.#lookups.live);
      if (certain.length > 0) throw invalid(resource, name, certain);
    }
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
    let gone = false;
    let advice: string[] = [];
    const item = await this.#modify(
      ref,
      context,
      ({ object }) => {
        checkPreconditions(resource, object, options.preconditions);
        const marked = markedForDeletion(resource, object, options.propagationPolicy, this.#clock);
        gone = !mustWait(resource, marked);
        advice = this.#advice(ref.name, undefined);
        return Promise.resolve(gone ? object : marked);
      },
      () => gone,
    );
    for (const text of advice) context.warn(text);
    return { deleted: gone, item };
  }

  /**
   * The loop of every change of an existing object: begin with what the cache has, and look at the
   * store itself before refusing, before calling a change none, and after losing a race.
   */
  async #modify(
    ref: ObjectRef,
    context: WriteContext,
    change: (stored: Item) => Promise<KubeObject>,
    remove: (object: KubeObject) => boolean = (object) =>
      object.metadata.deletionTimestamp !== undefined && !mustWait(this.resource, object),
  ): Promise<Item> {
    const key = this.key(ref);
    let stored = this.#store.peek(key);
    let fresh = stored === undefined;
    stored ??= await this.#store.read(key);
    for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
      if (stored === undefined) throw notFound(this.resource, ref.name);
      let next: KubeObject;
      try {
        next = await change(stored);
      } catch (error) {
        if (fresh) throw error;
        stored = await this.#newer(key, stored, error);
        fresh = true;
        continue;
      }
      const removal = remove(next);
      if (!removal && jsonEqual(next, stored.object)) {
        if (!fresh) {
          const live = await this.#store.read(key);
          fresh = true;
          if (live?.modRevision !== stored.modRevision) {
            stored = live;
            continue;
          }
        }
        await this.#confirmFence(ref, context);
        return stored;
      }
      const outgoing = this.#outgoing(key, next);
      if (context.dryRun) return itemOf(key, next, stored.modRevision);
      const result: Written = removal
        ? await this.#store.delete(stored, next, this.#terms(context))
        : await this.#store.update(outgoing, stored, this.#terms(context));
      if (result.outcome === 'written') return result.item;
      if (result.outcome === 'fenced') throw leaderChanged(this.resource, ref.name);
      stored = result.current;
      fresh = true;
    }
    throw conflict(this.resource, ref.name);
  }

  /** The state to try again on after a refusal that a stale cache may be to blame for. */
  async #newer(key: string, stored: Item, refusal: unknown): Promise<Item | undefined> {
    const live = await this.#store.read(key);
    if (live !== undefined && live.modRevision === stored.modRevision) throw refusal;
    return live;
  }

  /** A fenced write that changes nothing must still fail once another leads. */
  async #confirmFence(ref: ObjectRef, context: WriteContext): Promise<void> {
    if (context.fence === undefined || context.dryRun) return;
    if (!(await this.#store.holds(context.fence))) throw leaderChanged(this.resource, ref.name);
  }
}

function withoutStatus<T extends object>(object: T): T {
  return without(object as T & { status?: unknown }, 'status') as T;
}

/** `object` with the status of `from`, or without one if that has none. */
function withStatusOf(object: KubeObject, from: KubeObject): KubeObject {
  const { status } = from as KubeObject & { status?: unknown };
  const rest = withoutStatus(object);
  return status === undefined ? rest : ({ ...rest, status } as KubeObject);
}
