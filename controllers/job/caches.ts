import type { KubeObject } from '../../api/machinery/metadata.ts';
import { objectKey } from '../../api/machinery/metadata.ts';
import { isNear, type Agent } from '../../api/v1/agent.ts';
import type { Framework } from '../../api/v1/framework.ts';
import { isReplacingHeld } from '../../api/v1/framework.ts';
import type { Namespace } from '../../api/v1/core.ts';
import type { Job } from '../../api/v1/job.ts';
import { jobLabel } from '../../api/v1/job.ts';
import type { JobRevision } from '../../api/v1/job-revision.ts';
import type { Network } from '../../api/v1/network.ts';
import type { ServerSet } from '../../api/v1/serverset.ts';
import type { Task } from '../../api/v1/task.ts';
import type { Informer } from '../runtime/informer.ts';
import { attachmentsOf, type Offers } from './networks.ts';
import type { OutOfSight } from './out-of-sight.ts';
import type { JobState } from './plan-parts.ts';

/** What the loop reads. Informers must have the indexers below, as far as there are some for their kind. */
export interface JobCaches {
  jobs: Informer<Job>;
  tasks: Informer<Task>;
  revisions: Informer<JobRevision>;
  serverSets: Informer<ServerSet>;
  frameworks: Informer<Framework>;
  agents: Informer<Agent>;
  networks: Informer<Network>;
  namespaces: Informer<Namespace>;
}

/** Jobs by the names of their networks, and those that have any by their namespace. */
export const jobIndexers = {
  network: (job: Job) => attachmentsOf(job).map(({ name }) => name),
  networked: (job: Job) => (attachmentsOf(job).length > 0 ? [job.metadata.namespace ?? ''] : []),
};

/** Tasks by the key of the Job that they name. */
export const taskIndexers = { job: (task: Task) => [jobKeyOfTask(task)] };

/** Revisions by the key of the Job that their label names. */
export const revisionIndexers = {
  job: (revision: JobRevision) => {
    const key = jobKeyOfLabel(revision);
    return key === undefined ? [] : [key];
  },
};

/** Agents by the id that Mesos gave them. */
export const agentIndexers = {
  id: ({ status }: Agent) => (status?.id === undefined ? [] : [status.id]),
};

/** Maintenance of the agent is near: nothing should stay on it. */
function isLeaving(agents: Informer<Agent>, agentId: string | undefined, now: number): boolean {
  if (agentId === undefined) return false;
  return agents.byIndex('id', agentId).some(({ status }) => {
    const maintenance = status?.unavailability;
    return maintenance !== undefined && isNear(maintenance, now);
  });
}

export function jobKeyOfTask({ metadata: { namespace }, spec }: Task): string {
  return objectKey({ namespace, name: spec.job });
}

export function jobKeyOfLabel({ metadata: { namespace, labels } }: KubeObject): string | undefined {
  const name = labels?.[jobLabel];
  return name === undefined ? undefined : objectKey({ namespace, name });
}

/** All that there is about a Job, as the caches have it. */
export function stateOf(
  caches: JobCaches,
  job: Job,
  { offers, outOfSight }: { offers: Offers; outOfSight: OutOfSight },
  now: number,
): JobState {
  const key = objectKey(job.metadata);
  const serverSet = caches.serverSets.get(key);
  return {
    job,
    tasks: caches.tasks.byIndex('job', key),
    revisions: caches.revisions.byIndex('job', key),
    serverSets: serverSet === undefined ? [] : [serverSet],
    isLeaving: ({ status }) => isLeaving(caches.agents, status?.mesos?.agentId, now),
    replacingHeld: caches.frameworks.list().some(isReplacingHeld),
    outOfSightMs: (task) => outOfSight.for(task),
    offers,
    now,
  };
}
