import { z } from 'zod';
import { isConditionTrue } from '../machinery/conditions.ts';
import type { FieldError } from '../machinery/errors.ts';
import { jsonEqual, valueAt } from '../machinery/json.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import { indexesPattern, parseIndexes } from './indexes.ts';
import type { Job, JobSpec, JobStatus } from './job.ts';
import { keyedBy } from './list-types.ts';

/**
 * What a Job of type Batch has besides: the names and rules of batch/v1's Job with completionMode Indexed.
 * `replicas` is its `completions`: each instance runs until one task of it ends with exit code 0.
 */

/** Held by a Task of a Batch Job until what became of it is in the status of the Job. */
export const trackingFinalizer = 'mesocosm.dev/job-tracking';

export const batchDefaults = { backoffLimit: 6 } as const;

/** Ten years: times beyond are mistakes. */
const maxSeconds = 315_360_000;

export const batchSpecFields = {
  parallelism: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('Batch only: most instances that run at a time; all of them if absent.'),
  backoffLimit: z
    .int()
    .min(0)
    .max(1_000)
    .optional()
    .describe(
      'Batch only: failed tasks that the Job outlives; one more and it has Failed. 6 if absent.',
    ),
  activeDeadlineSeconds: z
    .int()
    .min(1)
    .max(maxSeconds)
    .optional()
    .describe(
      'Batch only: time from status.startTime after which the Job has Failed; none if absent.',
    ),
  ttlSecondsAfterFinished: z
    .int()
    .min(0)
    .max(maxSeconds)
    .optional()
    .describe(
      'Batch only: time from Complete or Failed after which the Job is deleted, with its tasks; never if absent.',
    ),
};

export const batchStatusFields = {
  startTime: z.string().optional().describe('Batch: when the Job was first acted on (RFC 3339).'),
  completionTime: z.string().optional().describe('Batch: when the last instance had succeeded.'),
  active: z.int().optional().describe('Batch: live tasks that are not told to stop.'),
  succeeded: z.int().optional().describe('Batch: instances that have succeeded.'),
  failed: z.int().optional().describe('Batch: tasks that have failed.'),
  completedIndexes: z
    .string()
    .regex(indexesPattern)
    .optional()
    .describe('Batch: the instances that have succeeded, as 0-4,7. They never run again.'),
  failures: z
    .array(
      z.strictObject({
        instance: z.int().min(0).describe('Instance of the Job.'),
        failed: z.int().min(1).describe('Tasks of it that have failed.'),
      }),
    )
    .meta(keyedBy('instance'))
    .optional()
    .describe('Batch: the instances of which tasks have failed.'),
};

/** The conditions that say that a Batch Job has ended. */
export const batchFinishes = ['Complete', 'Failed'] as const;
export type BatchFinish = (typeof batchFinishes)[number];

export function isBatch({ spec }: { spec: Pick<JobSpec, 'type'> }): boolean {
  return spec.type === 'Batch';
}

/** How a Batch Job has ended, as its status says. */
export function finishOf({
  status,
}: {
  status?: Pick<JobStatus, 'conditions'> | undefined;
}): BatchFinish | undefined {
  if (isConditionTrue(status?.conditions, 'Complete')) return 'Complete';
  return isConditionTrue(status?.conditions, 'Failed') ? 'Failed' : undefined;
}

/** The instances of a Batch Job that are recorded to have succeeded. */
export function completedOf({ spec, status }: Job): ReadonlySet<number> {
  return parseIndexes(status?.completedIndexes, spec.replicas ?? 1);
}

/** Whether an instance may get another run: in a Service always, else until it has succeeded. */
export function isOpen(job: Job, instance: number): boolean {
  if (!isBatch(job)) return true;
  return finishOf(job) === undefined && !completedOf(job).has(instance);
}

