import { z } from 'zod';
import { parseParent } from '../apply/applyset.ts';
import { checkAll, itemsOf, readAll } from '../apply/items.ts';
import { ApplySet } from '../apply/pruning.ts';
import { applyItems } from '../apply/run.ts';
import { serverSide, serverSideManager } from '../apply/server-side.ts';
import { nameOf, tellerOf } from '../apply/write-all.ts';
import { clientSide, type WriteItem } from '../apply/write.ts';
import { withConnection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { CommandError } from '../errors.ts';
import { parseOptions } from '../options.ts';

export const writeShape = {
  serverSide: z.boolean().default(false),
  forceConflicts: z.boolean().default(false),
  fieldManager: z
    .string()
    .regex(/^[\x20-\x7e]{1,128}$/, 'must be a name of at most 128 printable characters')
    .optional(),
};

const shape = {
  ...writeShape,
  filename: z.array(z.string()),
  recursive: z.boolean().default(false),
  dryRun: z.enum(['server', 'client', 'none'], 'there is server and client').default('none'),
  prune: z.boolean().default(false),
  applyset: z.string().optional(),
};

export async function run({ context, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const write = writerOf(parsed);
  if (parsed.prune !== (parsed.applyset !== undefined)) {
    throw new CommandError('usage', '--prune and --applyset go together');
  }
  const manifests = await readAll(context, parsed.filename, parsed.recursive);
  if (parsed.dryRun === 'client') {
    const choice = { namespace: parsed.namespace ?? 'default', namespaceChosen: false };
    for (const item of checkAll(context, manifests, choice)) {
      context.stdout.write(`${nameOf(item)} is right as far as can be told without the server\n`);
    }
    return;
  }
  await withConnection(context, parsed, async (connection) => {
    const items = await itemsOf(context, connection, manifests);
    const { applyset } = parsed;
    const set =
      applyset === undefined
        ? undefined
        : await ApplySet.open(context, connection, parseParent(applyset, connection.namespace));
    const writing = { ...connection, write };
    await applyItems(tellerOf(context, context.stdout), writing, items, {
      set,
      dryRun: parsed.dryRun === 'server',
    });
  });
}

export function writerOf(options: {
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
