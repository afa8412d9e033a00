import { z } from 'zod';
import type { ZooKeeperClient } from '../../proto/zookeeper/client.ts';
import { isZooKeeperError } from '../../proto/zookeeper/errors.ts';

const memberSchema = z.object({
  metadata: z.object({ 'mesocosm.dev/task': z.string() }),
});

/** Told when a member of a task is there, with the wall time in milliseconds at which it was read. */
export type MemberListener = (taskUid: string, at: number) => void;

/** Watches ServerSet paths as Finagle does: children first, then the body of each new one. */
export class MemberWatch {
  readonly #zookeeper: ZooKeeperClient;
  readonly #known = new Map<string, Set<string>>();
  readonly #listeners = new Set<MemberListener>();
  #failure: Error | undefined;

  constructor(zookeeper: ZooKeeperClient) {
    this.#zookeeper = zookeeper;
  }

  follow(path: string): void {
    const read = (): void => {
      this.#read(path, read).catch((error: unknown) => {
        this.#failure ??= error instanceof Error ? error : new Error(String(error));
      });
    };
    read();
  }

  onMember(listener: MemberListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Throws if a path could not be read. */
  assertOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #read(path: string, onChange: () => void): Promise<void> {
    const children = await this.#children(path, onChange);
    const before = this.#known.get(path);
    this.#known.set(path, new Set(children));
    const fresh = children.filter((name) => before?.has(name) !== true);
    await Promise.all(fresh.map((name) => this.#readMember(`${path}/${name}`)));
  }

  async #children(path: string, watch: () => void): Promise<string[]> {
    for (;;) {
      try {
        return (await this.#zookeeper.getChildren(path, { watch })).children;
      } catch (error) {
        if (!isZooKeeperError(error, 'NO_NODE')) throw error;
      }
      if ((await this.#zookeeper.exists(path, { watch })) === undefined) return [];
    }
  }

  async #readMember(path: string): Promise<void> {
    try {
      const { data } = await this.#zookeeper.getData(path);
      const at = performance.timeOrigin + performance.now();
      const { metadata } = memberSchema.parse(JSON.parse(data.toString('utf8')));
      for (const listener of this.#listeners) listener(metadata['mesocosm.dev/task'], at);
    } catch (error) {
      // It may have gone already.
      if (!isZooKeeperError(error, 'NO_NODE')) throw error;
    }
  }
}
