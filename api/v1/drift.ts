import { z } from 'zod';
import { apiVersionOf, objectMetaSchema } from '../machinery/metadata.ts';
import type { Report } from '../machinery/resource.ts';
import { batchFinishes } from './batch.ts';
import { group, version } from './group.ts';
import { taskPhases } from './task.ts';
import { schemaOf } from './zod-resource.ts';

/**
 * What the read-only subresources `jobs/drift` and `frameworks/drift` answer: what should be, and what
 * etcd, Mesos and ZooKeeper each hold, side by side. Computed at every request, never stored.
 */

/**
 * Agrees: all truths say the same. Moving: they differ as they do while something happens that is meant
 * to. Drift: they differ, and nothing under way explains it. Unknown: a truth could not be read.
 */
export const driftVerdicts = ['Agrees', 'Moving', 'Drift', 'Unknown'] as const;
export type DriftVerdict = (typeof driftVerdicts)[number];

const findingSchema = z.object({
  verdict: z.enum(['Moving', 'Drift', 'Unknown']).describe('What the finding amounts to.'),
  reason: z.string().describe('One CamelCase word for programs.'),
  message: z.string().describe('What differs, in a sentence, with the values of both sides.'),
});
export type DriftFinding = z.infer<typeof findingSchema>;

const addressesSchema = z.object({
  name: z.string().describe('Network object in etcd, CNI network on the agent.'),
  ips: z.array(z.string()).describe('Addresses without prefix length.'),
});

const wantedSchema = z.object({
  wanted: z.boolean().describe('Whether the Job wants this instance.'),
  revision: z.string().optional().describe('JobRevision of the current template.'),
  networks: z.array(z.string()).describe('Networks that the template joins.'),
});

const storedTaskSchema = z.object({
  task: z.string().describe('Name of the Task.'),
  uid: z.string().describe('uid of the Task; its members carry it.'),
  phase: z.enum(taskPhases).describe('Where the task is in its life.'),
  ready: z.boolean().describe('Whether it may get traffic.'),
  stopping: z.boolean().describe('Whether it is to stop.'),
  revision: z.string().describe('JobRevision that it runs.'),
  mesosTaskIds: z.array(z.string()).describe('Its ids in Mesos, one a container.'),
  states: z.array(z.string()).describe('TaskStates as stored, in the order of the ids.'),
  agentId: z.string().optional().describe('Agent that it is bound to.'),
  agentHostname: z.string().optional().describe('Host name of that agent.'),
  networks: z.array(addressesSchema).describe('Addresses by network.'),
});

const mesosTaskSchema = z.object({
  taskId: z.string().describe('TaskID.'),
  state: z.string().describe('TaskState, as the master says.'),
  agentId: z.string().describe('Agent, as the master says.'),
});
export type DriftMesosTask = z.infer<typeof mesosTaskSchema>;

const containerSchema = z.object({
  containerId: z.string().describe('Container of the executor.'),
  networks: z.array(addressesSchema).describe('Addresses by CNI network.'),
});

const memberSchema = z.object({
  path: z.string().describe('ZooKeeper path.'),
  node: z.string().describe('Name of the node.'),
  host: z.string().optional().describe('Host of the serviceEndpoint; absent if it has none.'),
  port: z.number().optional().describe('Port of the serviceEndpoint.'),
  status: z.string().optional().describe('ALIVE or STOPPING.'),
});
export type DriftMember = z.infer<typeof memberSchema>;

const runSchema = z.object({
  etcd: storedTaskSchema.describe('The Task.'),
  mesos: z
    .object({
      tasks: z.array(mesosTaskSchema).optional().describe('By the master; absent: not read.'),
      container: containerSchema.optional().describe('By the agent; absent: none, or not asked.'),
    })
    .describe('What Mesos has of it.'),
  zookeeper: z.array(memberSchema).describe('Members that carry its uid.'),
});
export type DriftRun = z.infer<typeof runSchema>;

const instanceSchema = z.object({
  instance: z.int().describe('Number of the instance.'),
  verdict: z.enum(driftVerdicts).describe('The worst of its findings.'),
  spec: wantedSchema.describe('What the Job wants.'),
  tasks: z.array(runSchema).describe('Its live Tasks, and dead ones that a finding is about.'),
  findings: z.array(findingSchema).describe('What differs; empty if all agree.'),
});
export type DriftInstance = z.infer<typeof instanceSchema>;

const unexplainedSchema = z.object({
  ...findingSchema.shape,
  mesosTask: mesosTaskSchema.optional().describe('Task of our framework that etcd does not know.'),
  member: memberSchema.optional().describe('Member of ours whose Task does not exist.'),
});
export type DriftUnexplained = z.infer<typeof unexplainedSchema>;

const truthSchema = z.object({
  name: z.string().describe('Mesos master, Mesos agent HOST, or ZooKeeper PATH.'),
  readable: z.boolean().describe('Whether it could be read.'),
  message: z.string().optional().describe('Why not.'),
});
export type DriftTruth = z.infer<typeof truthSchema>;

const shared = {
  verdict: z.enum(driftVerdicts).describe('Unknown if a truth could not be read, else the worst.'),
  time: z.string().describe('When it was looked.'),
  truths: z.array(truthSchema).describe('What was asked besides etcd.'),
  unexplained: z.array(unexplainedSchema).describe('What belongs to no instance.'),
};

const finishSchema = z.object({
  type: z.enum(batchFinishes).describe('How it has ended.'),
  reason: z.string().describe('One CamelCase word for programs.'),
  message: z.string().describe('Why, in a sentence.'),
});

const jobFields = {
  ...shared,
  finish: finishSchema
    .optional()
    .describe('How a Batch Job has ended, which is final; absent while it goes on.'),
  findings: z.array(findingSchema).describe('What is true of the Job as a whole.'),
  instances: z.array(instanceSchema).describe('By number.'),
};

const head = {
  apiVersion: z.literal(apiVersionOf({ group, version })),
  metadata: objectMetaSchema,
};

/** The drift of one Job. `metadata` is the Job's. */
export const jobDriftSchema = z.object({
  ...head,
  kind: z.literal('JobDrift'),
  ...jobFields,
});
export type JobDrift = z.infer<typeof jobDriftSchema>;

/** What no Job explains, over all namespaces. `metadata` is the Framework's. */
export const frameworkDriftSchema = z.object({
  ...head,
  kind: z.literal('FrameworkDrift'),
  ...shared,
});
export type FrameworkDrift = z.infer<typeof frameworkDriftSchema>;

export const jobDriftReport: Report = {
  name: 'drift',
  kind: 'JobDrift',
  schema: schemaOf({
    description: 'What a Job wants, and what etcd, Mesos and ZooKeeper hold of it, side by side.',
    fields: jobFields,
  }),
};

export const frameworkDriftReport: Report = {
  name: 'drift',
  kind: 'FrameworkDrift',
  schema: schemaOf({
    description: 'Tasks in Mesos and members in ZooKeeper that are ours and belong to no Job.',
    fields: shared,
  }),
};

const order: readonly DriftVerdict[] = ['Agrees', 'Moving', 'Drift', 'Unknown'];

export function worst(verdicts: readonly DriftVerdict[]): DriftVerdict {
  return order[Math.max(0, ...verdicts.map((verdict) => order.indexOf(verdict)))] ?? 'Agrees';
}
