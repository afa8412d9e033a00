import { jobLabel } from '../../v1/job.ts';
import { taskResource, type Task } from '../../v1/task.ts';
import type { Connection } from '../connection.ts';
import { CommandError } from '../errors.ts';
import { parseNamedTargets } from '../kinds.ts';
import { tasksToRead } from '../logs/sandbox.ts';

/** The task that TASK, task/NAME or job/NAME means: of a job its first live one, as kubectl takes a pod. */
export async function taskToEnter({ client, namespace }: Connection, word: string): Promise<Task> {
  const tasks = client.of(taskResource);
  if (!word.includes('/')) return tasks.get({ namespace, name: word });
  const [target] = parseNamedTargets([word]);
  const [name = ''] = target?.names ?? [];
  if (target?.resource.gvk.kind === 'Task') return tasks.get({ namespace, name });
  if (target?.resource.gvk.kind !== 'Job') {
    throw new CommandError('usage', 'it must be TASK, task/NAME or job/NAME');
  }
  const { items } = await tasks.list({ namespace, labelSelector: `${jobLabel}=${name}` });
  const [first] = tasksToRead(items);
  if (first !== undefined) return first;
  throw new CommandError('failed', `job "${name}" has no task on an agent`);
}
