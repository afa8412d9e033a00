import { z } from 'zod';
import { ApiError } from '../../machinery/errors.ts';
import { mapBounded } from '../bounded.ts';
import { inOrder, isPrerequisite, prerequisitesOf } from '../apply/order.ts';
import { serverSide, serverSideManager } from '../apply/server-side.ts';
import {
  clientSide,
  isOwnershipConflict,
  undoItem,
  type WriteItem,
  type Written,
} from '../apply/write.ts';
import type { Connection } from '../connection.ts';
import { withConnection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { CommandError } from '../errors.ts';
import { qualifiedName } from '../kinds.ts';
import type { Item, NamespaceChoice } from '../manifest/check.ts';
import { check, duplicates, identify, problemAt } from '../manifest/check.ts';
import { formatProblem, type Problem } from '../manifest/documents.ts';
import { readManifests } from '../manifest/sources.ts';
import { parseOptions } from '../options.ts';
import { reportOf } from '../report.ts';

const shape = {
  filename: z.array(z.string()),
  recursive: z.boolean().default(false),
  dryRun: z.enum(['server', 'client', 'none'], 'there is server and client').default('none'),
  serverSide: z.boolean().default(false),
  forceConflicts: z.boolean().default(false),
  fieldManager: z
    .string()
    .regex(/^[\x20-\x7e]{1,128}$/, 'must be a name of at most 128 printable characters')
    .optional(),
};

export async function run({ context, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const write = writerOf(parsed);
  const read = await readManifests(context, parsed.filename, parsed.recursive);
  refuse(context, read.problems);
  if (read.manifests.length === 0) {
    throw new CommandError('failed', `no object in ${parsed.filename.join(', ')}`);
  }
  if (parsed.dryRun === 'client') {
    const choice = { namespace: parsed.namespace ?? 'default', namespaceChosen: false };
    for (const item of checkAll(context, read.manifests, choice)) {
      say(context, item, 'is right as far as can be told without the server');
    }
    return;
  }
  await withConnection(context, parsed, async (connection) => {
    const items = checkAll(context, read.manifests, connection);
    await applyAll(context, { ...connection, write }, items, parsed.dryRun === 'server');
  });
}

/** A connection with the way in which documents are written over it. */
type Writing = Connection & { write: WriteItem };

function writerOf(options: {
  serverSide: boolean;
  forceConflicts: boolean;
  fieldManager?: string | undefined;
}): WriteItem {
  const { fieldManager, forceConflicts } = options;
  if (options.serverSide) {
    return serverSide({ manager: fieldManager ?? serverSideManager, force: forceConflicts });
  }
  if (!forceConflicts && fieldManager === undefined) return clientSide;
  const flag = forceConflicts ? '--force-conflicts' : '--field-manager';
  throw new CommandError('usage', `${flag} goes with --server-side`);
}

/** All documents, checked on this side and in the order of writing; ends the command on any mistake. */
function checkAll(
  context: Context,
  manifests: Parameters<typeof identify>[0][],
  choice: NamespaceChoice,
): Item[] {
  const identified = manifests.map((manifest) => identify(manifest, choice));
  const items = identified.flatMap(({ item }) => (item === undefined ? [] : [item]));
  const problems = identified.flatMap((each) => each.problems);
  refuse(context, [...problems, ...items.flatMap(check), ...duplicates(items)]);
  return inOrder(items);
}

/** Asks the server about every document first, and writes only if it refuses none. */
async function applyAll(
  context: Context,
  connection: Writing,
  items: readonly Item[],
  dryRun: boolean,
): Promise<void> {
  const prerequisites = items.filter(isPrerequisite);
  const trial = await tryAll(connection, items, prerequisites);
  refuse(context, trial.problems);
  if (dryRun) {
    for (const { item, written } of trial.done) announce(context, item, written, ' (dry run)');
    for (const item of trial.deferred) {
      say(context, item, 'cannot be checked before what it needs exists (dry run)');
    }
    return;
  }
  const others = items.filter((item) => !isPrerequisite(item));
  const first = await writeAll(context, connection, prerequisites, {
    before: 0,
    after: others,
  });
  const second = await tryAll(connection, trial.deferred, []);
  if (second.problems.length > 0) {
    const left = await undo(context, connection, first);
    refuse(context, second.problems, left === 0 ? undefined : `${left} of the changes stay`);
  }
  await writeAll(context, connection, others, { before: first.length, after: [] });
}

interface Trial {
  done: { item: Item; written: Written }[];
  /** Refused, but perhaps only because a prerequisite of the same files is not yet written. */
  deferred: Item[];
  problems: Problem[];
}

/** How many documents are checked at a time: their answers do not depend on each other. */
const checksAtOnce = 8;

async function tryAll(
  connection: Writing,
  items: readonly Item[],
  prerequisites: readonly Item[],
): Promise<Trial> {
  const results = await mapBounded(items, checksAtOnce, async (item) => {
    try {
      return { item, written: await connection.write(connection, item, true) };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return { item, error };
    }
  });
  const done = results.flatMap(({ item, written }) =>
    written === undefined ? [] : [{ item, written }],
  );
  const changing = new Set(
    done.filter(({ written }) => written.outcome !== 'unchanged').map(({ item }) => item),
  );
  const trial: Trial = { done, deferred: [], problems: [] };
  for (const { item, error } of results) {
    if (error === undefined) continue;
    const waiting = prerequisitesOf(item, prerequisites).some((other) => changing.has(other));
    if (waiting && !isPrerequisite(item)) trial.deferred.push(item);
    else trial.problems.push(...problemsOf(item, error));
  }
  return trial;
}

/** Writes one after the other; if one fails, says what was done and what was not. */
async function writeAll(
  context: Context,
  connection: Writing,
  items: readonly Item[],
  others: { before: number; after: readonly Item[] },
): Promise<{ item: Item; written: Written }[]> {
  const done: { item: Item; written: Written }[] = [];
  for (const [index, item] of items.entries()) {
    try {
      const written = await connection.write(connection, item, false);
      announce(context, item, written, '');
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
 * Takes back the namespaces and networks of a run whose other documents turn out to be refused. Returns
 * how many could not be.
 */
async function undo(
  context: Context,
  connection: Writing,
  done: readonly { item: Item; written: Written }[],
): Promise<number> {
  let left = 0;
  for (const { item, written } of [...done].reverse()) {
    if (written.outcome === 'unchanged') continue;
    try {
      await undoItem(connection, item, written);
      say(context, item, 'taken back');
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      left += 1;
      context.stderr.write(`Warning: ${nameOf(item)} could not be taken back: ${error.message}\n`);
    }
  }
  return left;
}

/** What the server refused, at the places in the file. */
function problemsOf(item: Item, error: ApiError): Problem[] {
  const advice = isOwnershipConflict(error)
    ? ': leave the field out, agree with its value, or take it with --force-conflicts'
    : '';
  const causes = (error.details?.causes ?? []).flatMap(({ field, message }) =>
    field === undefined || field === ''
      ? []
      : [{ field: field.replace(/^\./, ''), message: `${message ?? error.message}${advice}` }],
  );
  const found = causes.length > 0 ? causes : [{ field: '', message: error.message }];
  return found.map((cause) => problemAt(item.manifest, cause));
}

function refuse(
  context: Context,
  problems: readonly Problem[],
  consequence = 'nothing was changed',
): void {
  if (problems.length === 0) return;
  for (const problem of problems) context.stderr.write(`${formatProblem(problem)}\n`);
  const count = problems.length === 1 ? '1 mistake' : `${problems.length} mistakes`;
  throw new CommandError('failed', `${count}; ${consequence}`);
}

function announce(context: Context, item: Item, written: Written, suffix: string): void {
  for (const warning of written.warnings) {
    context.stderr.write(`Warning: ${nameOf(item)} ${warning}\n`);
  }
  say(context, item, `${written.outcome}${suffix}`);
}

function say(context: Context, item: Item, what: string): void {
  context.stdout.write(`${nameOf(item)} ${what}\n`);
}

function nameOf(item: Item): string {
  return qualifiedName(item.resource, item.name);
}
