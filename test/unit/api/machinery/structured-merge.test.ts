import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deepFreeze } from '../../../../api/machinery/json.ts';
import {
  compare,
  conformed,
  fieldsOf,
  listProblems,
  merge,
  prune,
} from '../../../../api/machinery/structured-merge.ts';
import { configuration, gadget } from './apply-fixture.ts';

const spec = (value: object): object => ({ spec: value });
const key = (name: string): string => `k:{"name":"${name}"}`;

describe('the fields of a document', () => {
  it.each<[string, object, object]>([
    [
      'properties count by what is in them',
      { nested: { a: '1', deep: { c: '2' } } },
      { 'f:nested': { 'f:a': {}, 'f:deep': { 'f:c': {} } } },
    ],
    ['an empty object is a field', { nested: {} }, { 'f:nested': {} }],
    ['entries of a map', { map: { k: 'v' } }, { 'f:map': { 'f:k': {} } }],
    ['an atomic list is one field', { args: ['1', '2'] }, { 'f:args': {} }],
    ['an atomic map is one field', { atom: { p: '1' } }, { 'f:atom': {} }],
    ['items of a set', { tags: ['a', 'b'] }, { 'f:tags': { 'v:"a"': {}, 'v:"b"': {} } }],
    ['an empty list is a field', { tags: [] }, { 'f:tags': {} }],
    [
      'items by their key, which are fields themselves',
      { items: [{ name: 'a', image: 'i' }] },
      { 'f:items': { [key('a')]: { '.': {}, 'f:name': {}, 'f:image': {} } } },
    ],
    [
      'a key that is absent has its default',
      { ports: [{ port: 80 }] },
      { 'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:port': {} } } },
    ],
    [
      'what no schema knows: maps are made of fields, lists are not',
      { free: { a: { b: 1 }, l: [1] } },
      { 'f:free': { 'f:a': { '.': {}, 'f:b': {} }, 'f:l': {} } },
    ],
    ['an unknown field counts itself', { bogus: { x: 1 } }, { 'f:bogus': { '.': {}, 'f:x': {} } }],
    ['null is a field', { color: null }, { 'f:color': {} }],
    [
      'items with equal keys are one field',
      { items: [{ name: 'a', image: '1' }, { name: 'a' }] },
      { 'f:items': { [key('a')]: {} } },
    ],
    [
      'a list with an item that has no key is one field',
      { items: [{ image: '1' }] },
      { 'f:items': {} },
    ],
  ])('%s', (_rule, given, expected) => {
    expect(fieldsOf(spec(given), gadget)).toEqual({ 'f:spec': expected });
  });

  it('are none of an empty document', () => {
    expect(fieldsOf({}, gadget)).toEqual({});
  });
});

