import { describe, expect, it } from 'vitest';
import type { SchemaNode } from '../../../../../api/machinery/resource.ts';
import { structuralErrors } from '../../../../../api/machinery/structural/schema-rules.ts';
import { schemaShape } from '../../../../../api/machinery/structural/shape.ts';
import { integer, intOrString, list, object, open, text } from './schemas.ts';

function errorsOf(schema: SchemaNode): string[] {
  return structuralErrors(schema, 's').map(({ field, message }) => `${field}: ${message}`);
}

const keyed = { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] };

describe('a structural schema', () => {
  it.each<[string, SchemaNode]>([
    [
      'of fields',
      object({ a: text, b: list(integer), c: { type: 'object', additionalProperties: text } }),
    ],
    [
      'that says what is wrong with values',
      object(
        { a: text, b: text },
        {
          oneOf: [{ required: ['a'] }, { required: ['b'], properties: { b: { minLength: 1 } } }],
          not: { required: ['a', 'b'] },
        },
      ),
    ],
    ['that is open', object({ spec: { type: 'object', ...open }, any: open })],
    [
      'with numbers or texts',
      object({
        a: intOrString,
        b: {
          ...intOrString,
          anyOf: [{ type: 'integer' }, { type: 'string' }],
          pattern: '^\\d+%?$',
        },
        c: {
          ...intOrString,
          allOf: [{ anyOf: [{ type: 'integer' }, { type: 'string' }] }, { minLength: 1 }],
        },
      }),
    ],
    [
      'with keyed lists',
      object({ l: list(object({ name: text }, { required: ['name'] }), keyed) }),
    ],
    ['with sets', object({ l: list(text, { 'x-kubernetes-list-type': 'set' }) })],
    ['with defaults', object({ a: { ...object({ b: { ...integer, default: 1 } }), default: {} } })],
    ['with names in metadata', object({ metadata: object({ name: { ...text, maxLength: 9 } }) })],
    [
      'with objects inside',
      object({ e: { type: 'object', 'x-kubernetes-embedded-resource': true, ...open } }),
    ],
  ])('%s', (_name, schema) => {
    expect(errorsOf(schema)).toEqual([]);
  });

  it.each<[string, SchemaNode, string[]]>([
    [
      'no type at the root',
      { properties: {} },
      ['s.type: Required value: must not be empty at the root'],
    ],
    [
      'a root that is no object',
      { type: 'string' },
      ['s.type: Invalid value: "string": must be object at the root'],
    ],
    [
      'a root that may be null',
      { type: 'object', nullable: true },
      ['s.nullable: Forbidden: nullable cannot be true at the root'],
    ],
    [
      'a field without a type',
      object({ a: {} }),
      ['s.properties[a].type: Required value: must not be empty for specified object fields'],
    ],
    [
      'an item without a type',
      object({ a: list({}) }),
      ['s.properties[a].items.type: Required value: must not be empty for specified array items'],
    ],
    [
      'a list of nothing',
      object({ a: { type: 'array' } }),
      ['s.properties[a].items: Required value: must be specified'],
    ],
    [
      'a type of nothing',
      object({ a: { type: 'text' } }),
      [
        's.properties[a].type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"',
      ],
    ],
    [
      'null',
      object({ a: { type: 'null' } }),
      [
        's.properties[a].type: Forbidden: type cannot be set to null, use nullable as an alternative',
      ],
    ],
    [
      'int or string with a type',
      object({ a: { ...intOrString, type: 'string' } }),
      [
        's.properties[a].type: Invalid value: "string": must be empty if x-kubernetes-int-or-string is true',
      ],
    ],
    [
      'references',
      object({ a: { ...text, $ref: '#/x' } }),
      ['s.properties[a].$ref: Forbidden: $ref is not supported'],
    ],
    [
      'unique items',
      object({ a: list(text, { uniqueItems: true }) }),
      [
        's.properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      ],
    ],
    [
      'closed objects',
      object({ a: { type: 'object', additionalProperties: false } }),
      [
        's.properties[a].additionalProperties: Forbidden: additionalProperties cannot be set to false',
      ],
    ],
    [
      'properties beside entries',
      object({ a: object({ b: text }, { additionalProperties: text }) }),
      [
        's.properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive',
      ],
    ],
    [
      'tuples',
      object({ a: { type: 'array', items: [text] as unknown as SchemaNode } }),
      ['s.properties[a].items: Forbidden: items must be a schema object and not an array'],
    ],
    [
      'more about metadata',
      object({ metadata: object({ labels: text }) }),
      [
        's.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified',
      ],
    ],
    [
      'types inside anyOf',
      object({ a: { ...text, anyOf: [{ type: 'string' }] } }),
      ['s.properties[a].anyOf[0].type: Forbidden: must be empty to be structural'],
    ],
    [
      'fields that are only named inside',
      object({ a: text }, { oneOf: [{ properties: { b: { minLength: 1 } } }] }),
      ['s.properties[b]: Required value: because it is defined in s.oneOf[0].properties[b]'],
    ],
    [
      'and those below',
      object({}, { not: { anyOf: [{ properties: { b: {} } }] } }),
      ['s.properties[b]: Required value: because it is defined in s.not.anyOf[0].properties[b]'],
    ],
    [
      'pruning that is neither on nor off',
      object({ a: { type: 'object', 'x-kubernetes-preserve-unknown-fields': false } }),
      [
        's.properties[a].x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined',
      ],
    ],
    [
      'a list of another kind',
      object({ a: list(text, { 'x-kubernetes-list-type': 'bag' }) }),
      [
        's.properties[a].x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "map", "set"',
      ],
    ],
    [
      'a keyed list without keys',
      object({ a: list(object({}), { 'x-kubernetes-list-type': 'map' }) }),
      [
        's.properties[a].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map',
      ],
    ],
    [
      'keys that items may lack',
      object({ a: list(object({ name: text }), keyed) }),
      [
        's.properties[a].items.properties[name].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
      ],
    ],
    [
      'keys that items do not have',
      object({ a: list(object({}), keyed) }),
      [
        's.properties[a].x-kubernetes-list-map-keys[0]: Invalid value: "name": entries must all be names of item properties',
      ],
    ],
    [
      'sets of objects',
      object({ a: list(object({}), { 'x-kubernetes-list-type': 'set' }) }),
      [
        's.properties[a].items.x-kubernetes-map-type: Invalid value: "": must be atomic as item of a list with x-kubernetes-list-type=set',
      ],
    ],
    [
      'an embedded object that says nothing',
      object({ e: { type: 'object', 'x-kubernetes-embedded-resource': true } }),
      [
        's.properties[e].properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
      ],
    ],
    [
      'patterns that are none',
      object({ a: { ...text, pattern: 'a(', default: 'x' } }),
      [
        's.properties[a].pattern: Invalid value: "a(": must be a valid regular expression, but isn\'t: error parsing regexp: missing closing ): `a(`',
      ],
    ],
    [
      'defaults of another type',
      object({ a: { ...text, default: 1 } }),
      [
        's.properties[a].default: Invalid value: "integer": default in body must be of type string: "integer"',
      ],
    ],
    [
      'defaults that would be pruned',
      object({ a: { ...object({ b: text }), default: { c: 1 } } }),
      ['s.properties[a].default: Invalid value: {"c":1}: must not have unknown fields'],
    ],
    [
      'defaults that are null',
      object({ a: { ...text, default: null } }),
      ['s.properties[a].default: Invalid value: null: must not be null'],
    ],
  ])('does not have %s', (_name, schema, errors) => {
    expect(errorsOf(schema)).toEqual(errors);
  });

  it('does not have rules in CEL, and says what to write instead', () => {
    const [error] = errorsOf(
      object({ a: { ...text, 'x-kubernetes-validations': [{ rule: 'self != ""' }] } }),
    );
    expect(error).toMatch(
      /^s\.properties\[a\]\.x-kubernetes-validations: Forbidden: .*remove them.*pattern/,
    );
  });
});

describe('the shape of a schema', () => {
  it('tells keywords that there are not, wherever they stand', () => {
    const document = {
      type: 'object',
      prop: {},
      properties: { a: { typ: 'x', items: { 'x-y': 1 } } },
    };
    expect(schemaShape(document, 's')).toEqual({
      errors: [],
      unknown: [['prop'], ['properties', 'a', 'typ'], ['properties', 'a', 'items', 'x-y']],
    });
  });

  it.each([
    [{ type: 1 }, 's.type: Invalid value: 1: must be a string'],
    [{ required: 'a' }, 's.required: Invalid value: "a": must be a list of strings'],
    [{ properties: [] }, 's.properties: Invalid value: []: must be a map of schemas'],
    [{ properties: { a: true } }, 's.properties[a]: Invalid value: true: must be a schema'],
    [{ anyOf: [1] }, 's.anyOf[0]: Invalid value: 1: must be a schema'],
    [{ maxLength: 1.5 }, 's.maxLength: Invalid value: 1.5: must be a whole number'],
    ['x', 's: Invalid value: "x": must be a schema'],
  ])('refuses %j', (document, error) => {
    const { errors } = schemaShape(document, 's');
    expect(errors.map(({ field, message }) => `${field}: ${message}`)).toEqual([error]);
  });

  it('looks at no value of a default or an example', () => {
    const document = { default: { type: 1 }, example: { prop: 1 }, enum: [{ prop: 1 }] };
    expect(schemaShape(document, 's')).toEqual({ errors: [], unknown: [] });
  });
});
