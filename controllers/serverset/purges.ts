import type { ServerSet } from '../../api/v1/serverset.ts';
import { purgeAnnotation } from '../../api/v1/serverset.ts';
import type { PathView } from './path-view.ts';

/** The purge that an operator asks for; each asks with an id of its own. */
export function purgeOf({ metadata }: ServerSet): string | undefined {
  return metadata.annotations?.[purgeAnnotation];
}

/**
 * Which nodes a purge is about: those of ours that were there when this leader first saw it, so that
 * it ends though members come and go. The next leader begins again, which costs nothing but writes.
 */
export class Purges {
  /** By uid of the set. */
  readonly #begun = new Map<string, { id: string; nodes: Map<string, Set<string>> }>();

  /** Names of the nodes of `view` that are to go; none without a purge. The view must be current. */
  of(serverSet: ServerSet, view: PathView): ReadonlySet<string> {
    const { uid } = serverSet.metadata;
    const id = purgeOf(serverSet);
    if (id === undefined) {
      this.#begun.delete(uid);
      return new Set();
    }
    let purge = this.#begun.get(uid);
    if (purge?.id !== id) {
      purge = { id, nodes: new Map() };
      this.#begun.set(uid, purge);
    }
    let names = purge.nodes.get(view.path);
    if (names === undefined) {
      names = new Set(namesOfOurs(view));
      purge.nodes.set(view.path, names);
    }
    return names;
  }

  /** How many nodes the purge has removed or replaced; undefined while some of them are left. */
  done(serverSet: ServerSet, views: readonly PathView[]): number | undefined {
    let count = 0;
    for (const view of views) {
      const names = this.of(serverSet, view);
      if (namesOfOurs(view).some((name) => names.has(name))) return undefined;
      count += names.size;
    }
    return count;
  }
}

function namesOfOurs(view: PathView): string[] {
  return view.nodes().flatMap(({ name, ours }) => (ours === undefined ? [] : [name]));
}
