import { alignRows, singleLine } from '../output/columns.ts';

/** The building blocks of a description: lines of text, indented under their titles. */

export type Field = readonly [name: string, value: string | readonly string[] | undefined];

/** `Name:  value` with the values aligned; several values stand under each other; absent ones are left out. */
export function fields(entries: readonly Field[]): string[] {
  const rows = entries.flatMap(([name, value]): string[][] => {
    if (value === undefined) return [];
    const values = typeof value === 'string' ? [value] : value;
    return values.map((text, index) => [index === 0 ? `${name}:` : '', text]);
  });
  return alignRows(rows);
}

/** A title with its lines indented; nothing if there are none. */
export function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${title}:`, ...indent(lines)];
}

/** A table under a title, `<none>` if it has no rows. */
export function tableSection(
  title: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string[] {
  if (rows.length === 0) return [`${title}:  <none>`];
  return section(title, alignRows([header, ...rows]));
}

export function indent(lines: readonly string[]): string[] {
  return lines.map((line) => (line === '' ? '' : `  ${line}`));
}

/** `a=b` pairs, one a line; `<none>` if there are none. */
export function pairs(
  map: Readonly<Record<string, string>> | undefined,
  without: readonly string[] = [],
): string[] {
  const entries = Object.entries(map ?? {}).filter(([key]) => !without.includes(key));
  return entries.length === 0
    ? ['<none>']
    : entries.map(([key, value]) => singleLine(`${key}=${value}`));
}

/** At most `max` of the rows, and a note about the rest. */
export function bounded(rows: readonly string[][], max: number, hint: string): string[][] {
  if (rows.length <= max) return [...rows];
  return [...rows.slice(0, max), [`… and ${rows.length - max} more: ${hint}`]];
}
