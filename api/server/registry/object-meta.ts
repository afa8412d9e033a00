import { z } from 'zod';
import { isObject } from '../../machinery/json.ts';
import { objectMetaSchema } from '../../machinery/metadata.ts';
import type { AnyResource, SchemaNode } from '../../machinery/resource.ts';

/** How strategic merge and apply treat the lists of ObjectMeta, as Kubernetes publishes it. */
const patchStrategies: Readonly<Record<string, SchemaNode>> = {
  finalizers: { 'x-kubernetes-patch-strategy': 'merge', 'x-kubernetes-list-type': 'set' },
  ownerReferences: {
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['uid'],
    'x-kubernetes-patch-strategy': 'merge',
    'x-kubernetes-patch-merge-key': 'uid',
  },
};

/** The schema of metadata in OpenAPI v3. */
export function objectMetaSchemaNode(): SchemaNode {
  return objectMetaNode;
}

function openApiNode(): SchemaNode {
  const { properties } = z
    .object({ properties: z.record(z.string(), z.record(z.string(), z.unknown())) })
    .parse(z.toJSONSchema(objectMetaSchema, { target: 'openapi-3.0', io: 'input' }));
  return {
    type: 'object',
    description: 'Standard metadata of an object.',
    properties: Object.fromEntries(
      Object.entries(properties).map(([name, node]) => [
        name,
        { ...closed(node), ...patchStrategies[name] },
      ]),
    ),
  };
}

/** zod closes objects with additionalProperties: false, which structural schemas leave unsaid. */
function closed(node: SchemaNode): SchemaNode {
  const next: SchemaNode = { ...node };
  if (next.additionalProperties === false) delete next.additionalProperties;
  delete next['propertyNames'];
  if (next.type === 'integer') {
    delete next['maximum'];
    delete next['minimum'];
    next.format = 'int64';
  }
  if (isObject(next.items)) next.items = closed(next.items);
  if (isObject(next.properties)) {
    next.properties = Object.fromEntries(
      Object.entries(next.properties).map(([name, child]) => [name, closed(child)]),
    );
  }
  return next;
}

// Every kind has it, and making it takes milliseconds.
const objectMetaNode: SchemaNode = openApiNode();

/** The schema of a whole object of `resource`, metadata included. */
export function wholeSchema(resource: Pick<AnyResource, 'schema'>): SchemaNode {
  const { schema } = resource;
  return { ...schema, properties: { ...schema.properties, metadata: objectMetaSchemaNode() } };
}
