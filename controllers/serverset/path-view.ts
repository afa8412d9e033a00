import type { Stat, WatchEvent, ZooKeeperClient } from '../../proto/zookeeper/client.ts';
import { isZooKeeperError } from '../../proto/zookeeper/errors.ts';
import { concurrently } from '../runtime/concurrently.ts';
import type { OurMember } from './body.ts';
import { isMemberName, recognise } from './body.ts';
import type { Drift, DriftChange, OwnWrite } from './drift.ts';
import { DriftWatch } from './drift.ts';
import type { ObservedNode } from './plan.ts';
import { isUndecided } from './problems.ts';

export interface PathViewOptions {
  zookeeper: ZooKeeperClient;
  clusterName: string;
  path: string;
  /** Something below the path has changed: look again. */
  onChange: () => void;
}

/** Reads of one path in flight. */
const readConcurrency = 64;

/**
 * The `member_*` nodes of one path as they were last read, and what of it is out of date. Every read
 * sets a watch, so that only what changed is read again. Missing information is out of date, not empty.
 */
export class PathView {
  readonly path: string;
  readonly #options: PathViewOptions;
  readonly #nodes = new Map<string, ObservedNode>();
  /** Names whose data are to be read. */
  readonly #unread = new Set<string>();
  /** Nodes that were seen to be ours stay ours, whatever somebody writes into them. */
  readonly #ours = new Map<string, { czxid: bigint; taskUid: string }>();
  readonly #drift = new DriftWatch();
  /** All was read once: what differs from then on was done by somebody. */
  #isKnown = false;
  #listed = false;
  /** An answer to a write was lost: the server that answers next may lag behind it. */
  #mustSync = false;
  /** The session that read last. The server of another one may lag behind what this one has shown. */
  #session = 0n;
  #exists = false;
  #hasOtherChildren = false;
  #reading: Promise<void> | undefined;

  constructor(options: PathViewOptions) {
    this.#options = options;
    this.path = options.path;
  }

  /** Whether all is read, and nothing is known to have changed since. */
  get isCurrent(): boolean {
    return this.#listed && this.#unread.size === 0 && this.#reading === undefined;
  }

  get exists(): boolean {
    return this.#exists;
  }

  /** Whether nothing at all is below the path. */
  get isEmpty(): boolean {
    return this.#nodes.size === 0 && this.#unread.size === 0 && !this.#hasOtherChildren;
  }

