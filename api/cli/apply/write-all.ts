import { ApiError } from '../../machinery/errors.ts';
import type { Context } from '../context.ts';
import { CommandError } from '../errors.ts';
import { qualifiedName } from '../kinds.ts';
import type { Item } from '../manifest/check.ts';
import { reportOf } from '../report.ts';
import { isPrerequisite } from './order.ts';
import { problemsOf, refuse } from './refusal.ts';
import { tryAll, type Done, type Trial, type Writing } from './trial.ts';
import { undoItem } from './write.ts';

/** Who is told what happens on the way. */
export interface Teller {
  context: Context;
  written(done: Done): void;
  said(item: Pick<Item, 'resource' | 'name'>, what: string): void;
}

export function nameOf({ resource, name }: Pick<Item, 'resource' | 'name'>): string {
  return qualifiedName(resource, name);
}

/** Tells `out` what becomes of each object. */
export function tellerOf(context: Context, out: Context['stdout']): Teller {
  const said: Teller['said'] = (item, what) => {
    out.write(`${nameOf(item)} ${what}\n`);
  };
  return {
    context,
    said,
    written: ({ item, written }) => said(item, written.outcome),
  };
}

/** Objects that one warning names; the rest are counted. */
const named = 5;

/** Says each warning once, of all objects that it is about. */
export function warnOf({ stderr }: Pick<Context, 'stderr'>, done: readonly Done[]): void {
  const about = new Map<string, string[]>();
  for (const { item, written } of done) {
    for (const warning of written.warnings) {
      about.set(warning, [...(about.get(warning) ?? []), nameOf(item)]);
    }
  }
  for (const [warning, names] of about) {
    const rest = names.length - named;
    const more = rest > 0 ? ` and ${rest} more` : '';
    stderr.write(`Warning: ${names.slice(0, named).join(', ')}${more}: ${warning}\n`);
  }
}

/**
 * Writes documents of which the server refuses none: first what others need, then, if it does not refuse
 * what had to wait for that either, the rest. `between` is done before the rest.
 */
export async function writeTried(
  teller: Teller,
  connection: Writing,
  items: readonly Item[],
  trial: Trial,
  between: () => Promise<void>,
): Promise<Done[]> {
  const { context } = teller;
  refuse(context, trial.problems);
  warnOf(context, trial.done);
  const others = items.filter((item) => !isPrerequisite(item));
  const prerequisites = items.filter(isPrerequisite);
  const first = await writeAll(teller, connection, prerequisites, { before: 0, after: others });
  const deferred = trial.deferred.filter((item) => !isPrerequisite(item));
  const second = await tryAll(connection, deferred, []);
  if (second.problems.length > 0) {
    const left = await undo(teller, connection, first);
    refuse(context, second.problems, left === 0 ? undefined : `${left} of the changes stay`);
  }
  warnOf(context, second.done);
  await between();
  const rest = await writeAll(teller, connection, others, { before: first.length, after: [] });
  return [...first, ...rest];
}

/** Writes one after the other; if one fails, says what was done and what was not. */
async function writeAll(
  teller: Teller,
  connection: Writing,
  items: readonly Item[],
  others: { before: number; after: readonly Item[] },
): Promise<Done[]> {
  const { context } = teller;
  const done: Done[] = [];
  for (const [index, item] of items.entries()) {
    try {
      const written = await connection.write(connection, item, false);
      teller.written({ item, written });
      done.push({ item, written });
    } catch (error) {
      const rest = [...items.slice(index + 1), ...others.after].map(nameOf);
      if (rest.length > 0) context.stderr.write(`not applied: ${rest.join(', ')}\n`);
      const applied = others.before + done.length;
      const consequence = `${applied} of ${applied + 1 + rest.length} objects applied before it`;
      if (error instanceof ApiError) refuse(context, problemsOf(item, error), consequence);
      const { text, exitCode } = reportOf(error);
      const what = `${nameOf(item)}: ${text}; ${consequence}`;
      throw new CommandError(exitCode === 4 ? 'unreachable' : 'failed', what, error);
    }
  }
  return done;
}

/**
 * Takes back the prerequisites of a run whose other documents turn out to be refused. Returns how many
 * could not be.
 */
async function undo(teller: Teller, connection: Writing, done: readonly Done[]): Promise<number> {
  let left = 0;
  for (const { item, written } of [...done].reverse()) {
    if (written.outcome === 'unchanged') continue;
    try {
      await undoItem(connection, item, written);
      teller.said(item, 'taken back');
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      left += 1;
      const what = `${nameOf(item)} could not be taken back: ${error.message}`;
      teller.context.stderr.write(`Warning: ${what}\n`);
    }
  }
  return left;
}
