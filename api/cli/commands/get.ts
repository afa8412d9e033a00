import { z } from 'zod';
import { resourcePath } from '../../client/resource-client.ts';
import { isApiError } from '../../machinery/errors.ts';
import { isObject, own, type JsonObject } from '../../machinery/json.ts';
import type { Connection } from '../connection.ts';
import { withConnection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { CommandError } from '../errors.ts';
import { withKinds } from '../discovery.ts';
import { qualifiedName, type Target } from '../kinds.ts';
import { fetchPages } from '../pages.ts';
import { parsePath } from '../../machinery/jsonpath/parse.ts';
import type { OutputFormat } from '../output/objects.ts';
import {
  formatDocument,
  listOf,
  parseOutputFormat,
  withoutManagedFields,
} from '../output/objects.ts';
import { sortByPath } from '../output/sort.ts';
import type { Table } from '../output/table.ts';
import { metadataText, tableAccept, tableOf } from '../output/table.ts';
import { nothingFound } from '../missing.ts';
import { parseOptions } from '../options.ts';
import { refusalText } from '../report.ts';
import { collectionOf, tablePrinter, type GetOptions } from './get-options.ts';
import { watchTarget } from './get-watch.ts';

const shape = {
  selector: z.string().optional(),
  fieldSelector: z.string().optional(),
  allNamespaces: z.boolean().default(false),
  output: z.string().optional(),
  watch: z.boolean().default(false),
  sortBy: z.string().optional(),
  headers: z.boolean().default(true),
  showManagedFields: z.boolean().default(false),
};

export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const get: GetOptions = { ...parsed, format: parseOutputFormat(parsed.output) };
  await withConnection(context, parsed, async (connection) => {
    const targets = await withKinds(connection, (kinds) => kinds.targets(args));
    check(targets, get, parsed.watch);
    const [target] = targets;
    if (parsed.watch && target !== undefined) {
      await watchTarget(context, connection, target, get);
    } else if (get.format.type === 'table') await printTables(context, connection, targets, get);
    else await printObjects(context, connection, targets, get, get.format);
  });
}

function check(targets: readonly Target[], get: GetOptions, watch: boolean): void {
  const named = targets.some(({ names }) => names.length > 0);
  const selecting = get.selector !== undefined || get.fieldSelector !== undefined;
  if (named && selecting) {
    throw new CommandError('usage', 'names and selectors exclude each other; give one of them');
  }
  if (named && get.allNamespaces) {
    throw new CommandError('usage', 'an object is named in one namespace; use -n instead of -A');
  }
  const single = targets.length === 1 && (targets[0]?.names.length ?? 0) <= 1;
  if (watch && !single) {
    throw new CommandError('usage', '--watch takes one kind, or one object of it');
  }
  if (watch && get.sortBy !== undefined) {
    throw new CommandError('usage', '--watch and --sort-by exclude each other');
  }
}

async function printTables(
  context: Context,
  connection: Connection,
  targets: readonly Target[],
  get: GetOptions,
): Promise<void> {
  const missing = new Missing(context);
  const printed: string[] = [];
  for (const target of targets) {
    const table = await fetchTable(connection, target, get, missing);
    if (table.rows.length === 0) continue;
    const printer = tablePrinter(context, target, get, targets.length > 1);
    printed.push(printer.lines(sorted(table, get)).join('\n'));
  }
  if (printed.length > 0) context.stdout.write(`${printed.join('\n\n')}\n`);
  else if (missing.count === 0) {
    const namespace = get.allNamespaces ? undefined : connection.namespace;
    context.stderr.write(`${nothingFound(targets, namespace)}\n`);
  }
  missing.conclude();
}

async function fetchTable(
  connection: Connection,
  target: Target,
  get: GetOptions,
  missing: Missing,
): Promise<Table> {
  const query: Record<string, string> = get.sortBy === undefined ? {} : { includeObject: 'Object' };
  const bodies =
    target.names.length === 0
      ? await fetchPages(connection, collectionOf(connection, target, get), tableAccept, query)
      : await fetchNamed(connection, target, missing, tableAccept, query);
  const tables = bodies.map(tableOf);
  return { columns: tables[0]?.columns ?? [], rows: tables.flatMap(({ rows }) => rows) };
}

function sorted(table: Table, { sortBy }: GetOptions): Table {
  if (sortBy === undefined) return table;
  const path = parsePath(sortBy);
  return { ...table, rows: sortByPath(table.rows, path, ({ object }) => object) };
}

async function printObjects(
  context: Context,
  connection: Connection,
  targets: readonly Target[],
  get: GetOptions,
  format: Exclude<OutputFormat, { type: 'table' }>,
): Promise<void> {
  const missing = new Missing(context);
  const found: { object: JsonObject; target: Target }[] = [];
  for (const target of targets) {
    const objects = await fetchObjects(connection, target, get, missing);
    found.push(...objects.map((object) => ({ object, target })));
  }
  const items = sortItems(found, get);
  if (format.type === 'name') {
    const lines = items.map(
      ({ object, target }) => `${qualifiedName(target.resource, metadataText(object, 'name'))}\n`,
    );
    context.stdout.write(lines.join(''));
  } else {
    const objects = items.map(({ object }) =>
      get.showManagedFields ? object : withoutManagedFields(object),
    );
    const [first] = objects;
    const one = targets.length === 1 && targets[0]?.names.length === 1;
    const document = one ? first : listOf(objects);
    if (document !== undefined) context.stdout.write(formatDocument(document, format));
  }
  missing.conclude();
}

function sortItems<T extends { object: JsonObject }>(items: T[], { sortBy }: GetOptions): T[] {
  return sortBy === undefined
    ? items
    : sortByPath(items, parsePath(sortBy), ({ object }) => object);
}

async function fetchObjects(
  connection: Connection,
  target: Target,
  get: GetOptions,
  missing: Missing,
): Promise<JsonObject[]> {
  if (target.names.length > 0) {
    return (await fetchNamed(connection, target, missing)).filter(isObject);
  }
  const pages = await fetchPages(connection, collectionOf(connection, target, get));
  const { gvk } = target.resource;
  const apiVersion = gvk.group === '' ? gvk.version : `${gvk.group}/${gvk.version}`;
  return pages.flatMap((page) => {
    const items = isObject(page) ? own(page, 'items') : undefined;
    // Items of a list may come without their type.
    return Array.isArray(items)
      ? items.filter(isObject).map((item) => ({ apiVersion, kind: gvk.kind, ...item }))
      : [];
  });
}

/** Each named object; those that do not exist are reported, and the others shown all the same. */
async function fetchNamed(
  connection: Connection,
  { resource, names }: Target,
  missing: Missing,
  accept?: string,
  query: Record<string, string> = {},
): Promise<unknown[]> {
  const bodies: unknown[] = [];
  for (const name of names) {
    const path = resourcePath(resource, { namespace: connection.namespaceFor(resource), name });
    try {
      bodies.push(
        await connection.send({
          method: 'GET',
          path,
          query,
          ...(accept === undefined ? {} : { accept }),
        }),
      );
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
      missing.report(refusalText(error));
    }
  }
  return bodies;
}

/** Objects that were named and do not exist. */
class Missing {
  readonly #context: Context;
  count = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  report(text: string): void {
    this.count += 1;
    this.#context.stderr.write(`error: ${text}\n`);
  }

  /** Ends the command as failed if anything was missing; it has been said already. */
  conclude(): void {
    if (this.count > 0) throw new CommandError('failed', '');
  }
}
