import { z } from 'zod';
import { conditionSchema, findCondition } from '../machinery/conditions.ts';
import type { FieldError } from '../machinery/errors.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import {
  batchSpecDefaults,
  batchSpecFields,
  batchStatusFields,
  finishOf,
  isBatch,
  mendOfBatch,
  validateType,
} from './batch.ts';
import { jobDriftReport } from './drift.ts';
import { group, version } from './group.ts';
import { keyedBy } from './list-types.ts';
import { serverSetPathSchema, validateServerSetPorts } from './serverset.ts';
import { limits, templateSchema } from './template.ts';
import { validateAddressCounts } from './address-rules.ts';
import { mendOfProbe } from './probe-rules.ts';
import { validateLaunch } from './template-rules.ts';
import { unobserved } from './unobserved.ts';
import { ageColumn, defineResource } from './zod-resource.ts';

/** A Task is `<job>-<instance>-<suffix>` and must fit a DNS label of 63 characters. */
export const maxJobNameLength = 46;

/** Held by a Job until no live Task of it is left. */
export const tasksFinalizer = 'mesocosm.dev/tasks';

export const jobLabel = 'mesocosm.dev/job';
export const instanceLabel = 'mesocosm.dev/instance';

const jobServerSetSchema = z.strictObject({
  zkPath: serverSetPathSchema,
  network: z
    .string()
    .optional()
    .describe('Network whose address is published; the only one of the template if absent.'),
  family: z.enum(['IPv4', 'IPv6']).optional().describe('Family that is published; IPv4 if absent.'),
  primaryPort: z.string().describe('Name of the port that is the serviceEndpoint.'),
  drainSeconds: z
    .number()
    .min(0)
    .max(3600)
    .optional()
    .describe('Time between withdrawing a member and killing its task; 5 if absent.'),
});

export const jobSpecSchema = z.strictObject({
  type: z
    .enum(['Service', 'Batch'])
    .optional()
    .describe(
      'Service: instances that are kept running. Batch: each runs until it has succeeded once. Never changes.',
    ),
  replicas: z
    .int()
    .min(0)
    .max(10_000)
    .optional()
    .describe('Number of instances; 1 if absent. Of a Batch Job it never changes.'),
  template: templateSchema.describe('What every instance runs; compared as submitted.'),
  updateStrategy: z
    .strictObject({
      maxUnavailable: z
        .int()
        .min(1)
        .optional()
        .describe('Most instances that an update may make unavailable at a time; 1 if absent.'),
      minReadySeconds: z
        .number()
        .min(0)
        .optional()
        .describe('Time an instance must stay Ready to count as available; 0 if absent.'),
    })
    .optional()
    .describe('How a changed template is rolled out.'),
  unreachable: z
    .strictObject({
      replaceAfterSeconds: z
        .number()
        .min(0)
        .optional()
        .describe('Time after which an unreachable instance is replaced; 300 if absent.'),
    })
    .optional()
    .describe('What happens when Mesos loses sight of an instance.'),
  serverSet: jobServerSetSchema.optional().describe('Publishes the ready instances in ZooKeeper.'),
  ...batchSpecFields,
});
export type JobSpec = z.infer<typeof jobSpecSchema>;

const jobStatusSchema = z.strictObject({
  observedGeneration: z.int().optional().describe('Generation that this status is about.'),
  replicas: z.int().optional().describe('Live tasks.'),
  readyReplicas: z.int().optional().describe('Tasks that are Ready.'),
  availableReplicas: z.int().optional().describe('Tasks that are Ready for minReadySeconds.'),
  updatedReplicas: z.int().optional().describe('Live tasks of the current template.'),
  unreachableReplicas: z.int().optional().describe('Tasks that Mesos lost sight of.'),
  currentRevision: z.string().optional().describe('JobRevision of the current template.'),
  selector: z.string().optional().describe('Label selector of the tasks, in text.'),
  ...batchStatusFields,
  networks: z
    .array(
      z.strictObject({
        name: z.string().describe('Name of the Network object.'),
        cniName: z.string().describe('Name of the CNI network as agents know it.'),
      }),
    )
    .meta(keyedBy('name'))
    .optional()
    .describe(
      'CNI names of the networks as last seen: tasks join them even if the Network was deleted since.',
    ),
  conditions: z
    .array(conditionSchema)
    .meta(keyedBy('type'))
    .optional()
    .describe(
      'Ready, Reconciling, Stalled; Contradicted if a Network has changed against it; Complete or Failed once a Batch Job has ended.',
    ),
});
export type JobStatus = z.infer<typeof jobStatusSchema>;

export interface Job extends KubeObject {
  apiVersion: 'mesocosm.dev/v1';
  kind: 'Job';
  spec: JobSpec;
  status?: JobStatus | undefined;
}

/** The numbers that a Job's absent fields stand for, in one place. */
export const jobDefaults = {
  type: 'Service',
  replicas: 1,
  maxUnavailable: 1,
  minReadySeconds: 0,
  replaceAfterSeconds: 300,
} as const;

