import { hasFinalizer } from '../../api/machinery/metadata.ts';
import type { LabelSelector } from '../../api/machinery/selectors.ts';
import { matches, requirementsOf } from '../../api/machinery/selectors.ts';
import { jobLabel } from '../../api/v1/job.ts';
import type { ServerSet } from '../../api/v1/serverset.ts';
import { serverSetFinalizer } from '../../api/v1/serverset.ts';
import type { Task } from '../../api/v1/task.ts';
import { isDead, isForced, isReady } from '../../api/v1/task.ts';
import type { Endpoints } from './member.ts';
import { endpointsOf } from './member.ts';

/** A member that shall exist. */
export interface Member {
  task: Task;
  endpoints: Endpoints;
  shard: number | undefined;
}

export interface Desired {
  /** By the uid of the Task. */
  members: ReadonlyMap<string, Member>;
  /** The uid of the Task that is the member of a slot; see slotOf. */
  bySlot: ReadonlyMap<string, string>;
  /** Ready tasks that are no members, and why. */
  unpublished: readonly { task: Task; reason: string }[];
  /** Tasks that are ready and not to stop. */
  ready: number;
}

/** Its end is wanted: no member is made or kept ALIVE for it. */
export function isStopping(task: Task): boolean {
  return task.spec.stop !== undefined || task.metadata.deletionTimestamp !== undefined;
}

/** Its members are to go, and then its finalizer. */
export function isEnding(task: Task): boolean {
  return isStopping(task) || isDead(task);
}

export function isPublishable(task: Task): boolean {
  return isReady(task) && !isEnding(task) && !isForced(task);
}

/** Only such a Task can have members. */
export function isMarked(task: Task): boolean {
  return hasFinalizer(task, serverSetFinalizer);
}

export function isSelected(serverSet: ServerSet, task: Task): boolean {
  return (
    task.metadata.namespace === serverSet.metadata.namespace &&
    matches(requirementsOf(serverSet.spec.selector), task.metadata.labels)
  );
}

/** The one Job that a selector can match tasks of: then members carry their instance as shard. */
export function onlyJobOf({ matchLabels, matchExpressions }: LabelSelector): string | undefined {
  const job = matchLabels?.[jobLabel];
  if (job !== undefined) return job;
  const pinned = matchExpressions?.find(
    ({ key, operator, values }) => key === jobLabel && operator === 'In' && values?.length === 1,
  );
  return pinned?.values?.[0];
}

/** What at most one member may stand for: two runs of an instance are never both published. */
export function slotOf(task: Task): string {
  return `${task.spec.job}/${task.spec.instance}`;
}

/** The members of a set. Law: only for a ready Task with an address, at most one for each slot. */
export function desiredMembers(serverSet: ServerSet, tasks: readonly Task[]): Desired {
  const requirements = requirementsOf(serverSet.spec.selector);
  const { namespace } = serverSet.metadata;
  const sharded = onlyJobOf(serverSet.spec.selector) !== undefined;
  const members = new Map<string, Member>();
  const bySlot = new Map<string, string>();
  const unpublished: { task: Task; reason: string }[] = [];
  let ready = 0;
  for (const task of tasks) {
    if (!isPublishable(task) || task.metadata.namespace !== namespace) continue;
    if (!matches(requirements, task.metadata.labels)) continue;
    ready += 1;
    const endpoints = endpointsOf(task, serverSet.spec);
    if ('reason' in endpoints) {
      unpublished.push({ task, reason: endpoints.reason });
      continue;
    }
    const slot = slotOf(task);
    const rival = members.get(bySlot.get(slot) ?? '');
    const loser = rival === undefined ? undefined : older(rival.task, task);
    if (loser !== undefined) {
      unpublished.push({ task: loser, reason: `another run of instance ${slot} is published` });
      if (loser === task) continue;
      members.delete(loser.metadata.uid);
    }
    const shard = sharded ? task.spec.instance : undefined;
    members.set(task.metadata.uid, { task, endpoints, shard });
    bySlot.set(slot, task.metadata.uid);
  }
  return { members, bySlot, unpublished, ready };
}

/** A replacement stays when the run that it replaced returns: the older one gives way. */
export function older(left: Task, right: Task): Task {
  const order =
    compare(left.metadata.creationTimestamp, right.metadata.creationTimestamp) ||
    compare(left.metadata.uid, right.metadata.uid);
  return order < 0 ? left : right;
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
