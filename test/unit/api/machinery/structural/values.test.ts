import { describe, expect, it } from 'vitest';
import { jsonClone } from '../../../../../api/machinery/json.ts';
import type { SchemaNode } from '../../../../../api/machinery/resource.ts';
import { withDefaults } from '../../../../../api/machinery/structural/defaults.ts';
import { prune } from '../../../../../api/machinery/structural/prune.ts';
import { StructuralValidator } from '../../../../../api/machinery/structural/validator.ts';
import { integer, intOrString, list, object, open, text } from './schemas.ts';

describe('pruning', () => {
  it.each<[string, SchemaNode, unknown, unknown, string[]]>([
    ['known fields stay', object({ a: text }), { a: 'x' }, { a: 'x' }, []],
    ['unknown ones go', object({ a: text }), { a: 'x', b: { c: 1 } }, { a: 'x' }, ['b']],
    [
      'metadata of the whole stay',
      object({}),
      { metadata: { x: 1 }, kind: 'K' },
      { metadata: { x: 1 }, kind: 'K' },
      [],
    ],
    [
      'as do those of embedded objects',
      object({ e: object({}, { 'x-kubernetes-embedded-resource': true }) }),
      { e: { kind: 'K', metadata: { name: 'n' }, spec: 1 } },
      { e: { kind: 'K', metadata: { name: 'n' } } },
      ['e.spec'],
    ],
    [
      'but not what no metadata have, or null',
      object({ e: { ...object({}, { 'x-kubernetes-embedded-resource': true }), ...open } }),
      { e: { kind: 'K', metadata: { name: 'n', q: 1, creationTimestamp: null }, spec: 1 } },
      { e: { kind: 'K', metadata: { name: 'n' }, spec: 1 } },
      ['e.metadata.q'],
    ],
    ['but no others', object({ e: object({}) }), { e: { kind: 'K' } }, { e: {} }, ['e.kind']],
    [
      'in lists, too',
      object({ l: list(object({ a: text })) }),
      { l: [{ a: 'x', b: 1 }, { b: 2 }] },
      { l: [{ a: 'x' }, {}] },
      ['l.0.b', 'l.1.b'],
    ],
    [
      'entries of maps stay',
      object({ m: { type: 'object', additionalProperties: object({ a: text }) } }),
      { m: { k: { a: 'x', b: 1 } } },
      { m: { k: { a: 'x' } } },
      ['m.k.b'],
    ],
    [
      'as do free values',
      object({ m: { type: 'object', additionalProperties: true } }),
      { m: { k: { b: 1 } } },
      { m: { k: { b: 1 } } },
      [],
    ],
    [
      'open objects keep everything',
      object({ o: object({}, open) }),
      { o: { any: { thing: [1] } } },
      { o: { any: { thing: [1] } } },
      [],
    ],
    [
      'but what is named in them is pruned',
      object({ o: object({ a: object({ x: text }) }, open) }),
      { o: { a: { y: 1 }, b: 2 } },
      { o: { a: {}, b: 2 } },
      ['o.a.y'],
    ],
    ['an open root', object({ a: text }, open), { b: 1 }, { b: 1 }, []],
    [
      '__proto__ is a field as any other',
      object({ a: text }),
      JSON.parse('{"__proto__":{"x":1},"a":"y"}'),
      { a: 'y' },
      ['__proto__'],
    ],
  ])('%s', (_name, schema, value, pruned, unknown) => {
    const result = prune(value, schema);
    expect(result.value).toEqual(pruned);
    expect(result.unknown.map((path) => path.join('.'))).toEqual(unknown);
  });
});

