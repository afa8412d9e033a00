import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  difference,
  differenceOfTrees,
  FieldSetError,
  fieldPathText,
  intersection,
  isEmpty,
  parseFieldSet,
  pathsOf,
  union,
  type FieldSet,
} from '../../../../api/machinery/field-set.ts';
import { fieldSets, setOf } from './apply-fixture.ts';

/** The model: a set of path texts. */
function texts(set: FieldSet): Set<string> {
  return new Set([...pathsOf(set)].map((path) => path.join('/')));
}

describe('sets of fields', () => {
  it('behave as sets of paths', () => {
    fc.assert(
      fc.property(fieldSets, fieldSets, (left, right) => {
        const [a, b] = [texts(left), texts(right)];
        expect(texts(union(left, right))).toEqual(new Set([...a, ...b]));
        expect(texts(intersection(left, right))).toEqual(new Set([...a].filter((p) => b.has(p))));
        expect(texts(difference(left, right))).toEqual(new Set([...a].filter((p) => !b.has(p))));
        const below = (path: string): boolean =>
          [...b].some((root) => `${path}/`.startsWith(`${root}/`));
        expect(texts(differenceOfTrees(left, right))).toEqual(
          new Set([...a].filter((path) => !below(path))),
        );
      }),
    );
  });

  it('have one form for one set, which survives the wire', () => {
    fc.assert(
      fc.property(fieldSets, fieldSets, (left, right) => {
        for (const set of [
          union(left, right),
          intersection(left, right),
          difference(left, right),
          differenceOfTrees(left, right),
        ]) {
          expect(set).toEqual(setOf([...pathsOf(set)]));
          expect(parseFieldSet(JSON.parse(JSON.stringify(set)))).toEqual(set);
        }
      }),
    );
  });

  it('stay the same object where nothing is taken away', () => {
    const set = setOf([['f:a', 'f:b'], ['f:a']]);
    expect(difference(set, setOf([['f:c']]))).toBe(set);
    expect(differenceOfTrees(set, setOf([['f:a', 'f:c']]))).toBe(set);
  });

  it('keep what lies below a member that is taken away, unless the tree is', () => {
    const set = setOf([['f:a'], ['f:a', 'f:b']]);
    expect(difference(set, setOf([['f:a']]))).toEqual({ 'f:a': { 'f:b': {} } });
    expect(isEmpty(differenceOfTrees(set, setOf([['f:a']])))).toBe(true);
  });
});

describe('fieldsV1 of a client', () => {
  it('is put into canonical form', () => {
    expect(
      parseFieldSet({
        '.': {},
        'f:spec': {
          'k:{"protocol":"TCP", "port":80}': { '.': {}, 'f:name': {} },
          'v: "a"': {},
          'i:0': {},
          'x:future': {},
        },
      }),
    ).toEqual({
      'f:spec': {
        'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:name': {} },
        'v:"a"': {},
        'i:0': {},
      },
    });
  });

  it.each([
    ['a list', []],
    ['a text', 'f:a'],
    ['a field with a value', { 'f:a': 1 }],
    ['keys that are no JSON', { 'k:{name}': {} }],
    ['keys that are no object', { 'k:"a"': {} }],
    ['a value that is no JSON', { 'v:a': {} }],
    ['a deep value', { [`v:${'['.repeat(100_000)}${']'.repeat(100_000)}`]: {} }],
    ['deep nesting', Array.from({ length: 100 }).reduce<object>((set) => ({ 'f:a': set }), {})],
    [
      'too many fields',
      Object.fromEntries(Array.from({ length: 30_000 }, (_, n) => [`f:${n}`, {}])),
    ],
  ])('is refused as %s', (_what, given) => {
    expect(() => parseFieldSet(given)).toThrow(FieldSetError);
  });

  it('cannot reach a prototype', () => {
    const set = parseFieldSet(JSON.parse('{"f:__proto__":{"f:x":{}},"__proto__":{"f:y":{}}}'));
    expect([...pathsOf(set)]).toEqual([['f:__proto__', 'f:x']]);
  });
});

describe('paths in messages', () => {
  it.each([
    [['f:spec', 'f:replicas'], '.spec.replicas'],
    [['f:spec', 'f:items', 'k:{"name":"a"}', 'f:image'], '.spec.items[name="a"].image'],
    [
      ['f:spec', 'f:ports', 'k:{"port":80,"protocol":"TCP"}'],
      '.spec.ports[port=80,protocol="TCP"]',
    ],
    [['f:spec', 'f:tags', 'v:"a"'], '.spec.tags[="a"]'],
    [['f:list', 'i:3'], '.list[3]'],
  ])('%j is %s', (path, text) => {
    expect(fieldPathText(path)).toBe(text);
  });

  it('come level by level, in the order of their names', () => {
    const set = setOf([['f:b', 'f:x'], ['f:a'], ['f:c'], ['f:b']]);
    expect([...pathsOf(set)].map(fieldPathText)).toEqual(['.a', '.b', '.c', '.b.x']);
  });
});
