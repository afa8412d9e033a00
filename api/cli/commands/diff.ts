import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { itemsOf, readAll } from '../apply/items.ts';
import { isPrerequisite } from '../apply/order.ts';
import { refuse } from '../apply/refusal.ts';
import { tryAll } from '../apply/trial.ts';
import { withConnection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { CommandError } from '../errors.ts';
import { kindText } from '../apply/applyset.ts';
import type { Item } from '../manifest/check.ts';
import { parseOptions } from '../options.ts';
import { comparable } from '../output/comparable.ts';
import { unifiedDiff } from '../output/unified-diff.ts';
import { reportOf } from '../report.ts';
import { runTool, toolOf } from '../tool.ts';
import { writerOf, writeShape } from './apply.ts';

const shape = {
  ...writeShape,
  filename: z.array(z.string()),
  recursive: z.boolean().default(false),
};

/** One object as it is, and as it would be. */
interface Change {
  item: Item;
  before: string;
  after: string;
}

/** Ends with 0 if nothing would change, 1 if something would, 2 if anything went wrong. */
export async function run(invocation: Invocation): Promise<void> {
  let differs: boolean;
  try {
    differs = await diff(invocation);
  } catch (error) {
    if (invocation.context.signal.aborted) throw error;
    throw new CommandError('unread', reportOf(error).text, error);
  }
  if (differs) throw new CommandError('failed', '');
}

async function diff({ context, options }: Invocation): Promise<boolean> {
  const parsed = parseOptions(shape, options);
  const write = writerOf(parsed);
  const manifests = await readAll(context, parsed.filename, parsed.recursive);
  return withConnection(context, parsed, async (connection) => {
    const items = await itemsOf(context, connection, manifests);
    const prerequisites = items.filter(isPrerequisite);
    const trial = await tryAll({ ...connection, write }, items, prerequisites);
    refuse(context, trial.problems);
    const changes: Change[] = [
      ...trial.done.map(({ item, written }) => ({
        item,
        ...comparable(written.before, written.after),
      })),
      // What the server cannot judge before what it needs exists is new.
      ...trial.deferred.map((item) => ({ item, ...comparable(undefined, item.document) })),
    ].filter(({ before, after }) => before !== after);
    const tool = toolOf(context.env, ['KUBECTL_EXTERNAL_DIFF'], []);
    if (tool.length > 0) return showWith(tool, context, changes);
    for (const { item, before, after } of changes) {
      const name = titleOf(item);
      const text = unifiedDiff(before, after);
      context.stdout.write(`--- ${before === '' ? '/dev/null' : `live ${name}`}\n`);
      context.stdout.write(`+++ merged ${name}\n${text}`);
    }
    return changes.length > 0;
  });
}

function titleOf({ resource, namespace, name }: Item): string {
  return `${kindText(resource)} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}

/** The user's own tool compares two directories, with a file for each object that would change. */
async function showWith(
  tool: readonly string[],
  { stdout }: Context,
  changes: readonly Change[],
): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), 'cosm-diff-'));
  try {
    const [live, merged] = [join(directory, 'LIVE'), join(directory, 'MERGED')];
    await Promise.all([live, merged].map((path) => mkdir(path)));
    for (const { item, before, after } of changes) {
      const file = fileOf(item);
      if (before !== '') await writeFile(join(live, file), before, { mode: 0o600 });
      await writeFile(join(merged, file), after, { mode: 0o600 });
    }
    const code = await runTool([...tool, live, merged], stdout);
    if (code > 1) throw new CommandError('unread', `${tool.join(' ')} ended with ${code}`);
    return code === 1;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** As kubectl names it; names of objects have no slash. */
function fileOf({ resource: { gvk }, namespace, name }: Item): string {
  const parts = [gvk.group, gvk.version, gvk.kind, namespace ?? '', name];
  return parts.filter((part) => part !== '').join('.');
}
