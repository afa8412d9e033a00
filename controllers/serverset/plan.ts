import type { Task } from '../../api/v1/task.ts';
import { isDead, isForced, isReady, phaseOf } from '../../api/v1/task.ts';
import type { OurMember } from './body.ts';
import { memberBody } from './body.ts';
import type { Desired, Member } from './desired.ts';
import { isPublishable, isStopping, older, slotOf } from './desired.ts';
import { formerEndpoints } from './former.ts';
import type { Endpoints } from './member.ts';

/** A `member_*` node as it was read. */
export interface ObservedNode {
  name: string;
  /** Of its data. */
  version: number;
  body: string;
  /** Undefined: a foreign node, which no plan names. */
  ours: OurMember | undefined;
}

/** Why a member goes. Unreachable is the only one that the brake may hold. */
export type Cause =
  | 'Duplicate'
  | 'Unknown'
  | 'Dead'
  | 'Stopped'
  | 'Superseded'
  | 'SetDeleted'
  | 'Deselected'
  | 'AddressReused'
  | 'Unreachable'
  | 'NotReady'
  | 'NoAddress'
  | 'Moved'
  | 'Purged';

export interface PlanContext {
  clusterName: string;
  /** Whether members of the set are published here; if not, this path is being left. */
  mode: 'publish' | 'leave';
  /** Whether the set itself is being deleted. */
  deleting: boolean;
  drainMs: number;
  /** Whether members carry their instance as shard. */
  sharded: boolean;
  desired: Desired;
  taskOf(uid: string): Task | undefined;
  isSelected(task: Task): boolean;
  /** Where a task that is to stop can be reached, if its member can still be written. */
  endpointsOf(task: Task): Endpoints | undefined;
  /** Whether another live task has the last known address of this unreachable one. */
  isAddressReused(task: Task): boolean;
  /** Whether the brake keeps the member of this unreachable task. */
  isHeld(task: Task): boolean;
  /** Whether an operator wants this node gone, whatever it is for. */
  isPurged(node: ObservedNode): boolean;
  /** Milliseconds since the node became STOPPING. */
  stoppingForMs(node: ObservedNode): number;
  /** RFC 3339: what a member that becomes STOPPING now is stamped with. */
  now: string;
}

export interface Plan {
  create: readonly { member: Member; body: string }[];
  /** Other bytes for a member that stays ALIVE. */
  update: readonly { node: ObservedNode; member: Member; body: string }[];
  /** Members that go as another comes, in one transaction: of the same task, or with the same shard. */
  replace: readonly { node: ObservedNode; member: Member; body: string }[];
  /** Members that become STOPPING, or are STOPPING with other bytes than ours. */
  withdraw: readonly { node: ObservedNode; body: string }[];
  remove: readonly { node: ObservedNode; cause: Cause }[];
  /** ALIVE members of tasks that serve yet, but are to stop or belong elsewhere: they go last. */
  release: readonly { node: ObservedNode; cause: Cause }[];
  /** Members that are STOPPING, or become so, for some time yet. */
  draining: readonly { node: ObservedNode; task: Task }[];
  /** Members that stay ALIVE though their task is unreachable. */
  held: readonly { node: ObservedNode; task: Task }[];
  /** Members that are and stay ALIVE, whatever their bytes. */
  kept: readonly { node: ObservedNode; member: Member }[];
  /** Those of them that say what the set no longer asks for, until their task is replaced. */
  former: readonly { node: ObservedNode; task: Task }[];
  /** Until the first drain ends. */
  wakeAfterMs: number | undefined;
}

type Verdict =
  | { action: 'hold'; task: Task }
  | { action: 'drain'; task: Task; endpoints: Endpoints }
  | { action: 'remove'; cause: Cause };

/**
 * What to do about the nodes of one path. What must go goes first: only then are members created, so
 * that a slot never has two. What serves yet, but is to stop or belongs elsewhere, goes last: a rollout
 * counts on those that have become ready, and no reader finds a path empty that changes hands. Laws:
 * foreign nodes are in no plan; a plan applied and made again is empty, drains and holds aside; nothing
 * but a desired member, or one of a ready task that says what the task has, is or stays ALIVE, holds
 * aside.
 */
