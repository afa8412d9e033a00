import { publishedPathsAnnotation, serverSetFinalizer } from '../../../../api/v1/serverset.ts';
import type { ServerSet, ServerSetSpec, ServerSetStatus } from '../../../../api/v1/serverset.ts';
import type { Task, TaskSpec, TaskStatus } from '../../../../api/v1/task.ts';

export const stamp = '2026-01-01T00:00:00Z';
export const clusterName = 'east';

export interface TaskWish {
  instance?: number;
  job?: string;
  uid?: string;
  labels?: Record<string, string>;
  spec?: Partial<TaskSpec>;
  status?: Partial<TaskStatus>;
  ready?: boolean;
  createdAt?: string;
  /** Paths that it is marked for. */
  marked?: string[];
  deleted?: boolean;
}

/** A Task of Job `web` in `prod`, running with an address on dev-net and two on data-net, and ready. */
export function task(wish: TaskWish = {}): Task {
  const { instance = 0, job = 'web', ready = true, marked, deleted = false } = wish;
  const uid = wish.uid ?? `uid-${job}-${instance}`;
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Task',
    metadata: {
      name: `${job}-${instance}-${uid}`,
      namespace: 'prod',
      uid,
      resourceVersion: '1',
      creationTimestamp: wish.createdAt ?? stamp,
      labels: { 'mesocosm.dev/job': job, ...wish.labels },
      ...(marked === undefined
        ? {}
        : {
            finalizers: [serverSetFinalizer],
            annotations: { [publishedPathsAnnotation]: marked.join(' ') },
          }),
      ...(deleted ? { deletionTimestamp: stamp } : {}),
    },
    spec: {
      job,
      instance,
      revision: `${job}-1`,
      restarts: 0,
      networks: [{ name: 'dev-net' }, { name: 'data-net' }],
      containers: [
        {
          name: 'main',
          script: 'exec serve',
          ports: [
            { name: 'http', containerPort: 8080 },
            { name: 'admin', containerPort: 9990 },
          ],
        },
      ],
      ...wish.spec,
    },
    status: {
      phase: 'Running',
      mesos: { taskId: `prod.${uid}`, agentId: 'S0', agentHostname: 'agent1.example' },
      networks: [
        network('dev-net', [`172.29.11.${instance + 10}`]),
        network('data-net', [`172.29.12.${instance + 10}`, `fd29:12::${instance + 10}`]),
      ],
      conditions: [
        {
          type: 'Ready',
          status: ready ? 'True' : 'False',
          reason: 'Test',
          message: '',
          lastTransitionTime: stamp,
        },
      ],
      ...wish.status,
    },
  };
}

export function network(name: string, ips: string[]): NonNullable<TaskStatus['networks']>[number] {
  return {
    name,
    cniName: name,
    interface: 'eth0',
    ips,
    verdict: 'Assigned',
    lastTransitionTime: stamp,
  };
}

export interface SetWish {
  name?: string;
  uid?: string;
  createdAt?: string;
  spec?: Partial<ServerSetSpec>;
  status?: ServerSetStatus;
  deleted?: boolean;
}

/** A ServerSet of Job `web` on dev-net. */
export function serverSet(wish: SetWish = {}): ServerSet {
  const { name = 'web', deleted = false } = wish;
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'ServerSet',
    metadata: {
      name,
      namespace: 'prod',
      uid: wish.uid ?? `uid-${name}`,
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: wish.createdAt ?? stamp,
      ...(deleted ? { deletionTimestamp: stamp } : {}),
    },
    spec: {
      zkPath: '/aurora/prod/web',
      selector: { matchLabels: { 'mesocosm.dev/job': 'web' } },
      network: 'dev-net',
      primaryPort: 'http',
      ...wish.spec,
    },
    ...(wish.status === undefined ? {} : { status: wish.status }),
  };
}
