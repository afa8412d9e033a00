import { rfc3339 } from '../../api/machinery/clock.ts';
import type { ConditionInput } from '../../api/machinery/conditions.ts';
import { findCondition, setCondition } from '../../api/machinery/conditions.ts';
import type { Job, JobStatus } from '../../api/v1/job.ts';
import { jobLabel } from '../../api/v1/job.ts';
import type { Task } from '../../api/v1/task.ts';
import { isDead, isReady, phaseOf } from '../../api/v1/task.ts';
import type { Blocker, Decision, JobNumbers } from './decide.ts';
import { isStopping, isUnreachable } from './instances.ts';
import { contradiction, recordedNetworks, type Offers } from './networks.ts';
import type { RevisionPlan } from './revisions.ts';
import type { ServerSetPlan } from './serverset.ts';

export interface StatusInput {
  job: Job;
  /** The Job's own Tasks. */
  tasks: readonly Task[];
  /** About every wanted instance. */
  decisions: readonly Decision[];
  /** Live Tasks of instances that are not wanted. */
  surplus: readonly Task[];
  revision: RevisionPlan;
  numbers: JobNumbers;
  serverSet: ServerSetPlan;
  offers: Offers;
  isCurrent: (task: Task) => boolean;
  now: number;
}

/** Instances named in one message; the rest are counted. */
const namedInstances = 3;

/** The Job's status, after the contract of kstatus: Ready, Reconciling, Stalled and the counts. */
export function jobStatus(input: StatusInput): JobStatus {
  const { job, tasks, decisions, numbers, offers, isCurrent, now } = input;
  const available = decisions.filter((decision) => decision.available).length;
  return {
    ...job.status,
    observedGeneration: job.metadata.generation ?? 0,
    ...countsOf(tasks, isCurrent),
    availableReplicas: available,
    currentRevision: input.revision.current.name,
    selector: `${jobLabel}=${job.metadata.name}`,
    networks: recordedNetworks(job, offers),
    conditions: withConditions(job, now, [
      readyCondition(available, numbers.replicas, blockersOf(decisions)),
      ...progressConditions(input),
      ...[contradiction(job, offers)].filter((condition) => condition !== undefined),
    ]),
  };
}

/** One pass: a Job may have ten thousand Tasks, and is planned for again and again. */
export function countsOf(
  tasks: readonly Task[],
  isCurrent: (task: Task) => boolean,
): Pick<JobStatus, 'replicas' | 'readyReplicas' | 'updatedReplicas' | 'unreachableReplicas'> {
  const counts = { replicas: 0, readyReplicas: 0, updatedReplicas: 0, unreachableReplicas: 0 };
  for (const task of tasks) {
    if (isDead(task)) continue;
    counts.replicas += 1;
    if (isUnreachable(task)) counts.unreachableReplicas += 1;
    if (isStopping(task)) continue;
    if (phaseOf(task) === 'Running' && isReady(task)) counts.readyReplicas += 1;
    if (isCurrent(task)) counts.updatedReplicas += 1;
  }
  return counts;
}

function readyCondition(available: number, replicas: number, blockers: Blocker[]): ConditionInput {
  if (available >= replicas) {
    const message = `${available} of ${replicas} instances are available`;
    return { type: 'Ready', status: 'True', reason: 'Available', message };
  }
  const message = `${available} of ${replicas} instances are available; ${summary(blockers)}`;
  const reason = blockers[0]?.reason ?? 'Progressing';
  return { type: 'Ready', status: 'False', reason, message };
}

type ProgressInput = Pick<
  StatusInput,
  'decisions' | 'surplus' | 'revision' | 'numbers' | 'serverSet'
>;

/** Reconciling and Stalled exclude each other: a client that sees Stalled need not wait on. */
export function progressConditions(input: ProgressInput): ConditionInput[] {
  const stall = stallOf(input);
  const work = stall === undefined ? workOf(input) : undefined;
  return [
    work === undefined
      ? { type: 'Reconciling', status: 'False', reason: 'Idle', message: '' }
      : { type: 'Reconciling', status: 'True', ...work },
    stall === undefined
      ? { type: 'Stalled', status: 'False', reason: 'Progressing', message: '' }
      : { type: 'Stalled', status: 'True', ...stall },
  ];
}

export interface Because {
  reason: string;
  message: string;
}

