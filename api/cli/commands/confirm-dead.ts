import { jobLabel } from '../../v1/job.ts';
import { confirmDeadAnnotation, phaseOf, taskResource, type Task } from '../../v1/task.ts';
import type { Connection } from '../connection.ts';
import { CommandError } from '../errors.ts';

interface Place {
  namespace: string | undefined;
  name: string;
}

/** `--confirm-dead` about a Task. Refused for one that is in sight: Mesos can kill that. */
export async function confirmTaskDead({ client }: Connection, place: Place): Promise<void> {
  const task = await client.of(taskResource).get(place);
  const phase = phaseOf(task);
  if (phase !== 'Unreachable') {
    throw new CommandError(
      'failed',
      `task.mesocosm.dev/${place.name} is ${phase}, not Unreachable: leave out --confirm-dead; Mesos is asked to end it`,
    );
  }
  await confirm(client, task);
}

/** About a Job that is being deleted: those of its tasks that are unreachable. Returns how many. */
export async function confirmJobDead(
  { client }: Connection,
  { namespace, name }: Place,
): Promise<number> {
  const { items } = await client.of(taskResource).list({
    ...(namespace === undefined ? {} : { namespace }),
    labelSelector: `${jobLabel}=${name}`,
  });
  const lost = items.filter((task) => phaseOf(task) === 'Unreachable');
  for (const task of lost) await confirm(client, task);
  return lost.length;
}

/** Of the state that was looked at: a task that has returned meanwhile is left alone. */
async function confirm(client: Connection['client'], { metadata }: Task): Promise<void> {
  const { namespace, name, resourceVersion } = metadata;
  const patch = {
    metadata: { resourceVersion, annotations: { [confirmDeadAnnotation]: 'true' } },
  };
  await client.of(taskResource).patch({ namespace, name }, patch, { type: 'merge' });
}
