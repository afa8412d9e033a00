import type { Client } from '../../../api/client/client.ts';
import { jobResource } from '../../../api/v1/job.ts';
import type { Task } from '../../../api/v1/task.ts';
import { running, service } from './jobs.ts';

const resources = { requests: { cpu: '100m', memory: '64Mi' } };
/** Something to read on both streams. */
const script = 'while :; do echo tick; echo tock >&2; sleep 0.2; done';

/** A task of one container on dev-net, and one of two, both of which talk all the time. */
export async function runSingleAndGroup(client: Client): Promise<{ single: Task; group: Task }> {
  const jobs = client.of(jobResource);
  const containers = ['main', 'side'].map((name) => ({ name, script, resources }));
  await jobs.create(service('single', { template: { containers: containers.slice(0, 1) } }));
  await jobs.create(service('group', { template: { containers } }));
  const one = async (job: string): Promise<Task> => {
    const [task] = await running(client, job, 1);
    if (task === undefined) throw new Error(`${job} has no task`);
    return task;
  };
  const [single, group] = await Promise.all([one('single'), one('group')]);
  return { single, group };
}
