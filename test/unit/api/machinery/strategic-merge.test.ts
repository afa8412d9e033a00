import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  deepFreeze,
  isObject,
  jsonEqual,
  type JsonObject,
} from '../../../../api/machinery/json.ts';
import type { PatchError } from '../../../../api/machinery/patches.ts';
import type { SchemaNode } from '../../../../api/machinery/resource.ts';
import { applyStrategicMergePatch } from '../../../../api/machinery/strategic-merge.ts';

const item: SchemaNode = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    value: { type: 'integer' },
    tags: { type: 'array', 'x-kubernetes-patch-strategy': 'merge' },
  },
};
const schema: SchemaNode = {
  properties: {
    plain: { type: 'array', items: { type: 'string' } },
    names: { type: 'array', items: { type: 'string' }, 'x-kubernetes-patch-strategy': 'merge' },
    items: {
      type: 'array',
      items: item,
      'x-kubernetes-patch-strategy': 'merge',
      'x-kubernetes-patch-merge-key': 'name',
    },
    volumes: {
      type: 'array',
      items: item,
      'x-kubernetes-patch-strategy': 'merge,retainKeys',
      'x-kubernetes-patch-merge-key': 'name',
    },
    unkeyed: { type: 'array', items: item, 'x-kubernetes-patch-strategy': 'merge' },
    whole: { type: 'object', 'x-kubernetes-patch-strategy': 'replace' },
    byName: { type: 'object', additionalProperties: item },
  },
};

function merge(target: JsonObject, patch: JsonObject): JsonObject {
  return applyStrategicMergePatch(deepFreeze(target), deepFreeze(patch), schema);
}

