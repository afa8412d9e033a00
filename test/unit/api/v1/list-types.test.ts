import { describe, expect, it } from 'vitest';
import { isObject } from '../../../../api/machinery/json.ts';
import type { AnyResource, SchemaNode } from '../../../../api/machinery/resource.ts';
import { wholeSchema } from '../../../../api/server/registry/object-meta.ts';
import { resources } from '../../../../api/v1/resources.ts';

/** Every list of a kind with how apply merges it, by its path. */
function lists(node: SchemaNode, path: string): [string, string][] {
  const type = node['x-kubernetes-list-type'];
  const keys = node['x-kubernetes-list-map-keys'];
  const own: [string, string][] =
    node.type === 'array' && typeof type === 'string'
      ? [[path, Array.isArray(keys) ? `${type} ${keys.join()}` : type]]
      : [];
  const properties = Object.entries(node.properties ?? {});
  return [
    ...own,
    ...properties.flatMap(([name, child]) => lists(child, `${path}.${name}`)),
    ...(isObject(node.items) ? lists(node.items, `${path}[]`) : []),
  ];
}

function merged({ gvk, schema }: AnyResource): Record<string, string> {
  return Object.fromEntries(lists(wholeSchema({ schema }), gvk.kind));
}

const all = Object.assign({}, ...resources.map(merged)) as Record<string, string>;

describe('lists that apply merges item by item', () => {
  it.each([
    ['Job.metadata.finalizers', 'set'],
    ['Job.metadata.ownerReferences', 'map uid'],
    ['Job.spec.template.spec.containers', 'map name'],
    ['Job.spec.template.spec.containers[].env', 'map name'],
    ['Job.spec.template.spec.containers[].volumeMounts', 'map mountPath'],
    ['Job.spec.template.spec.volumes', 'map name'],
    ['ServiceAccount.secrets', 'map name'],
    ['Job.spec.template.spec.containers[].ports', 'map name'],
    ['Job.spec.template.spec.networks', 'map name'],
    ['Job.status.conditions', 'map type'],
    ['Task.spec.containers', 'map name'],
    ['Task.status.networks', 'map name'],
    ['Network.spec.namespaces', 'set'],
    ['Network.status.conditions', 'map type'],
    ['ServerSet.status.conditions', 'map type'],
    ['Agent.status.networks', 'map cniName'],
    ['Framework.status.conditions', 'map type'],
  ])('%s: %s', (path, type) => {
    expect(all[path]).toBe(type);
  });

  it('have keys that every item must have', () => {
    const keyed = (node: SchemaNode): SchemaNode[] => [
      ...(node['x-kubernetes-list-type'] === 'map' ? [node] : []),
      ...Object.values(node.properties ?? {}).flatMap(keyed),
      ...(isObject(node.items) ? keyed(node.items) : []),
    ];
    for (const { schema } of resources) {
      for (const node of keyed(schema)) {
        const keys = node['x-kubernetes-list-map-keys'] as string[];
        // Conditions of a Namespace are as free as upstream leaves them.
        if (node.items?.properties === undefined) continue;
        expect(node.items.required).toEqual(expect.arrayContaining(keys));
      }
    }
  });
});
