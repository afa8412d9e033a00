import { objectKey, type KubeObject } from '../../api/machinery/metadata.ts';
import type { Informer } from './informer.ts';

/** How many objects of a kind there are of each sort, kept change by change: looking costs nothing. */
export class Census<T extends KubeObject> {
  readonly #sorts = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  /** `sortOf` says of what sort an object is; undefined if it does not count. */
  constructor(informer: Pick<Informer<T>, 'onChange'>, sortOf: (object: T) => string | undefined) {
    informer.onChange(({ type, object }) => {
      const key = objectKey(object.metadata);
      this.#set(key, type === 'deleted' ? undefined : sortOf(object));
    });
  }

  /** A sort that once had an object stays, with 0. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  #set(key: string, sort: string | undefined): void {
    const before = this.#sorts.get(key);
    if (before === sort) return;
    if (before !== undefined) this.#counts.set(before, (this.#counts.get(before) ?? 0) - 1);
    if (sort === undefined) this.#sorts.delete(key);
    else {
      this.#sorts.set(key, sort);
      this.#counts.set(sort, (this.#counts.get(sort) ?? 0) + 1);
    }
  }
}
