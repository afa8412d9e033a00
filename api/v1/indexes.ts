/**
 * Sets of instances as text, in the form of batch/v1's `status.completedIndexes`: numbers and closed
 * ranges in rising order, `0-4,7`.
 */

export const indexesPattern = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;

/** Undefined for the empty set: the field is absent then. */
export function formatIndexes(indexes: Iterable<number>): string | undefined {
  const ranges: { first: number; last: number }[] = [];
  for (const index of [...indexes].sort((left, right) => left - right)) {
    const range = ranges.at(-1);
    if (range !== undefined && index <= range.last + 1) range.last = index;
    else ranges.push({ first: index, last: index });
  }
  const texts = ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
  return texts.length === 0 ? undefined : texts.join(',');
}

/** Those of the set that are below `limit`, however far its ranges go. */
export function parseIndexes(text: string | undefined, limit: number): Set<number> {
  const indexes = new Set<number>();
  for (const range of (text ?? '').split(',')) {
    const [first = '', last = first] = range.split('-');
    if (first === '') continue;
    const end = Math.min(Number(last), limit - 1);
    for (let index = Number(first); index <= end; index += 1) indexes.add(index);
  }
  return indexes;
}
