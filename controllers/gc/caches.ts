import type { KubeObject, OwnerReference } from '../../api/machinery/metadata.ts';
import { objectKey } from '../../api/machinery/metadata.ts';
import type { AnyResource, Resource } from '../../api/machinery/resource.ts';
import type { Change } from '../runtime/object-store.ts';

/** An informer of any kind, as the collector sees it. It must have the indexer below. */
export interface ObjectCache {
  readonly resource: AnyResource;
  get(key: string): KubeObject | undefined;
  list(): readonly KubeObject[];
  byIndex(index: string, value: string): readonly KubeObject[];
  onChange(handler: (change: Change<KubeObject>) => void): () => void;
  synced(signal: AbortSignal): Promise<void>;
}

/** Objects by the uids of their owners. */
export const ownerIndexers = {
  owner: (object: KubeObject) => (object.metadata.ownerReferences ?? []).map(({ uid }) => uid),
};

/** An object of some kind. */
export interface Item {
  cache: ObjectCache;
  object: KubeObject;
}

/** Everything that is watched, across the kinds. Kinds of users come and go. */
export class Caches {
  readonly #byId = new Map<string, ObjectCache>();
  readonly #byKind = new Map<string, ObjectCache>();
  readonly #handlers: ((cache: ObjectCache) => void)[] = [];

  constructor(caches: readonly ObjectCache[]) {
    for (const cache of caches) this.add(cache);
  }

  get all(): readonly ObjectCache[] {
    return [...this.#byId.values()];
  }

  add(cache: ObjectCache): void {
    this.#byId.set(kindId(cache), cache);
    this.#byKind.set(`${cache.resource.gvk.group}/${cache.resource.gvk.kind}`, cache);
    for (const handler of this.#handlers) handler(cache);
  }

  remove(cache: ObjectCache): void {
    if (this.#byId.get(kindId(cache)) !== cache) return;
    this.#byId.delete(kindId(cache));
    this.#byKind.delete(`${cache.resource.gvk.group}/${cache.resource.gvk.kind}`);
  }

  /** Calls `handler` for every cache there is, and for those that are added. */
  onAdd(handler: (cache: ObjectCache) => void): void {
    this.#handlers.push(handler);
    for (const cache of this.all) handler(cache);
  }

  /** The cached object that a work key names. */
  find(workKey: string): Item | undefined {
    const bar = workKey.indexOf('|');
    const cache = this.#byId.get(workKey.slice(0, bar));
    const object = cache?.get(workKey.slice(bar + 1));
    return cache === undefined || object === undefined ? undefined : { cache, object };
  }

  /** Where the owner of a reference is found, in whatever version; undefined for an unknown kind. */
  ofOwner({ apiVersion, kind }: OwnerReference): ObjectCache | undefined {
    const slash = apiVersion.indexOf('/');
    return this.#byKind.get(`${slash < 0 ? '' : apiVersion.slice(0, slash)}/${kind}`);
  }

  /** Objects that name an owner of this kind. */
  ownedByKind(cache: ObjectCache): Item[] {
    return this.all.flatMap((other) =>
      other
        .list()
        .filter(({ metadata }) =>
          metadata.ownerReferences?.some((reference) => this.ofOwner(reference) === cache),
        )
        .map((object) => ({ cache: other, object })),
    );
  }

  dependentsOf(uid: string): Item[] {
    return this.all.flatMap((cache) =>
      cache.byIndex('owner', uid).map((object) => ({ cache, object })),
    );
  }
}

/** Work key of an object: unique across the kinds. */
export function workKey(cache: ObjectCache, object: KubeObject): string {
  return workKeyAt(cache, objectKey(object.metadata));
}

export function workKeyAt(cache: ObjectCache, key: string): string {
  return `${kindId(cache)}|${key}`;
}

function kindId({ resource: { gvk, plural } }: ObjectCache): string {
  return `${gvk.group}/${plural}`;
}

/** The resource without what needs the exact type of its objects: enough to read and delete. */
export function untyped(resource: AnyResource): Resource {
  return {
    ...resource,
    columns: [],
    selectableFields: {},
    defaults: (object) => object,
    validate: () => [],
  };
}
