import type { Logger } from 'pino';
import type { Client, DeleteQuery, ResourceClient } from '../../api/client/client.ts';
import type { Clock } from '../../api/machinery/clock.ts';
import { isApiError } from '../../api/machinery/errors.ts';
import type { KubeObject, OwnerReference } from '../../api/machinery/metadata.ts';
import { objectKey } from '../../api/machinery/metadata.ts';
import type { Result } from '../runtime/controller.ts';
import { Controller } from '../runtime/controller.ts';
import type { Caches, Item, ObjectCache } from './caches.ts';
import { untyped, workKey, workKeyAt } from './caches.ts';
import { allOf } from './pages.ts';
import type { OwnerState } from './verdict.ts';
import { blocks, deletionPolicy, foregroundFinalizer, judge, orphanFinalizer } from './verdict.ts';

export interface CollectorOptions {
  /** Fenced: every write is refused once somebody else leads. */
  client: Client;
  /** Of every kind that may own or be owned. */
  caches: Caches;
  clock: Clock;
  logger: Logger;
}

/** While an owner waits for dependents whose end nobody announces. */
const foregroundCheckMs = 5000;

/**
 * Collects objects whose owners are all gone, and carries out foreground and orphaning deletion, as
 * Kubernetes does. A cache only says where to look: before anything is deleted the store is asked for
 * the owner itself, and the delete is bound to the version of the object that was judged.
 */
export function createCollector(options: CollectorOptions): Controller {
  const collector = new Collector(options);
  const { clock, logger } = options;
  const controller = new Controller({
    name: 'garbage-collector',
    reconcile: (key) => collector.reconcile(key),
    waitFor: options.caches.all,
    clock,
    logger,
    concurrency: 4,
  });
  const { caches } = options;
  caches.onAdd((cache) => {
    // Of an owner of an unknown kind nobody could tell whether it exists.
    for (const item of caches.ownedByKind(cache)) {
      controller.enqueue(workKey(item.cache, item.object));
    }
    cache.onChange(({ type, object }) => {
      if (type === 'applied') {
        if (concerns(object)) controller.enqueue(workKey(cache, object));
        return;
      }
      for (const item of caches.dependentsOf(object.metadata.uid)) {
        controller.enqueue(workKey(item.cache, item.object));
      }
      for (const reference of object.metadata.ownerReferences ?? []) {
        const owner = caches.ofOwner(reference);
        if (owner === undefined) continue;
        const namespace = owner.resource.namespaced ? object.metadata.namespace : undefined;
        controller.enqueue(workKeyAt(owner, objectKey({ namespace, name: reference.name })));
      }
    });
  });
  return controller;
}

function concerns(object: KubeObject): boolean {
  return (object.metadata.ownerReferences?.length ?? 0) > 0 || deletionPolicy(object) !== undefined;
}

class Collector {
  readonly caches: Caches;
  readonly #client: Client;
  readonly #logger: Logger;

  constructor({ client, caches, logger }: CollectorOptions) {
    this.caches = caches;
    this.#client = client;
    this.#logger = logger;
  }

  async reconcile(key: string): Promise<Result> {
    const item = this.caches.find(key);
    if (item === undefined) return {};
    switch (deletionPolicy(item.object)) {
      case 'orphan':
        return this.#orphan(item);
      case 'foreground':
        return this.#deleteForeground(item);
      case undefined:
        return this.#collect(item);
    }
  }

