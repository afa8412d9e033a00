import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SchemaNode } from '../../../../../api/machinery/resource.ts';
import { withDefaults } from '../../../../../api/machinery/structural/defaults.ts';
import { prune } from '../../../../../api/machinery/structural/prune.ts';
import { StructuralValidator } from '../../../../../api/machinery/structural/validator.ts';
import { intOrString, list, object, open } from './schemas.ts';

/** Schemas that are structural, of every construct. */
const schemas: fc.Arbitrary<SchemaNode> = fc.letrec<{ node: SchemaNode; object: SchemaNode }>(
  (tie) => ({
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.record(
        { type: fc.constant('string'), default: fc.constantFrom('x', 'y') },
        { requiredKeys: ['type'] },
      ),
      fc.record(
        { type: fc.constant('integer'), default: fc.integer(), nullable: fc.boolean() },
        { requiredKeys: ['type'] },
      ),
      fc.constant(intOrString),
      fc.constant<SchemaNode>(open),
      tie('node').map((items) => list(items)),
      tie('node').map((entries): SchemaNode => ({ type: 'object', additionalProperties: entries })),
      tie('object'),
    ),
    object: fc
      .tuple(
        fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('node'), { maxKeys: 3 }),
        fc.record(
          { 'x-kubernetes-preserve-unknown-fields': fc.constant(true), default: fc.constant({}) },
          { requiredKeys: [] },
        ),
      )
      .map(([properties, more]) => object(properties, more)),
  }),
).object;

const values = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<unknown>(1, 2.5, 'x', null, true),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'kind'), tie('value'), { maxKeys: 4 }),
  ),
})).value;

describe('on any schema and value', () => {
  it('pruning twice is pruning once, and nothing is unknown afterwards', () => {
    fc.assert(
      fc.property(schemas, values, (schema, value) => {
        const once = prune(value, schema);
        expect(prune(once.value, schema)).toEqual({ value: once.value, unknown: [] });
        if (once.unknown.length === 0) expect(once.value).toBe(value);
      }),
    );
  });

  it('defaulting twice is defaulting once, and nothing unknown comes by it', () => {
    fc.assert(
      fc.property(schemas, values, (schema, value) => {
        const { value: known } = prune(value, schema);
        const once = withDefaults(known, schema);
        expect(withDefaults(once, schema)).toBe(once);
        expect(prune(once, schema).unknown).toEqual([]);
      }),
    );
  });

  it('what is valid stays valid once it is pruned and defaulted', () => {
    fc.assert(
      fc.property(schemas, values, (schema, value) => {
        const validator = new StructuralValidator(schema);
        fc.pre(validator.errors(value).length === 0);
        const { value: pruned } = prune(value, schema);
        expect(validator.errors(pruned)).toEqual([]);
        expect(validator.errors(withDefaults(pruned, schema))).toEqual([]);
      }),
    );
  });

  it('every fault is at a path of the value or of a field that it lacks', () => {
    fc.assert(
      fc.property(schemas, values, (schema, value) => {
        for (const { field, message } of new StructuralValidator(schema).errors(value, 'root')) {
          expect(field.startsWith('root')).toBe(true);
          expect(message).not.toBe('');
        }
      }),
    );
  });
});
