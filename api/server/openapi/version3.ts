import { isObject } from '../../machinery/json.ts';
import type { Resource, SchemaNode } from '../../machinery/resource.ts';
import { definitionsOf, type Definitions } from './definitions.ts';
import { pathsOf, type Operation, type Parameter } from './operations.ts';

/** The OpenAPI 3.0 document of one group version. */
export function openApiV3(resources: readonly Resource[], version: string): unknown {
  const definitions = definitionsOf(resources);
  const paths = resources.flatMap(pathsOf).map(({ path, parameters, operations }) => [
    path,
    {
      ...(parameters.length === 0 ? {} : { parameters: parameters.map(parameterDocument) }),
      ...Object.fromEntries(operations.map((one) => [one.method, operationDocument(one)])),
    },
  ]);
  return {
    openapi: '3.0.0',
    info: { title: 'Mesocosm', version },
    paths: Object.fromEntries(paths) as unknown,
    components: { schemas: schemasOf(definitions) },
  };
}

function schemasOf(definitions: Definitions): Record<string, SchemaNode> {
  return Object.fromEntries(
    Object.entries(definitions).map(([name, node]) => [name, schemaDocument(node)]),
  );
}

/** References in the form of version 3, where nothing may stand beside a $ref. */
function schemaDocument(node: SchemaNode): SchemaNode {
  const { $ref, ...rest } = node;
  const next = withChildren(rest, schemaDocument);
  if (typeof $ref !== 'string') return next;
  const target = { $ref: `#/components/schemas/${$ref}` };
  return Object.keys(next).length === 0 ? target : { ...next, allOf: [target] };
}

/** `node` with every schema in it replaced. */
export function withChildren(
  node: SchemaNode,
  replace: (child: SchemaNode) => SchemaNode,
): SchemaNode {
  const next: SchemaNode = { ...node };
  if (isObject(node.properties)) {
    next.properties = Object.fromEntries(
      Object.entries(node.properties).map(([name, child]) => [name, replace(child)]),
    );
  }
  if (isObject(node.items)) next.items = replace(node.items);
  if (isObject(node.additionalProperties)) {
    next.additionalProperties = replace(node.additionalProperties);
  }
  return next;
}

function parameterDocument({ name, in: place, type, description }: Parameter): unknown {
  const required = place === 'path' ? { required: true } : {};
  return { name, in: place, description, ...required, schema: { type, uniqueItems: true } };
}

function operationDocument(operation: Operation): unknown {
  const { description, id, action, gvk, parameters, body, consumes, answer } = operation;
  const schemaOf = (name: string): unknown => ({
    schema: { $ref: `#/components/schemas/${name}` },
  });
  const content = consumes.map((type) => [
    type,
    body === undefined ? { schema: { type: 'object' } } : schemaOf(body),
  ]);
  return {
    description,
    operationId: id,
    parameters: parameters.map(parameterDocument),
    ...(content.length === 0
      ? {}
      : { requestBody: { content: Object.fromEntries(content) as unknown } }),
    responses: {
      200: { description: 'OK', content: { 'application/json': schemaOf(answer) } },
      401: { description: 'Unauthorized' },
    },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk,
  };
}
