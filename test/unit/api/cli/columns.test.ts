import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ageText, since } from '../../../../api/cli/output/age.ts';
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

describe('an age', () => {
  it.each([
    [0, '0s'],
    [119, '119s'],
    [120, '2m'],
    [570, '9m30s'],
    [600, '10m'],
    [3 * 3600, '3h'],
    [3 * 3600 - 1, '179m'],
    [5 * 3600 + 60, '5h1m'],
    [9 * 3600 + 60, '9h'],
    [49 * 3600, '2d1h'],
    [9 * 86_400, '9d'],
    [800 * 86_400, '2y70d'],
    [10 * 365 * 86_400, '10y'],
  ])('of %d seconds is %s', (seconds, expected) => {
    expect(ageText(seconds * 1000)).toBe(expected);
  });

  it('of an unknown time is said to be unknown', () => {
    expect(since(undefined, 0)).toBe('<unknown>');
    expect(since('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:05:00Z'))).toBe('5m');
  });
});
