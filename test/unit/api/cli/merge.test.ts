import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  lastAppliedAnnotation,
  lastAppliedOf,
  withLastApplied,
} from '../../../../api/cli/apply/last-applied.ts';
import { threeWayMergePatch } from '../../../../api/cli/apply/merge.ts';
import { isObject, type JsonObject } from '../../../../api/machinery/json.ts';
import { applyMergePatch } from '../../../../api/machinery/patches.ts';

const { object: jsonObject } = fc.letrec<{ value: unknown; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>('a', 'b', 1, 2, true),
    fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }),
    tie('object'),
  ),
  object: fc.dictionary(fc.constantFrom('p', 'q', 'r', 's'), tie('value'), { maxKeys: 4 }),
}));

/** Whether all that `part` says holds in `whole`; lists and scalars are compared as they are. */
function includes(whole: unknown, part: unknown): boolean {
  if (!isObject(part)) return JSON.stringify(whole) === JSON.stringify(part);
  if (!isObject(whole)) return false;
  return Object.entries(part).every(([key, child]) => includes(whole[key], child));
}

/** Every path of `original` that `modified` does not have and under which it has no list or scalar. */
function removed(original: unknown, modified: unknown, path: string[] = []): string[][] {
  if (!isObject(original) || !isObject(modified)) return [];
  return Object.keys(original).flatMap((key) =>
    Object.hasOwn(modified, key)
      ? removed(original[key], modified[key], [...path, key])
      : [[...path, key]],
  );
}

function has(value: unknown, path: readonly string[]): boolean {
  const [head, ...rest] = path;
  if (head === undefined) return true;
  return isObject(value) && Object.hasOwn(value, head) && has(value[head], rest);
}

describe('threeWayMergePatch', () => {
  it('sets what is new, removes what is no longer said, and leaves what others set', () => {
    const original = { spec: { replicas: 2, template: { image: 'a' }, note: 'x' } };
    const modified = { spec: { template: { image: 'b' }, note: 'x' } };
    const current = {
      spec: { replicas: 5, template: { image: 'a', added: 1 }, note: 'x' },
      status: 1,
    };
    expect(threeWayMergePatch(original, modified, current)).toEqual({
      spec: { replicas: null, template: { image: 'b' } },
    });
  });

  it('does not remove what the last application did not say', () => {
    const current = { spec: { replicas: 5, other: 1 } };
    expect(threeWayMergePatch(undefined, { spec: { replicas: 5 } }, current)).toEqual({});
    expect(threeWayMergePatch({}, { spec: {} }, current)).toEqual({});
  });

  it('replaces lists as a whole', () => {
    const before = { list: [{ name: 'a' }, { name: 'b' }] };
    const after = { list: [{ name: 'a' }] };
    expect(threeWayMergePatch(before, after, before)).toEqual(after);
  });

  it('takes a null in a file for no wish', () => {
    expect(threeWayMergePatch(undefined, { a: null, b: { c: null } }, { a: 1 })).toEqual({ b: {} });
  });

  it('brings about all that is wished, keeps the rest, and then has nothing to do', () => {
    fc.assert(
      fc.property(jsonObject, jsonObject, jsonObject, (original, modified, current) => {
        const patch = threeWayMergePatch(original, modified, current);
        const result = applyMergePatch(current, patch);
        expect(includes(result, modified)).toBe(true);
        for (const path of removed(original, modified)) expect(has(result, path)).toBe(false);
        expect(isObject(result) && threeWayMergePatch(modified, modified, result)).toEqual({});
        for (const key of Object.keys(current)) {
          if (Object.hasOwn(modified, key) || Object.hasOwn(original, key)) continue;
          expect(isObject(result) && result[key]).toEqual(current[key]);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('the annotation of the last application', () => {
  const document = {
    kind: 'Job',
    apiVersion: 'v1',
    metadata: { name: 'web' },
    spec: { b: 1, a: 2 },
  };

  it('holds the document in the form that kubectl writes', () => {
    const sent = withLastApplied(document);
    expect(sent['metadata']).toEqual({
      name: 'web',
      annotations: {
        [lastAppliedAnnotation]:
          '{"apiVersion":"v1","kind":"Job","metadata":{"annotations":{},"name":"web"},"spec":{"a":2,"b":1}}\n',
      },
    });
  });

  it('is read back, and does not nest when it is applied again', () => {
    const sent = withLastApplied(document);
    expect(lastAppliedOf(sent)).toEqual({
      ...document,
      metadata: { name: 'web', annotations: {} },
    });
    expect(withLastApplied(sent)).toEqual(sent);
  });

  it('counts as absent when it is no JSON object', () => {
    const live = { metadata: { annotations: { [lastAppliedAnnotation]: '{"half' } } };
    expect(lastAppliedOf(live)).toBeUndefined();
    expect(lastAppliedOf({ metadata: {} })).toBeUndefined();
  });
});
