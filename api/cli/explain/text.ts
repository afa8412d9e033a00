import type { Field, Schemas, SchemaNode } from './schema.ts';
import { fieldsOf } from './schema.ts';

const width = 78;

export interface Explained {
  group: string;
  version: string;
  kind: string;
  root: SchemaNode;
  /** The fields on the way; none for the kind itself. */
  way: readonly Field[];
}

/** The lines that explain a kind or a field, in the form of kubectl explain. */
export function explanation(schemas: Schemas, explained: Explained, recursive: boolean): string[] {
  const { group, version, kind, root, way } = explained;
  const field = way.at(-1);
  const node = field?.inner ?? root;
  const fields = fieldsOf(schemas, node);
  return [
    ...(group === '' ? [] : [`GROUP:      ${group}`]),
    `KIND:       ${kind}`,
    `VERSION:    ${version}`,
    '',
    ...(field === undefined ? [] : [`FIELD: ${field.name} <${field.type}>`, '']),
    ...(field === undefined ? [] : enumLines(field, '')),
    'DESCRIPTION:',
    ...wrapped(field?.description ?? root.description ?? '', '    '),
    '',
    ...(fields.length === 0
      ? []
      : ['FIELDS:', ...(recursive ? tree(schemas, fields, '  ') : list(fields)), '']),
  ];
}

function list(fields: readonly Field[]): string[] {
  return fields.flatMap((field) => [
    heading(field, '  '),
    ...enumLines(field, '  '),
    ...wrapped(field.description, '    '),
    '',
  ]);
}

/** Fields under their fields, without descriptions. */
function tree(schemas: Schemas, fields: readonly Field[], indent: string): string[] {
  return fields.flatMap((field) => [
    heading(field, indent),
    ...tree(schemas, fieldsOf(schemas, field.inner), `${indent}  `),
  ]);
}

function heading({ name, type, required }: Field, indent: string): string {
  return `${indent}${name}\t<${type}>${required ? ' -required-' : ''}`;
}

function enumLines(field: Field, indent: string): string[] {
  if (field.enum.length === 0) return [];
  return [`${indent}enum: ${field.enum.map(String).join(', ')}`];
}

function wrapped(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (indent.length + longer.length > width && line !== '') {
      lines.push(indent + line);
      line = word;
    } else line = longer;
  }
  return line === '' ? lines : [...lines, indent + line];
}
