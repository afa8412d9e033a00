import { without } from '../../machinery/json.ts';
import type { Resource, SchemaNode } from '../../machinery/resource.ts';
import { definitionsOf } from './definitions.ts';
import { pathsOf, type Operation, type Parameter } from './operations.ts';
import { withChildren } from './version3.ts';

/** The parts of a Swagger 2.0 document that we write. */
export interface SwaggerDocument {
  swagger: '2.0';
  info: { title: string; version: string };
  paths: Record<string, SwaggerPath>;
  definitions: Record<string, SchemaNode>;
}

export type SwaggerMethod = Operation['method'];

export type SwaggerPath = { parameters?: SwaggerParameter[] } & Partial<
  Record<SwaggerMethod, SwaggerOperation>
>;

export interface SwaggerOperation {
  description: string;
  operationId: string;
  consumes: string[];
  produces: string[];
  parameters: SwaggerParameter[];
  responses: Record<string, { description: string; schema?: SchemaNode }>;
  'x-kubernetes-action': string;
  'x-kubernetes-group-version-kind': unknown;
}

export type SwaggerParameter =
  | {
      name: string;
      in: 'query' | 'path';
      description: string;
      required?: true;
      type: string;
      uniqueItems: true;
    }
  | { name: 'body'; in: 'body'; required: true; schema: SchemaNode };

/** The Swagger 2.0 document of the whole API, for clients that know no other. */
export function openApiV2(resources: readonly Resource[], version: string): SwaggerDocument {
  const definitions = Object.entries(definitionsOf(resources));
  return {
    swagger: '2.0',
    info: { title: 'Mesocosm', version },
    paths: Object.fromEntries(
      resources.flatMap(pathsOf).map(({ path, parameters, operations }) => [
        path,
        {
          ...(parameters.length === 0 ? {} : { parameters: parameters.map(parameterDocument) }),
          ...Object.fromEntries(operations.map((one) => [one.method, operationDocument(one)])),
        },
      ]),
    ),
    definitions: Object.fromEntries(definitions.map(([name, node]) => [name, schemaV2(node)])),
  };
}

/** Keywords that version 2 does not have. */
const unknownToV2 = ['anyOf', 'oneOf', 'not', 'nullable'] as const;

/**
 * A node as version 2 can say it. What is open (any type, null, unknown fields) is published without
 * type and properties: old clients refuse documents that do not match the rest literally.
 */
export function schemaV2(node: SchemaNode): SchemaNode {
  const { $ref, ...rest } = node;
  const { description } = rest;
  const about = description === undefined ? {} : { description };
  if (typeof $ref === 'string') return { ...about, $ref: `#/definitions/${$ref}` };
  if (rest['x-kubernetes-preserve-unknown-fields'] === true) {
    return { ...about, 'x-kubernetes-preserve-unknown-fields': true };
  }
  if (rest['x-kubernetes-int-or-string'] === true) {
    return { ...about, 'x-kubernetes-int-or-string': true };
  }
  if (rest.nullable === true) return about;
  return withChildren(without(rest, ...unknownToV2), schemaV2);
}

function parameterDocument({ name, in: place, type, description }: Parameter): SwaggerParameter {
  const required = place === 'path' ? { required: true as const } : {};
  return { name, in: place, description, ...required, type, uniqueItems: true };
}

function operationDocument(operation: Operation): SwaggerOperation {
  const { description, id, action, gvk, parameters, body, consumes, answer } = operation;
  const bodyParameter = (schema: SchemaNode): SwaggerParameter => ({
    name: 'body',
    in: 'body',
    required: true,
    schema,
  });
  const own = parameters.map(parameterDocument);
  if (body !== undefined) own.push(bodyParameter({ $ref: `#/definitions/${body}` }));
  else if (consumes.length > 0) own.push(bodyParameter({ type: 'object' }));
  return {
    description,
    operationId: id,
    consumes: consumes.length === 0 ? ['*/*'] : [...consumes],
    produces: ['application/json', 'application/yaml'],
    parameters: own,
    responses: {
      200: { description: 'OK', schema: { $ref: `#/definitions/${answer}` } },
      401: { description: 'Unauthorized' },
    },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk,
  };
}
