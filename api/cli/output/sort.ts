import { evaluatePath, valueText } from '../../machinery/jsonpath/evaluate.ts';
import type { Path } from '../../machinery/jsonpath/ast.ts';

/** `items` by the value at `path` of their object: numbers by size, everything else as text; none first. */
export function sortByPath<T>(
  items: readonly T[],
  path: Path,
  objectOf: (item: T) => unknown,
): T[] {
  const keyed = items.map((item) => ({ item, key: evaluatePath(path, objectOf(item))[0] }));
  return keyed.sort((left, right) => compare(left.key, right.key)).map(({ item }) => item);
}

function compare(left: unknown, right: unknown): number {
  if (left === undefined || right === undefined) {
    return Number(left !== undefined) - Number(right !== undefined);
  }
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  const [first, second] = [valueText(left), valueText(right)];
  return first < second ? -1 : Number(first > second);
}
