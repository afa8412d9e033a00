import { humanDuration } from '../machinery/age.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import type { Column, Resource } from '../machinery/resource.ts';
import { badRequest } from './errors.ts';
import { jsonOf, metadataJsonOf, type Item } from './registry/item.ts';

/** How much of each object a row carries. */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

export function parseIncludeObject(value: string | undefined): IncludeObject {
  switch (value ?? '') {
    case '':
    case 'Metadata':
      return 'Metadata';
    case 'None':
      return 'None';
    case 'Object':
      return 'Object';
    default:
      throw badRequest(
        `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(value)}: must be 'Metadata', 'Object', 'None', or empty`,
      );
  }
}

const nameColumn: Column<KubeObject> = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name of the object, unique in its namespace and kind.',
  priority: 0,
  cell: (object) => object.metadata.name,
};

function columnsOf(resource: Resource): readonly Column<KubeObject>[] {
  const named = resource.columns.some(({ name }) => name === 'Name');
  return named ? resource.columns : [nameColumn, ...resource.columns];
}

export interface TableOptions {
  metaVersion: 'v1' | 'v1beta1';
  include: IncludeObject;
  /** Wall time for ages, in milliseconds. */
  now: number;
}

/** meta.k8s.io Table without its rows. Definitions are left out (null) after the first event of a watch. */
export function tableHead(
  resource: Resource,
  options: Pick<TableOptions, 'metaVersion'> & {
    metadata: Readonly<Record<string, unknown>>;
    definitions: boolean;
  },
): Record<string, unknown> {
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${options.metaVersion}`,
    metadata: options.metadata,
    columnDefinitions: options.definitions ? columnsOf(resource).map(definitionOf) : null,
  };
}

/** The rows of a Table, made as they are asked for. */
export function* rowsOf(
  resource: Resource,
  items: Iterable<Item>,
  { metaVersion, include, now }: TableOptions,
): Generator {
  const columns = columnsOf(resource);
  for (const { object } of items) {
    yield {
      cells: columns.map((column) => cellOf(column, object, now)),
      object: rowObject(object, include, metaVersion),
    };
  }
}

const end = Buffer.from('}');

/** The same rows in JSON. */
export function* rowTexts(
  resource: Resource,
  items: Iterable<Item>,
  { metaVersion, include, now }: TableOptions,
): Generator<Uint8Array> {
  const columns = columnsOf(resource);
  const objectText = (item: Item): Uint8Array => {
    if (include === 'None') return Buffer.from('null');
    return include === 'Object' ? jsonOf(item) : partialText(item, metaVersion);
  };
  for (const item of items) {
    const cells = JSON.stringify(columns.map((column) => cellOf(column, item.object, now)));
    yield Buffer.concat([Buffer.from(`{"cells":${cells},"object":`), objectText(item), end]);
  }
}

function definitionOf(column: Column<KubeObject>): unknown {
  const { name, type, format = '', description, priority } = column;
  return { name, type, format, description, priority };
}

function cellOf(
  column: Column<KubeObject>,
  object: KubeObject,
  now: number,
): string | number | boolean | null {
  const cell = column.cell(object, now);
  if (column.type !== 'date' || typeof cell !== 'string') return cell;
  const at = Date.parse(cell);
  return Number.isNaN(at) ? cell : humanDuration(now - at);
}

function rowObject(
  object: KubeObject,
  include: IncludeObject,
  metaVersion: 'v1' | 'v1beta1',
): unknown {
  if (include === 'None') return null;
  return include === 'Object' ? object : partialMetadata(object, metaVersion);
}

/** meta.k8s.io PartialObjectMetadata. */
export function partialMetadata(object: KubeObject, metaVersion: 'v1' | 'v1beta1'): unknown {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: `meta.k8s.io/${metaVersion}`,
    metadata: object.metadata,
  };
}

const partialStarts = {
  v1: Buffer.from('{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":'),
  v1beta1: Buffer.from(
    '{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1beta1","metadata":',
  ),
};

/** The same in JSON, of which the most is made once a revision. */
export function partialText(item: Item, metaVersion: 'v1' | 'v1beta1'): Uint8Array {
  return Buffer.concat([partialStarts[metaVersion], metadataJsonOf(item), end]);
}
