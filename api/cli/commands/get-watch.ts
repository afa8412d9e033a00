import { isObject, own, type JsonObject } from '../../machinery/json.ts';
import type { Connection } from '../connection.ts';
import type { Context } from '../context.ts';
import { qualifiedName, type Target } from '../kinds.ts';
import type { Observation } from '../observe.ts';
import { observe, versionOf } from '../observe.ts';
import { formatDocument, withoutManagedFields } from '../output/objects.ts';
import type { Table, TableRow } from '../output/table.ts';
import { metadataText, tableAccept, tableOf } from '../output/table.ts';
import { refuseMissing } from '../missing.ts';
import { collectionOf, tablePrinter, type GetOptions } from './get-options.ts';

/** `get -w`: the objects, then each change, until Ctrl-C. */
export async function watchTarget(
  context: Context,
  connection: Connection,
  target: Target,
  get: GetOptions,
): Promise<void> {
  const [name] = target.names;
  const fieldSelector = name === undefined ? get.fieldSelector : `metadata.name=${name}`;
  const asTable = get.format.type === 'table';
  const subject = {
    ...collectionOf(connection, target, { ...get, fieldSelector }),
    ...(asTable ? { accept: tableAccept } : {}),
  };
  const show = asTable ? rowPrinter(context, target, get) : objectPrinter(context, target, get);
  const observations = observe(subject, {
    transport: connection.transport,
    send: (request) => connection.send(request),
    clock: context.clock,
    signal: context.signal,
    onRetry: (reason) => context.stderr.write(`watch interrupted, trying again: ${reason}\n`),
  });
  let first = true;
  for await (const observation of observations) {
    if (first && name !== undefined) refuseMissing(target.resource, name, observation.body);
    first = false;
    show(observation);
  }
}

type Show = (observation: Observation) => void;

function rowPrinter(context: Context, target: Target, get: GetOptions): Show {
  const printer = tablePrinter(context, target, get, false);
  const unseen = unseenOnly();
  return ({ type, body }) => {
    const table = tableOf(body);
    const rows = type === 'LIST' ? table.rows.filter(({ object }) => unseen(object)) : table.rows;
    rows.forEach(({ object }) => unseen(object));
    const shown: Table = { columns: table.columns, rows: rows.map(marked(type)) };
    const lines = shown.rows.length === 0 ? [] : printer.lines(shown);
    if (lines.length > 0) context.stdout.write(`${lines.join('\n')}\n`);
  };
}

/** The last line of an object that is gone says so: its state alone would look like life. */
function marked(type: Observation['type']): (row: TableRow) => TableRow {
  if (type !== 'DELETED') return (row) => row;
  return ({ cells, object }) => ({
    object,
    cells: cells.map((cell, index) => (index === 0 ? `${cell} (deleted)` : cell)),
  });
}

function objectPrinter(context: Context, target: Target, get: GetOptions): Show {
  const { format } = get;
  if (format.type === 'table') return rowPrinter(context, target, get);
  const unseen = unseenOnly();
  const print = (object: JsonObject): void => {
    if (format.type === 'name') {
      context.stdout.write(`${qualifiedName(target.resource, metadataText(object, 'name'))}\n`);
      return;
    }
    const separator = format.type === 'yaml' ? '---\n' : '';
    const shown = get.showManagedFields ? object : withoutManagedFields(object);
    context.stdout.write(separator + formatDocument(shown, format));
  };
  return ({ type, body }) => {
    if (!isObject(body)) return;
    const items = type === 'LIST' ? own(body, 'items') : [body];
    const objects = Array.isArray(items) ? items.filter(isObject) : [];
    const shown = type === 'LIST' ? objects.filter(unseen) : objects;
    objects.forEach(unseen);
    shown.forEach(print);
  };
}

/** Whether an object is in another version than when it was last shown: a second list repeats most. */
function unseenOnly(): (object: JsonObject) => boolean {
  const versions = new Map<string, string>();
  return (object) => {
    const key = `${metadataText(object, 'namespace')}/${metadataText(object, 'name')}`;
    const version = versionOf(object) ?? '';
    if (versions.get(key) === version) return false;
    versions.set(key, version);
    return true;
  };
}
