import fc from 'fast-check';
import type { FieldSet } from '../../../../api/machinery/field-set.ts';
import type { SchemaNode } from '../../../../api/machinery/resource.ts';

const text: SchemaNode = { type: 'string' };

/** A kind with every sort of list and map. */
export const gadget: SchemaNode = {
  type: 'object',
  properties: {
    metadata: {
      type: 'object',
      properties: {
        labels: { type: 'object', additionalProperties: text },
        finalizers: { type: 'array', items: text, 'x-kubernetes-list-type': 'set' },
      },
    },
    spec: {
      type: 'object',
      properties: {
        color: text,
        replicas: { type: 'integer' },
        nested: {
          type: 'object',
          properties: { a: text, b: text, deep: { type: 'object', properties: { c: text } } },
        },
        items: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: {
            type: 'object',
            properties: { name: text, image: text, weight: { type: 'integer' } },
          },
        },
        ports: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['port', 'protocol'],
          items: {
            type: 'object',
            properties: {
              port: { type: 'integer' },
              protocol: { type: 'string', default: 'TCP' },
              name: text,
            },
          },
        },
        tags: { type: 'array', 'x-kubernetes-list-type': 'set', items: text },
        args: { type: 'array', items: text },
        atom: {
          type: 'object',
          'x-kubernetes-map-type': 'atomic',
          properties: { p: text, q: text },
        },
        map: { type: 'object', additionalProperties: text },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
    },
  },
};

const letter = fc.constantFrom('a', 'b', 'c');
const word = fc.constantFrom('x', 'y', 'z');

/** An object with some of these properties. */
function partial(fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<object> {
  return fc.record(fields, { requiredKeys: [] });
}

/** What somebody may apply to a gadget: lists without duplicates, no empty objects at the top. */
export const configuration: fc.Arbitrary<object> = partial({
  metadata: partial({ labels: fc.dictionary(letter, word, { maxKeys: 3 }) }),
  spec: partial({
    color: word,
    replicas: fc.nat(3),
    nested: partial({ a: word, b: word, deep: partial({ c: word }) }),
    items: fc.uniqueArray(
      fc.record({ name: letter, image: word, weight: fc.nat(2) }, { requiredKeys: ['name'] }),
      { maxLength: 3, selector: ({ name }) => name },
    ),
    tags: fc.uniqueArray(letter, { maxLength: 3 }),
    args: fc.array(word, { maxLength: 2 }),
    atom: partial({ p: word, q: word }),
    map: fc.dictionary(letter, word, { maxKeys: 3 }),
    free: fc.dictionary(letter, fc.oneof(word, fc.array(word, { maxLength: 2 })), { maxKeys: 2 }),
  }),
});

const step = fc.oneof(
  letter.map((name) => `f:${name}`),
  letter.map((name) => `k:{"name":"${name}"}`),
  letter.map((value) => `v:"${value}"`),
);

/** Any set of fields, in canonical form. */
export const fieldSets: fc.Arbitrary<FieldSet> = fc
  .array(fc.array(step, { minLength: 1, maxLength: 3 }), { maxLength: 6 })
  .map(setOf);

export function setOf(paths: readonly (readonly string[])[]): FieldSet {
  interface Tree {
    [step: string]: Tree;
  }
  const root: Tree = {};
  const members = new Set<Tree>();
  for (const path of paths) {
    let node = root;
    for (const each of path) node = node[each] ??= {};
    members.add(node);
  }
  const seal = (node: Tree): FieldSet => {
    const below = Object.entries(node).map(([each, child]) => [each, seal(child)] as const);
    const marked = members.has(node) && below.length > 0 && node !== root;
    return Object.fromEntries([...(marked ? [['.', {}] as const] : []), ...below]);
  };
  return seal(root);
}
