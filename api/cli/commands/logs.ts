import { z } from 'zod';
import { decodeObject } from '../../client/decode.ts';
import { resourcePath } from '../../client/resource-client.ts';
import { isObject, own } from '../../machinery/json.ts';
import { jobLabel } from '../../v1/job.ts';
import { tasksToRead } from '../../v1/sandbox.ts';
import { isDead, taskResource, type Task } from '../../v1/task.ts';
import type { Connection } from '../connection.ts';
import { withConnection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { CommandError } from '../errors.ts';
import { parseNamedTargets, type Target } from '../kinds.ts';
import { writeLog, type Log } from '../logs/log.ts';
import { printOnce } from '../logs/print-once.ts';
import { locate, unreadable, type Wish } from '../logs/wish.ts';
import { refuseMissing } from '../missing.ts';
import { observe } from '../observe.ts';
import { parseOptions } from '../options.ts';
import { reportOf } from '../report.ts';

const shape = {
  follow: z.boolean().default(false),
  container: z.string().optional(),
  stderr: z.boolean().default(false),
  tail: z.string().regex(/^\d+$/, 'must be a number of lines').transform(Number).optional(),
};

export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const wish: Wish = {
    ...subjectOf(args),
    stream: parsed.stderr ? 'stderr' : 'stdout',
    container: parsed.container,
    tail: parsed.tail,
  };
  await withConnection(context, parsed, async (connection) => {
    if (parsed.follow) await follow(context, connection, wish);
    else await printOnce(context, connection, wish);
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

/** Reads along with every task as it comes; a single task ends it, a job only Ctrl-C. */
async function follow(context: Context, connection: Connection, wish: Wish): Promise<void> {
  const done = new AbortController();
  const signal = AbortSignal.any([context.signal, done.signal]);
  const readers = new Readers(context, connection, wish, signal, done);
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
    if (type !== 'DELETED') readers.see(tasks);
  }
  await readers.settled();
}

/** One reader for each log of each task that has been seen. */
class Readers {
  readonly #context: Context;
  readonly #connection: Connection;
  readonly #wish: Wish;
  readonly #signal: AbortSignal;
  readonly #done: AbortController;
  /** Uids of the tasks that are read, or have been. */
  readonly #seen = new Set<string>();
  readonly #running: Promise<void>[] = [];
  #failure: Error | undefined;
  #firstSight = true;

  constructor(
    context: Context,
    connection: Connection,
    wish: Wish,
    signal: AbortSignal,
    done: AbortController,
  ) {
    this.#context = context;
    this.#connection = connection;
    this.#wish = wish;
    this.#signal = signal;
    this.#done = done;
  }

  see(present: readonly Task[]): void {
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
    if (this.#seen.has(uid)) return;
    const { logs, reason } = locate(task, this.#wish);
    if (logs === undefined) {
      // One that may yet start is waited for.
      if (isDead(task) ? !this.#wish.job : task.status?.mesos?.agentId !== undefined) {
        this.#end(unreadable(task, reason));
      }
      return;
    }
    this.#seen.add(uid);
    const labelled = this.#wish.job || logs.length > 1;
    const started = logs.map((log) => this.#read(log, labelled));
    this.#running.push(...started);
    if (!this.#wish.job) void Promise.all(started).then(() => this.#done.abort());
  }

  async #read(log: Log, labelled: boolean): Promise<void> {
    const { stdout, stderr } = this.#context;
    const { tail } = this.#wish;
    const reading = { follow: true, tail, labelled, output: stdout, signal: this.#signal };
    try {
      await writeLog(this.#context, this.#connection, log, reading);
    } catch (error) {
      if (!this.#wish.job) this.#end(error);
      else stderr.write(`${log.label}: ${reportOf(error).text}\n`);
    }
  }

  #end(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    this.#done.abort();
  }
}