describe('defaulting', () => {
  it.each<[string, SchemaNode, unknown, unknown]>([
    ['an absent field', object({ a: { ...integer, default: 1 } }), {}, { a: 1 }],
    ['a present one stays', object({ a: { ...integer, default: 1 } }), { a: 2 }, { a: 2 }],
    ['a null that may not be', object({ a: { ...integer, default: 1 } }), { a: null }, { a: 1 }],
    ['a null without a default goes', object({ a: integer }), { a: null }, {}],
    [
      'a null that may be stays',
      object({ a: { ...integer, default: 1, nullable: true } }),
      { a: null },
      { a: null },
    ],
    [
      'defaults in defaults',
      object({ a: object({ b: { ...integer, default: 2 } }, { default: {} }) }),
      {},
      { a: { b: 2 } },
    ],
    [
      'nothing is made for the sake of a default',
      object({ a: object({ b: { ...integer, default: 2 } }) }),
      {},
      {},
    ],
    [
      'items',
      object({ l: list(object({ w: { ...integer, default: 3 } })) }),
      { l: [{}, { w: 1 }] },
      { l: [{ w: 3 }, { w: 1 }] },
    ],
    [
      'entries',
      object({
        m: { type: 'object', additionalProperties: object({ w: { ...integer, default: 3 } }) },
      }),
      { m: { k: {} } },
      { m: { k: { w: 3 } } },
    ],
    [
      'false and empty are values',
      object({ a: { type: 'boolean', default: true }, b: { ...text, default: 'x' } }),
      { a: false, b: '' },
      { a: false, b: '' },
    ],
  ])('%s', (_name, schema, value, result) => {
    const before = jsonClone(value);
    expect(withDefaults(value, schema)).toEqual(result);
    expect(value).toEqual(before);
  });

  it('hands out a default of its own each time', () => {
    const schema = object({ a: { ...object({}), default: { b: 1 } } });
    const [first, second] = [withDefaults({}, schema), withDefaults({}, schema)] as { a: object }[];
    expect(first?.a).not.toBe(second?.a);
  });
});

