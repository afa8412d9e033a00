import type { FieldError } from '../errors.ts';
import { isObject, jsonEqual } from '../json.ts';
import type { SchemaNode } from '../resource.ts';
import { forbidden, invalid, required } from './field-errors.ts';
import { isIntOrString, propertyOf } from './node.ts';
import { patternProblem } from './pattern-problem.ts';

const junctors = ['allOf', 'anyOf', 'oneOf'] as const;

/** What allOf, anyOf, oneOf and not of a node say that only the node itself may say. */
export function logicErrors(schema: SchemaNode, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [at, branch] of branchesOf(schema, path)) {
    if (isIntOrString(schema) && isIntOrStringLogic(schema, at, path)) continue;
    errors.push(...valueOnlyErrors(branch, at), ...completenessErrors(branch, schema, at, path));
  }
  return errors;
}

function branchesOf(schema: SchemaNode, path: string): [string, SchemaNode][] {
  const { not } = schema;
  return [
    ...junctors.flatMap((junctor) => {
      const list = schema[junctor];
      const branches: unknown[] = Array.isArray(list) ? list : [];
      return branches.flatMap((branch, index): [string, SchemaNode][] =>
        isObject(branch) ? [[`${path}.${junctor}[${index}]`, branch]] : [],
      );
    }),
    ...(isObject(not) ? [[`${path}.not`, not] as [string, SchemaNode]] : []),
  ];
}

/** The one place where types may stand inside: the two of a value that is a number or a text. */
const numberOrText = [{ type: 'integer' }, { type: 'string' }];

function isIntOrStringLogic(schema: SchemaNode, at: string, path: string): boolean {
  const { anyOf, allOf } = schema;
  if (at.startsWith(`${path}.anyOf`)) return jsonEqual(anyOf, numberOrText);
  const [first] = Array.isArray(allOf) ? (allOf as unknown[]) : [];
  return at === `${path}.allOf[0]` && jsonEqual(first, { anyOf: numberOrText });
}

/** Keywords that say what a value is or becomes, and the words in which they are refused. */
const structure: Readonly<Record<string, string>> = {
  type: 'must be empty to be structural',
  title: 'must be empty to be structural',
  description: 'must be empty to be structural',
  default: 'must be undefined to be structural',
  additionalProperties: 'must be undefined to be structural',
  nullable: 'must be false to be structural',
  'x-kubernetes-preserve-unknown-fields': 'must be false to be structural',
  'x-kubernetes-embedded-resource': 'must be false to be structural',
  'x-kubernetes-int-or-string': 'must be false to be structural',
  'x-kubernetes-list-map-keys': 'must be empty to be structural',
  'x-kubernetes-list-type': 'must be undefined to be structural',
  'x-kubernetes-map-type': 'must be undefined to be structural',
  'x-kubernetes-validations': 'must be empty to be structural',
};

function valueOnlyErrors(schema: SchemaNode, path: string): FieldError[] {
  const errors = Object.entries(structure)
    .filter(([keyword]) => Object.hasOwn(schema, keyword) && schema[keyword] !== false)
    .map(([keyword, why]) => forbidden(`${path}.${keyword}`, why));
  const { pattern } = schema;
  const problem = typeof pattern === 'string' ? patternProblem(pattern) : undefined;
  if (problem !== undefined) errors.push(invalid(`${path}.pattern`, pattern, problem));
  return [...errors, ...innerOf(schema, path).flatMap(([at, child]) => valueOnlyErrors(child, at))];
}

function innerOf(schema: SchemaNode, path: string): [string, SchemaNode][] {
  return [
    ...Object.entries(schema.properties ?? {}).map(([name, child]): [string, SchemaNode] => [
      `${path}.properties[${name}]`,
      child,
    ]),
    ...(schema.items === undefined
      ? []
      : [[`${path}.items`, schema.items] as [string, SchemaNode]]),
    ...branchesOf(schema, path),
  ];
}

/** Every field that is spoken of inside must be one that is named outside. */
function completenessErrors(
  branch: SchemaNode,
  outside: SchemaNode,
  at: string,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  for (const [name, child] of Object.entries(branch.properties ?? {})) {
    const known = propertyOf(outside, name);
    const where = `${at}.properties[${name}]`;
    if (known !== undefined) {
      errors.push(...completenessErrors(child, known, where, `${path}.properties[${name}]`));
    } else {
      errors.push(required(`${path}.properties[${name}]`, `because it is defined in ${where}`));
    }
  }
  if (branch.items !== undefined) {
    if (outside.items === undefined) {
      errors.push(required(`${path}.items`, `because it is defined in ${at}.items`));
    } else {
      errors.push(
        ...completenessErrors(branch.items, outside.items, `${at}.items`, `${path}.items`),
      );
    }
  }
  for (const [inner, child] of branchesOf(branch, at)) {
    errors.push(...completenessErrors(child, outside, inner, path));
  }
  return errors;
}
