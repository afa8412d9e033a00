import type { Logger } from 'pino';
import { z } from 'zod';
import type { MultiOperation, MultiResult, ZooKeeperClient } from '../../proto/zookeeper/client.ts';
import { ensurePath } from '../../proto/zookeeper/ensure-path.ts';
import { isZooKeeperError, MultiError } from '../../proto/zookeeper/errors.ts';
import { parentOf } from '../../proto/zookeeper/paths.ts';
import type { Leadership } from '../runtime/leadership.ts';

export interface EpochFenceOptions {
  zookeeper: ZooKeeperClient;
  /** Of the epoch node; see epochPathOf. */
  path: string;
  leadership: Pick<Leadership, 'epoch' | 'stillHolding' | 'verify'>;
  /** Who leads, for people who read the node. */
  holder: string;
  /** Whether an operator says that this epoch, greater than ours, is no leader's any more. */
  mayLower: (epoch: number) => Promise<boolean>;
  logger: Logger;
}

const epochNodeSchema = z.object({
  epoch: z.number(),
  holder: z.string().optional(),
  frameworkId: z.string().optional(),
});

/** Content of the epoch node: JSON in this order. */
export type EpochNode = z.infer<typeof epochNodeSchema>;

/** Whatever a cluster keeps in ZooKeeper for itself lies beside the namespaces' paths. */
export function epochPathOf(serverSetRoot: string, clusterName: string): string {
  return `${serverSetRoot}/.mesocosm/${clusterName}/epoch`;
}

/** This leader may not write: another has taken over, or the term is out of time. */
export class DeposedError extends Error {
  override readonly name = 'DeposedError';
}

/** ZooKeeper remembers a later leader than the one that the store says there is. */
export class EpochAheadError extends Error {
  override readonly name = 'EpochAheadError';
}

/**
 * Writes to ZooKeeper that a deposed leader cannot make: each is a `multi` that first checks the
 * version of the epoch node, and a takeover changes that version by writing its greater epoch. What a
 * leader reads after it has claimed the epoch includes every write of the leaders before.
 */
export class EpochFence {
  readonly #options: EpochFenceOptions;
  /** Version of the node while it carries our epoch, as far as we know. */
  #version: number | undefined;
  #claiming: Promise<number> | undefined;
  #frameworkId: string | undefined;

  constructor(options: EpochFenceOptions) {
    this.#options = options;
  }

  /** Resolves with the node's version once it carries our epoch; rejects with DeposedError or EpochAheadError. */
  async claim(): Promise<number> {
    if (this.#version !== undefined) return this.#version;
    this.#claiming ??= this.#claim().finally(() => (this.#claiming = undefined));
    return this.#claiming;
  }

  /** Mirrored in the node, with the next claim, for the day on which etcd is lost. */
  setFrameworkId(frameworkId: string): void {
    if (this.#frameworkId === frameworkId) return;
    this.#frameworkId = frameworkId;
    this.#version = undefined;
  }

  /** All operations or none, and none once another leader has claimed the epoch. */
  async write(operations: readonly MultiOperation[]): Promise<MultiResult[]> {
    const { zookeeper, path } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const version = await this.claim();
      this.#assertHolding();
      try {
        const results = await zookeeper.multi([{ type: 'check', path, version }, ...operations]);
        return results.slice(1);
      } catch (error) {
        if (!isRefusedByFence(error)) throw error;
        if (this.#version === version) this.#version = undefined;
        // Our own framework id may have moved the version; more than that is a fight over the node.
        if (attempt === 3) throw error;
      }
    }
  }

  /** Creates what is missing above `path`, fenced too. */
  async ensureParent(path: string): Promise<void> {
    const parent = parentOf(path);
    if (parent === '/' || (await this.#options.zookeeper.exists(parent)) !== undefined) return;
    await this.ensureParent(parent);
    try {
      await this.write([{ type: 'create', path: parent, data: new Uint8Array() }]);
    } catch (error) {
      if (!isZooKeeperError(error, 'NODE_EXISTS')) throw error;
    }
  }

  #assertHolding(): void {
    if (this.#options.leadership.stillHolding()) return;
    throw new DeposedError('the term of this leader is over');
  }

  async #claim(): Promise<number> {
    const { zookeeper, path } = this.#options;
    for (;;) {
      this.#assertHolding();
      const stored = await this.#read();
      if (stored !== undefined) await this.#assertGreatest(stored.node);
      const data = this.#content(stored?.node);
      try {
        if (stored === undefined) {
          await ensurePath(zookeeper, parentOf(path));
          this.#assertHolding();
          await zookeeper.create(path, Buffer.from(data));
          return this.#claimed(0, stored);
        }
        if (stored.text === data) return this.#claimed(stored.version, stored);
        const stat = await zookeeper.setData(path, Buffer.from(data), stored.version);
        return this.#claimed(stat.version, stored);
      } catch (error) {
        // Another claims at the same time: look who is greater.
        if (!isZooKeeperError(error, 'BAD_VERSION', 'NODE_EXISTS', 'NO_NODE')) throw error;
      }
    }
  }

  #claimed(version: number, before: { node: EpochNode | undefined } | undefined): number {
    const { leadership, logger, path } = this.#options;
    if (before?.node?.epoch !== leadership.epoch) {
      logger.info({ path, epoch: leadership.epoch, before: before?.node?.epoch }, 'epoch claimed');
    }
    this.#version = version;
    return version;
  }

  async #read(): Promise<
    { node: EpochNode | undefined; text: string; version: number } | undefined
  > {
    const { zookeeper, path, logger } = this.#options;
    try {
      const { data, stat } = await zookeeper.getData(path);
      const text = data.toString('utf8');
      const node = parseEpochNode(text);
      if (node === undefined) logger.warn({ path }, 'the epoch node is no JSON of ours');
      return { node, text, version: stat.version };
    } catch (error) {
      if (isZooKeeperError(error, 'NO_NODE')) return undefined;
      throw error;
    }
  }

  async #assertGreatest(stored: EpochNode | undefined): Promise<void> {
    const { leadership, path, mayLower, logger } = this.#options;
    if (stored === undefined || stored.epoch <= leadership.epoch) return;
    if (!(await leadership.verify())) throw new DeposedError('another leader has taken over');
    if (await mayLower(stored.epoch)) {
      logger.warn({ path, stored: stored.epoch, epoch: leadership.epoch }, 'epoch lowered');
      return;
    }
    throw new EpochAheadError(
      `ZooKeeper's ${path} carries epoch ${stored.epoch} of ${stored.holder ?? 'somebody'}, greater than ours (${leadership.epoch}), though we lead: was the store restored or emptied? If no other control plane named like this one runs, say so with: cosm framework take-epoch ${stored.epoch}`,
    );
  }

  #content(stored: EpochNode | undefined): string {
    const { leadership, holder } = this.#options;
    const frameworkId = this.#frameworkId ?? stored?.frameworkId;
    return JSON.stringify({
      epoch: leadership.epoch,
      holder,
      ...(frameworkId === undefined ? {} : { frameworkId }),
    });
  }
}

/** The first operation of a fenced write is its check. */
function isRefusedByFence(error: unknown): boolean {
  return (
    error instanceof MultiError &&
    error.index === 0 &&
    isZooKeeperError(error, 'BAD_VERSION', 'NO_NODE')
  );
}

function parseEpochNode(text: string): EpochNode | undefined {
  try {
    const parsed = epochNodeSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
