import { expect, it } from 'vitest';
import { z } from 'zod';
import { openApiV3 } from '../../../../api/server/openapi/version3.ts';
import { erased } from '../../../../api/server/registry/erase.ts';
import { resources } from '../../../../api/v1/resources.ts';

const nodeSchema = z.looseObject({
  description: z.string().optional(),
  $ref: z.string().optional(),
  get properties() {
    return z.record(z.string(), nodeSchema).optional();
  },
  get items() {
    return nodeSchema.optional();
  },
  get additionalProperties() {
    return z.union([nodeSchema, z.boolean()]).optional();
  },
});
type Node = z.infer<typeof nodeSchema>;

const documentSchema = z.object({
  components: z.object({ schemas: z.record(z.string(), nodeSchema) }),
});

/** Every field of a schema with its path; a field that refers to a definition is described there. */
function* fieldsOf(node: Node, path: string): Generator<{ path: string; field: Node }> {
  for (const [name, field] of Object.entries(node.properties ?? {})) {
    yield { path: `${path}.${name}`, field };
    yield* fieldsOf(field, `${path}.${name}`);
  }
  if (node.items !== undefined) yield* fieldsOf(node.items, path);
  const { additionalProperties: values } = node;
  if (typeof values === 'object') yield* fieldsOf(values, path);
}

const { schemas } = documentSchema.parse(openApiV3(resources.map(erased), '0')).components;

it('every kind says what it is', () => {
  const silent = Object.entries(schemas).filter(([, { description = '' }]) => description === '');
  expect(silent.map(([name]) => name)).toEqual([]);
});

it('every field of every kind says what it is, in a sentence', () => {
  const fields = Object.entries(schemas).flatMap(([name, node]) => [...fieldsOf(node, name)]);
  expect(fields.length).toBeGreaterThan(400);
  const silent = fields.filter(
    ({ field }) => field.$ref === undefined && !/^[A-Za-z/].*[.:]$/s.test(field.description ?? ''),
  );
  expect(silent.map(({ path, field }) => `${path}: ${field.description ?? ''}`)).toEqual([]);
});
