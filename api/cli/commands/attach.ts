import { z } from 'zod';
import { decodeObject } from '../../client/decode.ts';
import { resourcePath } from '../../client/resource-client.ts';
import { isObject, own } from '../../machinery/json.ts';
import { isDead, taskResource, type Task } from '../../v1/task.ts';
import { withConnection, type Connection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { CommandError } from '../errors.ts';
import { runningContainer } from '../exec/container.ts';
import { taskToEnter } from '../exec/target.ts';
import { agentFiles } from '../logs/agent.ts';
import { followFile, tailOffset } from '../logs/read.ts';
import { locateLogs } from '../logs/sandbox.ts';
import { observe } from '../observe.ts';
import { parseOptions } from '../options.ts';

const shape = { container: z.string().optional() };

/**
 * Shows what a container writes from now on, both streams at once, until its task ends. From its
 * files: Mesos attaches to nothing that was launched without a terminal.
 */
export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  await withConnection(context, parsed, async (connection) => {
    const task = await taskToEnter(connection, args[0] ?? '');
    const found = runningContainer(task, parsed.container);
    if ('reason' in found) {
      throw new CommandError('failed', `task "${task.metadata.name}" ${found.reason}`);
    }
    await attach(context, connection, task, found.name);
  });
}

async function attach(
  context: Context,
  connection: Connection,
  task: Task,
  container: string,
): Promise<void> {
  const { signal, clock, stderr } = context;
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const files = agentFiles(signal);
  let dead = false;
  const watching = untilDead(context, connection, task, either).then(() => (dead = true));
  const following = (['stdout', 'stderr'] as const).map(async (stream) => {
    const [file] = locateLogs(task, stream, container).files ?? [];
    if (file === undefined) return;
    const offset = await tailOffset(files, file, 0);
    await followFile(files, file, offset, (data) => context[stream].write(data), {
      clock,
      signal: either,
      ended: () => dead,
      onTrouble: (reason) => stderr.write(`${file.label}: ${reason}; trying on\n`),
    });
  });
  try {
    await Promise.race([Promise.all(following), watching.then(() => Promise.all(following))]);
  } finally {
    over.abort();
    await Promise.allSettled([...following, watching]);
    await files.close();
  }
}

/** Resolves once the task is dead or gone, or the signal aborts. */
async function untilDead(
  { clock, stderr }: Context,
  connection: Connection,
  { metadata }: Task,
  signal: AbortSignal,
): Promise<void> {
  const query = { fieldSelector: `metadata.name=${metadata.name}` };
  const { namespace, transport } = connection;
  const path = resourcePath(taskResource, { namespace });
  const send: Connection['send'] = (request) => connection.send(request);
  const onRetry = (reason: string): void =>
    stderr.write(`watch interrupted, trying again: ${reason}\n`);
  for await (const { type, body } of observe(
    { path, query },
    { transport, send, clock, signal, onRetry },
  )) {
    const items = type === 'LIST' && isObject(body) ? own(body, 'items') : [body];
    const [item] = Array.isArray(items) ? items.filter(isObject) : [];
    if (type === 'DELETED' || item === undefined) return;
    const identity = { apiVersion: 'mesocosm.dev/v1', kind: 'Task' };
    const task = decodeObject(taskResource, { ...identity, ...item });
    if (task.metadata.uid !== metadata.uid || isDead(task)) return;
  }
}
