import { z } from 'zod';
import { rfc3339 } from '../../../api/machinery/clock.ts';
import { findCondition, isConditionTrue } from '../../../api/machinery/conditions.ts';
import type { DriftFinding, DriftMember, DriftUnexplained } from '../../../api/v1/drift.ts';
import { serverSetDefaults, type ServerSet } from '../../../api/v1/serverset.ts';
import type { Task } from '../../../api/v1/task.ts';
import { desiredMembers, isSelected, onlyJobOf, type Desired } from '../../serverset/desired.ts';
import { endpointsOf } from '../../serverset/member.ts';
import { ownerOf, rolesOf } from '../../serverset/paths.ts';
import { planMembers, type Cause, type ObservedNode, type Plan } from '../../serverset/plan.ts';
import type { Observed, Stored } from './observed.ts';

/**
 * ZooKeeper beside etcd. What differs is what the serverset loop would do about a path if it looked now:
 * its own plan says so.
 */

export interface CompareContext {
  clusterName: string;
  /** Wall time in milliseconds. */
  now: number;
}

export interface MemberFindings {
  /** By the uid of the Task. */
  findings: ReadonlyMap<string, readonly DriftFinding[]>;
  unexplained: readonly DriftUnexplained[];
}

/** Milliseconds that a change of a Task may take to reach ZooKeeper. */
const settleMs = 5_000;

/** A path that a set publishes on, or leaves. */
interface Place {
  path: string;
  mode: 'publish' | 'leave';
}

export function placesOf(set: ServerSet, all: readonly ServerSet[]): Place[] {
  const { active, leaving } = rolesOf(set, (path) => ownerOf(path, all));
  const published: Place[] = active === undefined ? [] : [{ path: active, mode: 'publish' }];
  return [...published, ...leaving.map((path) => ({ path, mode: 'leave' as const }))];
}

/** The sets that may publish tasks of a Job: those about it, and wide ones that select one of its tasks. */
export function setsAbout(
  job: { namespace?: string | undefined; name: string },
  tasks: readonly Task[],
  sets: readonly ServerSet[],
): ServerSet[] {
  return sets.filter((set) => {
    if (set.metadata.namespace !== job.namespace) return false;
    const only = onlyJobOf(set.spec.selector);
    if (only !== undefined) return only === job.name;
    return tasks.some((task) => isSelected(set, task));
  });
}

export function compareMembers(
  sets: readonly ServerSet[],
  stored: Stored,
  { paths }: Pick<Observed, 'paths'>,
  context: CompareContext,
): MemberFindings {
  const findings = new Map<string, DriftFinding[]>();
  const unexplained: DriftUnexplained[] = [];
  const byUid = new Map(stored.tasks.map((task) => [task.metadata.uid, task]));
  for (const set of sets) {
    const report = (task: Task, finding: DriftFinding): void => {
      const known = findings.get(task.metadata.uid) ?? [];
      findings.set(task.metadata.uid, [...known, softened(finding, set, stored)]);
    };
    const desired = desiredMembers(set, stored.tasks);
    const former = new Set<string>();
    for (const { path, mode } of placesOf(set, stored.serverSets)) {
      const reading = paths.get(path);
      if (reading === undefined || 'problem' in reading) continue;
      const plan = planOf(set, mode, reading.value, { desired, byUid, ...context });
      for (const { task } of plan.former) former.add(task.metadata.uid);
      reportPlan(path, plan, { now: context.now, byUid, report });
      unexplained.push(...strangers(path, plan, byUid));
    }
    reportUnpublished(set, desired, former, report);
  }
  return { findings, unexplained };
}

type Tell = (task: Task, finding: DriftFinding) => void;

interface Reporting {
  now: number;
  byUid: ReadonlyMap<string, Task>;
  report: Tell;
}

interface Planning {
  desired: Desired;
  byUid: ReadonlyMap<string, Task>;
}

function planOf(
  set: ServerSet,
  mode: Place['mode'],
  nodes: readonly ObservedNode[],
  { desired, byUid, clusterName, now }: CompareContext & Planning,
): Plan {
  const { spec, status, metadata } = set;
  const holds = (status?.held ?? 0) > 0 || isConditionTrue(status?.conditions, 'Held');
  return planMembers(nodes, {
    clusterName,
    mode,
    deleting: metadata.deletionTimestamp !== undefined,
    drainMs: (spec.drainSeconds ?? serverSetDefaults.drainSeconds) * 1000,
    sharded: onlyJobOf(spec.selector) !== undefined,
    desired,
    taskOf: (uid) => byUid.get(uid),
    isSelected: (task) => isSelected(set, task),
    endpointsOf: (task) => {
      const endpoints = endpointsOf(task, spec);
      return 'reason' in endpoints ? undefined : endpoints;
    },
    isAddressReused: () => false,
    isHeld: () => holds,
    isPurged: () => false,
    stoppingForMs: ({ ours }) => now - Date.parse(ours?.stoppingSince ?? ''),
    now: rfc3339(now),
  });
}

