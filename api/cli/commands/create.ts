import { z } from 'zod';
import { resourcePath } from '../../client/resource-client.ts';
import { checkAll, kindsFor, readAll } from '../apply/items.ts';
import { asObject, type WriteItem } from '../apply/write.ts';
import { changeShape, writeQueryOf } from '../change/options.ts';
import { writeFiles } from '../change/files.ts';
import { withConnection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { CommandError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { tellWritten } from '../output/written.ts';

const shape = {
  ...changeShape,
  filename: z.array(z.string()).default([]),
  recursive: z.boolean().default(false),
  dryRun: z.enum(['server', 'client', 'none'], 'there is server and client').default('none'),
};

/** Makes what files describe; one that is there already is refused, and then nothing is made. */
export async function run({ context, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  if (parsed.filename.length === 0) {
    throw new CommandError('usage', 'say what to create: -f FILE, or "token SERVICEACCOUNT"');
  }
  const { dryRun } = parsed;
  const manifests = await readAll(context, parsed.filename, parsed.recursive);
  const tell = tellWritten(context, parsed);
  if (parsed.dryRun === 'client') {
    const { namespace = 'default' } = parsed;
    const choice = { namespace, namespaceChosen: false, mayGenerateNames: true };
    for (const { resource, document } of checkAll(context, manifests, choice)) {
      tell(resource, document, 'created');
    }
    return;
  }
  await withConnection(context, parsed, async (connection) => {
    const kinds = await kindsFor(connection, manifests);
    const items = checkAll(context, manifests, { ...connection, kinds, mayGenerateNames: true });
    const write = creating(parsed.fieldManager);
    await writeFiles({ context, connection, items, write, dryRun }, (item, object) =>
      tell(item.resource, object, 'created'),
    );
  });
}

/** As apply does it, but without the note for the next apply. */
function creating(fieldManager: string | undefined): WriteItem {
  return async ({ send }, { resource, namespace, document }, dryRun) => {
    const answer = await send({
      method: 'POST',
      path: resourcePath(resource, { namespace }),
      query: writeQueryOf({ dryRun: dryRun ? 'server' : 'none', fieldManager }, 'create'),
      body: document,
    });
    return { outcome: 'created', before: undefined, after: asObject(answer), warnings: [] };
  };
}
