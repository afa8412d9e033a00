/** JSON values as plain data: what patches, comparisons and schema walks work on. */

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The own property `key`, or undefined: never one inherited from Object.prototype. */
export function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Whether two JSON values say the same. The order of keys means nothing; an undefined property is an absent one. */
export function jsonEqual(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left)) {
    if (!Array.isArray(right) || left.length !== right.length) return false;
    return left.every((item, index) => jsonEqual(item, right[index]));
  }
  if (!isObject(left) || !isObject(right)) return false;
  let size = 0;
  for (const key of Object.keys(left)) {
    const value = left[key];
    if (value === undefined) continue;
    size += 1;
    if (!jsonEqual(value, own(right, key))) return false;
  }
  for (const key of Object.keys(right)) if (right[key] !== undefined) size -= 1;
  return size === 0;
}

/** A copy that shares nothing with `value`; undefined properties are dropped as JSON would. */
export function jsonClone(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(jsonClone);
  if (!isObject(value)) return value;
  const copy: JsonObject = {};
  for (const [key, child] of Object.entries(value)) {
    if (child !== undefined && key !== '__proto__') copy[key] = jsonClone(child);
  }
  return copy;
}

/** Makes every change of `value` throw. What is frozen already is taken to be so all the way down. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const child of Object.values(value)) deepFreeze(child);
  return value;
}

/** A copy of `object` that lacks some of its properties. */
export function without<T extends object, K extends keyof T>(object: T, ...keys: K[]): Omit<T, K> {
  const copy = { ...object };
  for (const key of keys) Reflect.deleteProperty(copy, key);
  return copy;
}

/** The value at `path`, or undefined where the document does not go that deep. */
export function valueAt(document: unknown, path: readonly string[]): unknown {
  let value = document;
  for (const segment of path) {
    if (Array.isArray(value)) value = (value as unknown[])[Number(segment)];
    else if (isObject(value)) value = own(value, segment);
    else return undefined;
  }
  return value;
}

/** A copy of `document` with `value` at `path` (objects only); undefined removes the property. */
export function withValueAt(
  document: JsonObject,
  path: readonly string[],
  value: unknown,
): JsonObject {
  const [head, ...rest] = path;
  if (head === undefined) return document;
  const child = own(document, head);
  const next = rest.length === 0 ? value : withValueAt(isObject(child) ? child : {}, rest, value);
  if (next !== undefined) return { ...document, [head]: next };
  return without(document, head);
}
