/** Columns under each other, as kubectl's tab writer sets them: three spaces apart, none at the end. */

/** A cell; `paint` adds colour after the width has been measured. */
export interface Cell {
  text: string;
  paint?: (text: string) => string;
}

const gap = '   ';

/** Widths of the columns over all rows, each at least the one in `least`. */
export function columnWidths(rows: readonly (readonly Cell[])[], least: number[] = []): number[] {
  const widths = [...least];
  for (const row of rows) {
    row.forEach(({ text }, index) => {
      widths[index] = Math.max(widths[index] ?? 0, displayWidth(text));
    });
  }
  return widths;
}

/** One line, without a line feed. A cell that is wider than its column pushes the rest on. */
export function formatRow(row: readonly Cell[], widths: readonly number[]): string {
  const last = row.findLastIndex(({ text }) => text !== '');
  return row
    .slice(0, last + 1)
    .map(({ text, paint = same }, index) => {
      const padding = index === last ? 0 : Math.max(0, (widths[index] ?? 0) - displayWidth(text));
      return paint(text) + ' '.repeat(padding);
    })
    .join(gap);
}

/** Plain texts as aligned lines. */
export function alignRows(rows: readonly (readonly string[])[]): string[] {
  const cells = rows.map((row) => row.map((text): Cell => ({ text: singleLine(text) })));
  const widths = columnWidths(cells);
  return cells.map((row) => formatRow(row, widths));
}

/**
 * `text` on one line and harmless to a terminal: what a task wrote into a message must not move the
 * cursor of the person who reads it.
 */
export function singleLine(text: string): string {
  const [first = '', ...rest] = text.trimEnd().split(/\r?\n/);
  return visible(rest.length === 0 ? first : `${first} …`);
}

/** Control characters (C0, DEL, C1) but line feed and tab written out as \xNN. */
export function visible(text: string): string {
  return text.replace(
    /(?![\n\t])\p{Cc}/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

function displayWidth(text: string): number {
  return Array.from(text).length;
}

function same(text: string): string {
  return text;
}
