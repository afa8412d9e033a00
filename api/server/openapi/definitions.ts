import type { GroupVersionKind } from '../../machinery/metadata.ts';
import type { Resource, SchemaNode } from '../../machinery/resource.ts';
import { objectMetaSchemaNode } from '../registry/object-meta.ts';
import { definitionName, gvkExtension, metaPackage } from './naming.ts';

export type Definitions = Readonly<Record<string, SchemaNode>>;

/** A reference to a definition; what stands before the name differs between versions of OpenAPI. */
export function reference(name: string): SchemaNode {
  return { $ref: name };
}

const string = (description: string): SchemaNode => ({ type: 'string', description });
const integer = (description: string): SchemaNode => ({
  type: 'integer',
  format: 'int64',
  description,
});

const apiVersion = string('Version of the schema of this representation of an object.');
const kind = string('The kind that this object represents.');

/** The kinds that every group version speaks of: metadata, options, refusals. */
function metaDefinitions(groupVersions: readonly GroupVersionKind[]): Definitions {
  const options = (name: string): SchemaNode => ({
    'x-kubernetes-group-version-kind': groupVersions.map(({ group, version }) => ({
      group,
      version,
      kind: name,
    })),
  });
  const statusKind: GroupVersionKind = { group: '', version: 'v1', kind: 'Status' };
  return {
    [`${metaPackage}.ObjectMeta`]: objectMetaSchemaNode(),
    [`${metaPackage}.ListMeta`]: {
      type: 'object',
      description: 'Metadata of a list.',
      properties: {
        resourceVersion: string('Version of the store that the list is of.'),
        continue: string('Token of the next page, if there is one.'),
        remainingItemCount: integer('How many objects come after this page, if known.'),
        selfLink: string('Deprecated and absent.'),
      },
    },
    [`${metaPackage}.DeleteOptions`]: {
      type: 'object',
      description: 'How an object is to be deleted.',
      properties: {
        apiVersion,
        kind,
        dryRun: {
          type: 'array',
          items: { type: 'string' },
          description: 'All: a rehearsal that changes nothing.',
        },
        gracePeriodSeconds: integer('Kept for compatibility.'),
        orphanDependents: { type: 'boolean', description: 'Deprecated: use propagationPolicy.' },
        preconditions: {
          type: 'object',
          description: 'What must be true of the object.',
          properties: {
            uid: string('Its uid.'),
            resourceVersion: string('Its resourceVersion.'),
          },
        },
        propagationPolicy: string('Background, Foreground or Orphan.'),
      },
      ...options('DeleteOptions'),
    },
    [`${metaPackage}.Status`]: {
      type: 'object',
      description: 'The outcome of a request that has no object as its answer.',
      properties: {
        apiVersion,
        kind,
        metadata: reference(`${metaPackage}.ListMeta`),
        status: string('Success or Failure.'),
        message: string('A sentence for people.'),
        reason: string('One CamelCase word for programs.'),
        details: { type: 'object', description: 'What it is about, and each cause.' },
        code: integer('HTTP status code.'),
      },
      ...gvkExtension(statusKind),
    },
  };
}

const scaleKind: GroupVersionKind = { group: 'autoscaling', version: 'v1', kind: 'Scale' };

export const scaleDefinitionName = definitionName(scaleKind);

function scaleDefinition(): SchemaNode {
  return {
    type: 'object',
    description: 'How many instances of an object there are to be.',
    properties: {
      apiVersion,
      kind,
      metadata: reference(`${metaPackage}.ObjectMeta`),
      spec: {
        type: 'object',
        description: 'What is wanted.',
        properties: { replicas: integer('Instances that are wanted.') },
      },
      status: {
        type: 'object',
        description: 'What there is.',
        properties: {
          replicas: integer('Instances that there are.'),
          selector: string('Label selector of the instances.'),
        },
      },
    },
    ...gvkExtension(scaleKind),
  };
}

/** All schemas that documents about `resources` refer to, by name. */
export function definitionsOf(resources: readonly Resource[]): Definitions {
  const kinds = resources.flatMap((resource): (readonly [string, SchemaNode])[] => {
    const { gvk } = resource;
    const listKind = { ...gvk, kind: `${gvk.kind}List` };
    return [
      [definitionName(gvk), kindDefinition(resource)],
      [definitionName(listKind), listDefinition(resource, listKind)],
      ...(resource.subresources.reports ?? []).map(({ kind: reported, schema }) => {
        const reportKind = { ...gvk, kind: reported };
        return [definitionName(reportKind), kindDefinition({ gvk: reportKind, schema })] as const;
      }),
    ];
  });
  const groupVersions = [
    ...new Map(resources.map(({ gvk }) => [`${gvk.group}/${gvk.version}`, gvk] as const)).values(),
  ];
  const scaled = resources.some(({ subresources }) => subresources.scale !== undefined);
  return {
    ...Object.fromEntries(kinds),
    ...(scaled ? { [scaleDefinitionName]: scaleDefinition() } : {}),
    ...metaDefinitions(groupVersions),
  };
}

function kindDefinition({ gvk, schema }: Pick<Resource, 'gvk' | 'schema'>): SchemaNode {
  return {
    ...schema,
    properties: {
      ...schema.properties,
      metadata: {
        ...reference(`${metaPackage}.ObjectMeta`),
        description: 'Standard metadata of an object.',
      },
    },
    ...gvkExtension(gvk),
  };
}

function listDefinition(resource: Resource, listKind: GroupVersionKind): SchemaNode {
  return {
    type: 'object',
    description: `A list of ${resource.plural}.`,
    required: ['items'],
    properties: {
      apiVersion,
      kind,
      metadata: { ...reference(`${metaPackage}.ListMeta`), description: 'Metadata of the list.' },
      items: {
        type: 'array',
        description: 'The objects.',
        items: reference(definitionName(resource.gvk)),
      },
    },
    ...gvkExtension(listKind),
  };
}
