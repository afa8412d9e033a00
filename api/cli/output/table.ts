import { z } from 'zod';
import { isObject, own, type JsonObject } from '../../machinery/json.ts';
import type { Cell } from './columns.ts';
import { columnWidths, formatRow, singleLine } from './columns.ts';
import type { Painter } from './paint.ts';

/** Accept header that asks for a server-printed table, and takes plain JSON from a server without. */
export const tableAccept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';

const tableSchema = z.object({
  kind: z.literal('Table'),
  metadata: z.looseObject({ resourceVersion: z.string().optional() }).default({}),
  columnDefinitions: z
    .array(z.looseObject({ name: z.string(), priority: z.number().default(0) }))
    .nullish(),
  rows: z.array(z.object({ cells: z.array(z.unknown()), object: z.unknown() })).nullish(),
});

export interface TableColumn {
  name: string;
  /** Above 0: shown with `-o wide` only. */
  priority: number;
}

export interface TableRow {
  cells: string[];
  /** What the row shows: the object, or its metadata alone. */
  object: JsonObject;
}

export interface Table {
  /** Empty in a watch's later events. */
  columns: TableColumn[];
  rows: TableRow[];
}

/** A server's answer as a table. A single object or list that came instead is shown by its name. */
export function tableOf(body: unknown): Table {
  const parsed = tableSchema.safeParse(body);
  if (!parsed.success) return nameTable(body);
  const { columnDefinitions, rows } = parsed.data;
  return {
    columns: (columnDefinitions ?? []).map(({ name, priority }) => ({ name, priority })),
    rows: (rows ?? []).map(({ cells, object }) => ({
      cells: cells.map(cellText),
      object: isObject(object) ? object : {},
    })),
  };
}

function nameTable(body: unknown): Table {
  const items: unknown = isObject(body) ? (own(body, 'items') ?? [body]) : [];
  const objects = Array.isArray(items) ? items.filter(isObject) : [];
  return {
    columns: [{ name: 'Name', priority: 0 }],
    rows: objects.map((object) => ({ cells: [metadataText(object, 'name')], object })),
  };
}

function cellText(cell: unknown): string {
  if (cell === null || cell === undefined) return '<none>';
  return singleLine(typeof cell === 'string' ? cell : JSON.stringify(cell));
}

/** A text of an object's metadata; empty if it has none. */
export function metadataText(object: JsonObject, key: string): string {
  const metadata = own(object, 'metadata');
  const value = isObject(metadata) ? own(metadata, key) : undefined;
  return typeof value === 'string' ? value : '';
}

export interface TablePrinterOptions {
  wide: boolean;
  withNamespace: boolean;
  headers: boolean;
  /** `job.mesocosm.dev`: put before names when several kinds are shown. */
  kindPrefix?: string;
  painter: Painter;
}

/** Prints tables of one kind under each other, a watch's later rows under the columns of the first. */
export class TablePrinter {
  readonly #options: TablePrinterOptions;
  #columns: TableColumn[] = [];
  #widths: number[] = [];
  #headed = false;

  constructor(options: TablePrinterOptions) {
    this.#options = options;
  }

  /** The lines of a table; the first time with the names of its columns. */
  lines(table: Table): string[] {
    if (table.columns.length > 0) this.#columns = table.columns;
    const rows = table.rows.map((row) => this.#row(row));
    const shown = this.#headed || !this.#options.headers ? rows : [this.#header(), ...rows];
    this.#headed = true;
    this.#widths = columnWidths(shown, this.#widths);
    return shown.map((row) => formatRow(row, this.#widths));
  }

  #visible<T>(values: readonly T[]): [T, TableColumn][] {
    return this.#columns.flatMap((column, index): [T, TableColumn][] => {
      const value = values[index];
      const hidden = column.priority > 0 && !this.#options.wide;
      return value === undefined || hidden ? [] : [[value, column]];
    });
  }

  #header(): Cell[] {
    const names = this.#visible(this.#columns).map(([{ name }]) => name.toUpperCase());
    const all = this.#options.withNamespace ? ['NAMESPACE', ...names] : names;
    return all.map((text) => ({ text, paint: this.#options.painter.header }));
  }

  #row({ cells, object }: TableRow): Cell[] {
    const { kindPrefix, withNamespace, painter } = this.#options;
    const shown = this.#visible(cells).map(([text, { name }]): Cell => {
      const prefixed = name === 'Name' && kindPrefix !== undefined ? `${kindPrefix}/${text}` : text;
      return { text: prefixed, paint: painter.cell(name, text) };
    });
    return withNamespace ? [{ text: metadataText(object, 'namespace') }, ...shown] : shown;
  }
}
