import { z } from 'zod';
import { decodeObject } from '../../client/decode.ts';
import { resourcePath } from '../../client/resource-client.ts';
import { isObject, own } from '../../machinery/json.ts';
import { jobLabel, jobResource } from '../../v1/job.ts';
import { isDead, taskResource, type Task } from '../../v1/task.ts';
import type { Connection } from '../connection.ts';
import { withConnection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { CommandError } from '../errors.ts';
import { parseNamedTargets, type Target } from '../kinds.ts';
import type { AgentFiles } from '../logs/agent.ts';
import { agentFiles } from '../logs/agent.ts';
import {
  copyFile,
  followFile,
  LabelledLines,
  noSuchFile,
  tailOffset,
  type Write,
} from '../logs/read.ts';
import type { LogFile, LogStream } from '../logs/sandbox.ts';
import { locateLogs, tasksToRead } from '../logs/sandbox.ts';
import { notFound, refuseMissing } from '../missing.ts';
import { observe } from '../observe.ts';
import { parseOptions } from '../options.ts';

const shape = {
  follow: z.boolean().default(false),
  container: z.string().optional(),
  stderr: z.boolean().default(false),
  tail: z.string().regex(/^\d+$/, 'must be a number of lines').transform(Number).optional(),
};

/** What is read of whom. */
interface Wish {
  job: boolean;
  name: string;
  stream: LogStream;
  container: string | undefined;
  tail: number | undefined;
}

export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const wish: Wish = {
    ...subjectOf(args),
    stream: parsed.stderr ? 'stderr' : 'stdout',
    container: parsed.container,
    tail: parsed.tail,
  };
  await withConnection(context, parsed, async (connection) => {
    const files = agentFiles(context.signal);
    try {
      if (parsed.follow) await follow(context, connection, files, wish);
      else await printOnce(context, connection, files, wish);
    } finally {
      await files.close();
    }
  });
}

function subjectOf(args: readonly string[]): { job: boolean; name: string } {
  const [word = ''] = args;
  const targets: Target[] = word.includes('/')
    ? parseNamedTargets(args)
    : [{ resource: taskResource, names: [word] }];
  const [target] = targets;
  const kind = target?.resource.gvk.kind;
  const [name] = target?.names ?? [];
  if (args.length > 1 || name === undefined || (kind !== 'Job' && kind !== 'Task')) {
    throw new CommandError('usage', 'logs are of one TASK, task/NAME or job/NAME');
  }
  return { job: kind === 'Job', name };
}

async function printOnce(
  context: Context,
  connection: Connection,
  files: AgentFiles,
  wish: Wish,
): Promise<void> {
  const located = (await tasksOf(connection, wish)).map((task) => ({
    task,
    ...locateLogs(task, wish.stream, wish.container),
  }));
  const labelled = located.flatMap((each) => each.files ?? []).length > 1;
  let failure: CommandError | undefined;
  for (const { task, ...found } of located) {
    try {
      if (found.files === undefined) throw unreadable(task, found.reason);
      for (const file of found.files) await printFile(context, files, file, wish, labelled);
    } catch (error) {
      if (!(error instanceof CommandError) || context.signal.aborted) throw error;
      context.stderr.write(`error: ${error.message}\n`);
      failure = error;
    }
  }
  if (failure === undefined) return;
  throw new CommandError(failure.exitCode === 4 ? 'unreachable' : 'failed', '', failure);
}

async function printFile(
  { stdout }: Context,
  files: AgentFiles,
  file: LogFile,
  { tail }: Wish,
  labelled: boolean,
): Promise<void> {
  const lines = labelled ? new LabelledLines(file.label, (data) => stdout.write(data)) : undefined;
  const write: Write = (data) => {
    if (lines === undefined) stdout.write(data);
    else lines.push(data);
  };
  const offset = tail === undefined ? 0 : await tailOffset(files, file, tail);
  const end = await copyFile(files, file, offset, write);
  lines?.flush();
  if (end === undefined) throw noSuchFile(file);
}

function unreadable(task: Task, reason: string): CommandError {
  return new CommandError('failed', `task "${task.metadata.name}" ${reason}`);
}

/** The task that is named, or those of the job that are of interest. */
async function tasksOf({ client, namespace }: Connection, { job, name }: Wish): Promise<Task[]> {
  if (!job) return [await client.of(taskResource).get({ namespace, name })];
  const labelSelector = `${jobLabel}=${name}`;
  const { items } = await client.of(taskResource).list({ namespace, labelSelector });
  const chosen = tasksToRead(items);
  if (chosen.length > 0) return chosen;
  if ((await client.of(jobResource).find({ namespace, name })) === undefined) {
    throw notFound(jobResource, name);
  }
  throw new CommandError(
    'failed',
    `job "${name}" has no task on an agent yet; "cosm describe job/${name}" tells why`,
  );
}

