import type { Client } from '../../../../../api/client/client.ts';
import { agentResource } from '../../../../../api/v1/agent.ts';
import { jobLabel } from '../../../../../api/v1/job.ts';
import { taskResource, type Task, type TaskStatus } from '../../../../../api/v1/task.ts';

export function jobYaml(name: string, extra = 'replicas: 1', metadata = ''): string {
  return `apiVersion: mesocosm.dev/v1
kind: Job
metadata:
  name: ${name}
${metadata}spec:
  ${extra}
  template:
    spec:
      containers:
      - name: main
        script: sleep 1000
        resources:
          requests: {cpu: 100m, memory: 32Mi}
`;
}

export interface TaskOptions {
  job?: string;
  instance?: number;
  containers?: string[];
  networks?: string[];
  /** What it has in its spec besides, or instead. */
  spec?: Partial<Task['spec']>;
  status?: TaskStatus;
}

/** Makes an Agent as the scheduler would, on loopback. */
export async function makeAgent(
  client: Client,
  name: string,
  { id, port }: { id: string; port: number },
): Promise<void> {
  const agents = client.of(agentResource);
  const identity = { apiVersion: 'mesocosm.dev/v1', kind: 'Agent' } as const;
  const created = await agents.create({ ...identity, metadata: { name }, spec: {} });
  const status = { id, hostname: name, address: { ip: '127.0.0.1', port } };
  await agents.updateStatus({ ...created, status });
}

/** Makes a Task as the job loop would. */
export async function makeTask(
  client: Client,
  name: string,
  { job = 'web', instance = 0, containers = ['main'], networks, spec, status }: TaskOptions = {},
): Promise<Task> {
  const tasks = client.of(taskResource);
  const created = await tasks.create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Task',
    metadata: { name, namespace: 'default', labels: { [jobLabel]: job } },
    spec: {
      job,
      instance,
      revision: `${job}-1`,
      restarts: 0,
      ...(networks === undefined
        ? {}
        : { networks: networks.map((network) => ({ name: network })) }),
      containers: containers.map((container) => ({
        name: container,
        script: 'sleep 1000',
        resources: { requests: { cpu: '100m', memory: '32Mi' } },
      })),
      ...spec,
    },
  });
  return status === undefined ? created : tasks.updateStatus({ ...created, status });
}

export async function setTaskStatus(
  client: Client,
  name: string,
  status: TaskStatus,
): Promise<Task> {
  const tasks = client.of(taskResource);
  const task = await tasks.get({ namespace: 'default', name });
  return tasks.updateStatus({ ...task, status });
}
