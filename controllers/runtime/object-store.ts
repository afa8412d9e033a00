import type { KubeObject } from '../../api/machinery/metadata.ts';
import { objectKey } from '../../api/machinery/metadata.ts';

/** The values under which an object is found in an index. */
export type Indexer<T extends KubeObject> = (object: T) => readonly string[];

/** What happened to one object. `previous` is what was known before. */
export type Change<T extends KubeObject> =
  { type: 'applied'; object: T; previous?: T } | { type: 'deleted'; object: T };

/** Objects by key, with indexes that are kept on every change. */
export class ObjectStore<T extends KubeObject> {
  readonly #indexers: Readonly<Record<string, Indexer<T>>>;
  readonly #indexes = new Map<string, Map<string, Map<string, T>>>();
  #objects = new Map<string, T>();

  constructor(indexers: Readonly<Record<string, Indexer<T>>>) {
    this.#indexers = indexers;
    for (const name of Object.keys(indexers)) this.#indexes.set(name, new Map());
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  byIndex(index: string, value: string): readonly T[] {
    const byValue = this.#indexes.get(index);
    if (byValue === undefined) throw new TypeError(`there is no index "${index}"`);
    return [...(byValue.get(value)?.values() ?? [])];
  }

  /** Undefined if nothing changed: an event may come twice. */
  put(object: T): Change<T> | undefined {
    const key = objectKey(object.metadata);
    const previous = this.#objects.get(key);
    if (previous !== undefined) {
      if (sameVersion(previous, object)) return undefined;
      this.#unindex(key, previous);
    }
    this.#objects.set(key, object);
    this.#index(key, object);
    return previous === undefined
      ? { type: 'applied', object }
      : { type: 'applied', object, previous };
  }

  /** `object` is the last state, as the event carries it. */
  remove(object: T): Change<T> | undefined {
    const key = objectKey(object.metadata);
    const previous = this.#objects.get(key);
    if (previous === undefined) return undefined;
    this.#objects.delete(key);
    this.#unindex(key, previous);
    return { type: 'deleted', object };
  }

  /** Makes `items` the whole content at once; returns what that changed, deletions first. */
  replace(items: readonly T[]): Change<T>[] {
    const listed = new Set(items.map(({ metadata }) => objectKey(metadata)));
    const gone = [...this.#objects].filter(([key]) => !listed.has(key));
    return [
      ...gone.map(([, object]) => this.remove(object)),
      ...items.map((item) => this.put(item)),
    ].filter((change) => change !== undefined);
  }

  #index(key: string, object: T): void {
    for (const [name, byValue] of this.#indexes) {
      for (const value of this.#indexers[name]?.(object) ?? []) {
        let objects = byValue.get(value);
        if (objects === undefined) byValue.set(value, (objects = new Map<string, T>()));
        objects.set(key, object);
      }
    }
  }

  #unindex(key: string, object: T): void {
    for (const [name, byValue] of this.#indexes) {
      for (const value of this.#indexers[name]?.(object) ?? []) {
        const objects = byValue.get(value);
        objects?.delete(key);
        if (objects?.size === 0) byValue.delete(value);
      }
    }
  }
}

function sameVersion(left: KubeObject, right: KubeObject): boolean {
  return (
    left.metadata.uid === right.metadata.uid &&
    left.metadata.resourceVersion === right.metadata.resourceVersion
  );
}
