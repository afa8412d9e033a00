import type { Job } from '../../api/v1/job.ts';
import { cniNameOf, type Network } from '../../api/v1/network.ts';
import type { Task } from '../../api/v1/task.ts';
import type { Informer } from '../runtime/informer.ts';
import type { Unplaced } from './placement.ts';
import { jobKey } from './task-view.ts';

/** The name of a network of a Task for Mesos; undefined if there is, and was, no such Network. */
export type NetworkNames = (network: string, task: Task) => string | undefined;

export interface NetworkNameSources {
  networks: Pick<Informer<Network>, 'get'>;
  jobs: Pick<Informer<Job>, 'get'>;
}

/**
 * What a Task was bound with stays. A Network that was deleted keeps the name under which the Job joined
 * it, so that its tasks are replaced as before.
 */
export function networkNames({ networks, jobs }: NetworkNameSources): NetworkNames {
  return (name, task) => {
    const bound = task.status?.networks?.find((known) => known.name === name);
    if (bound !== undefined) return bound.cniName;
    const network = networks.get(name);
    if (network !== undefined) return cniNameOf(network);
    const recorded = jobs.get(jobKey(task))?.status?.networks;
    return recorded?.find((known) => known.name === name)?.cniName;
  };
}

/** A Task that asks for a network that there is not, and that its Job has never been seen to join. */
export function withoutNetwork(task: Task, nameOf: NetworkNames): Unplaced[] {
  const missing = (task.spec.networks ?? []).find(({ name }) => nameOf(name, task) === undefined);
  return missing === undefined ? [] : [{ task, message: `there is no network "${missing.name}"` }];
}
