import { isObject, own, type JsonObject } from '../../machinery/json.ts';

/** Where kubectl keeps what was applied last, so that both tools can be used on one object. */
export const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';

/**
 * The object that is sent: `document` with the annotation that holds `document` itself, as JSON with
 * sorted keys and a line feed, which is kubectl's form of it.
 */
export function withLastApplied(document: JsonObject): JsonObject {
  const metadata = objectAt(document, 'metadata');
  const annotations = { ...objectAt(metadata, 'annotations') };
  Reflect.deleteProperty(annotations, lastAppliedAnnotation);
  const bare = { ...document, metadata: { ...metadata, annotations } };
  const text = `${JSON.stringify(sorted(bare))}\n`;
  return {
    ...document,
    metadata: { ...metadata, annotations: { ...annotations, [lastAppliedAnnotation]: text } },
  };
}

/** What was applied last according to `live`; undefined if nobody has applied it, or illegibly. */
export function lastAppliedOf(live: JsonObject): JsonObject | undefined {
  const text = own(objectAt(objectAt(live, 'metadata'), 'annotations'), lastAppliedAnnotation);
  if (typeof text !== 'string') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Somebody edited the annotation. Nothing can be removed then, only set.
    return undefined;
  }
  return isObject(value) ? value : undefined;
}

function objectAt(object: JsonObject, key: string): JsonObject {
  const value = own(object, key);
  return isObject(value) ? value : {};
}

/** With the keys of all objects in one order, so that equal values are equal texts. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, child]) => [key, sorted(child)]),
  );
}