describe('a comparison', () => {
  it.each<[string, object, object, object]>([
    ['nothing', { color: 'x', items: [{ name: 'a' }] }, { items: [{ name: 'a' }], color: 'x' }, {}],
    ['a modified value', { color: 'x' }, { color: 'y' }, { modified: { 'f:color': {} } }],
    [
      'an added value, with all in it',
      {},
      { nested: { deep: { c: '1' } } },
      { added: { 'f:nested': { '.': {}, 'f:deep': { '.': {}, 'f:c': {} } } } },
    ],
    [
      'a removed value, with all in it',
      { nested: { a: '1' } },
      {},
      { removed: { 'f:nested': { '.': {}, 'f:a': {} } } },
    ],
    [
      'an item',
      { items: [{ name: 'a', image: '1' }] },
      { items: [{ name: 'a', image: '2' }, { name: 'b' }] },
      {
        modified: { 'f:items': { [key('a')]: { 'f:image': {} } } },
        added: { 'f:items': { [key('b')]: { '.': {}, 'f:name': {} } } },
      },
    ],
    [
      'an atomic list as a whole',
      { args: ['1'] },
      { args: ['1', '2'] },
      { modified: { 'f:args': {} } },
    ],
    [
      'members of a set',
      { tags: ['a', 'b'] },
      { tags: ['b', 'c'] },
      { added: { 'f:tags': { 'v:"c"': {} } }, removed: { 'f:tags': { 'v:"a"': {} } } },
    ],
    ['no order of keyed items', { tags: ['a', 'b'] }, { tags: ['b', 'a'] }, {}],
    [
      'a value of another shape',
      { free: { a: { b: 1 } } },
      { free: { a: 'x' } },
      { modified: { 'f:free': { 'f:a': {} } }, removed: { 'f:free': { 'f:a': { 'f:b': {} } } } },
    ],
    [
      'an object instead of null',
      { nested: null },
      { nested: { a: '1' } },
      { modified: { 'f:nested': {} }, added: { 'f:nested': { 'f:a': {} } } },
    ],
    [
      'repeated items as one value',
      { items: [{ name: 'a' }, { name: 'a' }] },
      { items: [{ name: 'a' }] },
      { modified: { 'f:items': { [key('a')]: {} } } },
    ],
  ])('finds %s', (_what, before, after, expected) => {
    const under = (part: string) => {
      const set = (expected as Record<string, object>)[part];
      return set === undefined ? {} : { 'f:spec': set };
    };
    expect(compare(spec(before), spec(after), gadget)).toEqual({
      added: under('added'),
      removed: under('removed'),
      modified: under('modified'),
    });
  });
});

describe('a merge', () => {
  it.each<[string, object, object, object]>([
    [
      'joins objects and maps',
      { nested: { a: '1' }, map: { k: '1' } },
      { nested: { b: '2' }, map: { l: '2' } },
      { nested: { a: '1', b: '2' }, map: { k: '1', l: '2' } },
    ],
    [
      'replaces atomic lists and maps',
      { args: ['1'], atom: { p: '1' } },
      { args: ['2'], atom: { q: '2' } },
      { args: ['2'], atom: { q: '2' } },
    ],
    [
      'joins items by their keys',
      { items: [{ name: 'a', image: '1' }] },
      { items: [{ name: 'a', weight: 2 }, { name: 'b' }] },
      { items: [{ name: 'a', image: '1', weight: 2 }, { name: 'b' }] },
    ],
    [
      'keeps the order of the configuration',
      { tags: ['a', 'b', 'c'] },
      { tags: ['c', 'a'] },
      { tags: ['c', 'a', 'b'] },
    ],
    [
      'leaves other items where they stood',
      { tags: ['p', 'a', 'q', 'b', 'r'] },
      { tags: ['a', 'n', 'b'] },
      { tags: ['p', 'a', 'q', 'n', 'b', 'r'] },
    ],
    [
      'puts one item in the place of repeated ones',
      { items: [{ name: 'a', image: '1' }, { name: 'b' }, { name: 'a' }] },
      { items: [{ name: 'a', image: '2' }] },
      { items: [{ name: 'a', image: '2' }, { name: 'b' }] },
    ],
    [
      'takes another shape from the configuration',
      { free: { a: [1] } },
      { free: { a: { b: 1 } } },
      { free: { a: { b: 1 } } },
    ],
  ])('%s', (_rule, live, config, expected) => {
    deepFreeze(live);
    deepFreeze(config);
    expect(merge(spec(live), spec(config), gadget)).toEqual(spec(expected));
  });

  it('has the last word on everything that it says, and says nothing twice', () => {
    fc.assert(
      fc.property(configuration, configuration, (live, config) => {
        deepFreeze(live);
        const merged = merge(live, config, gadget);
        const { added, modified } = compare(merged, merge(merged, config, gadget), gadget);
        expect({ added, modified }).toEqual({ added: {}, modified: {} });
        expect(merge(merged, config, gadget)).toBe(merged);
      }),
    );
  });
});

