import { z } from 'zod';
import type { FieldError } from '../machinery/errors.ts';
import { fieldPath } from '../machinery/errors.ts';
import {
  apiVersionOf,
  objectMetaSchema,
  type KubeObject,
  type ObjectMeta,
} from '../machinery/metadata.ts';
import type { Column, ParseResult, Resource, SchemaNode } from '../machinery/resource.ts';

/**
 * The shape check lets a draft without uid pass; the server completes metadata before it hands the
 * object on, so that everyone else may rely on ObjectMeta. This is the one place that says so.
 */
const metadataSchema = objectMetaSchema as unknown as z.ZodType<ObjectMeta>;

/** What a kind built from zod says about itself; the rest has defaults. */
export interface ZodResource<T extends KubeObject> {
  group: string;
  version: string;
  kind: string;
  plural: string;
  shortNames?: readonly string[];
  categories?: readonly string[];
  namespaced: boolean;
  description: string;
  /** Schemas of the top-level fields besides apiVersion, kind and metadata. */
  fields: Readonly<Record<string, z.ZodType>>;
  subresources?: Resource['subresources'];
  verbs?: NonNullable<Resource['verbs']>;
  columns: readonly Column<T>[];
  selectableFields?: Readonly<Record<string, (object: T) => string>>;
  strategicMerge?: boolean;
  unknownFields?: Resource['unknownFields'];
  ttlSeconds?: number;
  maxBytes?: number;
  fieldOwners?: Resource['fieldOwners'];
  confidential?: true;
  /** What to write instead of a field that there is not, if it is one that people expect. */
  mendOf?: (path: readonly PropertyKey[]) => string | undefined;
  defaults?: (object: T) => T;
  validate?: Resource<T>['validate'];
}

export const ageColumn: Column<KubeObject> = {
  name: 'Age',
  type: 'date',
  description: 'Time since the object was created.',
  priority: 0,
  cell: (object) => object.metadata.creationTimestamp,
};

/** Builds a Resource whose shape is a zod schema. */
export function defineResource<T extends KubeObject>(definition: ZodResource<T>): Resource<T> {
  const { group, version, kind } = definition;
  const shape: Readonly<Record<string, z.ZodType>> = {
    apiVersion: z.literal(apiVersionOf({ group, version })),
    kind: z.literal(kind),
    metadata: metadataSchema,
    ...definition.fields,
  };
  const whole = z.strictObject(shape);
  /** Schemas without some of the fields, made when they are first needed: a few for each kind. */
  const parts = new Map<string, z.ZodType>();
  const without = (names: readonly string[]): z.ZodType => {
    if (names.length === 0) return whole;
    const key = names.join();
    const known = parts.get(key);
    if (known !== undefined) return known;
    const rest = Object.entries(shape).filter(([name]) => !names.includes(name));
    const part = z.strictObject(Object.fromEntries(rest));
    parts.set(key, part);
    return part;
  };
  const singular = kind.toLowerCase();
  return {
    gvk: { group, version, kind },
    plural: definition.plural,
    singular,
    shortNames: definition.shortNames ?? [],
    categories: definition.categories ?? [],
    namespaced: definition.namespaced,
    strategicMerge: definition.strategicMerge ?? false,
    unknownFields: definition.unknownFields ?? 'refuse',
    subresources: definition.subresources ?? { status: false },
    ...(definition.ttlSeconds === undefined ? {} : { ttlSeconds: definition.ttlSeconds }),
    ...(definition.maxBytes === undefined ? {} : { maxBytes: definition.maxBytes }),
    ...(definition.fieldOwners === undefined ? {} : { fieldOwners: definition.fieldOwners }),
    ...(definition.confidential === undefined ? {} : { confidential: definition.confidential }),
    ...(definition.verbs === undefined ? {} : { verbs: definition.verbs }),
    columns: definition.columns,
    selectableFields: definition.selectableFields ?? {},
    schema: schemaOf(definition),
    // The shape has been checked field by field; T is its static side, given by the kind's file.
    parse: (document, checked = {}) => {
      const part = without(Object.keys(checked)) as unknown as z.ZodType<T>;
      const result = parseWith(part, document, definition);
      return result.ok ? { ok: true, value: { ...result.value, ...checked } } : result;
    },
    defaults: definition.defaults ?? ((object) => object),
    validate: definition.validate ?? (() => []),
  };
}

const metadataOnly = z.strictObject({ metadata: metadataSchema });

/** Holds metadata from a client against their shape; the errors are those of a whole object. */
export function parseObjectMeta(metadata: unknown): ParseResult<ObjectMeta> {
  const result = parseWith(metadataOnly, { metadata }, {});
  return result.ok ? { ok: true, value: result.value.metadata } : result;
}

type Wording = Pick<ZodResource<never>, 'mendOf' | 'confidential'>;