export function planMembers(nodes: readonly ObservedNode[], context: PlanContext): Plan {
  const { desired, mode } = context;
  const published = mode === 'publish' ? desired.members : new Map<string, Member>();
  const update: Plan['update'][number][] = [];
  const replace: Plan['replace'][number][] = [];
  const withdraw: Plan['withdraw'][number][] = [];
  const remove: Plan['remove'][number][] = [];
  const release: Plan['release'][number][] = [];
  const deselected = new Map<string, ObservedNode>();
  const held: Plan['held'][number][] = [];
  const kept: Plan['kept'][number][] = [];
  const former: Plan['former'][number][] = [];
  const draining: Plan['draining'][number][] = [];
  const waits: number[] = [];

  const ours = ourNodes(nodes);
  const formers = formerMembers(ours, context);
  for (const [uid, [node, ...surplus]] of ours) {
    remove.push(...surplus.map((each) => ({ node: each, cause: 'Duplicate' as const })));
    const formerMember = formers.get(uid);
    if (formerMember !== undefined) former.push({ node, task: formerMember.task });
    const member = published.get(uid) ?? formerMember;
    if (member !== undefined) {
      const body = aliveBody(member, context);
      if (context.isPurged(node)) replace.push({ node, member, body });
      else {
        kept.push({ node, member });
        if (body !== node.body) update.push({ node, member, body });
      }
      continue;
    }
    const verdict = judge(node, uid, context);
    if (verdict.action === 'remove') {
      const { cause } = verdict;
      if (!serves(node, context)) remove.push({ node, cause });
      else if (cause === 'Deselected') deselected.set(uid, node);
      else if (cause === 'Stopped') release.push({ node, cause });
      else remove.push({ node, cause });
    } else if (context.isPurged(node)) remove.push({ node, cause: 'Purged' });
    else if (verdict.action === 'hold') held.push({ node, task: verdict.task });
    else {
      const { leftMs, body } = drain(node, verdict, context);
      if (leftMs <= 0) remove.push({ node, cause: 'Stopped' });
      else {
        waits.push(leftMs);
        draining.push({ node, task: verdict.task });
        if (body !== node.body) withdraw.push({ node, body });
      }
    }
  }
  const existing = new Set([...kept, ...replace].map(({ member }) => member.task.metadata.uid));
  const create: Plan['create'][number][] = [];
  for (const [uid, member] of published) {
    if (existing.has(uid)) continue;
    const body = aliveBody(member, context);
    const node = takeOver(deselected, member, context);
    if (node === undefined) create.push({ member, body });
    else replace.push({ node, member, body });
  }
  for (const node of deselected.values()) release.push({ node, cause: 'Deselected' });
  const wakeAfterMs = waits.length === 0 ? undefined : Math.min(...waits);
  return {
    ...{ create, update, replace, withdraw, remove, release },
    ...{ draining, held, kept, former, wakeAfterMs },
  };
}

/**
 * Members of ready tasks that have not what the set asks for now, and have what their node says: a set
 * changes at once, its tasks one after the other. They go when their tasks do. One a slot, the newest run.
 */
function formerMembers(
  nodes: ReadonlyMap<string, readonly [ObservedNode, ...ObservedNode[]]>,
  context: PlanContext,
): ReadonlyMap<string, Member> {
  const bySlot = new Map<string, Member>();
  if (context.deleting) return bySlot;
  for (const [uid, [{ body }]] of nodes) {
    const task = context.taskOf(uid);
    if (task === undefined || !isPublishable(task) || !context.isSelected(task)) continue;
    const slot = slotOf(task);
    if (context.desired.bySlot.has(slot)) continue;
    const endpoints = formerEndpoints(body, task);
    if (endpoints === undefined) continue;
    const rival = bySlot.get(slot)?.task;
    if (rival !== undefined && older(rival, task) === task) continue;
    bySlot.set(slot, { task, endpoints, shard: shardOf(task, context) });
  }
  return new Map([...bySlot.values()].map((member) => [member.task.metadata.uid, member]));
}

