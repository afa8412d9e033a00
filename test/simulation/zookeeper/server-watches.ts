import type { WatchKind } from '../../../proto/zookeeper/watches.ts';
import type { ServerEvent, Tree } from './tree.ts';

export type WatchedPaths = Readonly<Record<WatchKind, readonly string[]>>;

/** The server's half of the watches of one connection: one-shot, and gone with it. */
export class ServerWatches {
  /** Of data and of existence: the server does not tell them apart. */
  readonly #data = new Set<string>();
  readonly #children = new Set<string>();

  add(kind: WatchKind, path: string): void {
    (kind === 'child' ? this.#children : this.#data).add(path);
  }

  /** Whether the connection is to be told of the event. */
  fires({ type, path }: ServerEvent): boolean {
    if (type === 'children') return this.#children.delete(path);
    const ofData = this.#data.delete(path);
    const ofChildren = type === 'deleted' && this.#children.delete(path);
    return ofData || ofChildren;
  }

  /** Sets what a resumed session had; answers what has happened since `zxid`, the last one it saw. */
  restore(paths: WatchedPaths, zxid: bigint, tree: Tree): ServerEvent[] {
    const missed: ServerEvent[] = [];
    const look = (kind: WatchKind, judge: (path: string) => ServerEvent['type'] | undefined) => {
      for (const path of paths[kind]) {
        const type = judge(path);
        if (type === undefined) this.add(kind, path);
        else missed.push({ type, path });
      }
    };
    look('data', (path) => {
      const node = tree.get(path);
      if (node === undefined) return 'deleted';
      return node.stat.mzxid > zxid ? 'changed' : undefined;
    });
    look('exist', (path) => (tree.get(path) === undefined ? undefined : 'created'));
    look('child', (path) => {
      const node = tree.get(path);
      if (node === undefined) return 'deleted';
      return node.stat.pzxid > zxid ? 'children' : undefined;
    });
    return missed;
  }
}
