import type { FieldError } from '../errors.ts';
import { listMapKeys } from '../fields-within.ts';
import { jsonEqual } from '../json.ts';
import { PatternError } from '../regexp/ast.ts';
import type { SchemaNode } from '../resource.ts';
import { withDefaults } from './defaults.ts';
import { forbidden, invalid, required, unsupported } from './field-errors.ts';
import { logicErrors } from './logic-rules.ts';
import { entriesOf, isEmbedded, isIntOrString, preservesUnknown } from './node.ts';
import { patternProblem } from './pattern-problem.ts';
import { prune } from './prune.ts';
import { StructuralValidator } from './validator.ts';

type Level = 'root' | 'field' | 'item';

/**
 * What keeps a schema, whose shape is right, from being structural: every value has a type, every field
 * is named once, and what is inside anyOf and the like only says what is wrong with values. See
 * "Specifying a structural schema" in Kubernetes' documentation.
 */
export function structuralErrors(schema: SchemaNode, path: string): FieldError[] {
  return [...rootErrors(schema, path), ...nodeErrors(schema, path, 'root')];
}

function rootErrors(schema: SchemaNode, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (schema.type === undefined || schema.type === '') {
    errors.push(required(`${path}.type`, 'must not be empty at the root'));
  } else if (schema.type !== 'object') {
    errors.push(invalid(`${path}.type`, schema.type, 'must be object at the root'));
  }
  if (schema.nullable === true) {
    errors.push(forbidden(`${path}.nullable`, 'nullable cannot be true at the root'));
  }
  const metadata = schema.properties?.['metadata'];
  if (metadata !== undefined)
    errors.push(...metadataErrors(metadata, `${path}.properties[metadata]`));
  for (const name of ['apiVersion', 'kind']) {
    const type = schema.properties?.[name]?.type;
    if (type !== undefined && type !== 'string') {
      errors.push(invalid(`${path}.properties[${name}].type`, type, 'must be string'));
    }
  }
  return errors;
}

/** The server knows what metadata are; a schema may only say more of names. */
function metadataErrors(schema: SchemaNode, path: string): FieldError[] {
  if (schema.type !== 'object') {
    return [invalid(`${path}.type`, schema.type ?? '', 'must be object')];
  }
  const allowed = ['type', 'description', 'properties'];
  const names = Object.keys(schema.properties ?? {});
  const onlyNames = names.every((name) => name === 'name' || name === 'generateName');
  if (onlyNames && Object.keys(schema).every((key) => allowed.includes(key))) return [];
  return [
    forbidden(
      path,
      'must not specify anything other than name and generateName, but metadata is implicitly specified',
    ),
  ];
}

function nodeErrors(schema: SchemaNode, path: string, level: Level): FieldError[] {
  return [
    ...unsupportedErrors(schema, path),
    ...typeErrors(schema, path, level),
    ...extensionErrors(schema, path),
    ...listErrors(schema, path),
    ...valueErrors(schema, path),
    ...logicErrors(schema, path),
    ...childErrors(schema, path),
  ];
}

function childErrors(schema: SchemaNode, path: string): FieldError[] {
  const entries = entriesOf(schema);
  return [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, child]) =>
      nodeErrors(child, `${path}.properties[${name}]`, 'field'),
    ),
    ...(entries === undefined ? [] : nodeErrors(entries, `${path}.additionalProperties`, 'field')),
    ...(schema.items === undefined || Array.isArray(schema.items)
      ? []
      : nodeErrors(schema.items, `${path}.items`, 'item')),
  ];
}

/** Keywords of JSON schema that no structural schema has. */
const unsupportedKeywords = [
  '$ref',
  'definitions',
  'dependencies',
  'id',
  'patternProperties',
  'additionalItems',
] as const;

function unsupportedErrors(schema: SchemaNode, path: string): FieldError[] {
  const errors = unsupportedKeywords
    .filter((keyword) => schema[keyword] !== undefined)
    .map((keyword) => forbidden(`${path}.${keyword}`, `${keyword} is not supported`));
  if (schema['uniqueItems'] === true) {
    const why = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic';
    errors.push(forbidden(`${path}.uniqueItems`, why));
  }
  if (Array.isArray(schema.items)) {
    const why = 'items must be a schema object and not an array';
    errors.push(forbidden(`${path}.items`, why));
  }
  if (schema.additionalProperties === false) {
    const why = 'additionalProperties cannot be set to false';
    errors.push(forbidden(`${path}.additionalProperties`, why));
  } else if (schema.additionalProperties !== undefined && hasProperties(schema)) {
    const why = 'additionalProperties and properties are mutual exclusive';
    errors.push(forbidden(`${path}.additionalProperties`, why));
  }
  if (schema['x-kubernetes-validations'] !== undefined) {
    const why =
      'this server does not evaluate CEL rules: remove them, and say what can be said with pattern, enum, minimum, maximum, required and oneOf';
    errors.push(forbidden(`${path}.x-kubernetes-validations`, why));
  }
  return errors;
}

