import type { Watcher } from './client.ts';
import type { WatchedPaths } from './operations.ts';
import type { WatchNotification } from './records.ts';

/** What a watch was set by, which decides the events that fire it. */
export type WatchKind = 'data' | 'exist' | 'child';

/** The kinds that each event fires (and so uses up): the server's rule for one-shot watches. */
const firedBy: Readonly<Record<WatchNotification['type'], readonly WatchKind[]>> = {
  created: ['data', 'exist'],
  changed: ['data', 'exist'],
  deleted: ['data', 'exist', 'child'],
  children: ['child'],
};

/**
 * The client's half of the watches: who is to be told, by kind and path. The server knows only that
 * this connection watches a path, and forgets it with the connection.
 */
export class WatchRegistry {
  readonly #watchers: Readonly<Record<WatchKind, Map<string, Set<Watcher>>>> = {
    data: new Map(),
    exist: new Map(),
    child: new Map(),
  };

  add(kind: WatchKind, path: string, watcher: Watcher): void {
    const watchers = this.#watchers[kind];
    const known = watchers.get(path);
    if (known === undefined) watchers.set(path, new Set([watcher]));
    else known.add(watcher);
  }

  /** Removes and returns those that the event concerns, each once. */
  take(event: WatchNotification): Watcher[] {
    const fired = new Set<Watcher>();
    for (const kind of firedBy[event.type]) {
      for (const watcher of this.#watchers[kind].get(event.path) ?? []) fired.add(watcher);
      this.#watchers[kind].delete(event.path);
    }
    return [...fired];
  }

  /** Removes and returns all, with the path that each watches. */
  takeAll(): { path: string; watcher: Watcher }[] {
    const byPath = new Map<string, Set<Watcher>>();
    for (const watchers of Object.values(this.#watchers)) {
      for (const [path, set] of watchers) {
        byPath.set(path, new Set([...(byPath.get(path) ?? []), ...set]));
      }
      watchers.clear();
    }
    return [...byPath].flatMap(([path, set]) => [...set].map((watcher) => ({ path, watcher })));
  }

  /** All watched paths, in batches whose paths take at most `maxBytes` (one path may take more). */
  *batches(maxBytes: number): Generator<WatchedPaths, void, undefined> {
    let batch: Record<WatchKind, string[]> = { data: [], exist: [], child: [] };
    let bytes = 0;
    for (const kind of ['data', 'exist', 'child'] as const) {
      for (const path of this.#watchers[kind].keys()) {
        const size = 4 + Buffer.byteLength(path);
        if (bytes > 0 && bytes + size > maxBytes) {
          yield batch;
          batch = { data: [], exist: [], child: [] };
          bytes = 0;
        }
        batch[kind].push(path);
        bytes += size;
      }
    }
    if (bytes > 0) yield batch;
  }
}
