import type { Logger } from 'pino';
import type { ResourceClient } from '../../api/client/client.ts';
import { isApiError } from '../../api/machinery/errors.ts';
import type { Task } from '../../api/v1/task.ts';
import { isDead, isForced } from '../../api/v1/task.ts';
import { isZooKeeperError } from '../../proto/zookeeper/errors.ts';
import type { Result } from '../runtime/controller.ts';
import type { EventRecorder } from '../runtime/event-recorder.ts';
import type { WriteBarrier } from '../runtime/write-barrier.ts';
import type { ServerSetCaches, ServerSetLookup } from './caches.ts';
import { isEnding, isMarked } from './desired.ts';
import type { EpochFence } from './fence.ts';
import type { KeyedLock } from './keyed-lock.ts';
import type { LinkWatch } from './link-watch.ts';
import type { PathView } from './path-view.ts';
import type { PathViews } from './path-views.ts';
import { isAway } from './problems.ts';
import { markedPaths, unmarked } from './task-marks.ts';

export interface TaskReconcilerOptions {
  caches: ServerSetCaches;
  lookup: ServerSetLookup;
  /** Fenced. */
  tasks: ResourceClient<Task>;
  fence: EpochFence;
  link: LinkWatch;
  views: PathViews;
  locks: KeyedLock;
  barrier: WriteBarrier;
  events: Pick<EventRecorder, 'record'>;
  logger: Logger;
}

/** When a cache should long have shown our own write, look whether it has. */
const barrierCheckMs = 1000;
/** A set that removes the member says so; this is for when the word is lost. */
const waitForSetMs = 2000;

/** Takes the mark off a Task that ends, once no member of it is left: only then is it killed. */
export class TaskReconciler {
  readonly #options: TaskReconcilerOptions;

  constructor(options: TaskReconcilerOptions) {
    this.#options = options;
  }

  async reconcile(key: string): Promise<Result> {
    const { caches, barrier, locks, link } = this.#options;
    const task = caches.tasks.get(key);
    if (task === undefined || !isMarked(task)) {
      barrier.forget(barrierKey(key));
      return {};
    }
    if (!barrier.isOpen(barrierKey(key))) return { requeueAfterMs: barrierCheckMs };
    if (isForced(task)) {
      await this.#unmark(key, task);
      this.#reportForced(task);
      return {};
    }
    // What waits for ZooKeeper is looked at again when it is back.
    if (!isEnding(task) || link.awayMs !== undefined) return {};
    try {
      return await locks.run(task.metadata.uid, () => this.#release(key));
    } catch (error) {
      if (isAway(error)) return { requeueAfterMs: waitForSetMs };
      throw error;
    }
  }

  async #release(key: string): Promise<Result> {
    const task = this.#options.caches.tasks.get(key);
    if (task === undefined || !isMarked(task)) return {};
    await this.#options.fence.claim();
    for (const path of this.#pathsOf(task)) {
      if (await this.#isPublishedOn(path, task)) return { requeueAfterMs: waitForSetMs };
    }
    await this.#unmark(key, task);
    return {};
  }

  /** The paths that it is marked for; if somebody took that note away, those where it belongs. */
  #pathsOf(task: Task): readonly string[] {
    const marked = markedPaths(task);
    if (marked.length > 0) return marked;
    return this.#options.lookup.setsSelecting(task).map(({ spec }) => spec.zkPath);
  }

  async #isPublishedOn(path: string, task: Task): Promise<boolean> {
    const { views, lookup } = this.#options;
    const { uid } = task.metadata;
    const view = views.of(path);
    await view.refresh();
    if (!view.isCurrent) return true;
    if (lookup.setsOn(path).length > 0) return view.hasMemberOf(uid);
    // No set looks after the path any more.
    await this.#removeMembers(view, uid);
    views.forget(path);
    return false;
  }

  async #removeMembers(view: PathView, uid: string): Promise<void> {
    for (const { name, ours, version } of view.nodes()) {
      if (ours?.taskUid !== uid) continue;
      const path = `${view.path}/${name}`;
      const removed = (): void => view.removed(name);
      try {
        await view.write(
          { name },
          () => this.#options.fence.write([{ type: 'delete', path, version }]),
          removed,
        );
      } catch (error) {
        if (!isZooKeeperError(error, 'NO_NODE')) throw error;
        removed();
      }
    }
  }

  async #unmark(key: string, task: Task): Promise<void> {
    const { tasks, barrier, caches, logger } = this.#options;
    try {
      const { metadata } = await tasks.update(unmarked(task));
      barrier.wrote(barrierKey(key), caches.tasks, metadata.resourceVersion);
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
    }
    logger.debug({ task: key }, 'no member is left');
  }

  #reportForced(task: Task): void {
    if (isDead(task)) return;
    const message = 'its members were not waited for; they are withdrawn once ZooKeeper answers';
    this.#options.events.record(task, 'Warning', 'WithdrawForced', message);
  }
}

/** Sets and Tasks share a barrier and may share a name. */
function barrierKey(key: string): string {
  return `task ${key}`;
}