function hasProperties(schema: SchemaNode): boolean {
  return Object.keys(schema.properties ?? {}).length > 0;
}

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

function typeErrors(schema: SchemaNode, path: string, level: Level): FieldError[] {
  const field = `${path}.type`;
  const { type = '' } = schema;
  if (type === 'null') {
    return [forbidden(field, 'type cannot be set to null, use nullable as an alternative')];
  }
  if (type !== '' && !types.includes(type)) return [unsupported(field, type, types)];
  if (isIntOrString(schema)) {
    return type === ''
      ? []
      : [invalid(field, type, 'must be empty if x-kubernetes-int-or-string is true')];
  }
  if (type === '' && level !== 'root' && !isOpen(schema)) {
    const what = level === 'item' ? 'array items' : 'object fields';
    return [required(field, `must not be empty for specified ${what}`)];
  }
  const errors: FieldError[] = [];
  if (type !== 'object' && (hasProperties(schema) || schema.additionalProperties !== undefined)) {
    const keyword = hasProperties(schema) ? 'properties' : 'additionalProperties';
    if (type !== '')
      errors.push(forbidden(`${path}.${keyword}`, 'must not be set unless type is object'));
  }
  if (type === 'array' && schema.items === undefined) {
    errors.push(required(`${path}.items`, 'must be specified'));
  }
  return errors;
}

/** Without a type, but whatever it is stays. */
function isOpen(schema: SchemaNode): boolean {
  return preservesUnknown(schema) && !isEmbedded(schema);
}

function extensionErrors(schema: SchemaNode, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) {
    const field = `${path}.x-kubernetes-preserve-unknown-fields`;
    errors.push(invalid(field, false, 'must be true or undefined'));
  }
  if (isEmbedded(schema)) {
    if (schema.type !== 'object') {
      const why = 'must be object if x-kubernetes-embedded-resource is true';
      errors.push(invalid(`${path}.type`, schema.type ?? '', why));
    }
    if (!hasProperties(schema) && !preservesUnknown(schema)) {
      const why =
        'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields';
      errors.push(required(`${path}.properties`, why));
    }
  }
  const mapType = schema['x-kubernetes-map-type'];
  if (mapType !== undefined) {
    if (mapType !== 'atomic' && mapType !== 'granular') {
      errors.push(unsupported(`${path}.x-kubernetes-map-type`, mapType, ['atomic', 'granular']));
    }
    if (schema.type !== 'object') {
      const why = 'must be object if x-kubernetes-map-type is specified';
      errors.push(invalid(`${path}.type`, schema.type ?? '', why));
    }
  }
  return errors;
}

const listTypes = ['atomic', 'map', 'set'];

function listErrors(schema: SchemaNode, path: string): FieldError[] {
  const type = schema['x-kubernetes-list-type'];
  const keysField = `${path}.x-kubernetes-list-map-keys`;
  const keys = listMapKeys(schema);
  if (type === undefined) {
    if (keys.length === 0) return [];
    return [
      required(
        `${path}.x-kubernetes-list-type`,
        'must be map if x-kubernetes-list-map-keys is non-empty',
      ),
    ];
  }
  const errors: FieldError[] = [];
  if (typeof type !== 'string' || !listTypes.includes(type)) {
    errors.push(unsupported(`${path}.x-kubernetes-list-type`, type, listTypes));
  }
  if (schema.type !== 'array') {
    const why = 'must be array if x-kubernetes-list-type is specified';
    errors.push(invalid(`${path}.type`, schema.type ?? '', why));
  }
  if (type === 'map') errors.push(...keyErrors(schema, keys, path));
  else if (keys.length > 0) {
    const why = `must be empty if x-kubernetes-list-type is not map`;
    errors.push(forbidden(keysField, why));
  }
  if (type === 'set' && schema.items !== undefined && !isOneValue(schema.items)) {
    const items = `${path}.items`;
    if (schema.items.nullable === true)
      errors.push(
        forbidden(`${items}.nullable`, 'cannot be nullable when x-kubernetes-list-type is set'),
      );
    else if (schema.items.type === 'array') {
      const why = 'must be atomic as item of a list with x-kubernetes-list-type=set';
      errors.push(
        invalid(
          `${items}.x-kubernetes-list-type`,
          schema.items['x-kubernetes-list-type'] ?? '',
          why,
        ),
      );
    } else {
      const why = 'must be atomic as item of a list with x-kubernetes-list-type=set';
      errors.push(
        invalid(`${items}.x-kubernetes-map-type`, schema.items['x-kubernetes-map-type'] ?? '', why),
      );
    }
  }
  return errors;
}

