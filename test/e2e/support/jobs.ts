import type { Client } from '../../../api/client/client.ts';
import { findCondition } from '../../../api/machinery/conditions.ts';
import { isApiError } from '../../../api/machinery/errors.ts';
import type { Draft } from '../../../api/machinery/metadata.ts';
import { jobResource, type Job, type JobSpec } from '../../../api/v1/job.ts';
import { isDead, isReady, phaseOf, taskResource, type Task } from '../../../api/v1/task.ts';
import type { Container, TemplateSpec } from '../../../api/v1/template.ts';
import { eventually } from '../../support/cluster.ts';

export interface ServiceOptions extends Partial<Omit<JobSpec, 'template'>> {
  container?: Partial<Container>;
  template?: Partial<TemplateSpec>;
  /** Publishes it at `pathOf(name)`. */
  published?: boolean | { drainSeconds: number };
}

export const namespace = 'default';

export function pathOf(job: string): string {
  return `/mesocosm/${namespace}/${job}`;
}

/** A server on dev-net; simulated agents understand it too. Its port answers once it is ready. */
export function service(name: string, options: ServiceOptions = {}): Draft<Job> {
  const { container, template, published, ...spec } = options;
  const drainSeconds = typeof published === 'object' ? published.drainSeconds : 0;
  return {
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: { name, namespace },
    spec: {
      template: {
        spec: {
          networks: [{ name: 'dev-net' }],
          containers: [
            {
              name: 'main',
              script: 'exec server --port 8080',
              resources: { requests: { cpu: '500m', memory: '64Mi' } },
              ports: [{ name: 'http', containerPort: 8080 }],
              readinessProbe: { tcpSocket: { port: 'http' }, periodSeconds: 0.2 },
              ...container,
            },
          ],
          ...template,
        },
      },
      ...(published === undefined || published === false
        ? {}
        : {
            serverSet: {
              zkPath: pathOf(name),
              primaryPort: 'http',
              drainSeconds,
              ...((template?.networks?.length ?? 1) > 1 ? { network: 'dev-net' } : {}),
            },
          }),
      ...spec,
    },
  };
}

/** Every Task of a Job, dead ones too, in the order of the instances. */
export async function tasksOf(client: Client, job: string): Promise<Task[]> {
  const { items } = await client.of(taskResource).list({ namespace });
  return items
    .filter(({ spec }) => spec.job === job)
    .sort(
      (a, b) => a.spec.instance - b.spec.instance || (a.metadata.name < b.metadata.name ? -1 : 1),
    );
}

/** Those that are not dead. */
export async function liveTasksOf(client: Client, job: string): Promise<Task[]> {
  return (await tasksOf(client, job)).filter((task) => !isDead(task));
}

/** Waits until exactly `count` Tasks of the Job live, all Running and Ready, and answers them. */
export function running(
  client: Client,
  job: string,
  count: number,
  timeoutMs?: number,
): Promise<Task[]> {
  return eventually(
    `${count} ready tasks of ${job}`,
    async () => {
      const live = await liveTasksOf(client, job);
      const ready = live.filter(
        (task) => phaseOf(task) === 'Running' && isReady(task) && task.spec.stop === undefined,
      );
      if (live.length === count && ready.length === count) return live;
      throw new Error(`there are ${live.map(describeTask).join(', ')}`);
    },
    timeoutMs,
  );
}

export function describeTask(task: Task): string {
  const { spec, status, metadata } = task;
  const stop = spec.stop === undefined ? '' : ` to stop (${spec.stop.reason})`;
  const ready = findCondition(status?.conditions, 'Ready');
  const said = [ready?.reason, status?.mesos?.message].filter((text) => text !== undefined);
  return `${metadata.name} ${phaseOf(task)}${stop} ${said.join(': ')}`.trim();
}

/** Changes a Job by a merge patch of its spec. */
export async function change(client: Client, name: string, spec: unknown): Promise<void> {
  await client.of(jobResource).patch({ namespace, name }, { spec }, { type: 'merge' });
}

/** Deletes Jobs and waits until they are gone and none of their Tasks lives. */
export async function remove(client: Client, ...names: string[]): Promise<void> {
  for (const name of names) {
    await client
      .of(jobResource)
      .delete({ namespace, name })
      .catch((error: unknown) => {
        if (!isApiError(error, 'NotFound')) throw error;
      });
  }
  for (const name of names) {
    await eventually(`${name} is gone`, async () => {
      const job = await client.of(jobResource).find({ namespace, name });
      const tasks = await liveTasksOf(client, name);
      if (job === undefined && tasks.length === 0) return true;
      throw new Error(`there are ${tasks.map(describeTask).join(', ') || 'the Job'}`);
    });
  }
}