/** `former`: uids of the tasks whose members stay as they were. */
function reportUnpublished(
  set: ServerSet,
  { unpublished }: Desired,
  former: ReadonlySet<string>,
  report: Tell,
): void {
  for (const { task, reason } of unpublished) {
    const stays = former.has(task.metadata.uid);
    const state = stays ? 'a member as before of' : 'no member of';
    const message = `${task.metadata.name} is ready and ${state} ServerSet ${set.metadata.name}: it ${reason}`;
    report(task, { verdict: 'Drift', reason: 'NotPublished', message });
  }
}

function reportPlan(path: string, plan: Plan, { now, byUid, report }: Reporting): void {
  for (const { member } of [...plan.create, ...plan.replace]) {
    const { host, port } = member.endpoints.service;
    const message = `${member.task.metadata.name} is ready, and no member on ${path} says ${host}:${port} for it`;
    report(member.task, settling(member.task, now, 'NoMember', message));
  }
  for (const { node, member, body } of plan.update) {
    const message = `${path}/${node.name} ${differenceOf(node.body, body)}`;
    report(member.task, { verdict: 'Drift', reason: 'MemberDiffers', message });
  }
  for (const { node, task } of plan.draining) {
    const message = `${path}/${node.name} drains before ${task.metadata.name} is killed`;
    report(task, { verdict: 'Moving', reason: 'Draining', message });
  }
  for (const { node, task } of plan.held) {
    const message = `${path}/${node.name} is held by the brake though ${task.metadata.name} is unreachable`;
    report(task, { verdict: 'Moving', reason: 'Held', message });
  }
  for (const { node, cause } of [...plan.remove, ...plan.release]) {
    const task = byUid.get(node.ours?.taskUid ?? '');
    if (task !== undefined) report(task, surplus(`${path}/${node.name}`, task, cause, now));
  }
}

/** A member of a Task that is not to be there. */
function surplus(node: string, task: Task, cause: Cause, now: number): DriftFinding {
  const { name } = task.metadata;
  if (cause === 'Duplicate') {
    const message = `${node} is a second member of ${name}`;
    return { verdict: 'Drift', reason: 'DuplicateMember', message };
  }
  if (cause === 'Stopped') {
    const message = `${node} is about to go: ${name} is to stop`;
    return { verdict: 'Moving', reason: 'Draining', message };
  }
  const message = `${node} is still there for ${name}, which ${whyNot[cause] ?? 'does not belong there'}`;
  return cause === 'Moved' || cause === 'SetDeleted'
    ? { verdict: 'Moving', reason: 'Leaving', message }
    : settling(task, now, 'StaleMember', message);
}

const whyNot: Partial<Record<Cause, string>> = {
  Dead: 'is dead',
  NotReady: 'is not ready',
  NoAddress: 'has no address to publish',
  Unreachable: 'is unreachable',
  Superseded: 'another run of its instance has replaced',
  Moved: 'is published on another path now',
  SetDeleted: 'nobody publishes any more',
};

/** Members of Tasks that do not exist. */
function strangers(path: string, plan: Plan, byUid: ReadonlyMap<string, Task>): DriftUnexplained[] {
  const unknown = plan.remove.filter(({ node }) => !byUid.has(node.ours?.taskUid ?? ''));
  return unknown.map(({ node }) => ({
    verdict: 'Drift',
    reason: 'UnknownMember',
    message: `${path}/${node.name} is a member of ours, and there is no Task ${node.ours?.taskUid ?? ''}`,
    member: memberOf(path, node),
  }));
}

/** Drift, unless the Task has only just become what it is. */
function settling(task: Task, now: number, reason: string, message: string): DriftFinding {
  const ready = findCondition(task.status?.conditions, 'Ready')?.lastTransitionTime;
  const times = [ready, task.status?.finishTime].map((time) => Date.parse(time ?? ''));
  const isFresh = times.some((time) => Math.abs(now - time) < settleMs);
  return { verdict: isFresh ? 'Moving' : 'Drift', reason, message };
}

/** A set that has not caught up with its own spec, or says that it is not done, is on its way. */
function softened(finding: DriftFinding, set: ServerSet, { changed }: Stored): DriftFinding {
  const { metadata, status } = set;
  const isMoving =
    changed.has(metadata.uid) ||
    status?.observedGeneration !== metadata.generation ||
    isConditionTrue(status?.conditions, 'Reconciling');
  return isMoving ? { ...finding, verdict: 'Moving' } : finding;
}

const bodySchema = z.object({
  serviceEndpoint: z.object({ host: z.string(), port: z.number() }).optional().catch(undefined),
  status: z.string().optional().catch(undefined),
});

export function memberOf(path: string, { name, body }: ObservedNode): DriftMember {
  const { serviceEndpoint, status } = contentOf(body);
  return {
    path,
    node: name,
    ...(serviceEndpoint === undefined ? {} : serviceEndpoint),
    ...(status === undefined ? {} : { status }),
  };
}

function contentOf(body: string): z.infer<typeof bodySchema> {
  try {
    return bodySchema.safeParse(JSON.parse(body)).data ?? {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

function differenceOf(found: string, wanted: string): string {
  const [is, shall] = [contentOf(found), contentOf(wanted)].map(({ serviceEndpoint, status }) => {
    const { host = '?', port = '?' } = serviceEndpoint ?? {};
    return `${host}:${port} ${status ?? 'without status'}`;
  });
  return is === shall
    ? `says ${String(is)} as it should, and other things that it should not`
    : `says ${String(is)} and should say ${String(shall)}`;
}
