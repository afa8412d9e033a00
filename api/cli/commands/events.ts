import { z } from 'zod';
import { resourcePath } from '../../client/resource-client.ts';
import { eventResource } from '../../v1/core.ts';
import { withConnection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { CommandError } from '../errors.ts';
import { parsePath } from '../../machinery/jsonpath/parse.ts';
import { parseNamedTargets } from '../kinds.ts';
import { observe } from '../observe.ts';
import { parseOptions } from '../options.ts';
import { painterFor } from '../output/paint.ts';
import { sortByPath } from '../output/sort.ts';
import { tableAccept, tableOf, TablePrinter, type Table } from '../output/table.ts';
import { fetchPages } from '../pages.ts';

const shape = {
  for: z.string().optional(),
  allNamespaces: z.boolean().default(false),
  watch: z.boolean().default(false),
  types: z.string().optional(),
  headers: z.boolean().default(true),
};

type Options = z.infer<z.ZodObject<typeof shape>>;

export async function run({ context, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const fieldSelector = selectorOf(parsed);
  await withConnection(context, parsed, async (connection) => {
    const namespace = parsed.allNamespaces ? undefined : connection.namespace;
    const subject = {
      path: resourcePath(eventResource, { namespace }),
      // The times are in the object, not in the cells.
      query: { includeObject: 'Object', ...(fieldSelector === '' ? {} : { fieldSelector }) },
      accept: tableAccept,
    };
    const printer = new TablePrinter({
      wide: true,
      withNamespace: parsed.allNamespaces,
      headers: parsed.headers,
      painter: painterFor(context),
    });
    const print = (table: Table): void => {
      const lines = table.rows.length === 0 ? [] : printer.lines(shown(table));
      if (lines.length > 0) context.stdout.write(`${lines.join('\n')}\n`);
    };
    if (!parsed.watch) {
      const tables = (await fetchPages(connection, subject, tableAccept)).map(tableOf);
      const rows = tables.flatMap((table) => table.rows);
      if (rows.length === 0) context.stderr.write('No events; they are kept for an hour.\n');
      print({ columns: tables[0]?.columns ?? [], rows });
      return;
    }
    const observations = observe(subject, {
      transport: connection.transport,
      send: (request) => connection.send(request),
      clock: context.clock,
      signal: context.signal,
      onRetry: (reason) => context.stderr.write(`watch interrupted, trying again: ${reason}\n`),
    });
    for await (const { type, body } of observations) {
      // An event that goes has expired; nothing has happened.
      if (type !== 'DELETED') print(tableOf(body));
    }
  });
}

/** The oldest first, so that the newest stands above the prompt; without the events' own names. */
function shown({ columns, rows }: Table): Table {
  const named = columns.findIndex(({ name }) => name === 'Name');
  const keep = <T>(values: readonly T[]): T[] => values.filter((_value, index) => index !== named);
  const ordered = sortByPath(
    sortByPath(rows, parsePath('.metadata.creationTimestamp'), ({ object }) => object),
    parsePath('.lastTimestamp'),
    ({ object }) => object,
  );
  return {
    columns: keep(columns),
    rows: ordered.map(({ cells, object }) => ({ cells: keep(cells), object })),
  };
}

function selectorOf({ for: subject, types }: Options): string {
  const parts: string[] = [];
  if (subject !== undefined) {
    const targets = parseNamedTargets([subject]);
    const [target] = targets;
    const [name] = target?.names ?? [];
    if (target === undefined || name === undefined) {
      throw new CommandError('usage', `--for ${subject}: write KIND/NAME`);
    }
    parts.push(`involvedObject.kind=${target.resource.gvk.kind}`, `involvedObject.name=${name}`);
  }
  if (types !== undefined) {
    if (types !== 'Normal' && types !== 'Warning') {
      throw new CommandError('usage', `--types ${types}: there is Normal and Warning`);
    }
    parts.push(`type=${types}`);
  }
  return parts.join(',');
}