/** Reads along with every task as it comes; a single task ends it, a job only Ctrl-C. */
async function follow(
  context: Context,
  connection: Connection,
  files: AgentFiles,
  wish: Wish,
): Promise<void> {
  const done = new AbortController();
  const signal = AbortSignal.any([context.signal, done.signal]);
  const readers = new Readers(context, files, wish, signal, done);
  const selector: Record<string, string> = wish.job
    ? { labelSelector: `${jobLabel}=${wish.name}` }
    : { fieldSelector: `metadata.name=${wish.name}` };
  const observations = observe(
    {
      path: resourcePath(taskResource, { namespace: connection.namespace }),
      query: selector,
    },
    {
      transport: connection.transport,
      send: (request) => connection.send(request),
      clock: context.clock,
      signal,
      onRetry: (reason) => context.stderr.write(`watch interrupted, trying again: ${reason}\n`),
    },
  );
  let first = true;
  for await (const { type, body } of observations) {
    if (first && !wish.job) refuseMissing(taskResource, wish.name, body);
    first = false;
    const items = type === 'LIST' && isObject(body) ? own(body, 'items') : [body];
    const list = Array.isArray(items) ? items.filter(isObject) : [];
    const identity = { apiVersion: 'mesocosm.dev/v1', kind: 'Task' };
    const tasks = list.map((item) => decodeObject(taskResource, { ...identity, ...item }));
    readers.see(type === 'DELETED' ? [] : tasks, type === 'DELETED' ? tasks : []);
  }
  await readers.settled();
}

/** One reader for each file of each task that has been seen. */
class Readers {
  readonly #context: Context;
  readonly #files: AgentFiles;
  readonly #wish: Wish;
  readonly #signal: AbortSignal;
  readonly #done: AbortController;
  /** By uid of the task: whether it can no longer write. */
  readonly #ended = new Map<string, boolean>();
  readonly #running: Promise<void>[] = [];
  #failure: Error | undefined;
  #firstSight = true;

  constructor(
    context: Context,
    files: AgentFiles,
    wish: Wish,
    signal: AbortSignal,
    done: AbortController,
  ) {
    this.#context = context;
    this.#files = files;
    this.#wish = wish;
    this.#signal = signal;
    this.#done = done;
  }

  see(present: readonly Task[], gone: readonly Task[]): void {
    for (const task of gone) this.#ended.set(task.metadata.uid, true);
    // Of a job that is followed, runs that ended before are of no interest.
    const chosen = this.#wish.job && this.#firstSight ? tasksToRead(present) : present;
    this.#firstSight = false;
    for (const task of chosen) this.#see(task);
  }

  /** Waits for what is still being written, and throws what ended a reader. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failure !== undefined && !this.#context.signal.aborted) throw this.#failure;
  }

  #see(task: Task): void {
    const { uid } = task.metadata;
    const known = this.#ended.has(uid);
    const located = locateLogs(task, this.#wish.stream, this.#wish.container);
    if (located.files === undefined) {
      if (isDead(task) && !this.#wish.job) this.#end(unreadable(task, located.reason));
      if (task.status?.mesos?.agentAddress !== undefined) {
        this.#end(unreadable(task, located.reason));
      }
      return;
    }
    this.#ended.set(uid, isDead(task));
    if (known) return;
    const labelled = this.#wish.job || located.files.length > 1;
    const started = located.files.map((file) => this.#read(file, uid, labelled));
    this.#running.push(...started);
    if (!this.#wish.job) void Promise.all(started).then(() => this.#done.abort());
  }

  async #read(file: LogFile, uid: string, labelled: boolean): Promise<void> {
    const { stdout, stderr, clock } = this.#context;
    const lines = new LabelledLines(file.label, (data) => stdout.write(data));
    const write: Write = labelled ? (data) => lines.push(data) : (data) => stdout.write(data);
    try {
      const { tail } = this.#wish;
      const offset = tail === undefined ? 0 : await tailOffset(this.#files, file, tail);
      await followFile(this.#files, file, offset, write, {
        clock,
        signal: this.#signal,
        ended: () => this.#ended.get(uid) ?? true,
        onTrouble: (reason) => stderr.write(`${file.label}: ${reason}; trying on\n`),
      });
    } catch (error) {
      if (!this.#wish.job) this.#end(error);
      else stderr.write(`${file.label}: ${error instanceof Error ? error.message : ''}\n`);
    } finally {
      lines.flush();
    }
  }

  #end(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    this.#done.abort();
  }
}
