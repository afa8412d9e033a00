import { isObject, own, type JsonObject } from '../../machinery/json.ts';
import { lastAppliedAnnotation, sorted } from '../apply/last-applied.ts';
import { withoutManagedFields, yamlText } from './objects.ts';

/**
 * Two states of an object as texts to be compared: without bookkeeping, and of a Secret no values, only
 * whether they differ. The text of a state that is not there is empty.
 */
export function comparable(
  before: JsonObject | undefined,
  after: JsonObject | undefined,
): { before: string; after: string } {
  return {
    before: before === undefined ? '' : text(before, after, 'before'),
    after: after === undefined ? '' : text(after, before, 'after'),
  };
}

function text(object: JsonObject, other: JsonObject | undefined, side: 'before' | 'after'): string {
  const bare = withoutLastApplied(withoutManagedFields(object));
  return yamlText(sorted(isSecret(object) ? masked(bare, other ?? {}, side) : bare));
}

function isSecret({ apiVersion, kind }: JsonObject): boolean {
  return apiVersion === 'v1' && kind === 'Secret';
}

function masked(object: JsonObject, other: JsonObject, side: 'before' | 'after'): JsonObject {
  const hidden = { ...object };
  for (const field of ['data', 'stringData']) {
    const values = own(object, field);
    if (!isObject(values)) continue;
    const others = own(other, field);
    hidden[field] = Object.fromEntries(
      Object.entries(values).map(([key, value]) => {
        const differs =
          isObject(others) && Object.hasOwn(others, key) && own(others, key) !== value;
        return [key, differs ? `*** (${side})` : '***'];
      }),
    );
  }
  return hidden;
}

/** It repeats the rest, of a Secret too. */
function withoutLastApplied(object: JsonObject): JsonObject {
  const { metadata } = object;
  const annotations = isObject(metadata) ? own(metadata, 'annotations') : undefined;
  if (!isObject(metadata) || !isObject(annotations)) return object;
  const kept = { ...annotations };
  Reflect.deleteProperty(kept, lastAppliedAnnotation);
  if (Object.keys(kept).length > 0) {
    return { ...object, metadata: { ...metadata, annotations: kept } };
  }
  const rest = { ...metadata };
  Reflect.deleteProperty(rest, 'annotations');
  return { ...object, metadata: rest };
}