describe('validation', () => {
  const errorsOf = (schema: SchemaNode, value: unknown): string[] =>
    new StructuralValidator(object({ f: schema }))
      .errors({ f: value })
      .map(({ field, message }) => `${field}: ${message}`);

  it.each<[string, SchemaNode, unknown[]]>([
    ['text', { ...text, minLength: 1, maxLength: 2, pattern: '^a' }, ['a', 'a\u{1f600}']],
    ['numbers', { type: 'number', minimum: 0, maximum: 1, multipleOf: 0.1 }, [0, 1, 0.3]],
    ['integers', { ...integer, format: 'int32' }, [1, -5, 2 ** 31 - 1]],
    ['int or string', intOrString, [80, 'http']],
    ['nullable', { ...text, nullable: true }, [null]],
    ['maps', { type: 'object', additionalProperties: text, maxProperties: 1 }, [{}, { a: 'b' }]],
    ['anything', open, [1, 'x', null, { a: [] }]],
    ['enum', { type: 'object', enum: [{ a: 1, b: 2 }], ...open }, [{ b: 2, a: 1 }]],
    [
      'dates',
      { ...text, format: 'date-time' },
      ['2026-11-22T02:00:00Z', '2026-11-22T02:00:00.5+01:00', '2024-02-29t23:59:60z'],
    ],
    ['formats that nobody knows', { ...text, format: 'colour' }, ['pink']],
    ['addresses', { ...text, format: 'cidr' }, ['10.0.0.0/8', 'fd00::/64']],
    [
      'oneOf',
      object({ a: text, b: text }, { oneOf: [{ required: ['a'] }, { required: ['b'] }] }),
      [{ a: '' }, { b: '' }],
    ],
    ['not', object({ a: text }, { not: { required: ['a'] } }), [{}]],
    ['sets', list(text, { 'x-kubernetes-list-type': 'set' }), [['a', 'b'], []]],
  ])('accepts %s', (_name, schema, values) => {
    for (const value of values) expect(errorsOf(schema, value)).toEqual([]);
  });

  it.each<[string, SchemaNode, unknown, string[]]>([
    [
      'a number for a text',
      text,
      3,
      ['f: Invalid value: "integer": f in body must be of type string: "integer"'],
    ],
    [
      'a fraction for an integer',
      integer,
      1.5,
      ['f: Invalid value: "number": f in body must be of type integer: "number"'],
    ],
    [
      'an object for int or string',
      intOrString,
      {},
      ['f: Invalid value: "object": f in body must be of type integer,string: "object"'],
    ],
    [
      'null in a list',
      list(text),
      [null],
      ['f[0]: Invalid value: "null": f[0] in body must be of type string: "null"'],
    ],
    ['a missing field', object({ a: text }, { required: ['a'] }), {}, ['f.a: Required value']],
    [
      'a field that is only inherited',
      object({ toString: text }, { required: ['toString'] }),
      {},
      ['f.toString: Required value'],
    ],
    [
      'long text',
      { ...text, maxLength: 2 },
      'abc',
      ['f: Invalid value: "abc": f in body should be at most 2 chars long'],
    ],
    [
      'text that does not match',
      { ...text, pattern: '^a$' },
      'b',
      ['f: Invalid value: "b": f in body should match \'^a$\''],
    ],
    [
      'no date',
      { ...text, format: 'date-time' },
      '2026-02-30T00:00:00Z',
      [
        'f: Invalid value: "2026-02-30T00:00:00Z": f in body must be of type date-time: "2026-02-30T00:00:00Z"',
      ],
    ],
    [
      'too much',
      { ...integer, maximum: 3, exclusiveMaximum: true },
      3,
      ['f: Invalid value: 3: f in body should be less than 3'],
    ],
    [
      'too little',
      { ...integer, minimum: 3 },
      2,
      ['f: Invalid value: 2: f in body should be greater than or equal to 3'],
    ],
    [
      'no multiple',
      { type: 'number', multipleOf: 2 },
      3,
      ['f: Invalid value: 3: f in body should be a multiple of 2'],
    ],
    [
      'another value',
      { ...text, enum: ['a', 'b'] },
      'c',
      ['f: Unsupported value: "c": supported values: "a", "b"'],
    ],
    [
      'many items',
      list(text, { maxItems: 1 }),
      ['a', 'b'],
      ['f: Invalid value: 2: f in body should have at most 1 items'],
    ],
    [
      'few entries',
      { type: 'object', additionalProperties: text, minProperties: 1 },
      {},
      ['f: Invalid value: 0: f in body should have at least 1 properties'],
    ],
    [
      'an entry',
      { type: 'object', additionalProperties: text },
      { k: 1 },
      ['f.k: Invalid value: "integer": f.k in body must be of type string: "integer"'],
    ],
    [
      'a set',
      list(text, { 'x-kubernetes-list-type': 'set' }),
      ['a', 'a'],
      ['f[1]: Duplicate value: "a"'],
    ],
    [
      'a map',
      list(object({ n: text, p: integer }), {
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['n', 'p'],
      }),
      [
        { n: 'a', p: 1 },
        { n: 'a', p: 2 },
        { p: 1, n: 'a' },
      ],
      ['f[2]: Duplicate value: {"n":"a","p":1}'],
    ],
    [
      'both of one',
      object({ a: text, b: text }, { oneOf: [{ required: ['a'] }, { required: ['b'] }] }),
      { a: '', b: '' },
      [
        'f: Invalid value: "": "f" must validate one and only one schema (oneOf). Found 2 valid alternatives',
      ],
    ],
    [
      'none of any',
      { ...integer, anyOf: [{ minimum: 5 }, { maximum: 1 }] },
      3,
      ['f: Invalid value: "": "f" must validate at least one schema (anyOf)'],
    ],
    [
      'one of all',
      { ...integer, allOf: [{ minimum: 5 }, { maximum: 9 }] },
      3,
      ['f: Invalid value: 3: f in body should be greater than or equal to 5'],
    ],
    [
      'what must not be',
      { ...integer, not: { enum: [3] } },
      3,
      ['f: Invalid value: "": "f" must not validate the schema (not)'],
    ],
    [
      'an embedded object of no kind',
      object({}, { 'x-kubernetes-embedded-resource': true }),
      { apiVersion: 'v1', metadata: [] },
      [
        'f.kind: Required value: must not be empty',
        'f.metadata: Invalid value: "array": f.metadata in body must be of type object: "array"',
      ],
    ],
  ])('refuses %s', (_name, schema, value, errors) => {
    expect(errorsOf(schema, value)).toEqual(errors);
  });

  it('names no more faults than anybody reads', () => {
    expect(
      errorsOf(
        list(text),
        Array.from({ length: 5000 }, () => 1),
      ).length,
    ).toBeLessThanOrEqual(100);
  });
});
