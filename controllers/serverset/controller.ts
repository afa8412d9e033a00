import type { Logger } from 'pino';
import type { Clock } from '../../api/machinery/clock.ts';
import { objectKey } from '../../api/machinery/metadata.ts';
import type { ServerSet } from '../../api/v1/serverset.ts';
import { serverSetResource } from '../../api/v1/serverset.ts';
import type { Task } from '../../api/v1/task.ts';
import { isDead, isForced, isReady, phaseOf, taskResource } from '../../api/v1/task.ts';
import type { ZooKeeperClient } from '../../proto/zookeeper/client.ts';
import type { ControllerObserver } from '../runtime/controller.ts';
import { Controller } from '../runtime/controller.ts';
import type { EventRecorder } from '../runtime/event-recorder.ts';
import type { Leadership } from '../runtime/leadership.ts';
import type { Change } from '../runtime/object-store.ts';
import type { RateLimits } from '../runtime/queue.ts';
import { defaultRateLimits } from '../runtime/queue.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { WriteBarrier } from '../runtime/write-barrier.ts';
import type { BrakeLimits } from './brake.ts';
import { Brake, defaultBrake } from './brake.ts';
import type { ServerSetCaches } from './caches.ts';
import { ServerSetLookup } from './caches.ts';
import { isEnding, isMarked } from './desired.ts';
import { Drains } from './drains.ts';
import { EpochFence } from './fence.ts';
import { mayLowerEpoch } from './lower-epoch.ts';
import { KeyedLock } from './keyed-lock.ts';
import { LinkWatch } from './link-watch.ts';
import { MemberWriter } from './member-writer.ts';
import { Mirror } from './mirror.ts';
import { PathOwners } from './path-owners.ts';
import { PathViews } from './path-views.ts';
import { claimedPaths } from './paths.ts';
import { Purges } from './purges.ts';
import { ServerSetReconciler } from './reconciler.ts';
import { SetWriter } from './set-writer.ts';
import { TaskReconciler } from './task-reconciler.ts';

export interface ServerSetControllerOptions {
  /** One term: its client is fenced, and nothing is written to ZooKeeper once it is over. */
  leadership: Pick<Leadership, 'epoch' | 'client' | 'stillHolding' | 'verify'>;
  zookeeper: ZooKeeperClient;
  /** Informers of this term, with taskIndexers and serverSetIndexers. */
  caches: ServerSetCaches;
  events: Pick<EventRecorder, 'record'>;
  clusterName: string;
  /** See epochPathOf. */
  epochPath: string;
  /** Who leads, for people who read the epoch node. */
  holder: string;
  /** 10 members, 20 % and 300 s if absent. */
  brake?: BrakeLimits;
  /** Sets, and Tasks that end, worked on at the same time; 32 if absent. */
  concurrency?: number;
  clock: Clock;
  logger: Logger;
  observer?: ControllerObserver;
}

export interface ServerSetController extends Runnable {
  /** Mirrors the framework id in ZooKeeper's epoch node, now or when ZooKeeper is back. */
  setFrameworkId(frameworkId: string): void;
}

/** A conflict heals with the next event; nothing here is worth waiting five minutes for. */
const rateLimits: RateLimits = { ...defaultRateLimits, capMs: 30_000, perSecond: 100, burst: 1000 };

/** The loop that mirrors ready Tasks into ZooKeeper, for one term of leadership. */
export function createServerSetController(
  options: ServerSetControllerOptions,
): ServerSetController {
  return new Loop(options);
}

class Loop implements ServerSetController {
  readonly name = 'serverset';
  readonly #options: ServerSetControllerOptions;
  readonly #lookup: ServerSetLookup;
  readonly #fence: EpochFence;
  readonly #link: LinkWatch;
  readonly #brake: Brake;
  readonly #views: PathViews;
  readonly #sets: Controller;
  readonly #tasks: Controller;
  #claiming: Promise<void> | undefined;

  constructor(options: ServerSetControllerOptions) {
    this.#options = options;
    const { leadership, zookeeper, caches, events, clusterName, clock, logger } = options;
    const lookup = new ServerSetLookup(caches);
    const fence = new EpochFence({
      ...options,
      path: options.epochPath,
      mayLower: (epoch) => mayLowerEpoch(leadership.client, clusterName, epoch),
    });
    const link = new LinkWatch(zookeeper, clock);
    const brake = new Brake(options.brake ?? defaultBrake, clock);
    const onChange = (path: string): void => this.#pathChanged(path);
    const views = new PathViews({ zookeeper, clusterName, onChange });
    const barrier = new WriteBarrier();
    const locks = new KeyedLock();
    const drains = new Drains(clock);
    const purges = new Purges();
    const tasks = leadership.client.of(taskResource);
    const serverSets = leadership.client.of(serverSetResource);
    const common = { caches, lookup, fence, link, views, barrier, locks, clock, logger };
    const sets = new ServerSetReconciler({
      ...common,
      zookeeper,
      owners: new PathOwners(lookup),
      mirror: new Mirror({ clusterName, lookup, brake, drains, purges, clock }),
      purges,
      members: new MemberWriter({
        ...common,
        tasks,
        drains,
        onRemoved: (uid) => this.#memberRemoved(uid),
      }),
      sets: new SetWriter({ ...common, serverSets, events }),
    });
    const ending = new TaskReconciler({ ...common, tasks, events });
    this.#lookup = lookup;
    this.#fence = fence;
    this.#link = link;
    this.#brake = brake;
    this.#views = views;
    this.#sets = this.#controller('serverset', (key) => sets.reconcile(key));
    this.#tasks = this.#controller('serverset-task', (key) => ending.reconcile(key));
  }

