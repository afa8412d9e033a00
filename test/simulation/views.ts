import { z } from 'zod';
import type { StoredObject } from './store.ts';

/** What the laws read of the objects that they are about. */
const condition = z.looseObject({
  type: z.string(),
  status: z.string(),
  lastTransitionTime: z.string(),
});

const conditionedSchema = z.looseObject({
  status: z.looseObject({ conditions: z.array(condition).default([]) }).optional(),
});
type ConditionFacts = z.infer<typeof conditionedSchema>;

const taskSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    finalizers: z.array(z.string()).default([]),
    annotations: z.record(z.string(), z.string()).default({}),
    deletionTimestamp: z.string().optional(),
  }),
  spec: z.looseObject({
    job: z.string(),
    instance: z.number(),
    revision: z.string(),
    networks: z
      .array(
        z.looseObject({
          name: z.string(),
          ips: z.array(z.string()).default([]),
          sticky: z.boolean().default(false),
        }),
      )
      .default([]),
    containers: z.array(z.looseObject({ name: z.string() })),
    stop: z.looseObject({ reason: z.string() }).optional(),
  }),
  status: z
    .looseObject({
      phase: z.string(),
      mesos: z
        .looseObject({
          taskId: z.string(),
          agentId: z.string().optional(),
          state: z.string().optional(),
        })
        .optional(),
      containers: z
        .array(z.looseObject({ taskId: z.string(), state: z.string().optional() }))
        .default([]),
      networks: z
        .array(
          z.looseObject({
            name: z.string(),
            cniName: z.string(),
            ips: z.array(z.string()),
            requestedIps: z.array(z.string()).default([]),
            verdict: z.string(),
          }),
        )
        .default([]),
      ip: z.string().optional(),
      ips: z.array(z.string()).default([]),
      lastKnown: z.looseObject({ ips: z.array(z.string()).default([]) }).optional(),
      conditions: z.array(condition).default([]),
    })
    .optional(),
});
export type TaskFacts = z.infer<typeof taskSchema>;

const jobSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    uid: z.string(),
    generation: z.number().optional(),
    deletionTimestamp: z.string().optional(),
  }),
  spec: z.looseObject({
    type: z.string().optional(),
    replicas: z.number(),
    parallelism: z.number().optional(),
    serverSet: z.looseObject({ zkPath: z.string() }).optional(),
  }),
  status: z
    .looseObject({
      observedGeneration: z.number().optional(),
      currentRevision: z.string().optional(),
      completedIndexes: z.string().optional(),
      conditions: z.array(condition).default([]),
    })
    .optional(),
});
export type JobFacts = z.infer<typeof jobSchema>;

const claimSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    uid: z.string(),
    creationTimestamp: z.string(),
    deletionTimestamp: z.string().optional(),
  }),
  spec: z.looseObject({
    network: z.string(),
    ip: z.string(),
    holder: z.looseObject({
      namespace: z.string(),
      job: z.string(),
      jobUid: z.string(),
      instance: z.number(),
      task: z.string(),
      taskUid: z.string(),
    }),
  }),
  status: z.looseObject({ state: z.string() }).optional(),
});
export type ClaimFacts = z.infer<typeof claimSchema>;

export const prefixes = {
  tasks: '/mesocosm.dev/tasks/',
  claims: '/mesocosm.dev/addressclaims/',
  networks: '/mesocosm.dev/networks/',
  jobs: '/mesocosm.dev/jobs/',
  serverSets: '/mesocosm.dev/serversets/',
  revisions: '/mesocosm.dev/jobrevisions/',
  leases: '/coordination.k8s.io/leases/',
  namespaces: '/core/namespaces/',
} as const;

export function taskFacts(object: StoredObject): TaskFacts {
  return taskSchema.parse(object);
}

export function conditionFacts(object: StoredObject): ConditionFacts {
  return conditionedSchema.parse(object);
}

export function claimFacts(object: StoredObject): ClaimFacts {
  return claimSchema.parse(object);
}

export function jobFacts(object: StoredObject): JobFacts {
  return jobSchema.parse(object);
}

const deadPhases: readonly string[] = ['Finished', 'Failed', 'Killed'];

export function phaseOf(task: TaskFacts): string {
  return task.status?.phase ?? 'Pending';
}

export function isDead(task: TaskFacts): boolean {
  return deadPhases.includes(phaseOf(task));
}

export function isUnwanted(task: TaskFacts): boolean {
  return task.spec.stop !== undefined || task.metadata.deletionTimestamp !== undefined;
}

export function isTrue(facts: ConditionFacts, type: string): boolean {
  return facts.status?.conditions.some((c) => c.type === type && c.status === 'True') ?? false;
}

/** Whether a member may be ALIVE for it. */
export function mayBePublished(task: TaskFacts): boolean {
  return isTrue(task, 'Ready') && !isDead(task) && !isUnwanted(task);
}

export function mesosIdOf(namespace: string, task: string): string {
  return `${namespace}.${task}`;
}

/** Those of the Mesos tasks that are a Task's, whose id this is, or that of its group. */
export function runsOf(id: string, mesosIds: ReadonlySet<string>): string[] {
  return [...mesosIds].filter((each) => each === id || each.startsWith(`${id}.`));
}

export function mesosIdsOf(task: TaskFacts): string[] {
  const base = mesosIdOf(task.metadata.namespace, task.metadata.name);
  const { containers } = task.spec;
  return containers.length === 1 ? [base] : containers.map(({ name }) => `${base}.${name}`);
}

/** The key of the Task that a Mesos task id belongs to. */
export function taskKeyOf(mesosTaskId: string): string {
  const [namespace = '', name = ''] = mesosTaskId.split('.');
  return `${prefixes.tasks}${namespace}/${name}`;
}

const memberSchema = z.looseObject({
  serviceEndpoint: z.looseObject({ host: z.string(), port: z.number() }),
  status: z.string(),
  shard: z.number().optional(),
  metadata: z.looseObject({
    'mesocosm.dev/cluster': z.string(),
    'mesocosm.dev/task': z.string(),
  }),
});

export interface MemberFacts {
  host: string;
  port: number;
  status: string;
  shard: number | undefined;
  task: string;
}

/** Undefined for what is not ours. */
export function memberFacts(data: Uint8Array): MemberFacts | undefined {
  const text = Buffer.from(data).toString('utf8');
  if (!text.includes('mesocosm.dev/cluster')) return undefined;
  const { serviceEndpoint, status, shard, metadata } = memberSchema.parse(JSON.parse(text));
  const { host, port } = serviceEndpoint;
  return { host, port, status, shard, task: metadata['mesocosm.dev/task'] };
}

/** Whether a path names a member node. */
export function isMemberPath(path: string): boolean {
  return /\/member_\d{10}$/.test(path);
}

const serverSetSchema = z.looseObject({
  status: z.looseObject({ drift: z.looseObject({ mended: z.number() }).optional() }).optional(),
});

/** How many changes by others a ServerSet says that it has mended. */
export function driftOf(object: StoredObject): number {
  return serverSetSchema.parse(object).status?.drift?.mended ?? 0;
}
