import { z } from 'zod';
import { isObject, own } from '../../machinery/json.ts';
import { itemsOf, readAll } from '../apply/items.ts';
import { asObject, pathOf, type WriteItem } from '../apply/write.ts';
import { writeFiles } from '../change/files.ts';
import { againstOthers, readObject } from '../change/objects.ts';
import { changeShape, writeQueryOf } from '../change/options.ts';
import { withConnection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { versionOf } from '../observe.ts';
import { parseOptions } from '../options.ts';
import { tellWritten } from '../output/written.ts';

const shape = {
  ...changeShape,
  filename: z.array(z.string()),
  recursive: z.boolean().default(false),
};

/** Puts what files say in the place of what is there, whole: what they do not say is gone. */
export async function run({ context, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const { dryRun } = parsed;
  const manifests = await readAll(context, parsed.filename, parsed.recursive);
  const tell = tellWritten(context, parsed);
  await withConnection(context, parsed, async (connection) => {
    const items = await itemsOf(context, connection, manifests);
    const write = replacing(parsed.fieldManager);
    await writeFiles({ context, connection, items, write, dryRun }, (item, object) =>
      tell(item.resource, object, 'replaced'),
    );
  });
}

/** A file that says a resourceVersion replaces that one alone; any other takes the place of the newest. */
function replacing(fieldManager: string | undefined): WriteItem {
  return async (connection, item, dryRun) => {
    const metadata = own(item.document, 'metadata');
    const said = isObject(metadata) ? own(metadata, 'resourceVersion') : undefined;
    const put = async (): ReturnType<WriteItem> => {
      const before = await readObject(connection, pathOf(item));
      const resourceVersion = said ?? versionOf(before);
      const answer = await connection.send({
        method: 'PUT',
        path: pathOf(item),
        query: writeQueryOf({ dryRun: dryRun ? 'server' : 'none', fieldManager }, 'replace'),
        body: {
          ...item.document,
          metadata: { ...(isObject(metadata) ? metadata : {}), resourceVersion },
        },
      });
      return { outcome: 'configured', before, after: asObject(answer), warnings: [] };
    };
    return said === undefined ? againstOthers(put) : put();
  };
}
