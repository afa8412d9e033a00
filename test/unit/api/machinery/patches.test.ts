import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  jsonClone,
  jsonEqual,
  withValueAt,
  type JsonObject,
} from '../../../../api/machinery/json.ts';
import { applyJsonPatch, applyMergePatch, PatchError } from '../../../../api/machinery/patches.ts';

const typed = { apiVersion: 'v1', kind: 'Thing' };

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof PatchError) return error.code;
    throw error;
  }
  return 'applied';
}

describe('JSON patch', () => {
  // RFC 6902, appendix A, each with the type that an API object must keep.
  it.each([
    [
      'A.1 adding a member',
      { foo: 'bar' },
      [{ op: 'add', path: '/baz', value: 'qux' }],
      { baz: 'qux', foo: 'bar' },
    ],
    [
      'A.2 adding an item',
      { foo: ['bar', 'baz'] },
      [{ op: 'add', path: '/foo/1', value: 'qux' }],
      { foo: ['bar', 'qux', 'baz'] },
    ],
    [
      'A.3 removing a member',
      { baz: 'qux', foo: 'bar' },
      [{ op: 'remove', path: '/baz' }],
      { foo: 'bar' },
    ],
    [
      'A.4 removing an item',
      { foo: ['bar', 'qux', 'baz'] },
      [{ op: 'remove', path: '/foo/1' }],
      { foo: ['bar', 'baz'] },
    ],
    [
      'A.5 replacing a value',
      { baz: 'qux' },
      [{ op: 'replace', path: '/baz', value: 'boo' }],
      { baz: 'boo' },
    ],
    [
      'A.6 moving a value',
      { foo: { bar: 'baz', waldo: 'fred' }, qux: {} },
      [{ op: 'move', from: '/foo/waldo', path: '/qux/thud' }],
      { foo: { bar: 'baz' }, qux: { thud: 'fred' } },
    ],
    [
      'A.7 moving an item',
      { foo: ['all', 'grass', 'cows', 'eat'] },
      [{ op: 'move', from: '/foo/1', path: '/foo/3' }],
      { foo: ['all', 'cows', 'eat', 'grass'] },
    ],
    [
      'A.8 testing a value',
      { baz: 'qux', foo: ['a', 2] },
      [
        { op: 'test', path: '/baz', value: 'qux' },
        { op: 'test', path: '/foo/1', value: 2 },
      ],
      { baz: 'qux', foo: ['a', 2] },
    ],
    [
      'A.10 adding a nested member',
      { foo: 'bar' },
      [{ op: 'add', path: '/child', value: { grandchild: {} } }],
      { foo: 'bar', child: { grandchild: {} } },
    ],
    [
      'A.14 escaped slashes and tildes',
      { '/': 9, '~1': 10 },
      [{ op: 'test', path: '/~01', value: 10 }],
      { '/': 9, '~1': 10 },
    ],
    [
      'A.16 adding to the end',
      { foo: ['bar'] },
      [{ op: 'add', path: '/foo/-', value: ['abc'] }],
      { foo: ['bar', ['abc']] },
    ],
    [
      'copying',
      { a: { b: 1 } },
      [{ op: 'copy', from: '/a', path: '/c' }],
      { a: { b: 1 }, c: { b: 1 } },
    ],
  ])('does %s', (_name, before, patch, after) => {
    const document = { ...typed, ...before };
    const untouched = structuredClone(document);
    expect(applyJsonPatch(document, patch)).toEqual({ ...typed, ...after });
    expect(document).toEqual(untouched);
  });

  it.each([
    ['a failed test', [{ op: 'test', path: '/a', value: 2 }]],
    ['a missing target', [{ op: 'remove', path: '/nope' }]],
    ['a missing value to replace', [{ op: 'replace', path: '/nope', value: 1 }]],
    ['a missing parent', [{ op: 'add', path: '/nope/x', value: 1 }]],
    ['an index past the end', [{ op: 'add', path: '/list/3', value: 1 }]],
    ['an index that is no number', [{ op: 'add', path: '/list/01', value: 1 }]],
    ['an unknown operation', [{ op: 'frob', path: '/a' }]],
    ['a path without a slash', [{ op: 'remove', path: 'a' }]],
    ['a prototype', [{ op: 'add', path: '/__proto__/polluted', value: 1 }]],
    ['a constructor', [{ op: 'add', path: '/constructor/prototype/polluted', value: 1 }]],
    ['an inherited property', [{ op: 'remove', path: '/toString' }]],
    ['a move into itself', [{ op: 'move', from: '/list', path: '/list/0' }]],
    ['an object without its type', [{ op: 'replace', path: '', value: { a: 1 } }]],
    ['the removal of everything', [{ op: 'remove', path: '' }]],
    ['a kind that is removed', [{ op: 'remove', path: '/kind' }]],
  ])('rejects %s and changes nothing', (_name, patch) => {
    const document = { ...typed, a: 1, list: [1, 2] };
    const untouched = structuredClone(document);
    const operations = [{ op: 'replace', path: '/a', value: 5 }, ...patch];
    expect(codeOf(() => applyJsonPatch(document, operations))).toBe('rejected');
    expect(document).toEqual(untouched);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it.each([
    [
      { op: 'remove', path: '/nope' },
      '(remove): path "/nope" does not exist: the object has no "nope"',
    ],
    [
      { op: 'add', path: '/o/p/q', value: 1 },
      '(add): path "/o/p/q" does not exist: "/o" has no "p"',
    ],
    [
      { op: 'add', path: '/a/b', value: 1 },
      '(add): path "/a/b" does not exist: "/a" has no fields',
    ],
    [
      { op: 'replace', path: '/list/2', value: 1 },
      '(replace): path "/list/2" does not exist: "/list" has no "2"',
    ],
    [
      { op: 'add', path: '/list/x', value: 1 },
      '(add): path "/list/x" has no list index "x": "/list" has 2 items',
    ],
    [{ op: 'copy', from: '/nope', path: '/b' }, '(copy): path "/nope" does not exist'],
    [
      { op: 'test', path: '/a', value: 2 },
      '(test): "/a" does not have the value that is tested for',
    ],
  ])('names the operation and the path that %j fails at', (operation, why) => {
    const document = { ...typed, a: 1, o: {}, list: [1, 2] };
    const patch = [{ op: 'test', path: '/a', value: 1 }, operation];
    expect(() => applyJsonPatch(document, patch)).toThrow(`operation 1 ${why}`);
  });

  it('bounds operations, bytes, and what is copied in all', () => {
    const many = Array.from({ length: 1001 }, () => ({ op: 'test', path: '/a', value: 1 }));
    expect(codeOf(() => applyJsonPatch({ ...typed, a: 1 }, many))).toBe('too-large');
    const long = [{ op: 'add', path: '/a', value: 'x'.repeat(1 << 20) }];
    expect(codeOf(() => applyJsonPatch({ ...typed }, long))).toBe('too-large');
    const doubling = Array.from({ length: 40 }, (_, index) => ({
      op: 'copy',
      from: '',
      path: `/copy${index}`,
    }));
    expect(codeOf(() => applyJsonPatch({ ...typed, a: 'x'.repeat(100) }, doubling))).toBe(
      'too-large',
    );
    expect(codeOf(() => applyJsonPatch({ ...typed }, { op: 'add' }))).toBe('malformed');
  });
});

describe('merge patch', () => {
  // RFC 7386, appendix A.
  it.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('makes of %j and %j %j', (target, patch, result) => {
    expect(applyMergePatch(target, patch)).toEqual(result);
  });

  it('is idempotent and does not touch its arguments', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (target, patch) => {
        const before = JSON.stringify([target, patch]);
        const once = applyMergePatch(target, patch);
        expect(jsonEqual(applyMergePatch(once, patch), once)).toBe(true);
        expect(JSON.stringify([target, patch])).toBe(before);
      }),
    );
  });

  it('skips a key that would change a prototype', () => {
    const patch: unknown = JSON.parse('{"__proto__": {"polluted": 1}, "a": 1}');
    expect(applyMergePatch({}, patch)).toEqual({ a: 1 });
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

describe('JSON values', () => {
  it('compares without regard to the order of keys and to undefined ones', () => {
    expect(jsonEqual({ a: 1, b: [{ c: 2 }] }, { b: [{ c: 2, d: undefined }], a: 1 })).toBe(true);
    expect(jsonEqual({ a: 1 }, { a: 1, b: null })).toBe(false);
    expect(jsonEqual({ a: undefined }, { b: undefined })).toBe(true);
    expect(jsonEqual([1, 2], [2, 1])).toBe(false);
    expect(jsonEqual({ toString: undefined }, {})).toBe(true);
  });

  it('equals its clone, and only what serialises alike', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
        if (JSON.stringify(one).includes('__proto__')) return;
        expect(jsonEqual(one, jsonClone(one))).toBe(true);
        if (JSON.stringify(one) === JSON.stringify(other)) expect(jsonEqual(one, other)).toBe(true);
      }),
    );
  });

  it('sets and removes at a path in copies', () => {
    const document = { a: { b: 1 } };
    expect(withValueAt(document, ['a', 'c'], 2)).toEqual({ a: { b: 1, c: 2 } });
    expect(withValueAt(document, ['a', 'b'], undefined)).toEqual({ a: {} });
    expect(withValueAt(document, ['x', 'y'], 1)).toEqual({ a: { b: 1 }, x: { y: 1 } });
    expect(document).toEqual({ a: { b: 1 } });
  });
});

it('a JSON patch builds nothing that could not have been sent', () => {
  const levels = (count: number): JsonObject => (count === 0 ? {} : { a: levels(count - 1) });
  const wrap = [
    { op: 'add', path: '/t', value: levels(60) },
    { op: 'move', from: '/x', path: `/t${'/a'.repeat(60)}` },
    { op: 'move', from: '/t', path: '/x' },
  ];
  const document = { apiVersion: 'v1', kind: 'X', x: {} };
  expect(applyJsonPatch(document, wrap)).toMatchObject({ x: { a: { a: {} } } });
  const apply = (): unknown => applyJsonPatch(document, [...wrap, ...wrap, ...wrap]);
  expect(apply).toThrow(PatchError);
  expect(apply).toThrow('nests deeper than 128 levels');
});
