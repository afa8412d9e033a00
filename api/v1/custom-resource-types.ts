import { z } from 'zod';
import { isObject } from '../machinery/json.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import type { SchemaNode } from '../machinery/resource.ts';
import { keyedBy } from './list-types.ts';

const namesSchema = z.strictObject({
  plural: z.string().describe('Name in URLs; metadata.name is <plural>.<group>.'),
  singular: z.string().optional().describe('Name for people; the kind in lower case if absent.'),
  shortNames: z.array(z.string()).optional().describe('Abbreviations for people.'),
  kind: z.string().describe('Name of the kind in CamelCase.'),
  listKind: z.string().optional().describe('Name of the kind of lists; <kind>List if absent.'),
  categories: z.array(z.string()).optional().describe('Groups of kinds to list together: all.'),
});

const columnSchema = z.strictObject({
  name: z.string().describe('Head of the column.'),
  type: z.string().describe('integer, number, string, boolean or date.'),
  format: z.string().optional().describe('Format of the type.'),
  description: z.string().optional().describe('What the column tells.'),
  priority: z.int().optional().describe('Above 0: only with -o wide.'),
  jsonPath: z.string().describe('Where in the object the value is.'),
});

const versionSchema = z.strictObject({
  name: z.string().describe('Name of the version, such as v1.'),
  served: z.boolean().describe('Whether the version can be used.'),
  storage: z.boolean().describe('Whether objects are stored in this version; exactly one is.'),
  deprecated: z.boolean().optional().describe('Whether users of the version are warned.'),
  deprecationWarning: z.string().optional().describe('What they are told.'),
  schema: z
    .strictObject({
      openAPIV3Schema: z
        .record(z.string(), z.unknown())
        .meta({ 'x-kubernetes-preserve-unknown-fields': true })
        .optional()
        .describe('The structural schema of the objects.'),
    })
    .optional()
    .describe('What the objects look like.'),
  subresources: z
    .strictObject({
      status: z
        .strictObject({})
        .optional()
        .describe('Whether status is written apart from the rest.'),
      scale: z
        .strictObject({
          specReplicasPath: z.string().describe('Where the wanted number is: .spec.replicas.'),
          statusReplicasPath: z.string().describe('Where the observed number is.'),
          labelSelectorPath: z.string().optional().describe('Where the selector is, as a text.'),
        })
        .optional()
        .describe('Where scale finds its numbers.'),
    })
    .optional()
    .describe('Parts of the objects that are read and written by themselves.'),
  additionalPrinterColumns: z.array(columnSchema).optional().describe('Columns of tables.'),
  selectableFields: z
    .array(z.strictObject({ jsonPath: z.string().describe('Where the field is.') }))
    .optional()
    .describe('Fields that field selectors may name.'),
});

export const specSchema = z.strictObject({
  group: z.string().describe('Group of the kind.'),
  names: namesSchema.describe('Names of the kind.'),
  scope: z.string().describe('Namespaced or Cluster.'),
  versions: z.array(versionSchema).describe('Versions of the kind.'),
  conversion: z
    .strictObject({
      strategy: z.string().describe('None: only the apiVersion differs between versions.'),
      webhook: z
        .record(z.string(), z.unknown())
        .meta({ 'x-kubernetes-preserve-unknown-fields': true })
        .optional()
        .describe('Refused: this server converts by itself.'),
    })
    .optional()
    .describe('How objects are converted between versions.'),
  preserveUnknownFields: z.boolean().optional().describe('Must be false.'),
});

const conditionSchema = z.strictObject({
  type: z.string().describe('NamesAccepted, Established or Terminating.'),
  status: z.string().describe('True, False or Unknown.'),
  reason: z.string().optional().describe('One CamelCase word for programs.'),
  message: z.string().optional().describe('A sentence for people.'),
  lastTransitionTime: z.string().nullable().optional().describe('When the status changed last.'),
  observedGeneration: z.int().optional().describe('The generation that it is about.'),
});

export const statusSchema = z.strictObject({
  conditions: z.array(conditionSchema).meta(keyedBy('type')).optional().describe('How it stands.'),
  acceptedNames: namesSchema.optional().describe('The names that are served.'),
  storedVersions: z
    .array(z.string())
    .optional()
    .describe('Versions in which objects may be stored; none of them can be removed.'),
  observedGeneration: z.int().optional().describe('The generation that was acted on.'),
});

export type CustomResourceNames = z.infer<typeof namesSchema>;
export type CustomResourceVersion = z.infer<typeof versionSchema>;
export type CustomResourceCondition = z.infer<typeof conditionSchema>;
export type CustomResourceStatus = z.infer<typeof statusSchema>;
export type CustomResourceColumn = z.infer<typeof columnSchema>;

/** A kind that users bring along (apiextensions.k8s.io/v1). */
export interface CustomResourceDefinition extends KubeObject {
  apiVersion: 'apiextensions.k8s.io/v1';
  kind: 'CustomResourceDefinition';
  spec: z.infer<typeof specSchema>;
  status?: CustomResourceStatus | undefined;
}

/** Keeps a definition until its objects are gone. */
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

export function schemaField(version: number): string {
  return `spec.versions[${version}].schema.openAPIV3Schema`;
}

/** The schema of a version; an object of anything if it has none. */
export function schemaOfVersion({ schema }: CustomResourceVersion): SchemaNode {
  const document = schema?.openAPIV3Schema;
  return isObject(document) ? document : { type: 'object' };
}

/** After a change of what is stored: the present version is among those that objects may be in. */
export function withStoredVersion(definition: CustomResourceDefinition): CustomResourceDefinition {
  const name = definition.spec.versions.find(({ storage }) => storage)?.name;
  const stored = definition.status?.storedVersions ?? [];
  if (name === undefined || stored.includes(name)) return definition;
  return { ...definition, status: { ...definition.status, storedVersions: [...stored, name] } };
}

/** A definition whose deletion was asked for: it waits for its objects. */
export function terminating(definition: CustomResourceDefinition): CustomResourceDefinition {
  const { metadata, status } = definition;
  const finalizers = metadata.finalizers ?? [];
  const condition = {
    type: 'Terminating',
    status: 'True',
    reason: 'InstanceDeletionPending',
    message:
      'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
    lastTransitionTime: metadata.deletionTimestamp ?? null,
  };
  const others = status?.conditions?.filter(({ type }) => type !== condition.type) ?? [];
  return {
    ...definition,
    metadata: {
      ...metadata,
      finalizers: finalizers.includes(cleanupFinalizer)
        ? finalizers
        : [...finalizers, cleanupFinalizer],
    },
    status: { ...status, conditions: [...others, condition] },
  };
}

export function conditionOf(
  { status }: CustomResourceDefinition,
  type: string,
): CustomResourceCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

export function isTrue(definition: CustomResourceDefinition, type: string): boolean {
  return conditionOf(definition, type)?.status === 'True';
}