describe('strategic merge patch', () => {
  it.each<[string, JsonObject, JsonObject, JsonObject]>([
    [
      'objects merge, null removes',
      { a: { b: 1, c: 2 } },
      { a: { b: null, d: 3 } },
      { a: { c: 2, d: 3 } },
    ],
    ['null in what is new says nothing', {}, { a: { b: null, c: 1 } }, { a: { c: 1 } }],
    [
      'another type replaces',
      { a: [1], b: { c: 1 } },
      { a: { c: 1 }, b: 2 },
      { a: { c: 1 }, b: 2 },
    ],
    ['plain lists are replaced', { plain: ['a'] }, { plain: ['b'] }, { plain: ['b'] }],
    [
      'objects are replaced by strategy',
      { whole: { a: 1 } },
      { whole: { b: 2 } },
      { whole: { b: 2 } },
    ],
    [
      'sets of values grow',
      { names: ['a', 'b'] },
      { names: ['b', 'c', 'c'] },
      { names: ['a', 'b', 'c'] },
    ],
    [
      'new values come before those that only the server has',
      { names: ['a', 'b'] },
      { names: ['c'] },
      { names: ['c', 'a', 'b'] },
    ],
    [
      'values leave by directive',
      { names: ['a', 'b'] },
      { '$deleteFromPrimitiveList/names': ['a', 'nope'] },
      { names: ['b'] },
    ],
    [
      'values leave and come at once, in order',
      { names: ['a', 'b', 'x'] },
      {
        '$deleteFromPrimitiveList/names': ['a'],
        '$setElementOrder/names': ['c', 'b'],
        names: ['c'],
      },
      { names: ['c', 'b', 'x'] },
    ],
    ['values leave a list that there is not', {}, { '$deleteFromPrimitiveList/names': ['a'] }, {}],
    [
      'items merge by key',
      { items: [{ name: 'a', value: 1 }] },
      { items: [{ name: 'a', more: 2 }, { name: 'b' }] },
      { items: [{ name: 'a', value: 1, more: 2 }, { name: 'b' }] },
    ],
    [
      'items of a map merge by the schema of its values',
      { byName: { x: { tags: ['a'] } } },
      { byName: { x: { tags: ['b'] } } },
      { byName: { x: { tags: ['b', 'a'] } } },
    ],
    [
      'items leave by directive, wherever they are',
      { items: [{ name: 'a' }, { name: 'b' }, { name: 'a', value: 1 }, {}] },
      { items: [{ name: 'a', $patch: 'delete' }] },
      { items: [{ name: 'b' }, {}] },
    ],
    [
      'lists are replaced by directive',
      { items: [{ name: 'a' }] },
      { items: [{ $patch: 'replace' }, { name: 'z', value: null }] },
      { items: [{ name: 'z' }] },
    ],
    [
      'lists are emptied by directive',
      { items: [{ name: 'a' }] },
      { items: [{ $patch: 'replace' }] },
      { items: [] },
    ],
    [
      'objects are replaced by directive',
      { a: { b: 1 } },
      { a: { $patch: 'replace', c: 1 } },
      { a: { c: 1 } },
    ],
    ['objects are emptied by directive', { a: { b: 1 } }, { a: { $patch: 'delete' } }, { a: {} }],
    [
      'objects merge by directive',
      { a: { b: 1 } },
      { a: { $patch: 'merge', c: 1 } },
      { a: { b: 1, c: 1 } },
    ],
    [
      'lists are ordered by directive',
      { items: [{ name: 'a' }, { name: 'b' }] },
      { '$setElementOrder/items': [{ name: 'b' }, { name: 'a' }] },
      { items: [{ name: 'b' }, { name: 'a' }] },
    ],
    [
      'what the server alone knows keeps its place among the ordered',
      { items: [{ name: 'a' }, { name: 'x' }, { name: 'b' }, { name: 'y' }] },
      {
        '$setElementOrder/items': [{ name: 'a' }, { name: 'c' }, { name: 'b' }],
        items: [{ name: 'c' }],
      },
      { items: [{ name: 'a' }, { name: 'c' }, { name: 'x' }, { name: 'b' }, { name: 'y' }] },
    ],
    [
      'keys are retained by directive',
      { a: 1, b: 2 },
      { $retainKeys: ['b', 'c'], c: 3 },
      { b: 2, c: 3 },
    ],
    [
      'keys of an item are retained by directive',
      { volumes: [{ name: 'v', secret: {}, value: 1 }] },
      { volumes: [{ name: 'v', $retainKeys: ['name', 'configMap'], configMap: {} }] },
      { volumes: [{ name: 'v', configMap: {} }] },
    ],
    ['everything goes by directive', { a: 1 }, { $patch: 'delete' }, {}],
    ['everything is replaced by directive', { a: 1 }, { $patch: 'replace', b: 1 }, { b: 1 }],
  ])('%s', (_name, target, patch, result) => {
    expect(merge(target, patch)).toEqual(result);
  });

  it.each<[string, JsonObject, PatchError['code']]>([
    ['an item without its merge key', { items: [{ value: 1 }] }, 'rejected'],
    ['an item that is none', { items: ['a'] }, 'rejected'],
    ['a list that is to merge', { items: [{ $patch: 'merge' }] }, 'rejected'],
    ['objects in a list without merge key', { unkeyed: [{ name: 'a' }] }, 'rejected'],
    ['an unknown directive', { a: { $patch: 'frob' } }, 'rejected'],
    ['an order that is no list', { '$setElementOrder/names': 'a' }, 'malformed'],
    ['deletions that are no list', { '$deleteFromPrimitiveList/names': {} }, 'malformed'],
    ['retained keys that are no list', { $retainKeys: 'a' }, 'malformed'],
    ['a field that is not retained', { $retainKeys: ['a'], b: 1 }, 'malformed'],
    [
      'items in another order than the directive',
      { '$setElementOrder/names': ['a', 'b'], names: ['b', 'a'] },
      'malformed',
    ],
    [
      'items that the order leaves out',
      { '$setElementOrder/names': [], names: ['b'] },
      'malformed',
    ],
  ])('refuses %s', (_name, patch, code) => {
    const target = { items: [{ name: 'a' }], names: ['a'], a: {} };
    expect(() => merge(target, patch)).toThrow(expect.objectContaining({ code }) as PatchError);
  });

  it('merges long lists in time that follows their length', () => {
    const many = Array.from({ length: 50_000 }, (_, index) => ({ name: `n${index}` }));
    const patch = many.map(({ name }) => ({ name, value: 1 }));
    const { items } = merge({ items: many }, { items: patch.toReversed() });
    expect(items).toEqual(patch.toReversed());
  });
});

