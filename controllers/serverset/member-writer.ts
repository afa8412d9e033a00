import type { Logger } from 'pino';
import type { ResourceClient } from '../../api/client/client.ts';
import type { Task } from '../../api/v1/task.ts';
import { isZooKeeperError } from '../../proto/zookeeper/errors.ts';
import { concurrently } from '../runtime/concurrently.ts';
import type { WriteBarrier } from '../runtime/write-barrier.ts';
import { memberPrefixOf } from './body.ts';
import type { ServerSetCaches, ServerSetLookup } from './caches.ts';
import { isPublishable } from './desired.ts';
import type { Drains } from './drains.ts';
import type { EpochFence } from './fence.ts';
import type { KeyedLock } from './keyed-lock.ts';
import type { PathView } from './path-view.ts';
import type { Member } from './desired.ts';
import type { ObservedNode, Plan } from './plan.ts';
import { refusalOf } from './problems.ts';
import { isMarkedFor, markedFor } from './task-marks.ts';

export interface MemberWriterOptions {
  fence: EpochFence;
  tasks: ResourceClient<Task>;
  caches: ServerSetCaches;
  lookup: ServerSetLookup;
  /** By uid of the Task: no member is created while its mark is taken off, nor the other way round. */
  locks: KeyedLock;
  barrier: WriteBarrier;
  drains: Drains;
  logger: Logger;
  /** A member of the Task has gone. */
  onRemoved: (taskUid: string) => void;
}

/** Writes of one set in flight. */
const zooKeeperConcurrency = 32;
const storeConcurrency = 16;

/**
 * Does what a plan says: first what must go or changes, then what comes, so that no slot has two
 * members; last what serves yet, so that those that come are there when it goes.
 */
export class MemberWriter {
  readonly #options: MemberWriterOptions;

  constructor(options: MemberWriterOptions) {
    this.#options = options;
  }