function stallOf({ decisions, serverSet, revision, numbers }: ProgressInput): Because | undefined {
  if (serverSet.action === 'blocked') {
    return { reason: 'ServerSetBlocked', message: serverSet.message };
  }
  const stalled = blockersOf(decisions).filter((blocker) => blocker.stalled);
  const [first] = stalled;
  if (first === undefined) return undefined;
  const waiting = decisions.filter(({ outdated }) => outdated).length;
  const rollout =
    waiting === 0
      ? ''
      : `revision ${revision.current.number} is not in ${waiting} of ${numbers.replicas} instances; `;
  return { reason: first.reason, message: rollout + summary(stalled) };
}

/** What is under way; undefined if all is as it shall be. */
function workOf({
  decisions,
  surplus,
  revision,
  numbers,
  serverSet,
}: ProgressInput): Because | undefined {
  const outdated = decisions.filter(({ outdated }) => outdated);
  const blockers = blockersOf(decisions);
  const waits = blockers.length === 0 ? '' : `; ${summary(blockers)}`;
  if (outdated.length > 0) {
    const done = numbers.replicas - outdated.length;
    const message = `revision ${revision.current.number} is in ${done} of ${numbers.replicas} instances${waits}`;
    return { reason: 'Updating', message };
  }
  if (blockers.length > 0) return { reason: 'Starting', message: summary(blockers) };
  if (surplus.length > 0) {
    return { reason: 'ScalingDown', message: `${surplus.length} tasks are stopping` };
  }
  const replaced = decisions.flatMap(({ superseded }) => superseded);
  if (replaced.length > 0) {
    return { reason: 'Replacing', message: `${replaced.length} replaced tasks are stopping` };
  }
  if (serverSet.action !== 'none') {
    return { reason: 'Publishing', message: 'the ServerSet is being written' };
  }
  return undefined;
}

/** Status of a Job that waits for its Tasks to end. */
export function deletingStatus(job: Job, live: readonly Task[], now: number): JobStatus {
  const lost = live.filter(isUnreachable);
  const isStalled = lost.length > 0 && lost.length === live.length;
  const names = listed(live.map(({ metadata }) => metadata.name));
  const mend = isStalled
    ? '; all are unreachable: if they are dead for good, say so with cosm delete task NAME --confirm-dead'
    : '';
  const message =
    live.length === 0 ? 'no task is left' : `${live.length} tasks still live: ${names}${mend}`;
  return {
    ...job.status,
    observedGeneration: job.metadata.generation ?? 0,
    replicas: live.length,
    readyReplicas: 0,
    availableReplicas: 0,
    unreachableReplicas: lost.length,
    conditions: withConditions(job, now, [
      { type: 'Ready', status: 'False', reason: 'Deleting', message },
      { type: 'Reconciling', status: isStalled ? 'False' : 'True', reason: 'Deleting', message },
      isStalled
        ? { type: 'Stalled', status: 'True', reason: 'Unreachable', message }
        : { type: 'Stalled', status: 'False', reason: 'Progressing', message: '' },
    ]),
  };
}

/** `status` as it was planned, but stalled for a reason that only the writes have shown. */
export function stalledStatus(job: Job, status: JobStatus, why: Because, now: number): JobStatus {
  const ready = findCondition(status.conditions, 'Ready');
  return {
    ...status,
    conditions: withConditions(job, now, [
      {
        type: 'Ready',
        status: ready?.status ?? 'Unknown',
        reason: ready?.reason ?? 'Unknown',
        message: ready?.message ?? '',
      },
      { type: 'Reconciling', status: 'False', reason: 'Idle', message: '' },
      { type: 'Stalled', status: 'True', ...why },
    ]),
  };
}

export function withConditions(
  job: Job,
  now: number,
  inputs: readonly ConditionInput[],
): JobStatus['conditions'] {
  const observedGeneration = job.metadata.generation ?? 0;
  return inputs.reduce(
    (conditions, input) => setCondition(conditions, { ...input, observedGeneration }, rfc3339(now)),
    job.status?.conditions ?? [],
  );
}

export function blockersOf(decisions: readonly Decision[]): Blocker[] {
  return decisions.map(({ blocker }) => blocker).filter((blocker) => blocker !== undefined);
}

export function summary(blockers: readonly Blocker[]): string {
  const shown = blockers.slice(0, namedInstances).map(({ message }) => message);
  const rest = blockers.length - shown.length;
  return shown.join('; ') + (rest > 0 ? `; and ${rest} more` : '');
}

/** The first few names, and how many more there are. */
export function listed(names: readonly string[], shown = 5): string {
  const rest = names.length - shown;
  return names.slice(0, shown).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
