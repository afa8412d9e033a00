import { isObject, jsonEqual, own, type JsonObject } from '../../machinery/json.ts';

/**
 * The JSON merge patch (RFC 7386) that client-side apply sends, computed from three states:
 * `original` is what was applied last time (undefined: unknown), `modified` what is to be applied now,
 * `current` what the server has. It sets all that `modified` says and `current` does not, and removes
 * what `original` said and `modified` no longer says. What others have set stays. Lists are one value.
 * An empty patch means that nothing has to change.
 */
export function threeWayMergePatch(
  original: JsonObject | undefined,
  modified: JsonObject,
  current: JsonObject,
): JsonObject {
  const patch: JsonObject = {};
  for (const [key, wanted] of Object.entries(modified)) {
    if (key === '__proto__') continue;
    const change = changeOf(original && own(original, key), wanted, own(current, key));
    if (change !== undefined) patch[key] = change;
  }
  for (const key of Object.keys(original ?? {})) {
    if (!Object.hasOwn(modified, key) && Object.hasOwn(current, key)) patch[key] = null;
  }
  return patch;
}

/** What the patch says about one key of `modified`; undefined: nothing. */
function changeOf(original: unknown, wanted: unknown, current: unknown): unknown {
  // A null in a file asks for nothing: the server's default or value stands.
  if (wanted === undefined || wanted === null) return undefined;
  if (!isObject(wanted)) return jsonEqual(wanted, current) ? undefined : wanted;
  // Merging into something that is no object starts from an empty one.
  if (!isObject(current)) return withoutNulls(wanted);
  const nested = threeWayMergePatch(isObject(original) ? original : undefined, wanted, current);
  return Object.keys(nested).length === 0 ? undefined : nested;
}

function withoutNulls(value: JsonObject): JsonObject {
  const kept: JsonObject = {};
  for (const [key, child] of Object.entries(value)) {
    if (key === '__proto__' || child === undefined || child === null) continue;
    kept[key] = isObject(child) ? withoutNulls(child) : child;
  }
  return kept;
}