/** Job-wide defaults. The template is left as submitted: it is compared so, and Tasks show its defaults. */
function withDefaults(job: Job): Job {
  const { spec } = job;
  return {
    ...job,
    status: unobserved(job.status),
    spec: {
      ...spec,
      type: spec.type ?? jobDefaults.type,
      replicas: spec.replicas ?? jobDefaults.replicas,
      ...(isBatch(job) ? batchSpecDefaults(spec) : serviceSpecDefaults(spec)),
      unreachable: {
        replaceAfterSeconds:
          spec.unreachable?.replaceAfterSeconds ?? jobDefaults.replaceAfterSeconds,
      },
    },
  };
}

function serviceSpecDefaults({ updateStrategy }: JobSpec): Pick<JobSpec, 'updateStrategy'> {
  return {
    updateStrategy: {
      maxUnavailable: updateStrategy?.maxUnavailable ?? jobDefaults.maxUnavailable,
      minReadySeconds: updateStrategy?.minReadySeconds ?? jobDefaults.minReadySeconds,
    },
  };
}

function validate(job: Job, { old }: { old?: KubeObject }): FieldError[] {
  const { spec } = job;
  const replicas = spec.replicas ?? jobDefaults.replicas;
  const errors = [
    ...validateType(job, old),
    ...validateLaunch(spec.template.spec, 'spec.template.spec'),
    ...validateAddressCounts(spec.template.spec, replicas, 'spec.template.spec'),
  ];
  if (
    job.metadata.name.length > maxJobNameLength ||
    !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(job.metadata.name)
  ) {
    errors.push({
      field: 'metadata.name',
      message: `Invalid value: "${job.metadata.name}": must be a DNS label of at most ${maxJobNameLength} characters (lower case, digits, -), because tasks are named <job>-<instance>-<suffix>`,
      reason: 'FieldValueInvalid',
    });
  }
  const bytes = Buffer.byteLength(JSON.stringify(spec.template));
  if (bytes > limits.templateBytes) {
    errors.push({
      field: 'spec.template',
      message: `Too long: ${bytes} bytes, at most ${limits.templateBytes}: fetch large content inside the task instead`,
      reason: 'FieldValueTooLong',
    });
  }
  if (spec.serverSet !== undefined) {
    errors.push(...validateServerSetPorts(spec.serverSet, spec.template.spec, 'spec.serverSet'));
  }
  return errors;
}

const jobColumns = [
  {
    name: 'Ready',
    type: 'string' as const,
    description: 'Ready and desired instances.',
    priority: 0,
    cell: (job: Job) => `${job.status?.readyReplicas ?? 0}/${job.spec.replicas ?? 0}`,
  },
  {
    name: 'Up-To-Date',
    type: 'integer' as const,
    description: 'Instances of the current template.',
    priority: 0,
    cell: (job: Job) => job.status?.updatedReplicas ?? 0,
  },
  {
    name: 'Status',
    type: 'string' as const,
    description: 'What the Job is doing.',
    priority: 0,
    cell: jobState,
  },
  ageColumn,
  {
    name: 'Completions',
    type: 'string' as const,
    description: 'Instances of a Batch Job that have succeeded, and all of them.',
    priority: 1,
    cell: (job: Job) =>
      isBatch(job) ? `${job.status?.succeeded ?? 0}/${job.spec.replicas ?? 0}` : '<none>',
  },
  {
    name: 'Networks',
    type: 'string' as const,
    description: 'Networks that the instances join.',
    priority: 1,
    cell: (job: Job) =>
      (job.spec.template.spec.networks ?? []).map(({ name }) => name).join(',') || '<host>',
  },
  {
    name: 'ServerSet',
    type: 'string' as const,
    description: 'ZooKeeper path of the members.',
    priority: 1,
    cell: (job: Job) => job.spec.serverSet?.zkPath ?? '<none>',
  },
];

/** One word for the state of a Job, after kstatus. */
export function jobState(job: Job): string {
  if (job.metadata.deletionTimestamp !== undefined) return 'Terminating';
  const conditions = job.status?.conditions;
  if (finishOf(job) === 'Complete') return 'Complete';
  const failed = findCondition(conditions, 'Failed');
  if (failed?.status === 'True') return `Failed:${failed.reason}`;
  const stalled = findCondition(conditions, 'Stalled');
  if (stalled?.status === 'True') return `Stalled:${stalled.reason}`;
  if (job.status?.observedGeneration !== job.metadata.generation) return 'Reconciling';
  if (findCondition(conditions, 'Reconciling')?.status === 'True') return 'Reconciling';
  return findCondition(conditions, 'Ready')?.status === 'True' ? 'Ready' : 'NotReady';
}

export const jobResource = defineResource<Job>({
  group,
  version,
  kind: 'Job',
  plural: 'jobs',
  shortNames: ['mj'],
  categories: ['all', 'mesocosm'],
  namespaced: true,
  description:
    'Desired tasks: a template, how many, and how they are updated and published, or run to completion.',
  fields: {
    spec: jobSpecSchema.describe(
      'What is to run, how many times, and how it is updated and published.',
    ),
    status: jobStatusSchema.optional().describe('How far that is; written by controllers.'),
  },
  subresources: {
    status: true,
    scale: {
      specReplicas: ['spec', 'replicas'],
      statusReplicas: ['status', 'replicas'],
      statusSelector: ['status', 'selector'],
    },
    reports: [jobDriftReport],
  },
  columns: jobColumns,
  mendOf: (path) => mendOfBatch(path) ?? mendOfProbe(path),
  defaults: withDefaults,
  validate,
});