/** Whether an item is compared as a whole. */
function isOneValue(items: SchemaNode): boolean {
  if (items.nullable === true) return false;
  if (items.type === 'object') return items['x-kubernetes-map-type'] === 'atomic';
  if (items.type !== 'array') return true;
  const listType = items['x-kubernetes-list-type'];
  return listType === undefined || listType === 'atomic';
}

const scalars = ['boolean', 'integer', 'number', 'string'];

function keyErrors(schema: SchemaNode, keys: readonly string[], path: string): FieldError[] {
  const field = `${path}.x-kubernetes-list-map-keys`;
  const { items } = schema;
  if (items === undefined) {
    return [required(`${path}.items`, 'must have a schema if x-kubernetes-list-type is map')];
  }
  const errors: FieldError[] = [];
  if (keys.length === 0) {
    errors.push(required(field, 'must not be empty if x-kubernetes-list-type is map'));
  }
  if (items.type !== 'object') {
    const why = "must be object if parent array's x-kubernetes-list-type is map";
    errors.push(invalid(`${path}.items.type`, items.type ?? '', why));
  }
  if (items.nullable === true) {
    errors.push(
      forbidden(`${path}.items.nullable`, 'cannot be nullable when x-kubernetes-list-type is map'),
    );
  }
  if (new Set(keys).size < keys.length) {
    errors.push(invalid(field, keys, 'must not contain duplicate entries'));
  }
  for (const [index, key] of keys.entries()) {
    const property = items.properties?.[key];
    if (property === undefined) {
      errors.push(
        invalid(`${field}[${index}]`, key, 'entries must all be names of item properties'),
      );
      continue;
    }
    const at = `${path}.items.properties[${key}]`;
    if (!scalars.includes(property.type ?? '') && !isIntOrString(property)) {
      const why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
      errors.push(invalid(`${at}.type`, property.type ?? '', why));
    }
    if (property.nullable === true) {
      errors.push(
        forbidden(
          `${at}.nullable`,
          'this property is in x-kubernetes-list-map-keys, so it cannot be nullable',
        ),
      );
    }
    if (property['default'] === undefined && items.required?.includes(key) !== true) {
      const why =
        'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property';
      errors.push(required(`${at}.default`, why));
    }
  }
  return errors;
}

/** What a node says of values: its pattern must be one, its default must pass itself. */
function valueErrors(schema: SchemaNode, path: string): FieldError[] {
  const { pattern } = schema;
  if (typeof pattern === 'string') {
    const why = patternProblem(pattern);
    // A schema with a broken pattern cannot judge values.
    if (why !== undefined) return [invalid(`${path}.pattern`, pattern, why)];
  }
  return schema['default'] === undefined ? [] : defaultErrors(schema, path);
}

function defaultErrors(schema: SchemaNode, path: string): FieldError[] {
  const field = `${path}.default`;
  const value = schema['default'];
  if (value === null && schema.nullable !== true) {
    return [invalid(field, null, 'must not be null')];
  }
  const whole: SchemaNode = { type: 'object', properties: { default: schema } };
  const pruned = prune({ default: value }, whole);
  if (pruned.unknown.length > 0) return [invalid(field, value, 'must not have unknown fields')];
  const complete = withDefaults({ default: value }, whole);
  if (jsonEqual(complete, {})) return [];
  try {
    return new StructuralValidator(whole)
      .errors(complete)
      .map((error) => ({ ...error, field: `${path}.${error.field}` }));
  } catch (error) {
    // Which is said of the node that has the pattern.
    if (error instanceof PatternError) return [];
    throw error;
  }
}