function parseWith<T>(shape: z.ZodType<T>, document: unknown, wording: Wording): ParseResult<T> {
  const result = shape.safeParse(document, { reportInput: true });
  if (result.success) return { ok: true, value: result.data };
  const unknown = result.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => [...issue.path.map(String), key])
      : [],
  );
  const errors = result.error.issues.flatMap((issue) => toFieldErrors(issue, wording));
  return { ok: false, errors, unknown, mends: unknown.map((path) => wording.mendOf?.(path)) };
}

function toFieldErrors(issue: z.core.$ZodIssue, wording: Wording): FieldError[] {
  const field = fieldPath(issue.path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const path = fieldPath([...issue.path, key]);
      const mend = wording.mendOf?.([...issue.path, key]) ?? 'remove it or check its spelling';
      const message = `unknown field "${path}": ${mend}`;
      return { field: path, message, reason: 'FieldValueInvalid' };
    });
  }
  if (issue.input === undefined) {
    // What is not there is not to be quoted.
    const message = `Required value: ${wanted(issue).replace(quoting, '')}`;
    return [{ field, message, reason: 'FieldValueRequired' }];
  }
  const value = wording.confidential === true ? redacted : shown(issue.input);
  switch (issue.code) {
    case 'invalid_type':
      return [
        {
          field,
          message: `Invalid value: ${value}: ${wanted(issue)}`,
          reason: 'FieldValueTypeInvalid',
        },
      ];
    case 'invalid_value':
      return [
        {
          field,
          message: `Unsupported value: ${value}: ${wanted(issue)}`,
          reason: 'FieldValueNotSupported',
        },
      ];
    default:
      return [
        {
          field,
          message: `Invalid value: ${value}: ${issue.message}`,
          reason: 'FieldValueInvalid',
        },
      ];
  }
}

/** What would have been right. */
function wanted(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return expected(issue.expected);
  if (issue.code !== 'invalid_value') return issue.message;
  return `supported values: ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
}

/** What stands for a value of a confidential kind, in Kubernetes' words. */
const redacted = '"<secret contents redacted>"';

/** A wrong value as Kubernetes quotes it, cut where it says no more. */
function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= 64 ? text : `${text.slice(0, 61)}...`;
}

/** The mend of a value that YAML does not take for a string. */
const quoting = ' (quote it in YAML)';

function expected(type: string): string {
  const names: Readonly<Record<string, string>> = {
    int: 'must be a whole number',
    number: 'must be a number',
    string: `must be a string${quoting}`,
    boolean: 'must be true or false',
    array: 'must be a list',
    object: 'must be an object',
    record: 'must be a map',
  };
  return names[type] ?? `must be of type ${type}`;
}

/** The structural schema of an object with these fields besides apiVersion, kind and metadata. */
export function schemaOf(definition: {
  description: string;
  fields: Readonly<Record<string, z.ZodType>>;
}): SchemaNode {
  const properties: Record<string, SchemaNode> = {
    apiVersion: {
      type: 'string',
      description: 'Version of the schema of this representation of an object.',
    },
    kind: { type: 'string', description: 'The kind that this object represents.' },
    metadata: { type: 'object', description: 'Standard metadata of an object.' },
  };
  const required: string[] = [];
  for (const [name, schema] of Object.entries(definition.fields)) {
    properties[name] = structural(
      z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input', unrepresentable: 'any' }),
    );
    if (!schema.safeParse(undefined).success) required.push(name);
  }
  return {
    type: 'object',
    description: definition.description,
    properties,
    ...(required.length === 0 ? {} : { required }),
  };
}

const nodeSchema = z.record(z.string(), z.unknown());

/** Removes what Kubernetes' structural schemas do not allow from a node that zod made. */
function structural(node: unknown): SchemaNode {
  const { anyOf, oneOf, ...kept } = nodeSchema.parse(node);
  const result: SchemaNode = { ...kept };
  delete result['$schema'];
  delete result['propertyNames'];
  if (result['x-kubernetes-int-or-string'] !== true) {
    if (anyOf !== undefined) result['anyOf'] = anyOf;
    if (oneOf !== undefined) result['oneOf'] = oneOf;
  }
  if (typeof kept['properties'] === 'object') {
    result.properties = Object.fromEntries(
      Object.entries(nodeSchema.parse(kept['properties'])).map(([name, child]) => [
        name,
        structural(child),
      ]),
    );
  }
  if (kept['items'] !== undefined) result.items = structural(kept['items']);
  if (kept['additionalProperties'] === false) delete result.additionalProperties;
  else if (typeof kept['additionalProperties'] === 'object') {
    result.additionalProperties = structural(kept['additionalProperties']);
    result.type = 'object';
  }
  // Whole numbers get a format; the bounds of the safe integers that zod adds say nothing to people.
  if (result.type === 'integer') {
    result.format = 'int64';
    if (result['maximum'] === Number.MAX_SAFE_INTEGER) delete result['maximum'];
    if (result['minimum'] === Number.MIN_SAFE_INTEGER) delete result['minimum'];
  }
  return result;
}