  async run(signal: AbortSignal): Promise<void> {
    const { caches } = this.#options;
    const stops = [
      caches.tasks.onChange((change) => this.#taskChanged(change)),
      caches.serverSets.onChange((change) => this.#setChanged(change)),
      this.#link.listen({
        onConnected: () => {
          this.#claim();
          this.#enqueueAll();
        },
        onAway: () => this.#enqueueAll(),
      }),
    ];
    if (this.#link.awayMs === undefined) this.#claim();
    try {
      await Promise.all([this.#sets.run(signal), this.#tasks.run(signal)]);
    } finally {
      for (const stop of stops) stop();
      await this.#claiming;
    }
  }

  setFrameworkId(frameworkId: string): void {
    this.#fence.setFrameworkId(frameworkId);
    if (this.#link.awayMs === undefined) this.#claim();
  }

  /** Shuts the leaders before out, also if there is nothing to publish. */
  #claim(): void {
    this.#claiming = this.#fence.claim().then(
      () => undefined,
      (error: unknown) => {
        // Whoever writes next tries again and says what is wrong.
        this.#options.logger.warn({ err: error }, 'claiming the epoch in ZooKeeper failed');
      },
    );
  }

  #controller(name: string, reconcile: (key: string) => ReturnType<TaskReconciler['reconcile']>) {
    const { caches, clock, logger, concurrency = 32, observer } = this.#options;
    return new Controller({
      name,
      reconcile,
      waitFor: [caches.tasks, caches.serverSets],
      clock,
      logger,
      concurrency,
      rateLimits,
      ...(observer === undefined ? {} : { observer }),
    });
  }

  #taskChanged(change: Change<Task>): void {
    const { object } = change;
    const previous = change.type === 'applied' ? change.previous : undefined;
    this.#countLoss(change);
    if (change.type === 'applied' && ![object, previous].some(mayHaveMembers)) return;
    for (const task of [object, previous]) {
      if (task === undefined) continue;
      for (const key of this.#lookup.keysAbout(task)) this.#sets.enqueue(key);
    }
    if (mustBeUnmarked(object)) this.#tasks.enqueue(objectKey(object.metadata));
  }

  /** Tells the brake which published tasks are out of sight. */
  #countLoss({ type, object }: Change<Task>): void {
    const { uid } = object.metadata;
    if (type === 'deleted' || isDead(object)) this.#brake.ended(uid);
    else if (phaseOf(object) !== 'Unreachable') this.#brake.recovered(uid);
    else if (isMarked(object)) {
      const since = Date.parse(object.status?.unreachableTime ?? '');
      const ago = Number.isNaN(since) ? 0 : this.#options.clock.now() - since;
      this.#brake.lost(uid, Math.max(0, ago));
    }
  }

  /** Sets that share a path with it may now have, or have lost, the right to it. */
  #setChanged(change: Change<ServerSet>): void {
    const { object } = change;
    const previous = change.type === 'applied' ? change.previous : undefined;
    this.#sets.enqueue(objectKey(object.metadata));
    const paths = new Set([object, previous].flatMap((set) => (set ? claimedPaths(set) : [])));
    for (const path of paths) {
      const sets = this.#lookup.setsOn(path);
      if (sets.length === 0) this.#views.forget(path);
      for (const { metadata } of sets) this.#sets.enqueue(objectKey(metadata));
    }
  }

  #pathChanged(path: string): void {
    for (const { metadata } of this.#lookup.setsOn(path)) this.#sets.enqueue(objectKey(metadata));
  }

  #memberRemoved(uid: string): void {
    const task = this.#lookup.taskOf(uid);
    if (task !== undefined && mustBeUnmarked(task)) this.#tasks.enqueue(objectKey(task.metadata));
  }

  #enqueueAll(): void {
    const { caches } = this.#options;
    for (const { metadata } of caches.serverSets.list()) this.#sets.enqueue(objectKey(metadata));
    for (const task of caches.tasks.list()) {
      if (mustBeUnmarked(task)) this.#tasks.enqueue(objectKey(task.metadata));
    }
  }
}

function mayHaveMembers(task: Task | undefined): boolean {
  return task !== undefined && (isReady(task) || isMarked(task));
}

function mustBeUnmarked(task: Task): boolean {
  return isMarked(task) && (isEnding(task) || isForced(task));
}
