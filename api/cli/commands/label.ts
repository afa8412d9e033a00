import { z } from 'zod';
import { againstOthers, chosenObjects, readObject, type Chosen } from '../change/objects.ts';
import { changeShape, writeQueryOf } from '../change/options.ts';
import {
  absentees,
  labelOutcome,
  mapOf,
  overwritten,
  parsePairs,
  type Changes,
} from '../change/pairs.ts';
import { withConnection, type Connection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { withKinds } from '../discovery.ts';
import { CommandError } from '../errors.ts';
import { qualifiedName } from '../kinds.ts';
import { versionOf } from '../observe.ts';
import { parseOptions } from '../options.ts';
import { tellWritten } from '../output/written.ts';

const shape = {
  ...changeShape,
  selector: z.string().optional(),
  all: z.boolean().default(false),
  overwrite: z.boolean().default(false),
  list: z.boolean().default(false),
};
type Options = z.infer<z.ZodObject<typeof shape>>;

type Field = 'labels' | 'annotations';

export const label = changing('labels', 'label');
export const annotate = changing('annotations', 'annotate');

function changing(field: Field, command: string): (invocation: Invocation) => Promise<void> {
  return async ({ context, args, options }) => {
    const parsed = parseOptions(shape, options);
    const { objects, changes } = parsePairs(args);
    if (parsed.list === changes.size > 0) {
      const why = parsed.list
        ? '--list changes nothing: give no KEY=VALUE with it'
        : `say what to ${command}: KEY=VALUE, or KEY- to take it away`;
      throw new CommandError('usage', why);
    }
    const tell = tellWritten(context, parsed);
    await withConnection(context, parsed, async (connection) => {
      const targets = await withKinds(connection, (kinds) => kinds.targets(objects));
      for (const chosen of await chosenObjects(connection, targets, parsed)) {
        if (parsed.list) await list(context, connection, chosen, field);
        else {
          const change = { field, command, changes, parsed };
          const { after, what } = await write(context, connection, chosen, change);
          tell(chosen.resource, after, what);
        }
      }
    });
  };
}

interface Change {
  field: Field;
  command: string;
  changes: Changes;
  parsed: Options;
}

async function write(
  { stderr }: Context,
  connection: Connection,
  { resource, name, path }: Chosen,
  { field, command, changes, parsed }: Change,
): Promise<{ after: unknown; what: string }> {
  return againstOthers(async () => {
    const live = await readObject(connection, path);
    const present = mapOf(live, field);
    const taken = parsed.overwrite ? [] : overwritten(present, changes);
    if (taken.length > 0) {
      const values = taken.map((key) => `${key} is ${String(present[key])}`).join(', ');
      const object = qualifiedName(resource, name);
      throw new CommandError('failed', `${object}: ${values}; --overwrite gives another value`);
    }
    for (const key of absentees(present, changes)) {
      stderr.write(
        `Warning: ${qualifiedName(resource, name)} has no ${command === 'annotate' ? 'annotation' : 'label'} ${key}\n`,
      );
    }
    // What was looked at must still be so: nobody's value is overwritten unseen.
    const resourceVersion = parsed.overwrite ? undefined : versionOf(live);
    const after = await connection.send({
      method: 'PATCH',
      path,
      query: writeQueryOf(parsed, command),
      contentType: 'application/merge-patch+json',
      body: {
        metadata: {
          [field]: Object.fromEntries(changes),
          ...(resourceVersion === undefined ? {} : { resourceVersion }),
        },
      },
    });
    return { after, what: field === 'labels' ? labelOutcome(present, changes) : 'annotated' };
  });
}

async function list(
  { stdout }: Context,
  connection: Connection,
  { resource, name, path }: Chosen,
  field: Field,
): Promise<void> {
  const map = mapOf(await readObject(connection, path), field);
  const lines = Object.entries(map).map(([key, value]) => `  ${key}=${String(value)}\n`);
  stdout.write(`${qualifiedName(resource, name)}:\n${lines.sort().join('')}`);
}
