import type { JsonObject } from '../../machinery/json.ts';
import type { Connection } from '../connection.ts';
import type { Context } from '../context.ts';
import { CommandError } from '../errors.ts';
import { notFound } from '../missing.ts';
import { qualifiedName, type Kind } from '../kinds.ts';
import type { Observation } from '../observe.ts';
import { observeOne } from '../observe-one.ts';
import { metadataText } from '../output/table.ts';
import { progressOf, type Goal } from './goal.ts';

/** An object that is waited for. With a uid, another object of its name does not count as it. */
export interface Awaited {
  resource: Kind;
  namespace: string | undefined;
  name: string;
  uid?: string;
}

export interface WaitOptions {
  goal: Goal;
  /** Milliseconds for all together; undefined: no end. 0 looks once. */
  timeoutMs: number | undefined;
  /** Told of each object once it is there. */
  onMet: (awaited: Awaited) => void;
}

/** Waits until every object has reached the goal; ends the command with `timeout` if time is up before. */
export async function waitForAll(
  context: Context,
  connection: Connection,
  objects: readonly Awaited[],
  options: WaitOptions,
): Promise<void> {
  const deadline = new AbortController();
  const { timeoutMs } = options;
  const timer =
    timeoutMs === undefined || timeoutMs === 0
      ? undefined
      : context.clock.after(timeoutMs, () => {
          deadline.abort();
        });
  const signal = AbortSignal.any([context.signal, deadline.signal]);
  try {
    // One that can no longer get there ends the wait for the others too.
    const late = await Promise.all(
      objects.map((awaited) => waitForOne(context, connection, awaited, options, signal)),
    );
    const missed = late.filter((text) => text !== undefined);
    if (missed.length > 0 && !context.signal.aborted) {
      throw new CommandError('timeout', `timed out: ${missed.join('; ')}`);
    }
  } finally {
    timer?.cancel();
    deadline.abort();
  }
}

/** Undefined once the goal is reached, else how things stood when time was up. */
async function waitForOne(
  context: Context,
  connection: Connection,
  awaited: Awaited,
  { goal, timeoutMs, onMet }: WaitOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  const name = qualifiedName(awaited.resource, awaited.name);
  let detail = 'nothing known yet';
  for await (const { type, object: found } of observeOne(context, connection, awaited, signal)) {
    const object = type === 'DELETED' || isAnother(found, awaited) ? undefined : found;
    const progress = progressOf(goal, object);
    if (progress.met) {
      onMet(awaited);
      return undefined;
    }
    if (object === undefined) giveUp(goal, type, awaited);
    if (progress.detail !== detail && context.stderr.isTerminal) {
      context.stderr.write(`waiting for ${name}: ${progress.detail}\n`);
    }
    detail = progress.detail;
    if (timeoutMs === 0) break;
  }
  return `${name}: ${detail}`;
}

function isAnother(object: JsonObject | undefined, { uid }: Awaited): boolean {
  return object !== undefined && uid !== undefined && metadataText(object, 'uid') !== uid;
}

/** An object that does not exist will not become ready; one that was deleted neither. */
function giveUp(goal: Goal, type: Observation['type'], { resource, name }: Awaited): void {
  if (goal.type === 'delete' || goal.type === 'create') return;
  if (type === 'LIST') throw notFound(resource, name);
  throw new CommandError(
    'failed',
    `${qualifiedName(resource, name)} was deleted while it was waited for`,
  );
}
