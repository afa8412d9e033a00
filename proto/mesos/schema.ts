import { CodecError } from './errors.ts';

/** Name, number, cardinality and type (a scalar, or the full name of a message or enum). */
export type FieldDescriptor = readonly [
  name: string,
  number: number,
  cardinality: Cardinality,
  type: string,
];
export type Cardinality = 'optional' | 'required' | 'repeated' | 'map';

/** What hack/codegen.ts writes: every message and enum by its full name. */
export interface Descriptor {
  readonly messages: Readonly<Record<string, readonly FieldDescriptor[]>>;
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

const scalarNames = [
  'string',
  'bytes',
  'bool',
  'double',
  'float',
  'int32',
  'uint32',
  'int64',
  'uint64',
] as const;
export type ScalarName = (typeof scalarNames)[number];

export interface EnumSchema {
  readonly kind: 'enum';
  readonly name: string;
  readonly byName: ReadonlyMap<string, number>;
  readonly byNumber: ReadonlyMap<number, string>;
}

export interface MessageSchema {
  readonly kind: 'message';
  readonly name: string;
  /** In the order of their numbers, the order in which they are written. */
  readonly fields: readonly FieldSchema[];
  readonly byNumber: ReadonlyMap<number, FieldSchema>;
  readonly byName: ReadonlyMap<string, FieldSchema>;
  readonly required: readonly FieldSchema[];
}

export interface ScalarSchema {
  readonly kind: 'scalar';
  readonly name: ScalarName;
}

export type TypeSchema = ScalarSchema | EnumSchema | MessageSchema;

export interface FieldSchema {
  readonly name: string;
  readonly number: number;
  readonly cardinality: Cardinality;
  readonly type: TypeSchema;
}

const scalars: ReadonlyMap<string, ScalarSchema> = new Map(
  scalarNames.map((name) => [name, { kind: 'scalar', name }]),
);

/** Links a descriptor's names into a graph of schemas. */
export function linkDescriptor(descriptor: Descriptor): ReadonlyMap<string, MessageSchema> {
  const enums = new Map<string, EnumSchema>();
  for (const [name, values] of Object.entries(descriptor.enums)) {
    const entries = Object.entries(values);
    enums.set(name, {
      kind: 'enum',
      name,
      byName: new Map(entries),
      byNumber: new Map(entries.map(([value, number]) => [number, value])),
    });
  }
  const messages = new Map<string, MutableMessageSchema>();
  for (const name of Object.keys(descriptor.messages)) messages.set(name, emptyMessage(name));
  for (const [name, fields] of Object.entries(descriptor.messages)) {
    const message = messages.get(name) ?? emptyMessage(name);
    for (const [field, number, cardinality, typeName] of fields) {
      const type = scalars.get(typeName) ?? enums.get(typeName) ?? messages.get(typeName);
      if (type === undefined) throw new CodecError('Malformed', [name, field], `no ${typeName}`);
      addField(message, { name: field, number, cardinality, type });
    }
  }
  return messages;
}

interface MutableMessageSchema extends MessageSchema {
  readonly fields: FieldSchema[];
  readonly byNumber: Map<number, FieldSchema>;
  readonly byName: Map<string, FieldSchema>;
  readonly required: FieldSchema[];
}

function emptyMessage(name: string): MutableMessageSchema {
  return {
    kind: 'message',
    name,
    fields: [],
    byNumber: new Map(),
    byName: new Map(),
    required: [],
  };
}

function addField(message: MutableMessageSchema, field: FieldSchema): void {
  message.fields.push(field);
  message.byNumber.set(field.number, field);
  message.byName.set(field.name, field);
  if (field.cardinality === 'required') message.required.push(field);
}
