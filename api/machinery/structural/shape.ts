import type { FieldError } from '../errors.ts';
import { isObject } from '../json.ts';

/** The kinds of values that keywords of a schema have. */
type Expected =
  | 'string'
  | 'number'
  | 'integer'
  | 'boolean'
  | 'anything'
  | 'list'
  | 'object'
  | 'strings'
  | 'schema'
  | 'schemas'
  | 'schemasByName'
  | 'schemaOrBoolean'
  | 'schemaOrSchemas';

/** JSONSchemaProps of apiextensions.k8s.io/v1. */
const keywords: Readonly<Record<string, Expected>> = {
  $ref: 'string',
  $schema: 'string',
  id: 'string',
  title: 'string',
  description: 'string',
  type: 'string',
  format: 'string',
  pattern: 'string',
  maximum: 'number',
  minimum: 'number',
  exclusiveMaximum: 'boolean',
  exclusiveMinimum: 'boolean',
  multipleOf: 'number',
  maxLength: 'integer',
  minLength: 'integer',
  maxItems: 'integer',
  minItems: 'integer',
  maxProperties: 'integer',
  minProperties: 'integer',
  uniqueItems: 'boolean',
  nullable: 'boolean',
  default: 'anything',
  example: 'anything',
  enum: 'list',
  externalDocs: 'object',
  required: 'strings',
  properties: 'schemasByName',
  patternProperties: 'schemasByName',
  definitions: 'schemasByName',
  dependencies: 'object',
  additionalProperties: 'schemaOrBoolean',
  additionalItems: 'schemaOrBoolean',
  items: 'schemaOrSchemas',
  allOf: 'schemas',
  anyOf: 'schemas',
  oneOf: 'schemas',
  not: 'schema',
  'x-kubernetes-preserve-unknown-fields': 'boolean',
  'x-kubernetes-embedded-resource': 'boolean',
  'x-kubernetes-int-or-string': 'boolean',
  'x-kubernetes-list-type': 'string',
  'x-kubernetes-list-map-keys': 'strings',
  'x-kubernetes-map-type': 'string',
  'x-kubernetes-validations': 'list',
};

export interface ShapeProblems {
  errors: FieldError[];
  /** Keywords that there are not, as paths below the schema. */
  unknown: string[][];
}

/** Whether a document is a schema at all: its keywords and the types of their values. */
export function schemaShape(document: unknown, path: string): ShapeProblems {
  const problems: ShapeProblems = { errors: [], unknown: [] };
  visit(document, path, [], problems);
  return problems;
}

function visit(node: unknown, path: string, steps: string[], problems: ShapeProblems): void {
  if (!isObject(node)) {
    problems.errors.push(wrong(path, node, 'must be a schema'));
    return;
  }
  for (const [keyword, value] of Object.entries(node)) {
    const expected = Object.hasOwn(keywords, keyword) ? keywords[keyword] : undefined;
    if (expected === undefined) problems.unknown.push([...steps, keyword]);
    else check(expected, value, `${path}.${keyword}`, [...steps, keyword], problems);
  }
}

function check(
  expected: Expected,
  value: unknown,
  path: string,
  steps: string[],
  problems: ShapeProblems,
): void {
  const visitAll = (list: readonly unknown[]): void => {
    for (const [index, item] of list.entries()) {
      visit(item, `${path}[${index}]`, [...steps, String(index)], problems);
    }
  };
  const refuse = (why: string): void => void problems.errors.push(wrong(path, value, why));
  switch (expected) {
    case 'anything':
      return;
    case 'string':
    case 'number':
    case 'boolean':
      if (typeof value !== expected) refuse(`must be a ${expected}`);
      return;
    case 'integer':
      if (!Number.isInteger(value)) refuse('must be a whole number');
      return;
    case 'list':
      if (!Array.isArray(value)) refuse('must be a list');
      return;
    case 'object':
      if (!isObject(value)) refuse('must be an object');
      return;
    case 'strings':
      if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) {
        refuse('must be a list of strings');
      }
      return;
    case 'schema':
      visit(value, path, steps, problems);
      return;
    case 'schemaOrBoolean':
      if (typeof value !== 'boolean') visit(value, path, steps, problems);
      return;
    case 'schemaOrSchemas':
      if (Array.isArray(value)) visitAll(value);
      else visit(value, path, steps, problems);
      return;
    case 'schemas':
      if (Array.isArray(value)) visitAll(value);
      else refuse('must be a list of schemas');
      return;
    case 'schemasByName':
      if (!isObject(value)) refuse('must be a map of schemas');
      else {
        for (const [name, child] of Object.entries(value)) {
          visit(child, `${path}[${name}]`, [...steps, name], problems);
        }
      }
  }
}

function wrong(field: string, value: unknown, why: string): FieldError {
  const text = JSON.stringify(value);
  const shown = text.length <= 64 ? text : `${text.slice(0, 61)}...`;
  return { field, message: `Invalid value: ${shown}: ${why}`, reason: 'FieldValueTypeInvalid' };
}
