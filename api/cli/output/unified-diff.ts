/** Lines around a change that are shown too. */
const contextLines = 3;

/** Beyond so many insertions and deletions the whole text is shown as replaced: the search is quadratic. */
const maxEdits = 4000;

type Edit = { type: ' ' | '-' | '+'; text: string };

/**
 * The difference of two texts in the unified format, without the two lines that name the files; empty if
 * they are equal. `patch` makes the one of the other.
 */
export function unifiedDiff(before: string, after: string): string {
  if (before === after) return '';
  const edits = editsBetween(linesOf(before), linesOf(after));
  return hunksOf(edits).map(hunkText).join('');
}

function linesOf(text: string): string[] {
  if (text === '') return [];
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  else lines.push(`${lines.pop() ?? ''}\n\\ No newline at end of file`);
  return lines;
}

/** A shortest list of insertions and deletions, after Myers' greedy algorithm. */
function editsBetween(before: readonly string[], after: readonly string[]): Edit[] {
  const limit = Math.min(before.length + after.length, maxEdits);
  const traces: Map<number, number>[] = [];
  let furthest = new Map([[1, 0]]);
  for (let count = 0; count <= limit; count += 1) {
    traces.push(furthest);
    const next = new Map(furthest);
    for (let diagonal = -count; diagonal <= count; diagonal += 2) {
      let x = startOf(furthest, diagonal, count);
      while (
        x < before.length &&
        x - diagonal < after.length &&
        before[x] === after[x - diagonal]
      ) {
        x += 1;
      }
      next.set(diagonal, x);
      if (x >= before.length && x - diagonal >= after.length) {
        return backtrack(before, after, traces);
      }
    }
    furthest = next;
  }
  return [...before.map(deleted), ...after.map(inserted)];
}

/** Down (an insertion) or right (a deletion), whichever has come further. */
function startOf(furthest: ReadonlyMap<number, number>, diagonal: number, count: number): number {
  const right = (furthest.get(diagonal - 1) ?? -1) + 1;
  const down = furthest.get(diagonal + 1) ?? -1;
  return diagonal === -count || (diagonal !== count && down >= right) ? down : right;
}

function backtrack(
  before: readonly string[],
  after: readonly string[],
  traces: readonly ReadonlyMap<number, number>[],
): Edit[] {
  const edits: Edit[] = [];
  let x = before.length;
  let y = after.length;
  for (let count = traces.length - 1; count > 0; count -= 1) {
    const furthest = traces[count] ?? new Map<number, number>();
    const diagonal = x - y;
    const right = (furthest.get(diagonal - 1) ?? -1) + 1;
    const down = furthest.get(diagonal + 1) ?? -1;
    const isInsertion = diagonal === -count || (diagonal !== count && down >= right);
    const start = isInsertion ? down : right;
    for (; x > start; x -= 1, y -= 1) edits.push(kept(before[x - 1] ?? ''));
    if (isInsertion) {
      y -= 1;
      edits.push(inserted(after[y] ?? ''));
    } else {
      x -= 1;
      edits.push(deleted(before[x] ?? ''));
    }
  }
  for (; x > 0; x -= 1) edits.push(kept(before[x - 1] ?? ''));
  return edits.reverse();
}

const kept = (text: string): Edit => ({ type: ' ', text });
const deleted = (text: string): Edit => ({ type: '-', text });
const inserted = (text: string): Edit => ({ type: '+', text });

interface Hunk {
  /** Lines before it in the old and in the new text. */
  from: { before: number; after: number };
  edits: Edit[];
}

/** Changes with their surroundings; those that touch are one. */
function hunksOf(edits: readonly Edit[]): Hunk[] {
  const hunks: Hunk[] = [];
  const near = new Set<number>();
  edits.forEach(({ type }, index) => {
    if (type === ' ') return;
    for (let at = index - contextLines; at <= index + contextLines; at += 1) near.add(at);
  });
  const from = { before: 0, after: 0 };
  let open: Hunk | undefined;
  edits.forEach((edit, index) => {
    if (!near.has(index)) open = undefined;
    else {
      if (open === undefined) hunks.push((open = { from: { ...from }, edits: [] }));
      open.edits.push(edit);
    }
    if (edit.type !== '+') from.before += 1;
    if (edit.type !== '-') from.after += 1;
  });
  return hunks;
}

function hunkText({ from, edits }: Hunk): string {
  const count = (other: string): number => edits.filter(({ type }) => type !== other).length;
  const range = (start: number, length: number): string =>
    `${length === 0 ? start : start + 1},${length}`;
  const header = `@@ -${range(from.before, count('+'))} +${range(from.after, count('-'))} @@\n`;
  return header + edits.map(({ type, text }) => `${type}${text}\n`).join('');
}