  nodes(): readonly ObservedNode[] {
    return [...this.#nodes.values()];
  }

  hasMemberOf(taskUid: string): boolean {
    for (const node of this.#nodes.values()) if (node.ours?.taskUid === taskUid) return true;
    return false;
  }

  /** What others did to members of ours, and is not yet mended. */
  get drift(): readonly Drift[] {
    return this.#drift.found();
  }

  mended(drifts: readonly Drift[]): void {
    this.#drift.mended(drifts);
  }

  /**
   * Makes a write of ours. `settle` takes its effect into the view in the turn in which the answer
   * comes. Whatever a failure shows to be out of date is read again before the next plan.
   */
  async write<T>(
    what: OwnWrite,
    request: () => Promise<T>,
    settle: (result: T) => void,
  ): Promise<void> {
    const ended = this.#drift.began(what);
    try {
      settle(await request());
      ended(false);
    } catch (error) {
      ended(isUndecided(error));
      if (isUndecided(error)) this.#invalidate();
      else if (isZooKeeperError(error, 'BAD_VERSION', 'NO_NODE')) this.#outdated(what.name);
      throw error;
    }
  }

  /** Nothing that was read holds any more, as after a write whose outcome is unknown. */
  #invalidate(): void {
    this.#listed = false;
    this.#mustSync = true;
    for (const name of this.#nodes.keys()) this.#unread.add(name);
  }

  /** A write of ours shows that the view is behind: the node changed or went, or the path did. */
  #outdated(name?: string): void {
    this.#listed = false;
    if (name !== undefined) this.#unread.add(name);
  }

  /** A write of ours succeeded; the watches will bring it too. */
  wrote(name: string, version: number, body: string): OurMember | undefined {
    const ours = recognise(body, this.#options.clusterName);
    this.#nodes.set(name, { name, version, body, ours });
    this.#exists = true;
    this.#unread.add(name);
    return ours;
  }

  removed(name: string): void {
    this.#nodes.delete(name);
    this.#unread.delete(name);
    this.#ours.delete(name);
  }

  /** Reads what is out of date. Changes that come meanwhile are told by onChange. */
  async refresh(): Promise<void> {
    // One that has begun before something went out of date is not enough.
    for (let round = 0; round < 3 && !this.isCurrent; round += 1) {
      this.#reading ??= this.#read().finally(() => (this.#reading = undefined));
      await this.#reading;
    }
  }

  async #read(): Promise<void> {
    const { sessionId } = this.#options.zookeeper;
    if (this.#mustSync || this.#session !== sessionId) {
      this.#session = sessionId;
      this.#mustSync = false;
      await this.#unlessItFails(
        () => this.#options.zookeeper.sync(this.path),
        () => (this.#mustSync = true),
      );
    }
    this.#drift.readBegins();
    if (!this.#listed) await this.#list();
    const names = [...this.#unread];
    this.#unread.clear();
    await this.#unlessItFails(
      () => concurrently(names, readConcurrency, (name) => this.#readNode(name)),
      () => {
        for (const name of names) this.#unread.add(name);
      },
    );
    if (!this.#listed || this.#unread.size > 0) return;
    this.#isKnown = true;
    this.#drift.readAll();
  }

  async #list(): Promise<void> {
    // A watch that fires while the answer is on its way must not be overwritten.
    this.#listed = true;
    const children = await this.#unlessItFails(
      () => this.#children(),
      () => (this.#listed = false),
    );
    this.#exists = children !== undefined;
    const present = new Set(children?.filter(isMemberName));
    this.#hasOtherChildren = (children?.length ?? 0) > present.size;
    for (const name of this.#nodes.keys()) if (!present.has(name)) this.#vanished(name);
    for (const name of present) if (!this.#nodes.has(name)) this.#unread.add(name);
  }

  /** Undefined if there is no such node; the watch then waits for its creation. */
  async #children(): Promise<string[] | undefined> {
    const { zookeeper } = this.#options;
    for (;;) {
      try {
        return (await zookeeper.getChildren(this.path, { watch: this.#onChildren })).children;
      } catch (error) {
        if (!isZooKeeperError(error, 'NO_NODE')) throw error;
      }
      if ((await zookeeper.exists(this.path, { watch: this.#onChildren })) === undefined) {
        return undefined;
      }
    }
  }

  async #readNode(name: string): Promise<void> {
    const { zookeeper, clusterName } = this.#options;
    try {
      const { data, stat } = await zookeeper.getData(`${this.path}/${name}`, {
        watch: this.#onNode,
      });
      const body = data.toString('utf8');
      const recognised = recognise(body, clusterName);
      const ours = recognised ?? this.#remembered(name, stat);
      if (ours !== undefined) this.#ours.set(name, { czxid: stat.czxid, taskUid: ours.taskUid });
      this.#compare(name, stat.version, body, recognised !== undefined);
      this.#nodes.set(name, { name, version: stat.version, body, ours });
    } catch (error) {
      if (isZooKeeperError(error, 'NO_NODE')) this.#vanished(name);
      // A stranger's secret; a member of ours that we may not read is a problem to tell.
      else if (isZooKeeperError(error, 'NO_AUTH') && !this.#ours.has(name)) {
        this.#nodes.set(name, { name, version: -1, body: '', ours: undefined });
      } else throw error;
    }
  }

  /** A node that says no more that it is ours, though it was, and is the same node. */
  #remembered(name: string, { czxid, version }: Stat): OurMember | undefined {
    const known = this.#ours.get(name);
    const node = this.#nodes.get(name);
    // One that we have written and never read was written again.
    const isSame =
      known === undefined ? version > (node?.version ?? Infinity) : known.czxid === czxid;
    const taskUid = known?.taskUid ?? node?.ours?.taskUid;
    if (!isSame || taskUid === undefined) return undefined;
    return { taskUid, isStopping: false, stoppingSince: undefined };
  }

  /** A node that is there: is it as we left it? */
  #compare(name: string, version: number, body: string, isOurs: boolean): void {
    const known = this.#nodes.get(name);
    if (known === undefined) {
      if (isOurs && this.#isKnown) this.#saw(name, 'Added');
    } else if (known.ours !== undefined && known.body !== body && known.version !== version) {
      this.#saw(name, 'Edited');
    }
  }

  #vanished(name: string): void {
    if (this.#nodes.get(name)?.ours !== undefined) this.#saw(name, 'Deleted');
    this.removed(name);
  }

  #saw(name: string, change: DriftChange): void {
    this.#drift.saw(name, { path: `${this.path}/${name}`, change });
  }

  async #unlessItFails<T>(work: () => Promise<T>, failed: () => void): Promise<T> {
    try {
      return await work();
    } catch (error) {
      failed();
      throw error;
    }
  }

  // One function a view: the client calls equal watchers of a path once.
  readonly #onChildren = (): void => {
    this.#listed = false;
    this.#options.onChange();
  };

  readonly #onNode = ({ path }: WatchEvent): void => {
    const name = path.slice(this.path.length + 1);
    if (this.#nodes.has(name)) this.#unread.add(name);
    this.#options.onChange();
  };
}
