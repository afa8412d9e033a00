import type { Client } from '../../../../api/client/client.ts';
import { createClient } from '../../../../api/client/resource-client.ts';
import { timestamp } from '../../../../api/machinery/clock.ts';
import { agentResource } from '../../../../api/v1/agent.ts';
import { frameworkResource } from '../../../../api/v1/framework.ts';
import { namespaceResource } from '../../../../api/v1/core.ts';
import { isConditionTrue } from '../../../../api/machinery/conditions.ts';
import type { Job, JobSpec } from '../../../../api/v1/job.ts';
import { jobResource } from '../../../../api/v1/job.ts';
import { jobRevisionResource } from '../../../../api/v1/job-revision.ts';
import { networkResource } from '../../../../api/v1/network.ts';
import { serverSetResource } from '../../../../api/v1/serverset.ts';
import type { Task, TaskPhase } from '../../../../api/v1/task.ts';
import {
  deadPhases,
  isDead,
  mesosFinalizer,
  phaseOf,
  taskResource,
} from '../../../../api/v1/task.ts';
import {
  agentIndexers,
  jobIndexers,
  revisionIndexers,
  taskIndexers,
} from '../../../../controllers/job/caches.ts';
import { createJobController } from '../../../../controllers/job/controller.ts';
import { EventRecorder } from '../../../../controllers/runtime/event-recorder.ts';
import { Informer } from '../../../../controllers/runtime/informer.ts';
import { runAll } from '../../../../controllers/runtime/manager.ts';
import type { Runnable } from '../../../../controllers/runtime/runnable.ts';
import { settle } from '../../../support/virtual-clock.ts';
import type { TestApi } from '../runtime/api.ts';
import { silent, until } from '../runtime/api.ts';
import { FaultyTransport } from '../runtime/faulty-transport.ts';
import { template } from './world.ts';

export const ref = { namespace: 'prod', name: 'web' };

/** The job loop over its own, faulty link to the API; several may follow one another. */
export interface Loop {
  transport: FaultyTransport;
  stop(): Promise<void>;
}

export function startLoop(api: TestApi): Loop {
  const transport = new FaultyTransport(api.transport);
  const client = createClient(transport);
  const { clock, random } = api;
  const options = { clock, random, logger: silent };
  const caches = {
    jobs: new Informer({ client: client.of(jobResource), ...options, indexers: jobIndexers }),
    tasks: new Informer({ client: client.of(taskResource), ...options, indexers: taskIndexers }),
    revisions: new Informer({
      client: client.of(jobRevisionResource),
      ...options,
      indexers: revisionIndexers,
    }),
    serverSets: new Informer({ client: client.of(serverSetResource), ...options }),
    frameworks: new Informer({ client: client.of(frameworkResource), ...options }),
    agents: new Informer({
      client: client.of(agentResource),
      indexers: agentIndexers,
      ...options,
    }),
    networks: new Informer({ client: client.of(networkResource), ...options }),
    namespaces: new Informer({ client: client.of(namespaceResource), ...options }),
  };
  const recorder = new EventRecorder({ client, component: 'job', ...options });
  const controller = createJobController({ client, caches, recorder, ...options });
  const parts: Runnable[] = [...Object.values(caches), controller];
  const abort = new AbortController();
  const running = runAll(parts, abort.signal, silent);
  return {
    transport,
    stop: async () => {
      abort.abort();
      await running;
    },
  };
}

export async function createJob(client: Client, spec: Partial<JobSpec> = {}): Promise<Job> {
  return client.of(jobResource).create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: ref,
    spec: { replicas: 3, template: template('1'), ...spec },
  });
}

export async function editJob(client: Client, spec: Partial<JobSpec>): Promise<void> {
  await client.of(jobResource).patch(ref, { spec }, { type: 'merge' });
}

export async function tasksOf(client: Client): Promise<Task[]> {
  return (await client.of(taskResource).list({ namespace: 'prod' })).items;
}

/** Says about a Task what the scheduler would. */
export async function report(
  api: TestApi,
  task: Task,
  phase: TaskPhase,
  isReady = false,
): Promise<void> {
  const now = timestamp(api.clock);
  await api.client.of(taskResource).updateStatus({
    ...task,
    status: {
      ...task.status,
      phase,
      ...(phase === 'Running' ? { startTime: now } : {}),
      ...(phase === 'Unreachable' ? { unreachableTime: now } : {}),
      ...(deadPhases.includes(phase) ? { finishTime: now } : {}),
      conditions: [
        {
          type: 'Ready',
          status: isReady ? 'True' : 'False',
          reason: 'Test',
          message: '',
          lastTransitionTime: now,
        },
      ],
    },
  });
}

/** Stands in for scheduler and Mesos: what is to run runs and is Ready, what is to stop is killed. */
export async function obey(api: TestApi): Promise<void> {
  const tasks = api.client.of(taskResource);
  for (const task of await tasksOf(api.client)) {
    const { deletionTimestamp } = task.metadata;
    if (deletionTimestamp !== undefined && isDead(task)) {
      const finalizers = task.metadata.finalizers?.filter((one) => one !== mesosFinalizer);
      if (finalizers?.length === task.metadata.finalizers?.length) continue;
      await tasks.update({ ...task, metadata: { ...task.metadata, finalizers } });
    } else if (isDead(task)) {
      continue;
    } else if (task.spec.stop !== undefined || deletionTimestamp !== undefined) {
      await report(api, task, 'Killed');
    } else if (phaseOf(task) === 'Pending') {
      await report(api, task, 'Running', true);
    }
  }
}

/** Lets scheduler and time go on until `condition` holds. */
export async function drive(
  api: TestApi,
  condition: () => boolean | Promise<boolean>,
  limitMs = 120_000,
): Promise<void> {
  await until(
    api.clock,
    async () => {
      await obey(api);
      await settle();
      return condition();
    },
    limitMs,
  );
}

/** Follows the Tasks as they are stored, and remembers what must never happen. */
export interface Monitor {
  violations: string[];
  created: string[];
  stop(): Promise<void>;
}

export function startMonitor(api: TestApi): Monitor {
  const abort = new AbortController();
  const monitor: Monitor = {
    violations: [],
    created: [],
    stop: async () => {
      abort.abort();
      await running;
    },
  };
  const live = new Map<string, Task>();
  const follow = async (): Promise<void> => {
    const events = api.client.of(taskResource).watch({ resourceVersion: '0' }, abort.signal);
    for await (const event of events) {
      if (event.type === 'BOOKMARK') continue;
      const { object } = event;
      const { name } = object.metadata;
      if (event.type === 'ADDED') {
        if (monitor.created.includes(name)) monitor.violations.push(`${name} was created twice`);
        monitor.created.push(name);
        for (const other of live.values()) {
          if (other.spec.instance !== object.spec.instance) continue;
          if (phaseOf(other) === 'Unreachable') continue;
          monitor.violations.push(`${name} was created while ${other.metadata.name} lives`);
        }
      }
      if (event.type === 'DELETED' || isDead(object)) live.delete(name);
      else live.set(name, object);
    }
  };
  const running = follow();
  return monitor;
}

/** Whether the loop has seen the Job as it is now, and is done with it. */
export async function isSettled(api: TestApi): Promise<boolean> {
  const { status, metadata } = await api.client.of(jobResource).get(ref);
  return (
    status?.observedGeneration === metadata.generation &&
    isConditionTrue(status?.conditions, 'Ready') &&
    !isConditionTrue(status?.conditions, 'Reconciling')
  );
}