/** Most instances of a Job that live at a time from now on, as its spec says. */
export function mostActive(
  spec: Pick<JobSpec, 'type' | 'replicas' | 'parallelism'>,
  finish: BatchFinish | undefined,
): number {
  const replicas = spec.replicas ?? 1;
  if (!isBatch({ spec })) return replicas;
  return finish === undefined ? Math.min(replicas, spec.parallelism ?? replicas) : 0;
}

export function batchSpecDefaults(spec: JobSpec): Pick<JobSpec, 'backoffLimit'> {
  return { backoffLimit: spec.backoffLimit ?? batchDefaults.backoffLimit };
}

/** Rules of the type of a Job, and of the fields that only one type has. */
export function validateType({ spec }: Job, old: KubeObject | undefined): FieldError[] {
  const type = spec.type ?? 'Service';
  if (old !== undefined && (valueAt(old, ['spec', 'type']) ?? 'Service') !== type) {
    const message = `Invalid value: "${type}": field is immutable: delete the Job and create the other`;
    return [{ field: 'spec.type', message, reason: 'FieldValueInvalid' }];
  }
  if (type === 'Service')
    return Object.keys(batchSpecFields).flatMap((name) => onlyBatch(spec, name));
  return [
    ...forbidden(
      spec.serverSet,
      'spec.serverSet',
      'a Batch Job serves nobody: remove it, or make the Job a Service',
    ),
    ...forbidden(
      spec.updateStrategy,
      'spec.updateStrategy',
      'the template of a Batch Job never changes, so nothing is rolled out: remove it',
    ),
    ...(old === undefined ? [] : validateUnchanged(spec, old)),
  ];
}

function onlyBatch(spec: JobSpec, name: string): FieldError[] {
  return forbidden(
    valueAt(spec, [name]),
    `spec.${name}`,
    'a Service never ends: remove it, or say type: Batch when the Job is created',
  );
}

function forbidden(value: unknown, field: string, why: string): FieldError[] {
  if (value === undefined) return [];
  return [{ field, message: `Forbidden: ${why}`, reason: 'FieldValueForbidden' }];
}

const immutable = {
  replicas:
    'instances that have succeeded are not run again, so their number and template stay what they were; parallelism says how many run at a time',
  template:
    'what has succeeded did so with this template; delete the Job and create it anew, or give the other one another name',
} as const;

function validateUnchanged(spec: JobSpec, old: KubeObject): FieldError[] {
  return (['replicas', 'template'] as const).flatMap((name): FieldError[] => {
    if (jsonEqual(spec[name], valueAt(old, ['spec', name]))) return [];
    const value = name === 'replicas' ? `${spec.replicas ?? 1}: ` : '';
    const message = `Invalid value: ${value}field is immutable: ${immutable[name]}`;
    return [{ field: `spec.${name}`, message, reason: 'FieldValueInvalid' }];
  });
}

/** By the name of a field under spec that batch/v1's Job has: why it is not here, and what to do. */
const mends: Readonly<Record<string, string>> = {
  completions: 'say replicas: each instance of a Batch Job succeeds once',
  completionMode: 'every Batch Job is Indexed: the instance is in COSM_INSTANCE. Remove the field',
  suspend: 'there is no pause: create the Job when it is to run',
  backoffLimitPerIndex: 'backoffLimit counts the failed tasks of all instances',
  maxFailedIndexes: 'backoffLimit counts the failed tasks of all instances',
  podFailurePolicy:
    'what Mesos or an operator ended is not counted as failed anyway. Remove the field',
  podReplacementPolicy: 'a task is replaced once it is dead. Remove the field',
  successPolicy: 'a Batch Job is Complete when every instance has succeeded',
  manualSelector: 'the label mesocosm.dev/job selects the tasks of a Job. Remove the field',
};

/** What to write instead of a field of batch/v1's Job that there is not. */
export function mendOfBatch(path: readonly PropertyKey[]): string | undefined {
  const [top, name] = path.map(String);
  return path.length === 2 && top === 'spec' && name !== undefined && Object.hasOwn(mends, name)
    ? mends[name]
    : undefined;
}
