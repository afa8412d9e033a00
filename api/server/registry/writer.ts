import { jsonEqual } from '../../machinery/json.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Resource } from '../../machinery/resource.ts';
import { maxValueBytes } from '../../storage/storage.ts';
import { conflict, leaderChanged, tooLarge } from '../errors.ts';
import type { Reservation, WriteContext } from './context.ts';
import { mustWait } from './deletion.ts';
import { encodeObject, itemOf, type Item } from './item.ts';
import { objectStorageKey } from './keys.ts';
import type { Outgoing } from './outbox.ts';
import type { ObjectRef } from './registry.ts';
import type { StoredItems, Written, WriteTerms } from './store.ts';

/** How often a write that lost its race is tried again before the client is told to. */
export const maxAttempts = 20;

const defaultMaxBytes = maxValueBytes;

/** Sets aside what an object takes above what it took before. Throws 403. */
export type Reserve = (object: KubeObject, old: KubeObject | undefined) => Promise<Reservation>;

export interface ModifyOptions {
  /** Whether the object goes with this write; once nothing holds it any more, if absent. */
  remove?: (object: KubeObject) => boolean;
  /** Nothing is set aside if absent. */
  reserve?: Reserve;
}

/** Writes objects of one kind that are known to be right: size, rehearsals, optimistic concurrency. */
export class Writer {
  readonly #resource: Resource;
  readonly #store: StoredItems;

  constructor(options: { resource: Resource; store: StoredItems }) {
    this.#resource = options.resource;
    this.#store = options.store;
  }

  async create(object: KubeObject, context: WriteContext, reserve: Reserve): Promise<Written> {
    const key = objectStorageKey(this.#resource, object.metadata);
    const outgoing = this.#outgoing(key, object);
    const reservation = await reserve(object, undefined);
    if (context.dryRun) {
      const current = await this.#store.read(key);
      if (current !== undefined) return { outcome: 'conflict', current };
      return { outcome: 'written', item: itemOf(key, object, 0) };
    }
    const result = await this.#store.create(outgoing, this.#terms(context));
    reservation.settle(outcomeOf(result));
    return result;
  }

  /** Throws 413 for an object that is larger than its kind may be. */
  #outgoing(key: string, object: KubeObject): Outgoing {
    const bytes = encodeObject(object);
    const limit = this.#resource.maxBytes ?? defaultMaxBytes;
    if (bytes.length <= limit) return { key, object, bytes };
    throw tooLarge(this.#resource, object.metadata.name, bytes.length, limit);
  }

  #terms({ fence }: WriteContext): WriteTerms {
    return { fence, ttlSeconds: this.#resource.ttlSeconds };
  }

  /**
   * The loop of every change of an existing object: begin with what the cache has, and look at the
   * store itself before refusing, before calling a change none, and after losing a race. undefined: it
   * is not there.
   */
  async modify(
    ref: ObjectRef,
    context: WriteContext,
    change: (stored: Item) => Promise<KubeObject>,
    { reserve, remove = (object) => this.#mayGo(object) }: ModifyOptions,
  ): Promise<Item | undefined> {
    const key = objectStorageKey(this.#resource, ref);
    let stored = this.#store.peek(key);
    let fresh = stored === undefined;
    stored ??= await this.#store.read(key);
    for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
      if (stored === undefined) return undefined;
      let next: KubeObject;
      let removal: boolean;
      let reservation: Reservation | undefined;
      try {
        next = await change(stored);
        removal = remove(next);
        if (!removal) reservation = await reserve?.(next, stored.object);
      } catch (error) {
        if (fresh) throw error;
        stored = await this.#newer(key, stored, error);
        fresh = true;
        continue;
      }
      if (!removal && jsonEqual(next, stored.object)) {
        if (!fresh) {
          const live = await this.#store.read(key);
          fresh = true;
          if (live?.modRevision !== stored.modRevision) {
            stored = live;
            continue;
          }
        }
        if (context.dryRun || !(await this.#store.outdated(key))) {
          await this.#confirmFence(ref, context);
          return stored;
        }
      }
      const outgoing = this.#outgoing(key, next);
      if (context.dryRun) return itemOf(key, next, stored.modRevision);
      const result: Written = removal
        ? await this.#store.delete(stored, next, this.#terms(context))
        : await this.#store.update(outgoing, stored, this.#terms(context));
      reservation?.settle(outcomeOf(result));
      if (result.outcome === 'written') return result.item;
      if (result.outcome === 'fenced') throw leaderChanged(this.#resource, ref.name);
      stored = result.current;
      fresh = true;
    }
    throw conflict(this.#resource, ref.name);
  }

  #mayGo(object: KubeObject): boolean {
    return object.metadata.deletionTimestamp !== undefined && !mustWait(this.#resource, object);
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
    if (!(await this.#store.holds(context.fence))) throw leaderChanged(this.#resource, ref.name);
  }
}

/** A write that throws has settled nothing: it may have happened. */
function outcomeOf({ outcome }: Written): 'written' | 'refused' {
  return outcome === 'written' ? 'written' : 'refused';
}
