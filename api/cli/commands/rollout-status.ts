import { z } from 'zod';
import { decodeObject } from '../../client/decode.ts';
import type { Timer } from '../../machinery/clock.ts';
import { healthOf } from '../../machinery/kstatus.ts';
import { jobResource } from '../../v1/job.ts';
import { withConnection, type Connection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { parseDuration } from '../duration.ts';
import { CommandError } from '../errors.ts';
import { notFound } from '../missing.ts';
import { observeOne } from '../observe-one.ts';
import { parseOptions } from '../options.ts';
import { progressOf } from '../rollout/progress.ts';
import { jobNamesOf } from '../rollout/target.ts';
import { failureStandsMs } from '../wait/health.ts';

const shape = { watch: z.boolean().default(true), timeout: z.string().default('0') };

interface Options {
  watch: boolean;
  /** undefined: for ever. */
  timeoutMs: number | undefined;
}

/** Shows how far rollouts are until they are done: 1 if one is stuck, 3 if the time was up. */
export async function run({ context, args, options }: Invocation): Promise<void> {
  const { watch, timeout, ...parsed } = parseOptions(shape, options);
  const timeoutMs = parseDuration(timeout, '--timeout');
  await withConnection(context, parsed, async (connection) => {
    for (const name of await jobNamesOf(connection, args)) {
      await follow(context, connection, name, {
        watch,
        timeoutMs: timeoutMs === 0 ? undefined : timeoutMs,
      });
    }
  });
}

async function follow(
  context: Context,
  connection: Connection,
  name: string,
  { watch, timeoutMs }: Options,
): Promise<void> {
  const over = new AbortController();
  const end: { why?: CommandError } = {};
  const stop = (code: 'timeout' | 'failed', message: string): void => {
    end.why ??= new CommandError(code, message);
    over.abort();
  };
  let said = '';
  const timers: { deadline?: Timer; stall?: Timer | undefined } = {};
  if (timeoutMs !== undefined) {
    timers.deadline = context.clock.after(timeoutMs, () =>
      stop('timeout', `timed out: ${said === '' ? 'nothing known yet' : said}`),
    );
  }
  try {
    const signal = AbortSignal.any([context.signal, over.signal]);
    const one = { resource: jobResource, namespace: connection.namespace, name };
    for await (const { type, object } of observeOne(context, connection, one, signal)) {
      if (object === undefined) throw notFound(jobResource, name);
      if (type === 'DELETED')
        throw new CommandError('failed', `job "${name}" was deleted meanwhile`);
      const { done, message, failed } = progressOf(decodeObject(jobResource, object));
      if (failed === true) throw new CommandError('failed', message);
      if (message !== said) context.stdout.write(`${message}\n`);
      said = message;
      if (done || !watch) return;
      const health = healthOf(object);
      timers.stall?.cancel();
      // What mends it may be on its way.
      timers.stall =
        health.status !== 'Failed'
          ? undefined
          : context.clock.after(failureStandsMs, () =>
              stop('failed', `job "${name}" is stalled: ${health.message}`),
            );
    }
    if (end.why !== undefined) throw end.why;
  } finally {
    timers.deadline?.cancel();
    timers.stall?.cancel();
    over.abort();
  }
}