/** Whether clients may still use the member. */
function serves({ ours }: ObservedNode, context: PlanContext): boolean {
  const task = ours === undefined ? undefined : context.taskOf(ours.taskUid);
  if (task === undefined || ours?.isStopping === true) return false;
  return isReady(task) && !isDead(task) && !isForced(task);
}

/** The member that carries the shard of this new one: readers must never find both. */
function takeOver(
  deselected: Map<string, ObservedNode>,
  { shard }: Member,
  context: PlanContext,
): ObservedNode | undefined {
  if (shard === undefined) return undefined;
  for (const [uid, node] of deselected) {
    if (context.taskOf(uid)?.spec.instance !== shard) continue;
    deselected.delete(uid);
    return node;
  }
  return undefined;
}

/** Our nodes by Task, the lowest number first: after a lost answer to a create there may be two. */
function ourNodes(
  nodes: readonly ObservedNode[],
): ReadonlyMap<string, readonly [ObservedNode, ...ObservedNode[]]> {
  const byTask = new Map<string, [ObservedNode, ...ObservedNode[]]>();
  for (const node of [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (node.ours === undefined) continue;
    const group = byTask.get(node.ours.taskUid);
    if (group === undefined) byTask.set(node.ours.taskUid, [node]);
    else group.push(node);
  }
  return byTask;
}

/** About a member that is not to stay ALIVE here. */
function judge({ body }: ObservedNode, uid: string, context: PlanContext): Verdict {
  const { desired, mode, deleting } = context;
  const remove = (cause: Cause): Verdict => ({ action: 'remove', cause });
  const task = context.taskOf(uid);
  if (task === undefined) return remove('Unknown');
  if (isDead(task)) return remove('Dead');
  const successor = desired.bySlot.get(slotOf(task));
  if (successor !== undefined && successor !== uid) return remove('Superseded');
  if (isStopping(task) || isForced(task)) {
    // One that takes no requests needs no time to finish them.
    const takesRequests = isReady(task) && !isForced(task);
    const endpoints = takesRequests
      ? (context.endpointsOf(task) ?? formerEndpoints(body, task))
      : undefined;
    return endpoints === undefined || context.drainMs <= 0
      ? remove('Stopped')
      : { action: 'drain', task, endpoints };
  }
  if (deleting) return remove('SetDeleted');
  if (!context.isSelected(task)) return remove('Deselected');
  if (phaseOf(task) === 'Unreachable') {
    if (context.isAddressReused(task)) return remove('AddressReused');
    return context.isHeld(task) ? { action: 'hold', task } : remove('Unreachable');
  }
  if (!isReady(task)) return remove('NotReady');
  return remove(mode === 'leave' ? 'Moved' : 'NoAddress');
}

function drain(
  node: ObservedNode,
  { task, endpoints }: { task: Task; endpoints: Endpoints },
  context: PlanContext,
): { leftMs: number; body: string } {
  const since = node.ours?.isStopping === true ? node.ours.stoppingSince : undefined;
  const isBegun = since !== undefined;
  const leftMs = isBegun ? context.drainMs - context.stoppingForMs(node) : context.drainMs;
  const body = memberBody({
    clusterName: context.clusterName,
    taskUid: task.metadata.uid,
    endpoints,
    shard: shardOf(task, context),
    stoppingSince: since ?? context.now,
  });
  return { leftMs, body };
}

function shardOf(task: Task, { sharded }: PlanContext): number | undefined {
  return sharded ? task.spec.instance : undefined;
}

function aliveBody({ task, endpoints, shard }: Member, { clusterName }: PlanContext): string {
  return memberBody({ clusterName, taskUid: task.metadata.uid, endpoints, shard });
}
