import type { DriftMesosTask, JobDrift } from '../../../../api/v1/drift.ts';
import type { Job } from '../../../../api/v1/job.ts';
import type { ServerSet } from '../../../../api/v1/serverset.ts';
import { mesosTaskIds, type Task } from '../../../../api/v1/task.ts';
import { compareJob } from '../../../../controllers/cosmd/drift/compare.ts';
import type { Container, Observed, Reading } from '../../../../controllers/cosmd/drift/observed.ts';
import { memberBody, recognise } from '../../../../controllers/serverset/body.ts';
import { endpointsOf } from '../../../../controllers/serverset/member.ts';
import type { ObservedNode } from '../../../../controllers/serverset/plan.ts';
import { clusterName, serverSet, stamp, task, type TaskWish } from '../serverset/objects.ts';

export const path = '/aurora/prod/web';
/** Long after everything in the world settled. */
export const now = Date.parse(stamp) + 3_600_000;

/** The four truths about Job `web`, to be damaged at will. */
export interface World {
  job: Job;
  tasks: Task[];
  sets: ServerSet[];
  changed: Set<string>;
  master: Map<string, DriftMesosTask>;
  agents: Map<string, Container[]>;
  nodes: ObservedNode[];
  /** Names of what cannot be read: `master`, an agent id, or a path. */
  unreadable: Set<string>;
}

/** Everything agrees: each of `replicas` instances runs, is ready and is a member. */
export function world(replicas = 3): World {
  const tasks = Array.from({ length: replicas }, (_, instance) => run({ instance }));
  const made: World = {
    job: jobOf(replicas),
    tasks,
    sets: [
      serverSet({
        status: { observedGeneration: 1, publishedPaths: [path], conditions: [] },
      }),
    ],
    changed: new Set(),
    master: new Map(),
    agents: new Map(),
    nodes: [],
    unreadable: new Set(),
  };
  for (const each of tasks) start(made, each);
  return made;
}

/** A running Task with the agent `S<instance modulo 2>`. */
export function run(wish: TaskWish = {}): Task {
  const plain = task(wish);
  const instance = plain.spec.instance;
  const { metadata, status } = plain;
  const taskId = `${metadata.namespace ?? ''}.${metadata.name}`;
  const agentId = `S${instance % 2}`;
  return {
    ...plain,
    status: {
      phase: 'Running',
      ...status,
      mesos: {
        taskId,
        frameworkId: 'F1',
        agentId,
        agentHostname: `${agentId.toLowerCase()}.test`,
        agentAddress: { hostname: `${agentId.toLowerCase()}.test`, port: 5051 },
        state: 'TASK_RUNNING',
        containerId: `C-${metadata.name}`,
      },
      containers: [{ name: 'main', taskId, state: 'TASK_RUNNING' }],
    },
  };
}

/** What Mesos and ZooKeeper hold of a task that runs as it should. */
export function start(made: World, each: Task): void {
  const { agentId = '' } = each.status?.mesos ?? {};
  for (const { taskId } of mesosTaskIds(each)) {
    made.master.set(taskId, { taskId, state: 'TASK_RUNNING', agentId });
  }
  made.agents.set(agentId, [...(made.agents.get(agentId) ?? []), containerOf(each)]);
  made.nodes.push(node(made.nodes.length, bodyOf(each)));
}

export function containerOf({ metadata, status }: Task): Container {
  return {
    framework_id: { value: 'F1' },
    executor_id: { value: `${metadata.namespace ?? ''}.${metadata.name}` },
    container_id: { value: `C-${metadata.name}` },
    container_status: {
      network_infos: (status?.networks ?? []).map(({ cniName, ips }) => ({
        name: cniName,
        ip_addresses: ips.map((ip) => ({ ip_address: ip.includes(':') ? `${ip}/64` : ip })),
      })),
    },
  };
}

export function bodyOf(
  each: Task,
  more: { stoppingSince?: string; taskUid?: string } = {},
): string {
  const endpoints = endpointsOf(each, serverSet().spec);
  if ('reason' in endpoints) throw new Error(endpoints.reason);
  const { instance: shard } = each.spec;
  return memberBody({ clusterName, taskUid: each.metadata.uid, endpoints, shard, ...more });
}

export function node(number: number, body: string): ObservedNode {
  const name = `member_${String(number).padStart(10, '0')}`;
  return { name, version: 0, body, ours: recognise(body, clusterName) };
}

function jobOf(replicas: number): Job {
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: {
      name: 'web',
      namespace: 'prod',
      uid: 'uid-web',
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: stamp,
    },
    spec: {
      replicas,
      template: {
        spec: {
          networks: [{ name: 'dev-net' }, { name: 'data-net' }],
          containers: [{ name: 'main', script: 'exec serve' }],
        },
      },
    },
    status: { observedGeneration: 1, currentRevision: 'web-1', conditions: [] },
  };
}

export function compare(made: World): Omit<JobDrift, 'apiVersion' | 'kind' | 'metadata'> {
  return compareJob(made.job, storedOf(made), observedOf(made), { clusterName, now });
}

/** The findings of all instances as `<instance> <verdict> <reason>`. */
export function findings(made: World): string[] {
  return compare(made).instances.flatMap(({ instance, findings: all }) =>
    all.map(({ verdict, reason }) => `${instance} ${verdict} ${reason}`),
  );
}

/** TaskID of the run that `world` makes of an instance. */
export function taskIdOf(instance: number): string {
  return `prod.web-${instance}-uid-web-${instance}`;
}

export function storedOf({ tasks, sets, changed }: World): Parameters<typeof compareJob>[1] {
  return { tasks, serverSets: sets, changed, frameworkIds: new Set(['F1']) };
}

export function observedOf({ master, agents, nodes, unreadable }: World): Observed {
  const reading = <T>(name: string, value: T): Reading<T> =>
    unreadable.has(name) ? { problem: `${name} does not answer` } : { value };
  return {
    master: reading('master', master),
    agents: new Map([...agents].map(([id, containers]) => [id, reading(id, containers)])),
    paths: new Map([[path, reading<readonly ObservedNode[]>(path, nodes)]]),
  };
}
