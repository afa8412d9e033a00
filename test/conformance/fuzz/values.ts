import fc, { type Arbitrary } from 'fast-check';
import type { SchemaNode } from '../../../api/machinery/resource.ts';

/** Keys and texts that have broken programs before. */
const keys = ['__proto__', 'constructor', 'prototype', 'toString', '', '\0', '.', '$ref', 'a/b/c'];
const texts = [
  '',
  '\0',
  '\u2028',
  '\ud800',
  '💥',
  'x'.repeat(5_000),
  '../../etc/passwd',
  '9'.repeat(400),
  '1e999',
  'null',
  '-1',
  '2026-13-45T99:99:99Z',
  '${x}',
  '%s%n',
  '((((a+)+)+)+)$',
];

const key = fc.oneof(fc.constantFrom('a', 'app', ...keys), fc.string({ maxLength: 6 }));

/** JSON of any shape: what comes from somebody who has never seen the schema. */
export const anyJson: Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constantFrom<unknown>(null, true, false, 0, -1, 1.5, 1e308, 2 ** 31, 2 ** 53, [], {}),
    fc.constantFrom(...texts),
    fc.string(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  ),
})).value;

const fittingTexts = [
  ...['web', 'a', 'default', '10.0.0.1', 'fd00::1', '100m', '64Mi', 'IPv4', 'True'],
  '2026-01-01T00:00:00Z',
];

/** Deeper than this, anything does. */
const maxDepth = 6;

/** Mostly what the schema asks for, and here and there something else in its place. */
export function valuesOf(schema: SchemaNode | undefined, depth = 0): Arbitrary<unknown> {
  if (schema === undefined || depth > maxDepth) return anyJson;
  const fitting = fittingValues(schema, depth);
  return fc.oneof({ weight: 25, arbitrary: fitting }, { weight: 1, arbitrary: anyJson });
}

function fittingValues(schema: SchemaNode, depth: number): Arbitrary<unknown> {
  if (schema.enum !== undefined && schema.enum.length > 0) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case 'string':
      return fc.oneof(fc.constantFrom(...fittingTexts), fc.constantFrom(...texts));
    case 'integer':
      return fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer());
    case 'number':
      return fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constantFrom(-0.5, 1e300));
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(valuesOf(schema.items, depth + 1), { maxLength: 3 });
    default:
      return objectsOf(schema, depth);
  }
}

function objectsOf(schema: SchemaNode, depth: number): Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties } = schema;
  const names = Object.keys(properties);
  if (names.length === 0) {
    const values =
      typeof additionalProperties === 'object'
        ? valuesOf(additionalProperties, depth + 1)
        : anyJson;
    return fc.dictionary(key, values, { maxKeys: 3 });
  }
  const fields = names.map((name) => [name, valuesOf(properties[name], depth + 1)] as const);
  const known = fc.record(Object.fromEntries(fields), {
    requiredKeys: required.filter((name) => names.includes(name)),
  });
  const strange = fc.dictionary(key, anyJson, { minKeys: 1, maxKeys: 1 });
  const more = fc.tuple(known, strange).map(([left, right]) => ({ ...left, ...right }));
  return fc.oneof({ weight: 12, arbitrary: known }, { weight: 1, arbitrary: more });
}
