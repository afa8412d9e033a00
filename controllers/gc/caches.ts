import type { KubeObject, OwnerReference } from '../../api/machinery/metadata.ts';
import { apiVersionOf, objectKey } from '../../api/machinery/metadata.ts';
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

/** Everything that is watched, across the kinds. */
export class Caches {
  readonly all: readonly ObjectCache[];
  readonly #byId: ReadonlyMap<string, ObjectCache>;
  readonly #byKind: ReadonlyMap<string, ObjectCache>;

  constructor(caches: readonly ObjectCache[]) {
    this.all = caches;
    this.#byId = new Map(caches.map((cache) => [kindId(cache), cache]));
    this.#byKind = new Map(
      caches.map((cache) => [
        `${apiVersionOf(cache.resource.gvk)}/${cache.resource.gvk.kind}`,
        cache,
      ]),
    );
  }

  /** The cached object that a work key names. */
  find(workKey: string): Item | undefined {
    const bar = workKey.indexOf('|');
    const cache = this.#byId.get(workKey.slice(0, bar));
    const object = cache?.get(workKey.slice(bar + 1));
    return cache === undefined || object === undefined ? undefined : { cache, object };
  }

  /** Where the owner of a reference is found; undefined for a kind that is not watched. */
  ofOwner({ apiVersion, kind }: OwnerReference): ObjectCache | undefined {
    return this.#byKind.get(`${apiVersion}/${kind}`);
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