  /** Returns whether ZooKeeper was written. `key` is the set's. */
  async apply(key: string, view: PathView, plan: Plan): Promise<boolean> {
    const { create, replace, remove, update, release, withdraw } = plan;
    await concurrently(
      [
        ...remove.map((each) => () => this.#remove(view, each)),
        ...update.map((each) => () => this.#update(view, each)),
      ],
      zooKeeperConcurrency,
      (change) => change(),
    );
    const { refusal, isOvertaken } = await this.#bring(key, view, plan);
    // Who serves yet waits for those that come, unless ZooKeeper will not have them.
    if (!isOvertaken) {
      await concurrently(
        [
          ...withdraw.map(
            ({ node, body }) =>
              () =>
                this.#set(view, node, body),
          ),
          ...release.map((each) => () => this.#remove(view, each)),
        ],
        zooKeeperConcurrency,
        (change) => change(),
      );
    }
    if (refusal !== undefined) throw refusal;
    const all = [create, replace, remove, update, release, withdraw];
    return all.some(({ length }) => length > 0);
  }

  /** What comes. A Task that changed meanwhile is left to the plan that follows. */
  async #bring(
    key: string,
    view: PathView,
    { kept, create, replace }: Plan,
  ): Promise<{ refusal?: Error; isOvertaken: boolean }> {
    let isOvertaken = false;
    const publish = async (member: Member, make: () => Promise<void>): Promise<void> => {
      isOvertaken = !(await this.#publish(key, view, member, make)) || isOvertaken;
    };
    try {
      await concurrently(kept, storeConcurrency, async ({ member: { task } }) => {
        if (!isMarkedFor(task, view.path) && this.#isStill(task)) await this.#mark(key, task, view);
      });
      if (create.length > 0 && !view.exists) {
        await this.#options.fence.ensureParent(memberPrefixOf(view.path));
      }
      await concurrently(replace, storeConcurrency, ({ node, member, body }) =>
        publish(member, () => this.#replaceNode(view, node, body)),
      );
      await concurrently(create, storeConcurrency, ({ member, body }) =>
        publish(member, async () => {
          // Two sets may both see it missing while the path changes hands.
          if (!view.hasMemberOf(member.task.metadata.uid)) await this.#createNode(view, body);
        }),
      );
    } catch (refusal) {
      if (!(refusal instanceof Error) || refusalOf(refusal) === undefined) throw refusal;
      return { refusal, isOvertaken };
    }
    return { isOvertaken };
  }

  /** Whether the Task is as it was when the plan was made; otherwise another plan follows. */
  #isStill(task: Task): boolean {
    const { uid, resourceVersion } = task.metadata;
    return this.#options.lookup.taskOf(uid)?.metadata.resourceVersion === resourceVersion;
  }

  async #mark(key: string, task: Task, view: PathView): Promise<void> {
    const { tasks, caches, barrier } = this.#options;
    const marked = await tasks.update(markedFor(task, view.path));
    barrier.wrote(key, caches.tasks, marked.metadata.resourceVersion);
  }

  /**
   * Makes a node for a Task that is marked for it, and still ready once it is. Answers false if the
   * Task is not as it was planned with.
   */
  async #publish(
    key: string,
    view: PathView,
    { task }: Member,
    make: () => Promise<void>,
  ): Promise<boolean> {
    const { locks, lookup } = this.#options;
    const { uid } = task.metadata;
    return locks.run(uid, async () => {
      if (!this.#isStill(task)) return false;
      if (!isMarkedFor(task, view.path)) await this.#mark(key, task, view);
      const latest = lookup.taskOf(uid);
      if (latest === undefined || !isPublishable(latest)) return false;
      await make();
      return true;
    });
  }

  async #createNode(view: PathView, body: string): Promise<void> {
    const { fence, logger } = this.#options;
    const path = memberPrefixOf(view.path);
    const data = Buffer.from(body);
    await view.write(
      { creates: true },
      () => fence.write([{ type: 'create', path, data, sequential: true }]),
      ([result]) => {
        if (result?.type !== 'create') return;
        const ours = view.wrote(nameIn(view, result.path), 0, body);
        logger.info({ path: result.path, taskUid: ours?.taskUid }, 'member created');
      },
    );
  }

  /** In one transaction: no reader ever sees the task without a member, or with two. */
  async #replaceNode(view: PathView, node: ObservedNode, body: string): Promise<void> {
    const { fence, drains, onRemoved, logger } = this.#options;
    const before = `${view.path}/${node.name}`;
    const path = memberPrefixOf(view.path);
    const data = Buffer.from(body);
    await view.write(
      { name: node.name, creates: true },
      () =>
        fence.write([
          { type: 'delete', path: before, version: node.version },
          { type: 'create', path, data, sequential: true },
        ]),
      ([, result]) => {
        if (result?.type !== 'create') return;
        view.removed(node.name);
        drains.ended(before);
        const ours = view.wrote(nameIn(view, result.path), 0, body);
        logger.info({ path: result.path, before, taskUid: ours?.taskUid }, 'member replaced');
        const former = node.ours?.taskUid;
        if (former !== undefined && former !== ours?.taskUid) onRemoved(former);
      },
    );
  }

  async #set(view: PathView, node: ObservedNode, body: string): Promise<void> {
    const { fence, drains } = this.#options;
    const path = `${view.path}/${node.name}`;
    const data = Buffer.from(body);
    await view.write(
      { name: node.name },
      () => fence.write([{ type: 'setData', path, data, version: node.version }]),
      ([result]) => {
        if (result?.type !== 'setData') return;
        const ours = view.wrote(node.name, result.stat.version, body);
        if (ours?.stoppingSince !== undefined) drains.began(path, ours.stoppingSince);
      },
    );
  }

  async #update(view: PathView, { node, member, body }: Plan['update'][number]): Promise<void> {
    if (this.#isStill(member.task)) await this.#set(view, node, body);
  }

  async #remove(view: PathView, { node, cause }: Plan['remove'][number]): Promise<void> {
    const { fence, drains, onRemoved, logger } = this.#options;
    const path = `${view.path}/${node.name}`;
    const removed = (): void => view.removed(node.name);
    try {
      await view.write(
        { name: node.name },
        () => fence.write([{ type: 'delete', path, version: node.version }]),
        removed,
      );
    } catch (error) {
      if (!isZooKeeperError(error, 'NO_NODE')) throw error;
      removed();
    }
    drains.ended(path);
    logger.info({ path, taskUid: node.ours?.taskUid, cause }, 'member removed');
    if (node.ours !== undefined) onRemoved(node.ours.taskUid);
  }
}

function nameIn(view: PathView, nodePath: string): string {
  return nodePath.slice(view.path.length + 1);
}
