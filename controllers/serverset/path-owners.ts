import type { ServerSet } from '../../api/v1/serverset.ts';
import type { ServerSetLookup } from './caches.ts';
import { isGoing, ownerOf } from './paths.ts';

/** Who may write a path: what the caches say, and what this process has begun and they do not show yet. */
export class PathOwners {
  readonly #lookup: ServerSetLookup;
  /** uid of the set that has begun to publish on the path. */
  readonly #begun = new Map<string, string>();

  constructor(lookup: ServerSetLookup) {
    this.#lookup = lookup;
  }

  of(path: string): ServerSet | undefined {
    const sets = this.#lookup.setsOn(path);
    const begun = sets.find(({ metadata }) => metadata.uid === this.#begun.get(path));
    return begun === undefined || isGoing(begun) ? ownerOf(path, sets) : begun;
  }

  begin(path: string, { metadata }: ServerSet): void {
    this.#begun.set(path, metadata.uid);
  }

  left(path: string): void {
    this.#begun.delete(path);
  }
}
