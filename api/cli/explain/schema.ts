import { z } from 'zod';
import { CommandError } from '../errors.ts';
import { closestWord } from '../../machinery/suggest.ts';

/** The schemas of a group version, as its OpenAPI v3 document has them, and the way through them. */

const nodeSchema = z.looseObject({
  type: z.string().optional(),
  format: z.string().optional(),
  description: z.string().optional(),
  required: z.array(z.string()).optional(),
  enum: z.array(z.unknown()).optional(),
  $ref: z.string().optional(),
  'x-kubernetes-int-or-string': z.boolean().optional(),
  'x-kubernetes-group-version-kind': z.array(z.looseObject({ kind: z.string() })).optional(),
  get properties() {
    return z.record(z.string(), nodeSchema).optional();
  },
  get items() {
    return nodeSchema.optional();
  },
  get additionalProperties() {
    return z.union([nodeSchema, z.boolean()]).optional();
  },
  get allOf() {
    return z.array(nodeSchema).optional();
  },
});
export type SchemaNode = z.infer<typeof nodeSchema>;

const documentSchema = z.looseObject({
  components: z.looseObject({ schemas: z.record(z.string(), nodeSchema) }),
});

export type Schemas = Readonly<Record<string, SchemaNode>>;

/** Undefined if the document is none. */
export function schemasOf(document: unknown): Schemas | undefined {
  return documentSchema.safeParse(document).data?.components.schemas;
}

/** The schema of a kind, by its name in any case. */
export function schemaOfKind(
  schemas: Schemas,
  kind: string,
): { kind: string; node: SchemaNode } | undefined {
  for (const node of Object.values(schemas)) {
    const found = node['x-kubernetes-group-version-kind']?.find(
      (gvk) => gvk.kind.toLowerCase() === kind.toLowerCase(),
    );
    // Options are of every group: they are no kind of it.
    if (found !== undefined && node.properties?.['kind'] !== undefined) {
      return { kind: found.kind, node };
    }
  }
  return undefined;
}

/** A field as it is reached: what it refers to, and the list or map around it. */
export interface Field {
  name: string;
  type: string;
  required: boolean;
  /** Of the field itself, before what it refers to. */
  description: string;
  enum: readonly unknown[];
  /** Where its own fields are: of the items of a list, of the values of a map. */
  inner: SchemaNode;
}

export function fieldsOf(schemas: Schemas, node: SchemaNode): Field[] {
  const { properties = {}, required = [] } = resolved(schemas, node);
  return Object.entries(properties)
    .map(([name, child]) => fieldOf(schemas, name, child, required.includes(name)))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function fieldOf(schemas: Schemas, name: string, node: SchemaNode, required: boolean): Field {
  const whole = resolved(schemas, node);
  const inner = innerOf(schemas, whole);
  return {
    name,
    type: typeOf(schemas, node),
    required,
    description: node.description ?? whole.description ?? '',
    enum: whole.enum ?? inner.enum ?? [],
    inner,
  };
}

/** Goes down a path of field names. Ends the command if there is no such field. */
export function descend(schemas: Schemas, root: SchemaNode, path: readonly string[]): Field[] {
  let node = root;
  const way: Field[] = [];
  for (const name of path) {
    const fields = fieldsOf(schemas, node);
    const field = fields.find((each) => each.name === name);
    if (field === undefined) throw noField([...way.map((each) => each.name), name], fields);
    way.push(field);
    node = field.inner;
  }
  return way;
}

function noField(path: readonly string[], fields: readonly Field[]): CommandError {
  const names = fields.map(({ name }) => name);
  const near = closestWord(path.at(-1) ?? '', names);
  const hint = near === undefined ? '' : `; did you mean "${near}"?`;
  const there = names.length === 0 ? 'it has no fields' : `there is ${names.join(', ')}`;
  return new CommandError('failed', `no field "${path.join('.')}"${hint} (${there})`);
}

/** What a reference stands for; the description beside it goes first. */
export function resolved(schemas: Schemas, node: SchemaNode): SchemaNode {
  const reference = referenceOf(node);
  const target = reference === undefined ? undefined : schemas[reference];
  if (target === undefined) return node;
  const { description } = node;
  return { ...target, ...(description === undefined ? {} : { description }) };
}

function referenceOf(node: SchemaNode): string | undefined {
  const [only, ...more] = node.allOf ?? [];
  const reference = node.$ref ?? (more.length === 0 ? only?.$ref : undefined);
  return reference?.replace('#/components/schemas/', '');
}

function innerOf(schemas: Schemas, node: SchemaNode): SchemaNode {
  if (node.items !== undefined) return innerOf(schemas, resolved(schemas, node.items));
  const { additionalProperties: values } = node;
  return typeof values === 'object' ? innerOf(schemas, resolved(schemas, values)) : node;
}

/** As kubectl writes types: `string`, `[]Object`, `map[string]string`, `ObjectMeta`. */
function typeOf(schemas: Schemas, node: SchemaNode): string {
  const reference = referenceOf(node);
  if (reference !== undefined) return reference.split('.').at(-1) ?? 'Object';
  if (node['x-kubernetes-int-or-string'] === true) return 'IntOrString';
  if (node.items !== undefined) return `[]${typeOf(schemas, node.items)}`;
  const { additionalProperties: values } = node;
  if (typeof values === 'object') return `map[string]${typeOf(schemas, values)}`;
  if (node.properties !== undefined || node.type === 'object') return 'Object';
  return node.type ?? 'any';
}
