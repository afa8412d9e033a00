import type { FieldError } from '../errors.ts';
import { isObject, jsonEqual, type JsonObject } from '../json.ts';
import { Pattern, PatternCostError } from '../regexp/pattern.ts';
import type { SchemaNode } from '../resource.ts';
import { hasFormat } from './formats.ts';
import { duplicateItems } from './list-types.ts';
import { allowsNull, entriesOf, isEmbedded, isIntOrString, propertyOf } from './node.ts';

/** More than this many faults of one object tell nobody more. */
const maxErrors = 100;

/** Holds values against one structural schema; the messages are worded as kube-apiserver's. */
export class StructuralValidator {
  readonly #schema: SchemaNode;
  readonly #patterns = new Map<string, Pattern>();

  constructor(schema: SchemaNode) {
    this.#schema = schema;
  }

  /** What is wrong with a value that is complete and pruned. `path` is where it stands. */
  errors(value: unknown, path = ''): FieldError[] {
    const found = this.#check(value, this.#schema, path);
    // What is no list cannot have items twice.
    const duplicates = duplicateItems(value, this.#schema, path);
    return [...found, ...duplicates].slice(0, maxErrors);
  }

  #check(value: unknown, schema: SchemaNode, path: string): FieldError[] {
    if (value === null && allowsNull(schema)) return [];
    return [
      ...typeErrors(value, schema, path),
      ...this.#logicErrors(value, schema, path),
      ...(typeof value === 'string' ? this.#textErrors(value, schema, path) : []),
      ...(typeof value === 'number' ? numberErrors(value, schema, path) : []),
      ...(Array.isArray(value) ? this.#itemErrors(value, schema, path) : []),
      ...enumErrors(value, schema, path),
      ...(isObject(value) ? this.#fieldErrors(value, schema, path) : []),
    ];
  }

  /** allOf, anyOf, oneOf and not. */
  #logicErrors(value: unknown, schema: SchemaNode, path: string): FieldError[] {
    const errors: FieldError[] = [];
    const passes = (branch: SchemaNode): boolean => this.#check(value, branch, path).length === 0;
    for (const branch of branches(schema['allOf'])) {
      errors.push(...this.#check(value, branch, path));
    }
    const anyOf = branches(schema['anyOf']);
    if (anyOf.length > 0 && !anyOf.some(passes)) {
      errors.push(
        invalid(path, '', `${JSON.stringify(path)} must validate at least one schema (anyOf)`),
      );
    }
    const oneOf = branches(schema['oneOf']);
    const valid = oneOf.length === 0 ? 1 : oneOf.filter(passes).length;
    if (valid !== 1) {
      const found = valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`;
      const must = 'must validate one and only one schema (oneOf)';
      errors.push(invalid(path, '', `${JSON.stringify(path)} ${must}. ${found}`));
    }
    const not = isObject(schema['not']) ? (schema['not'] as SchemaNode) : undefined;
    if (not !== undefined && passes(not)) {
      errors.push(invalid(path, '', `${JSON.stringify(path)} must not validate the schema (not)`));
    }
    return errors;
  }

  #textErrors(value: string, schema: SchemaNode, path: string): FieldError[] {
    const { maxLength, minLength, pattern, format } = schema;
    const length =
      typeof maxLength === 'number' || typeof minLength === 'number' ? lengthOf(value) : 0;
    // One fault of a text is enough, as upstream.
    if (typeof maxLength === 'number' && length > maxLength) {
      return [invalid(path, value, `${path} in body should be at most ${maxLength} chars long`)];
    }
    if (typeof minLength === 'number' && length < minLength) {
      return [invalid(path, value, `${path} in body should be at least ${minLength} chars long`)];
    }
    const errors: FieldError[] = [];
    if (typeof pattern === 'string' && pattern !== '') {
      const problem = this.#patternProblem(value, pattern);
      if (problem !== undefined) errors.push(invalid(path, value, `${path} in body ${problem}`));
    }
    if (typeof format === 'string' && isTyped(schema, 'string') && !hasFormat(value, format)) {
      const message = `${path} in body must be of type ${format}: ${JSON.stringify(value)}`;
      errors.push(invalid(path, value, message));
    }
    return errors;
  }

  #patternProblem(value: string, source: string): string | undefined {
    let pattern = this.#patterns.get(source);
    if (pattern === undefined) {
      pattern = new Pattern(source);
      this.#patterns.set(source, pattern);
    }
    try {
      return pattern.test(value) ? undefined : `should match '${source}'`;
    } catch (error) {
      if (error instanceof PatternCostError) return error.message;
      throw error;
    }
  }

  #itemErrors(items: readonly unknown[], schema: SchemaNode, path: string): FieldError[] {
    const { maxItems, minItems } = schema;
    const errors: FieldError[] = [];
    const { length } = items;
    for (const [index, item] of items.entries()) {
      if (schema.items === undefined || errors.length >= maxErrors) break;
      errors.push(...this.#check(item, schema.items, `${path}[${index}]`));
    }
    if (typeof minItems === 'number' && length < minItems) {
      errors.push(invalid(path, length, `${path} in body should have at least ${minItems} items`));
    }
    if (typeof maxItems === 'number' && length > maxItems) {
      errors.push(invalid(path, length, `${path} in body should have at most ${maxItems} items`));
    }
    return errors;
  }

  #fieldErrors(object: JsonObject, schema: SchemaNode, path: string): FieldError[] {
    const errors = sizeErrors(object, schema, path);
    for (const [key, value] of Object.entries(object)) {
      if (errors.length >= maxErrors) break;
      const child = propertyOf(schema, key) ?? entriesOf(schema);
      if (child !== undefined) errors.push(...this.#check(value, child, childPath(path, key)));
    }
    for (const key of schema.required ?? []) {
      if (!Object.hasOwn(object, key)) errors.push(required(childPath(path, key)));
    }
    return isEmbedded(schema) ? [...errors, ...embeddedErrors(object, path)] : errors;
  }
}

function sizeErrors(object: JsonObject, schema: SchemaNode, path: string): FieldError[] {
  const { maxProperties, minProperties } = schema;
  const count = Object.keys(object).length;
  if (typeof minProperties === 'number' && count < minProperties) {
    return [
      invalid(path, count, `${path} in body should have at least ${minProperties} properties`),
    ];
  }
  if (typeof maxProperties === 'number' && count > maxProperties) {
    return [
      invalid(path, count, `${path} in body should have at most ${maxProperties} properties`),
    ];
  }
  return [];
}

/** An object inside another one says of itself what it is. */
function embeddedErrors(object: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of ['apiVersion', 'kind']) {
    const value = Object.hasOwn(object, key) ? object[key] : '';
    const field = childPath(path, key);
    if (typeof value !== 'string') {
      errors.push(...typeErrors(value, { type: 'string' }, field));
    } else if (value === '') {
      errors.push({ ...required(field), message: 'Required value: must not be empty' });
    }
  }
  const { metadata } = object;
  if (metadata === undefined) return errors;
  return [...errors, ...typeErrors(metadata, { type: 'object' }, childPath(path, 'metadata'))];
}

function branches(value: unknown): SchemaNode[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function childPath(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

/** Characters as people count them, not UTF-16 units. */
function lengthOf(text: string): number {
  return text.length - (text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0);
}

function isTyped(schema: SchemaNode, type: string): boolean {
  return schema.type === type || isIntOrString(schema) || schema.type === undefined;
}

function typeErrors(value: unknown, schema: SchemaNode, path: string): FieldError[] {
  const wanted = isIntOrString(schema) ? ['integer', 'string'] : [schema.type];
  const [first] = wanted;
  if (first === undefined) return [];
  const found = typeOf(value);
  const fits = wanted.some((type) => type === found || (type === 'number' && found === 'integer'));
  if (fits) return [];
  const message = `${path} in body must be of type ${wanted.join(',')}: ${JSON.stringify(found)}`;
  return [invalid(path, found, message)];
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function numberErrors(value: number, schema: SchemaNode, path: string): FieldError[] {
  const { maximum, minimum, multipleOf, format } = schema;
  const errors: FieldError[] = [];
  const say = (what: string): void => {
    errors.push(invalid(path, value, `${path} in body should be ${what}`));
  };
  if (typeof multipleOf === 'number' && !isMultiple(value, multipleOf)) {
    say(`a multiple of ${multipleOf}`);
  }
  if (typeof maximum === 'number') {
    const exclusive = schema['exclusiveMaximum'] === true;
    if (exclusive ? value >= maximum : value > maximum) {
      say(exclusive ? `less than ${maximum}` : `less than or equal to ${maximum}`);
    }
  }
  if (typeof minimum === 'number') {
    const exclusive = schema['exclusiveMinimum'] === true;
    if (exclusive ? value <= minimum : value < minimum) {
      say(exclusive ? `greater than ${minimum}` : `greater than or equal to ${minimum}`);
    }
  }
  if (format === 'int32' && (value > 2 ** 31 - 1 || value < -(2 ** 31))) {
    const message = `${path} in body must be of type int32: ${value}`;
    errors.push(invalid(path, value, message));
  }
  return errors;
}

/** Decimal fractions have no exact binary form: 0.3 is to be a multiple of 0.1. */
function isMultiple(value: number, factor: number): boolean {
  if (factor <= 0) return true;
  const quotient = value / factor;
  return Math.abs(quotient - Math.round(quotient)) < 1e-9 * Math.max(1, Math.abs(quotient));
}

function enumErrors(value: unknown, schema: SchemaNode, path: string): FieldError[] {
  const allowed = schema.enum;
  if (!Array.isArray(allowed) || allowed.some((one) => jsonEqual(one, value))) return [];
  const values = allowed.map((one) => JSON.stringify(one)).join(', ');
  const message = `Unsupported value: ${shown(value)}: supported values: ${values}`;
  return [{ field: path, message, reason: 'FieldValueNotSupported' }];
}

function required(field: string): FieldError {
  return { field, message: 'Required value', reason: 'FieldValueRequired' };
}

function invalid(field: string, value: unknown, why: string): FieldError {
  return { field, message: `Invalid value: ${shown(value)}: ${why}`, reason: 'FieldValueInvalid' };
}

/** A wrong value, cut where it says no more. */
function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= 512 ? text : `${text.slice(0, 509)}...`;
}
