import { isObject } from '../../machinery/json.ts';
import { evaluatePath, valueText } from '../../machinery/jsonpath/evaluate.ts';
import { parsePath } from '../../machinery/jsonpath/parse.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Column } from '../../machinery/resource.ts';
import type { CustomResourceColumn } from '../../v1/custom-resource-types.ts';
import { ageColumn } from '../../v1/zod-resource.ts';

/** The columns of a version, or the age alone, as in Kubernetes. */
export function columnsOf(
  columns: readonly CustomResourceColumn[] | undefined,
): readonly Column<KubeObject>[] {
  return columns === undefined || columns.length === 0 ? [ageColumn] : columns.map(columnOf);
}

function columnOf(column: CustomResourceColumn): Column<KubeObject> {
  const { name, format, description = '', priority = 0, jsonPath } = column;
  const path = parsePath(jsonPath);
  const type = typeOf(column);
  return {
    name,
    type,
    ...(format === undefined ? {} : { format }),
    description:
      description === ''
        ? `Custom resource definition column (in JSONPath format): ${jsonPath}`
        : description,
    priority,
    cell: (object) => cellOf(type, evaluatePath(path, object)),
  };
}

function typeOf({ type }: CustomResourceColumn): Column<KubeObject>['type'] {
  switch (type) {
    case 'integer':
    case 'number':
    case 'boolean':
    case 'date':
      return type;
    default:
      return 'string';
  }
}

type Cell = string | number | boolean | null;

/** A value of another type than the column's is left out. */
function cellOf(type: Column<KubeObject>['type'], values: readonly unknown[]): Cell {
  const [first] = values;
  if (first === undefined || first === null) return null;
  switch (type) {
    case 'string':
      return values.map(cellText).join(' ');
    case 'integer':
      return typeof first === 'number' ? Math.trunc(first) : null;
    case 'number':
      return typeof first === 'number' ? first : null;
    case 'boolean':
      return typeof first === 'boolean' ? first : null;
    case 'date':
      return typeof first === 'string' ? first : null;
  }
}

function cellText(value: unknown): string {
  return isObject(value) || Array.isArray(value) ? JSON.stringify(value) : valueText(value);
}
