import { rfc3339 } from '../../api/machinery/clock.ts';
import type { ConditionInput } from '../../api/machinery/conditions.ts';
import { formatIndexes } from '../../api/v1/indexes.ts';
import type { Job, JobStatus } from '../../api/v1/job.ts';
import { jobLabel } from '../../api/v1/job.ts';
import type { Task } from '../../api/v1/task.ts';
import { isDead } from '../../api/v1/task.ts';
import { failedIn, type Finish, type Progress } from './batch-progress.ts';
import type { Decision } from './decide.ts';
import { numbersOf } from './decide.ts';
import { isStopping } from './instances.ts';
import { contradiction, recordedNetworks, type Offers } from './networks.ts';
import type { RevisionPlan } from './revisions.ts';
import type { ServerSetPlan } from './serverset.ts';
import { blockersOf, countsOf, progressConditions, summary, withConditions } from './status.ts';

export interface BatchStatusInput {
  job: Job;
  ours: readonly Task[];
  progress: Progress;
  finish: Finish | undefined;
  /** About the instances that have not succeeded. */
  decisions: readonly Decision[];
  revision: RevisionPlan;
  serverSet: ServerSetPlan;
  offers: Offers;
  now: number;
}

/**
 * The status of a Job that runs to completion, in batch/v1's words. By the rules of kstatus it is Ready
 * while what is to run runs, and once it is Complete; Stalled once it has Failed.
 */
export function batchStatus(input: BatchStatusInput): JobStatus {
  const { job, ours, progress, finish, decisions, offers, now } = input;
  const { status } = job;
  const { succeeded } = progress;
  const completedIndexes = formatIndexes(succeeded);
  const failures = [...progress.failures]
    .filter(([, failed]) => failed > 0)
    .sort(([left], [right]) => left - right)
    .map(([instance, failed]) => ({ instance, failed }));
  const contradicted = contradiction(job, offers);
  const completionTime =
    status?.completionTime ?? (finish?.type === 'Complete' ? rfc3339(now) : undefined);
  return {
    ...status,
    observedGeneration: job.metadata.generation ?? 0,
    ...countsOf(ours, () => true),
    availableReplicas: decisions.filter(({ available }) => available).length,
    currentRevision: input.revision.current.name,
    selector: `${jobLabel}=${job.metadata.name}`,
    startTime: status?.startTime ?? rfc3339(now),
    ...(completionTime === undefined ? {} : { completionTime }),
    active: ours.filter((task) => !isDead(task) && !isStopping(task)).length,
    succeeded: succeeded.size,
    failed: failedIn(progress),
    ...(completedIndexes === undefined ? {} : { completedIndexes }),
    ...(failures.length === 0 ? {} : { failures }),
    networks: recordedNetworks(job, offers),
    conditions: withConditions(job, now, [
      ...(finish === undefined ? running(input) : ended(finish)),
      ...(contradicted === undefined ? [] : [contradicted]),
    ]),
  };
}

function running({ job, progress, decisions, revision, serverSet }: BatchStatusInput) {
  const numbers = numbersOf(job);
  const blockers = blockersOf(decisions);
  const active = decisions.filter(({ available }) => available).length;
  const counts = `${progress.succeeded.size} of ${numbers.replicas} instances have succeeded, ${active} run`;
  const [first] = blockers;
  const ready: ConditionInput =
    first === undefined
      ? { type: 'Ready', status: 'True', reason: 'Running', message: counts }
      : {
          type: 'Ready',
          status: 'False',
          reason: first.reason,
          message: `${counts}; ${summary(blockers)}`,
        };
  return [ready, ...progressConditions({ decisions, surplus: [], revision, numbers, serverSet })];
}

function ended({ type, reason, message }: Finish): ConditionInput[] {
  const isComplete = type === 'Complete';
  return [
    { type: 'Ready', status: isComplete ? 'True' : 'False', reason, message },
    { type: 'Reconciling', status: 'False', reason: 'Idle', message: '' },
    isComplete
      ? { type: 'Stalled', status: 'False', reason: 'Completed', message: '' }
      : { type: 'Stalled', status: 'True', reason, message },
    { type, status: 'True', reason, message },
  ];
}