const value = fc.integer({ min: 0, max: 3 });
const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'));
const items = fc.uniqueArray(
  fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd', 'e'), value, tags: names }),
  { selector: ({ name }) => name },
);
const documents = fc.record(
  {
    one: value,
    map: fc.dictionary(fc.constantFrom('x', 'y', 'z'), value),
    plain: names,
    names,
    items,
  },
  { requiredKeys: [] },
);

describe('a patch that kubectl makes', () => {
  it('leads from any document to any other, and twice to the same', () => {
    fc.assert(
      fc.property(documents, documents, (from, to) => {
        const patch = difference(from, to);
        const once = merge(from, patch);
        expect(once).toEqual(to);
        expect(jsonEqual(merge(once, patch), once)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('leaves alone what it does not speak of', () => {
    fc.assert(
      fc.property(documents, documents, items, (from, to, foreign) => {
        const others = foreign.map((one) => ({ ...one, name: `other-${one.name}` }));
        const live = { ...from, items: [...(from.items ?? []), ...others], theirs: { kept: 1 } };
        // What goes as a whole takes all items with it.
        fc.pre(from.items !== undefined && to.items !== undefined);
        const after = merge(live, difference(from, to));
        const [own, kept] = split(after['items']);
        expect(own).toEqual(to.items);
        expect(kept).toEqual(others);
        expect(after['theirs']).toEqual({ kept: 1 });
      }),
    );
  });
});

function split(list: unknown): [unknown[], unknown[]] {
  const all: unknown[] = Array.isArray(list) ? list : [];
  const isOther = (one: unknown): boolean =>
    isObject(one) && String(one['name']).startsWith('other-');
  return [all.filter((one) => !isOther(one)), all.filter(isOther)];
}

/** The two-way patch between documents of the schema above. */
function difference(from: JsonObject, to: JsonObject): JsonObject {
  const patch: JsonObject = {};
  for (const key of Object.keys(from)) if (to[key] === undefined) patch[key] = null;
  for (const [key, next] of Object.entries(to)) {
    const before = from[key];
    if (jsonEqual(before, next)) continue;
    if (Array.isArray(before) && Array.isArray(next) && key !== 'plain') {
      Object.assign(patch, listDifference(key, before, next));
    } else if (isObject(before) && isObject(next)) patch[key] = difference(before, next);
    else patch[key] = next;
  }
  return patch;
}

function listDifference(key: string, from: unknown[], to: unknown[]): JsonObject {
  const id = (one: unknown): unknown => (isObject(one) ? one['name'] : one);
  const known = new Map(from.map((one) => [id(one), one]));
  const gone = from.filter((one) => !to.some((other) => id(other) === id(one)));
  const changed = to.filter((one) => !jsonEqual(known.get(id(one)), one));
  if (key !== 'items') {
    return {
      [`$setElementOrder/${key}`]: to,
      ...(gone.length === 0 ? {} : { [`$deleteFromPrimitiveList/${key}`]: gone }),
      ...(changed.length === 0 ? {} : { [key]: changed }),
    };
  }
  const patches = changed.map((one) => {
    const before = known.get(id(one));
    if (!isObject(one) || !isObject(before)) return one;
    return { ...difference(before, one), name: one['name'] };
  });
  const deletions = gone.map((one) => ({ name: id(one), $patch: 'delete' }));
  return {
    '$setElementOrder/items': to.map((one) => ({ name: id(one) })),
    items: [...patches, ...deletions],
  };
}
