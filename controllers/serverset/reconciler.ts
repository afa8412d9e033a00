import type { Logger } from 'pino';
import type { Clock } from '../../api/machinery/clock.ts';
import { timestamp } from '../../api/machinery/clock.ts';
import { isApiError } from '../../api/machinery/errors.ts';
import { hasFinalizer, objectKey } from '../../api/machinery/metadata.ts';
import type { ServerSet } from '../../api/v1/serverset.ts';
import {
  purgeAnnotation,
  releaseHeldAnnotation,
  serverSetFinalizer,
} from '../../api/v1/serverset.ts';
import type { Task } from '../../api/v1/task.ts';
import { isDead, isForced } from '../../api/v1/task.ts';
import type { ZooKeeperClient } from '../../proto/zookeeper/client.ts';
import { isZooKeeperError } from '../../proto/zookeeper/errors.ts';
import type { Result } from '../runtime/controller.ts';
import type { WriteBarrier } from '../runtime/write-barrier.ts';
import type { ServerSetCaches, ServerSetLookup } from './caches.ts';
import type { Desired } from './desired.ts';
import { desiredMembers, isSelected, isStopping } from './desired.ts';
import type { Drift } from './drift.ts';
import type { EpochFence } from './fence.ts';
import type { LinkWatch } from './link-watch.ts';
import { awayGraceMs } from './link-watch.ts';
import type { MemberWriter } from './member-writer.ts';
import type { Mirror } from './mirror.ts';
import { isReleased } from './mirror.ts';
import type { PathOwners } from './path-owners.ts';
import type { PathView } from './path-view.ts';
import type { PathViews } from './path-views.ts';
import type { PathRoles } from './paths.ts';
import { claimedPaths, publishedPaths, rolesOf } from './paths.ts';
import type { Plan } from './plan.ts';
import type { Problem } from './problems.ts';
import { isAway, refusalOf } from './problems.ts';
import type { Purges } from './purges.ts';
import { purgeOf } from './purges.ts';
import type { SetWriter } from './set-writer.ts';
import type { Findings } from './status.ts';
import { listed, serverSetStatus } from './status.ts';
import { isMarkedFor } from './task-marks.ts';
import { Unreported } from './unreported.ts';

export interface ServerSetReconcilerOptions {
  zookeeper: ZooKeeperClient;
  caches: ServerSetCaches;
  lookup: ServerSetLookup;
  fence: EpochFence;
  link: LinkWatch;
  views: PathViews;
  owners: PathOwners;
  mirror: Mirror;
  purges: Purges;
  members: MemberWriter;
  sets: SetWriter;
  barrier: WriteBarrier;
  clock: Clock;
  logger: Logger;
}

/** When a cache should long have shown our own write, look whether it has. */
const barrierCheckMs = 1000;
/** After an answer of ZooKeeper that did not come. */
const awayRetryMs = 1000;
/** What only a person can mend is tried again this often. */
const refusedRetryMs = 15_000;

/** What was done on the paths of a set. */
interface Mirrored {
  serverSet: ServerSet;
  plans: readonly Plan[];
  members: number;
  /** Paths that are not yet left. */
  leaving: readonly string[];
}

/** Makes the nodes of a set's paths what its tasks say. */
export class ServerSetReconciler {
  readonly #options: ServerSetReconcilerOptions;
  readonly #unreported = new Unreported();

  constructor(options: ServerSetReconcilerOptions) {
    this.#options = options;
  }

  async reconcile(key: string): Promise<Result> {
    try {
      return await this.#reconcile(key);
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
      // The set, or one of its tasks, was deleted meanwhile: the caches will say so, and then it is looked at again.
      this.#options.logger.debug({ err: error, serverSet: key }, 'something is gone');
      return {};
    }
  }

  async #reconcile(key: string): Promise<Result> {
    const { caches, barrier, lookup, owners } = this.#options;
    const serverSet = caches.serverSets.get(key);
    if (serverSet === undefined) {
      this.#forget(key);
      return {};
    }
    if (!barrier.isOpen(key)) return { requeueAfterMs: barrierCheckMs };
    const isGoing = serverSet.metadata.deletionTimestamp !== undefined;
    if (isGoing && !hasFinalizer(serverSet, serverSetFinalizer)) return {};
    const roles = rolesOf(serverSet, (path) => owners.of(path));
    const desired = desiredMembers(serverSet, lookup.candidates(serverSet));
    if (this.#options.link.awayMs !== undefined) return this.#reportAway(serverSet, desired);
    try {
      const mirrored = await this.#mirror(serverSet, roles, desired);
      if (isGoing && mirrored.leaving.length === 0) {
        await this.#options.sets.dropFinalizer(mirrored.serverSet);
        return {};
      }
      return await this.#report(mirrored, roles, desired);
    } catch (error) {
      return this.#reportFailure(serverSet, desired, error);
    }
  }

