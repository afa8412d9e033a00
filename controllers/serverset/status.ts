import type { ConditionInput } from '../../api/machinery/conditions.ts';
import { setCondition } from '../../api/machinery/conditions.ts';
import type { ServerSet, ServerSetStatus } from '../../api/v1/serverset.ts';
import type { Desired } from './desired.ts';
import type { Problem } from './problems.ts';

/** What one reconciliation found, from which the status is made. */
export interface Findings {
  desired: Desired;
  /** Members of ours on all paths; undefined if ZooKeeper could not be asked. */
  members: number | undefined;
  held: readonly string[] | undefined;
  /** Names of the tasks whose members are STOPPING. */
  draining: readonly string[];
  /** Names of the tasks whose members stay as they were, as they have not what the set asks for. */
  former: readonly string[];
  publishedPaths: readonly string[];
  /** Paths that are still to be left. */
  leaving: readonly string[];
  problem: Problem | undefined;
  /** RFC 3339; undefined if nothing was written since the last status. */
  lastWriteTime: string | undefined;
  drift: ServerSetStatus['drift'];
}

/** Names in one message; the rest are counted. */
const namedAtMost = 5;

export function listed(names: readonly string[]): string {
  const rest = names.length - namedAtMost;
  return names.slice(0, namedAtMost).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

/** Ready, Reconciling and Stalled after kstatus, and Held. What is not known keeps its last value. */
export function serverSetStatus(
  serverSet: ServerSet,
  findings: Findings,
  now: string,
): ServerSetStatus {
  const before = serverSet.status;
  const generation = serverSet.metadata.generation;
  let conditions = before?.conditions;
  for (const input of conditionsOf(findings)) {
    const observed = generation === undefined ? {} : { observedGeneration: generation };
    conditions = setCondition(conditions, { ...input, ...observed }, now);
  }
  const { lastWriteTime = before?.lastWriteTime, publishedPaths, drift } = findings;
  return {
    observedGeneration: generation ?? 0,
    members: findings.members ?? before?.members ?? 0,
    readyTasks: findings.desired.ready,
    held: findings.held?.length ?? before?.held ?? 0,
    publishedPaths: [...publishedPaths],
    ...(lastWriteTime === undefined ? {} : { lastWriteTime }),
    ...(drift === undefined ? {} : { drift }),
    conditions: conditions ?? [],
  };
}

function conditionsOf(findings: Findings): ConditionInput[] {
  const { problem, held } = findings;
  const work = problem === undefined ? workOf(findings) : undefined;
  return [
    readyCondition(findings),
    work === undefined
      ? { type: 'Reconciling', status: 'False', reason: 'Idle', message: '' }
      : { type: 'Reconciling', status: 'True', ...work },
    problem === undefined
      ? { type: 'Stalled', status: 'False', reason: 'Progressing', message: '' }
      : { type: 'Stalled', status: 'True', ...problem },
    // Nobody can tell while ZooKeeper is away: the next leader relies on what is written here.
    ...(held === undefined ? [] : [heldCondition(held)]),
  ];
}

function readyCondition({ desired, members, held, former, problem }: Findings): ConditionInput {
  const type = 'Ready';
  if (problem !== undefined) {
    return { type, status: members === undefined ? 'Unknown' : 'False', ...problem };
  }
  const [first] = desired.unpublished;
  if (first !== undefined) {
    const names = listed(desired.unpublished.map(({ task }) => task.metadata.name));
    const stay =
      former.length === 0
        ? ''
        : `; ${listed(former)} stay published with their former addresses until they are replaced`;
    const message = `${desired.members.size} of ${desired.ready} ready tasks are published; not ${names}: ${first.task.metadata.name} ${first.reason}${stay}`;
    return { type, status: 'False', reason: 'NotPublishable', message };
  }
  if (held !== undefined && held.length > 0) {
    return { type, status: 'False', reason: 'Held', message: heldMessage(held) };
  }
  const message = `${desired.members.size} ready tasks are published`;
  return { type, status: 'True', reason: 'Published', message };
}

function workOf({ draining, leaving }: Findings): Problem | undefined {
  if (leaving.length > 0) {
    return { reason: 'Moving', message: `withdrawing from ${leaving.join(', ')}` };
  }
  if (draining.length > 0) {
    return { reason: 'Draining', message: `withdrawing ${listed(draining)}` };
  }
  return undefined;
}

function heldCondition(held: readonly string[]): ConditionInput {
  const type = 'Held';
  return held.length === 0
    ? { type, status: 'False', reason: 'None', message: '' }
    : { type, status: 'True', reason: 'TooManyUnreachable', message: heldMessage(held) };
}

function heldMessage(held: readonly string[]): string {
  return `too many tasks became unreachable at once, so the members of ${listed(held)} stay until they return, die or are released`;
}
