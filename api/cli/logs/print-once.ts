import { isApiError } from '../../machinery/errors.ts';
import { completedOf, isBatch } from '../../v1/batch.ts';
import { formatIndexes } from '../../v1/indexes.ts';
import { jobLabel, jobResource, type Job } from '../../v1/job.ts';
import { tasksThatWrote, tasksToRead } from '../../v1/sandbox.ts';
import { isDead, phaseOf, taskResource, type Task } from '../../v1/task.ts';
import type { Connection } from '../connection.ts';
import type { Context } from '../context.ts';
import { CommandError } from '../errors.ts';
import { notFound } from '../missing.ts';
import { reportOf, type Report } from '../report.ts';
import { writeLog, type Log } from './log.ts';
import { locate, unreadable, type Wish } from './wish.ts';

/** Prints the logs as they are now. One that is gone is no failure, unless none is left. */
export async function printOnce(
  context: Context,
  connection: Connection,
  wish: Wish,
): Promise<void> {
  const { signal, stdout, stderr } = context;
  const { tasks, gone } = await subject(connection, wish);
  const pieces = tasks.flatMap((task) => piecesOf(task, wish));
  const labelled = pieces.filter(({ log }) => log !== undefined).length > 1;
  const reading = { follow: false, tail: wish.tail, labelled, output: stdout, signal };
  let failure: Report | undefined;
  let read = 0;
  for (const line of gone) stderr.write(`${line}\n`);
  for (const { task, log, reason } of pieces) {
    try {
      if (log === undefined) throw unreadable(task, reason);
      await writeLog(context, connection, log, reading);
      read += 1;
    } catch (error) {
      if (signal.aborted) throw error;
      if (log !== undefined && wish.job && isGone(task, error)) {
        stderr.write(`${log.label}: ${goneText(task)}\n`);
        continue;
      }
      failure = reportOf(error);
      stderr.write(`error: ${failure.text}\n`);
    }
  }
  if (failure === undefined && read > 0) return;
  throw new CommandError(failure?.exitCode === 4 ? 'unreachable' : 'failed', '');
}

type Piece = { task: Task } & ({ log: Log; reason?: never } | { log?: never; reason: string });

function piecesOf(task: Task, wish: Wish): Piece[] {
  const { logs, reason } = locate(task, wish);
  return logs === undefined ? [{ task, reason }] : logs.map((log) => ({ task, log }));
}

/** Agents keep the sandbox of a task that has ended for a while. */
function isGone(task: Task, error: unknown): boolean {
  return isDead(task) && isApiError(error, 'NotFound');
}

function goneText(task: Task): string {
  const agent = task.status?.mesos?.agentHostname ?? task.status?.mesos?.agentId ?? '';
  return `log gone: it is ${phaseOf(task)}, and agent ${agent} no longer has its sandbox`;
}

interface Subject {
  tasks: Task[];
  /** What is said of logs that nothing is left to read of. */
  gone: string[];
}

/** The task that is named, or those of the job that have written. */
async function subject(connection: Connection, { job, name }: Wish): Promise<Subject> {
  const { client, namespace } = connection;
  if (!job) {
    const task = await client.of(taskResource).find({ namespace, name });
    if (task !== undefined) return { tasks: [task], gone: [] };
    const meant = (await jobOf(connection, name)) === undefined ? '' : `; of the job: job/${name}`;
    throw new CommandError('failed', `${notFound(taskResource, name).message}${meant}`);
  }
  const labelSelector = `${jobLabel}=${name}`;
  const { items } = await client.of(taskResource).list({ namespace, labelSelector });
  const found =
    items.length > 0
      ? await jobOf(connection, name)
      : await client.of(jobResource).find({ namespace, name });
  if (found === undefined && items.length === 0) throw notFound(jobResource, name);
  const written = found === undefined ? [] : tasksThatWrote(items, found);
  const tasks = written.length > 0 ? written : tasksToRead(items);
  const gone = found === undefined ? [] : forgotten(found, items);
  if (tasks.length > 0 || gone.length > 0) return { tasks, gone };
  throw new CommandError(
    'failed',
    `job "${name}" has no task on an agent yet; "cosm describe job/${name}" tells why`,
  );
}

/** Undefined if there is none any more, or whoever asks may read its tasks alone. */
async function jobOf({ client, namespace }: Connection, name: string): Promise<Job | undefined> {
  try {
    return await client.of(jobResource).find({ namespace, name });
  } catch (error) {
    if (isApiError(error, 'Forbidden')) return undefined;
    throw error;
  }
}

/** Instances that have succeeded, and of whose runs no Task is left to find the log by. */
function forgotten(job: Job, tasks: readonly Task[]): string[] {
  if (!isBatch(job)) return [];
  const known = new Set(tasks.map(({ spec }) => spec.instance));
  const instances = [...completedOf(job)].filter((instance) => !known.has(instance));
  const listed = formatIndexes(instances);
  if (listed === undefined) return [];
  const [what, have] = instances.length === 1 ? ['instance', 'it has'] : ['instances', 'they have'];
  return [`${what} ${listed}: log gone: ${have} succeeded, and the Task is no longer kept`];
}