  #forget(key: string): void {
    this.#options.barrier.forget(key);
    this.#options.sets.forget(key);
    this.#unreported.forget(key);
  }

  async #mirror(serverSet: ServerSet, roles: PathRoles, desired: Desired): Promise<Mirrored> {
    const { fence, views, mirror, sets, owners } = this.#options;
    await fence.claim();
    let current = serverSet;
    const plans: Plan[] = [];
    const seen: PathView[] = [];
    let members = 0;
    if (roles.active !== undefined) {
      const view = views.of(roles.active);
      await view.refresh();
      const { drift } = view;
      const plan = mirror.plan(current, desired, view, 'publish');
      if (plan.create.length > 0 || view.nodes().some(({ ours }) => ours !== undefined)) {
        owners.begin(view.path, current);
        current = await sets.claim(current, view.path);
      }
      await this.#apply(current, view, plan, drift);
      plans.push(plan);
      seen.push(view);
      members += memberCount(view);
    }
    const leaving: string[] = [];
    for (const path of roles.leaving) {
      const view = views.of(path);
      await view.refresh();
      const { drift } = view;
      const plan = mirror.plan(current, desired, view, 'leave');
      await this.#apply(current, view, plan, drift);
      plans.push(plan);
      seen.push(view);
      const left = memberCount(view);
      members += left;
      if (left > 0) leaving.push(path);
      else await this.#leave(view, current);
    }
    if (isReleased(current)) current = await sets.clear(current, releaseHeldAnnotation);
    current = await this.#endPurge(current, seen);
    return { serverSet: current, plans, members, leaving };
  }

  async #endPurge(serverSet: ServerSet, views: readonly PathView[]): Promise<ServerSet> {
    const { purges, sets } = this.#options;
    if (purgeOf(serverSet) === undefined) return serverSet;
    const count = purges.done(serverSet, views);
    if (count === undefined) return serverSet;
    const cleared = await sets.clear(serverSet, purgeAnnotation);
    sets.reportPurge(serverSet, count);
    return cleared;
  }

  /** `drift` is what the plan mends of what others did. */
  async #apply(
    serverSet: ServerSet,
    view: PathView,
    plan: Plan,
    drift: readonly Drift[],
  ): Promise<void> {
    const { members, sets, clock } = this.#options;
    const key = objectKey(serverSet.metadata);
    if (await members.apply(key, view, plan)) this.#unreported.wrote(key, timestamp(clock));
    view.mended(drift);
    this.#unreported.mended(key, drift, timestamp(clock));
    sets.reportDrift(serverSet, drift);
  }

  /** Nothing of ours is left on the path: it goes too, if nobody else has anything in it. */
  async #leave(view: PathView, serverSet: ServerSet): Promise<void> {
    const { lookup, owners, views, fence, zookeeper, logger } = this.#options;
    const isWanted = lookup
      .setsOn(view.path)
      .some(({ metadata }) => metadata.uid !== serverSet.metadata.uid);
    owners.left(view.path);
    if (isWanted) return;
    views.forget(view.path);
    if (!view.exists || !view.isEmpty) return;
    try {
      const { data, stat } = await zookeeper.getData(view.path);
      if (data.length > 0) return;
      await fence.write([{ type: 'delete', path: view.path, version: stat.version }]);
    } catch (error) {
      // Somebody uses it after all, or does not let us: an empty node harms nobody.
      if (!isZooKeeperError(error, 'NO_NODE', 'NOT_EMPTY', 'NO_AUTH', 'BAD_VERSION')) throw error;
      logger.debug({ err: error, path: view.path }, 'an empty path stays');
    }
  }

  async #report(mirrored: Mirrored, roles: PathRoles, desired: Desired): Promise<Result> {
    const { serverSet, plans, members, leaving } = mirrored;
    const kept = publishedPaths(serverSet).filter(
      (path) => path === roles.active || leaving.includes(path),
    );
    const problem = roles.conflict === undefined ? undefined : conflictWith(roles, serverSet);
    const statusMs = await this.#writeStatus(serverSet, {
      desired,
      members,
      held: plans.flatMap(({ held }) => held.map(({ task }) => task.metadata.name)),
      draining: plans.flatMap(({ draining }) => draining.map(({ task }) => task.metadata.name)),
      former: plans.flatMap(({ former }) => former.map(({ task }) => task.metadata.name)),
      publishedPaths: kept,
      leaving,
      problem,
    });
    return soonest([statusMs, ...plans.map(({ wakeAfterMs }) => wakeAfterMs)]);
  }

  async #reportFailure(serverSet: ServerSet, desired: Desired, error: unknown): Promise<Result> {
    const refusal = refusalOf(error);
    const fields = { err: error, serverSet: objectKey(serverSet.metadata) };
    if (refusal !== undefined) {
      this.#options.logger.debug(fields, 'ZooKeeper refused');
      const statusMs = await this.#writeProblem(serverSet, desired, refusal);
      return soonest([statusMs, refusedRetryMs]);
    }
    if (!isAway(error)) throw error;
    this.#options.logger.debug(fields, 'ZooKeeper did not answer');
    if (this.#options.link.awayMs !== undefined) return this.#reportAway(serverSet, desired);
    return { requeueAfterMs: awayRetryMs };
  }

  /** Everything is looked at again when the link is back. */
  async #reportAway(serverSet: ServerSet, desired: Desired): Promise<Result> {
    const awayMs = this.#options.link.awayMs ?? 0;
    if (awayMs < awayGraceMs) return soonest([awayGraceMs - awayMs]);
    return soonest([await this.#writeProblem(serverSet, desired, this.#awayProblem(serverSet))]);
  }

  #writeProblem(
    serverSet: ServerSet,
    desired: Desired,
    problem: Problem,
  ): Promise<number | undefined> {
    return this.#writeStatus(serverSet, {
      desired,
      members: undefined,
      held: undefined,
      draining: [],
      former: [],
      publishedPaths: publishedPaths(serverSet),
      leaving: [],
      problem,
    });
  }

  /** Stops that wait for ZooKeeper are named: they are what somebody will ask about. */
  #awayProblem(serverSet: ServerSet): Problem {
    const { lookup, link } = this.#options;
    const waiting = lookup
      .publishedTasks()
      .filter((task) => isWaitingToStop(task) && concerns(serverSet, task));
    if (waiting.length > 0) {
      const names = listed(waiting.map(({ metadata }) => metadata.name));
      return {
        reason: 'WithdrawBlocked',
        message: `ZooKeeper is away (${link.reason}): ${names} cannot be withdrawn and so cannot be stopped; cosm delete --force stops a task regardless`,
      };
    }
    return {
      reason: 'ZooKeeperAway',
      message: `ZooKeeper is away (${link.reason}); members stay as they are`,
    };
  }

  async #writeStatus(
    serverSet: ServerSet,
    findings: Omit<Findings, 'lastWriteTime' | 'drift'>,
  ): Promise<number | undefined> {
    const { sets, clock } = this.#options;
    const key = objectKey(serverSet.metadata);
    const lastWriteTime = this.#unreported.lastWriteTime(key);
    const drift = this.#unreported.drift(key, serverSet.status?.drift);
    const all = { ...findings, lastWriteTime, drift };
    const waitMs = await sets.writeStatus(
      serverSet,
      serverSetStatus(serverSet, all, timestamp(clock)),
    );
    if (waitMs === undefined) this.#unreported.forget(key);
    return waitMs;
  }
}

function memberCount(view: PathView): number {
  return view.nodes().filter(({ ours }) => ours !== undefined).length;
}

function isWaitingToStop(task: Task): boolean {
  return isStopping(task) && !isDead(task) && !isForced(task);
}

function concerns(serverSet: ServerSet, task: Task): boolean {
  return (
    isSelected(serverSet, task) || claimedPaths(serverSet).some((path) => isMarkedFor(task, path))
  );
}

function conflictWith({ conflict }: PathRoles, { spec }: ServerSet): Problem {
  const name = conflict === undefined ? 'another' : objectKey(conflict.metadata);
  return {
    reason: 'PathConflict',
    message: `${spec.zkPath} is published by ServerSet ${name}; choose another path`,
  };
}

/** At least 10 ms: clocks round, and planning a moment too early would spin. */
function soonest(waits: readonly (number | undefined)[]): Result {
  const known = waits.filter((wait) => wait !== undefined);
  return known.length === 0 ? {} : { requeueAfterMs: Math.max(10, Math.min(...known)) };
}
