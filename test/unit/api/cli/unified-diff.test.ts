import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unifiedDiff } from '../../../../api/cli/output/unified-diff.ts';

const lines = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => `line ${at + 1}`);
const text = (list: readonly string[]): string => list.map((line) => `${line}\n`).join('');

/** What `patch` would make of `before`: each hunk is held against the lines that it names. */
function patched(before: string, diff: string): string {
  const old = before.split('\n').slice(0, -1);
  const result: string[] = [];
  let at = 0;
  for (const line of diff.split('\n').slice(0, -1)) {
    const header = /^@@ -(\d+),(\d+) \+\d+,\d+ @@$/.exec(line);
    if (header !== null) {
      const start = Number(header[1]) - (header[2] === '0' ? 0 : 1);
      result.push(...old.slice(at, start));
      at = start;
    } else {
      if (line[0] !== '+') expect(old[at]).toBe(line.slice(1));
      if (line[0] !== '-') result.push(line.slice(1));
      if (line[0] !== '+') at += 1;
    }
  }
  return text([...result, ...old.slice(at)]);
}

describe('a unified diff', () => {
  it('is empty for equal texts', () => {
    expect(unifiedDiff(text(lines(9)), text(lines(9)))).toBe('');
  });

  it('shows a change with three lines around it', () => {
    const changed = lines(12).with(5, 'other');
    expect(unifiedDiff(text(lines(12)), text(changed))).toBe(
      '@@ -3,7 +3,7 @@\n line 3\n line 4\n line 5\n-line 6\n+other\n line 7\n line 8\n line 9\n',
    );
  });

  it('shows a new text as insertions only', () => {
    expect(unifiedDiff('', 'a\nb\n')).toBe('@@ -0,0 +1,2 @@\n+a\n+b\n');
    expect(unifiedDiff('a\n', '')).toBe('@@ -1,1 +0,0 @@\n-a\n');
  });

  it('has a hunk for each place', () => {
    const changed = lines(40).with(2, 'x').with(30, 'y');
    expect(unifiedDiff(text(lines(40)), text(changed)).match(/^@@/gm)).toHaveLength(2);
  });

  it('says where a last line has no end', () => {
    expect(unifiedDiff('a', 'a\n')).toBe('@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n');
  });

  const anyText = fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 30 }).map(text);

  it('makes of the one text the other', () => {
    fc.assert(
      fc.property(anyText, anyText, (before, after) => {
        expect(patched(before, unifiedDiff(before, after))).toBe(after);
      }),
    );
  });

  it('has no more edits than it needs', () => {
    const before = text(['a', 'b', 'c', 'a', 'b', 'b', 'a']);
    const after = text(['c', 'b', 'a', 'b', 'a', 'c']);
    expect(unifiedDiff(before, after).match(/^[-+]/gm)).toHaveLength(5);
  });
});