describe('pruning', () => {
  const live = spec({
    color: 'x',
    nested: { a: '1', b: '2' },
    items: [{ name: 'a', image: '1' }, { name: 'b' }],
    tags: ['a', 'b'],
    map: { k: '1', l: '2' },
  });
  const set = (given: object) => fieldsOf(spec(given), gadget);

  it.each<[string, object, object[], object]>([
    ['a field that nobody else owns', { color: 'x' }, [], { color: undefined }],
    ['no field that somebody owns', { color: 'x' }, [{ color: 'x' }], {}],
    ['an object with all in it', { nested: { a: '1' } }, [], { nested: undefined }],
    [
      'only its own part of a shared object',
      { nested: { a: '1' } },
      [{ nested: { b: '2' } }],
      { nested: { b: '2' } },
    ],
    [
      'an item with all in it',
      { items: [{ name: 'a' }] },
      [{ items: [{ name: 'b' }] }],
      { items: [{ name: 'b' }] },
    ],
    [
      'a field of a shared item',
      { items: [{ name: 'a', image: '1' }] },
      [{ items: [{ name: 'a' }] }],
      { items: [{ name: 'a' }, { name: 'b' }] },
    ],
    ['members of a set', { tags: ['a', 'b'] }, [{ tags: ['b'] }], { tags: ['b'] }],
    ['an entry of a map', { map: { k: '1' } }, [{ map: { l: '2' } }], { map: { l: '2' } }],
  ])('removes %s', (_what, last, kept, expected) => {
    deepFreeze(live);
    const others = [{ anything: 'else' }, ...kept].map(set);
    const pruned = prune(live, gadget, set(last), others);
    expect(JSON.parse(JSON.stringify(pruned))).toEqual(
      JSON.parse(JSON.stringify(spec({ ...(live as { spec: object }).spec, ...expected }))),
    );
  });

  it('returns the document itself if nothing goes', () => {
    expect(prune(live, gadget, set({ bogus: 1 }), [set({ color: 'x' })])).toBe(live);
  });
});

describe('a set of an older schema', () => {
  it('owns the whole of what has become one field', () => {
    const set = {
      'f:spec': {
        'f:args': { 'v:"a"': {} },
        'f:atom': { 'f:p': {} },
        'f:items': { [key('a')]: { '.': {} } },
        'f:free': { 'f:l': { 'i:0': {} } },
      },
    };
    expect(conformed(set, gadget)).toEqual({
      'f:spec': {
        'f:args': {},
        'f:atom': {},
        'f:items': { [key('a')]: { '.': {} } },
        'f:free': { 'f:l': {} },
      },
    });
  });

  it('stays the same object if it fits', () => {
    const set = fieldsOf(spec({ items: [{ name: 'a' }], map: { k: 'v' } }), gadget);
    expect(conformed(set, gadget)).toBe(set);
  });
});

describe('lists of a configuration', () => {
  it.each<[string, object, object[]]>([
    ['are right', { items: [{ name: 'a' }], tags: ['a'], args: ['x', 'x'] }, []],
    [
      'have a duplicate key',
      { items: [{ name: 'c' }, { name: 'c' }] },
      [{ path: '.spec.items', message: 'duplicate entries for key [name="c"]' }],
    ],
    [
      'have a duplicate member',
      { tags: ['a', 'a'] },
      [{ path: '.spec.tags', message: 'duplicate entries for key [="a"]' }],
    ],
    [
      'lack a key',
      { items: [{ image: '1' }] },
      [
        {
          path: '.spec.items',
          message: 'associative list with keys has an element that omits key field "name"',
        },
      ],
    ],
    [
      'hold something else',
      { items: ['a'] },
      [
        {
          path: '.spec.items',
          message: 'associative list with keys may not have non-map elements',
        },
      ],
    ],
  ])('%s', (_what, given, expected) => {
    expect(listProblems(spec(given), gadget)).toEqual(expected);
  });
});
