import type { ZooKeeperClient } from '../../proto/zookeeper/client.ts';
import { PathView } from './path-view.ts';

export interface PathViewsOptions {
  zookeeper: ZooKeeperClient;
  clusterName: string;
  onChange: (path: string) => void;
}

/** One view for each path that anybody looks at. */
export class PathViews {
  readonly #options: PathViewsOptions;
  readonly #views = new Map<string, PathView>();

  constructor(options: PathViewsOptions) {
    this.#options = options;
  }

  of(path: string): PathView {
    let view = this.#views.get(path);
    if (view === undefined) {
      const { zookeeper, clusterName, onChange } = this.#options;
      view = new PathView({ zookeeper, clusterName, path, onChange: () => onChange(path) });
      this.#views.set(path, view);
    }
    return view;
  }

  forget(path: string): void {
    this.#views.delete(path);
  }
}
