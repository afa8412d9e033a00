import type { FieldError } from '../machinery/errors.ts';
import { JsonPathError } from '../machinery/jsonpath/ast.ts';
import { parsePath } from '../machinery/jsonpath/parse.ts';
import type { SchemaNode } from '../machinery/resource.ts';
import { invalid, required } from '../machinery/structural/field-errors.ts';
import { propertyOf } from '../machinery/structural/node.ts';
import type { CustomResourceColumn } from './custom-resource-types.ts';

/** Rules for the JSON paths in a definition. */

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];
const columnFormats = [
  'byte',
  'date',
  'date-time',
  'double',
  'float',
  'int32',
  'int64',
  'password',
];

export function columnErrors(
  columns: readonly CustomResourceColumn[],
  field: string,
): FieldError[] {
  return columns.flatMap(({ name, type, format, jsonPath }, index) => {
    const at = `${field}.additionalPrinterColumns[${index}]`;
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(`${at}.name`, ''));
    if (type === '') errors.push(required(`${at}.type`, `must be one of ${columnTypes.join(',')}`));
    else if (!columnTypes.includes(type)) {
      errors.push(invalid(`${at}.type`, type, `must be one of ${columnTypes.join(',')}`));
    }
    if (format !== undefined && format !== '' && !columnFormats.includes(format)) {
      errors.push(invalid(`${at}.format`, format, `must be one of ${columnFormats.join(',')}`));
    }
    if (jsonPath === '') errors.push(required(`${at}.jsonPath`, ''));
    else if (!jsonPath.startsWith('.')) {
      const why = 'must be a simple json path starting with .';
      errors.push(invalid(`${at}.jsonPath`, jsonPath, why));
    } else {
      const why = pathProblem(jsonPath);
      if (why !== undefined) errors.push(invalid(`${at}.jsonPath`, jsonPath, why));
    }
    return errors;
  });
}

function pathProblem(path: string): string | undefined {
  try {
    parsePath(path);
    return undefined;
  } catch (error) {
    if (error instanceof JsonPathError) return error.message;
    throw error;
  }
}

interface ScalePathsOfVersion {
  specReplicasPath: string;
  statusReplicasPath: string;
  labelSelectorPath?: string | undefined;
}

export function scaleErrors(scale: ScalePathsOfVersion | undefined, field: string): FieldError[] {
  if (scale === undefined) return [];
  const { specReplicasPath, statusReplicasPath, labelSelectorPath = '' } = scale;
  return [
    ...numberPathErrors(`${field}.specReplicasPath`, specReplicasPath, ['spec']),
    ...numberPathErrors(`${field}.statusReplicasPath`, statusReplicasPath, ['status']),
    ...(labelSelectorPath === ''
      ? []
      : numberPathErrors(`${field}.labelSelectorPath`, labelSelectorPath, ['spec', 'status'])),
  ];
}

function numberPathErrors(field: string, path: string, under: readonly string[]): FieldError[] {
  if (path === '') return [required(field, '')];
  if (!/^(?:\.[^.[\]]+)+$/.test(path)) {
    return [invalid(field, path, 'must be a json path in the dot notation')];
  }
  if (under.some((section) => path.startsWith(`.${section}.`))) return [];
  const where = under.length === 1 ? `.${under[0] ?? ''}` : 'either .spec or .status';
  return [invalid(field, path, `should be a json path under ${where}`)];
}

const maxSelectableFields = 8;

export function selectableFieldErrors(
  fields: readonly { jsonPath: string }[],
  schema: SchemaNode,
  field: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (fields.length > maxSelectableFields) {
    const message = `Too many: ${fields.length}: must have at most ${maxSelectableFields} items`;
    errors.push({ field, message, reason: 'FieldValueInvalid' });
  }
  const seen = new Set<string>();
  for (const [index, { jsonPath }] of fields.entries()) {
    const at = `${field}[${index}].jsonPath`;
    if (jsonPath === '') errors.push(required(at, ''));
    else if (!/^(?:\.[^.[\]]+)+$/.test(jsonPath)) {
      errors.push(
        invalid(at, jsonPath, 'is an invalid path: must be a simple path in the dot notation'),
      );
    } else if (jsonPath.startsWith('.metadata.')) {
      errors.push(invalid(at, jsonPath, 'must not point to fields in metadata'));
    } else errors.push(...selectableTypeErrors(at, jsonPath, schema));
    if (seen.has(jsonPath))
      errors.push({
        field: at,
        message: `Duplicate value: ${JSON.stringify(jsonPath)}`,
        reason: 'FieldValueDuplicate',
      });
    seen.add(jsonPath);
  }
  return errors;
}

const selectableTypes = ['boolean', 'integer', 'string'];

function selectableTypeErrors(at: string, path: string, schema: SchemaNode): FieldError[] {
  let node: SchemaNode | undefined = schema;
  for (const segment of simplePath(path)) {
    node = node === undefined ? undefined : propertyOf(node, segment);
  }
  if (node === undefined) return [invalid(at, path, 'does not refer to a valid field')];
  if (node.type !== undefined && selectableTypes.includes(node.type)) return [];
  return [invalid(at, path, `must point to a field of type boolean, integer or string`)];
}

/** The segments of a path in the dot notation. */
export function simplePath(path: string): string[] {
  return path.split('.').slice(1);
}
