import { jobLabel } from '../../v1/job.ts';
import { taskResource, type Task } from '../../v1/task.ts';
import { resourcePath } from '../../client/resource-client.ts';
import type { ChannelSocket } from '../../machinery/channel-socket.ts';
import { podResource } from '../../v1/pod.ts';
import type { Context } from '../context.ts';
import { inOurWords } from '../logs/log.ts';
import type { Connection } from '../connection.ts';
import { CommandError } from '../errors.ts';
import { parseNamedTargets } from '../kinds.ts';
import { tasksToRead } from '../../v1/sandbox.ts';

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

/** The container that is named, or the first of the task, which people are told. */
export function chosenContainer(
  { stderr }: Pick<Context, 'stderr'>,
  task: Task,
  named: string | undefined,
): string {
  const names = task.spec.containers.map(({ name }) => name);
  const [first = ''] = names;
  if (named === undefined) {
    if (names.length > 1) {
      stderr.write(`Defaulted container "${first}" out of: ${names.join(', ')}\n`);
    }
    return first;
  }
  if (names.includes(named)) return named;
  throw new CommandError(
    'failed',
    `task "${task.metadata.name}" has no container "${named}"; it has ${names.join(', ')}`,
  );
}

/** Connects to a subresource of the Pod of a task. */
export async function enter(
  connection: Connection,
  { metadata }: Task,
  subresource: 'exec' | 'attach',
  signal: AbortSignal,
  query: readonly (readonly [string, string])[],
): Promise<ChannelSocket> {
  const { namespace, name } = metadata;
  try {
    const path = resourcePath(podResource, { namespace, name }, subresource);
    return await connection.connect(path, query, signal);
  } catch (error) {
    throw inOurWords(error);
  }
}
