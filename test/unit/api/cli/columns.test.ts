import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  alignRows,
  columnWidths,
  formatRow,
  singleLine,
} from '../../../../api/cli/output/columns.ts';

describe('columns', () => {
  it('stand three spaces apart and leave no space at the end', () => {
    expect(
      alignRows([
        ['NAME', 'READY', 'AGE'],
        ['a-long-name', '1/1', '5m'],
        ['b', '', ''],
      ]),
    ).toEqual(['NAME          READY   AGE', 'a-long-name   1/1     5m', 'b']);
  });

  it('are measured without their colour', () => {
    const red = (text: string): string => `\u001b[31m${text}\u001b[39m`;
    const rows = [[{ text: 'Failed', paint: red }, { text: 'x' }]];
    expect(formatRow(rows[0]!, columnWidths(rows))).toBe('\u001b[31mFailed\u001b[39m   x');
  });

  it('begin at the same place in every row, whatever the cells are', () => {
    const word = fc.stringMatching(/^[a-z]{1,9}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word, word), { minLength: 1 }), (rows) => {
        const lines = alignRows(rows);
        const widths = [0, 1, 2].map((i) => Math.max(...rows.map((row) => row[i]!.length)));
        rows.forEach(([first, second, third], index) => {
          const line = lines[index]!;
          expect(line.startsWith(first)).toBe(true);
          expect(line.slice(widths[0]! + 3).startsWith(second)).toBe(true);
          expect(line.slice(widths[0]! + widths[1]! + 6)).toBe(third);
        });
      }),
    );
  });

  it('cannot be used to move the cursor of the reader', () => {
    expect(singleLine('ok\u001b[2J\u0007')).toBe('ok\\x1b[2J\\x07');
    expect(singleLine('first\nsecond\n')).toBe('first …');
    expect(singleLine('first\n')).toBe('first');
  });
});