  /** Deletes the object if the store says that all its owners are gone. */
  async #collect(item: Item): Promise<Result> {
    const { cache, object } = item;
    if (object.metadata.deletionTimestamp !== undefined) return {};
    const owners = await Promise.all(
      (object.metadata.ownerReferences ?? []).map(async (reference) => ({
        reference,
        state: await this.#ownerState(object, reference),
      })),
    );
    const verdict = judge(owners);
    switch (verdict.action) {
      case 'keep':
        return {};
      case 'release':
        await this.#setOwners(item, verdict.ownerReferences);
        return {};
      case 'delete': {
        const { uid, resourceVersion } = object.metadata;
        await this.#delete(item, { preconditions: { uid, resourceVersion } });
        this.#logger.info(
          { kind: cache.resource.gvk.kind, key: workKey(cache, object) },
          'collected',
        );
        return {};
      }
    }
  }

  /** Presence may be read from a cache. Absence may not: a cache can lag. */
  async #ownerState(object: KubeObject, reference: OwnerReference): Promise<OwnerState> {
    const cache = this.caches.ofOwner(reference);
    if (cache === undefined) return 'unknown';
    const { namespaced } = cache.resource;
    const { namespace } = object.metadata;
    // A cluster object cannot be owned from within a namespace: nobody knows which one is meant.
    if (namespaced && namespace === undefined) return 'unknown';
    const ref = { namespace: namespaced ? namespace : undefined, name: reference.name };
    const cached = cache.get(objectKey(ref));
    const isCached = cached?.metadata.uid === reference.uid;
    const owner = isCached ? cached : await this.#clientOf(cache).find(ref);
    if (owner?.metadata.uid !== reference.uid) return 'absent';
    return deletionPolicy(owner) === 'foreground' ? 'leaving' : 'present';
  }

  /** Takes the object out of its dependents' owners; then it may go without them. */
  async #orphan(item: Item): Promise<Result> {
    const { uid } = item.object.metadata;
    for (const dependent of await this.#storedDependents(item)) {
      const references = dependent.object.metadata.ownerReferences ?? [];
      await this.#setOwners(
        dependent,
        references.filter((owner) => owner.uid !== uid),
      );
    }
    await this.#dropFinalizer(item, orphanFinalizer);
    return {};
  }

  /** Deletes the dependents first. Those that block hold the object until they are gone. */
  async #deleteForeground(item: Item): Promise<Result> {
    const { uid } = item.object.metadata;
    const dependents = await this.#storedDependents(item);
    for (const dependent of dependents) {
      if (dependent.object.metadata.deletionTimestamp === undefined) {
        await this.#leaveOwner(dependent, uid);
      }
    }
    if (dependents.some(({ object }) => blocks(object, uid))) {
      return { requeueAfterMs: foregroundCheckMs };
    }
    await this.#dropFinalizer(item, foregroundFinalizer);
    return {};
  }

  /** A dependent that has another owner stays with that one; else it goes, its own dependents first. */
  async #leaveOwner(dependent: Item, uid: string): Promise<void> {
    const { object } = dependent;
    const others = (object.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid);
    const states = await Promise.all(others.map((owner) => this.#ownerState(object, owner)));
    const held = others.filter((_, index) => isHeld(states[index]));
    if (held.length > 0) {
      await this.#setOwners(dependent, held);
      return;
    }
    const { uid: own, resourceVersion } = object.metadata;
    const hasDependents = this.caches.dependentsOf(own).length > 0;
    await this.#delete(dependent, {
      propagationPolicy: hasDependents ? 'Foreground' : 'Background',
      preconditions: { uid: own, resourceVersion },
    });
  }

  /**
   * The dependents as stored: one that a cache does not show yet would be collected once its owner has
   * gone, though it should have been orphaned. Rare enough for reading whole kinds.
   */
  async #storedDependents({ object }: Item): Promise<Item[]> {
    const { uid, namespace } = object.metadata;
    const found: Item[] = [];
    for (const cache of this.caches.all) {
      if (namespace !== undefined && !cache.resource.namespaced) continue;
      const objects = await allOf(this.#clientOf(cache), namespace);
      for (const stored of objects) {
        const isOwned = stored.metadata.ownerReferences?.some((owner) => owner.uid === uid);
        if (isOwned === true) found.push({ cache, object: stored });
      }
    }
    return found;
  }

  async #setOwners(item: Item, ownerReferences: OwnerReference[]): Promise<void> {
    await this.#patch(item, { ownerReferences });
  }

  async #dropFinalizer(item: Item, finalizer: string): Promise<void> {
    const finalizers = item.object.metadata.finalizers?.filter((name) => name !== finalizer);
    await this.#patch(item, { finalizers: finalizers ?? [] });
  }

  /**
   * A patch, so that fields which this version does not know stay. It names the version that was
   * looked at: a conflict comes back with the newer one.
   */
  async #patch(
    { cache, object }: Item,
    change: { ownerReferences: OwnerReference[] } | { finalizers: string[] },
  ): Promise<void> {
    const { uid, resourceVersion } = object.metadata;
    const patch = { metadata: { uid, resourceVersion, ...change } };
    await unlessGone(() => this.#clientOf(cache).patch(object.metadata, patch, { type: 'merge' }));
  }

  async #delete({ cache, object }: Item, query: DeleteQuery): Promise<void> {
    await unlessGone(() => this.#clientOf(cache).delete(object.metadata, query));
  }

  #clientOf(cache: ObjectCache): ResourceClient<KubeObject> {
    return this.#client.of(untyped(cache.resource));
  }
}

function isHeld(state: OwnerState | undefined): boolean {
  return state === 'present' || state === 'unknown';
}

async function unlessGone(write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!isApiError(error, 'NotFound')) throw error;
  }
}
