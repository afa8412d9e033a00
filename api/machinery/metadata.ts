import { z } from 'zod';

/** metav1.OwnerReference. */
export const ownerReferenceSchema = z.strictObject({
  apiVersion: z.string().describe('Group and version of the owner.'),
  kind: z.string().describe('Kind of the owner.'),
  name: z.string().describe('Name of the owner.'),
  uid: z.string().describe('uid of the owner.'),
  controller: z.boolean().optional().describe('Whether the owner manages the object.'),
  blockOwnerDeletion: z
    .boolean()
    .optional()
    .describe('Whether a foreground deletion of the owner waits for the object.'),
});
export type OwnerReference = z.infer<typeof ownerReferenceSchema>;

/** One entry of metadata.managedFields: a manager and its fields, see managed-fields.ts. */
export const managedFieldsEntrySchema = z.strictObject({
  manager: z.string().optional().describe('Who set the fields.'),
  operation: z.string().optional().describe('Apply or Update.'),
  apiVersion: z.string().optional().describe('Version that the fields are of.'),
  time: z.string().optional().describe('When they were set last.'),
  fieldsType: z.string().optional().describe('FieldsV1.'),
  fieldsV1: z.record(z.string(), z.unknown()).optional().describe('The fields, as a tree.'),
  subresource: z.string().optional().describe('Subresource that they were set through.'),
});

/** metav1.ObjectMeta as stored and served. The server owns uid, resourceVersion, generation and the timestamps. */
export const objectMetaSchema = z.strictObject({
  name: z.string().optional().describe('Name of the object, unique in its namespace and kind.'),
  generateName: z
    .string()
    .optional()
    .describe('Prefix from which the server makes a unique name when name is empty.'),
  namespace: z.string().optional().describe('Namespace of the object; empty for cluster kinds.'),
  uid: z.string().optional().describe('Unique in time and space; set by the server.'),
  resourceVersion: z
    .string()
    .optional()
    .describe('Opaque version of the object; set by the server, checked on update.'),
  generation: z
    .int()
    .optional()
    .describe('Counts the changes of the desired state; set by the server.'),
  creationTimestamp: z.string().nullable().optional().describe('When the object was created.'),
  deletionTimestamp: z
    .string()
    .nullable()
    .optional()
    .describe('When deletion was asked for; the object goes once its finalizers are empty.'),
  deletionGracePeriodSeconds: z.int().nullable().optional().describe('Kept for compatibility.'),
  selfLink: z.string().optional().describe('Deprecated and ignored.'),
  labels: z.record(z.string(), z.string()).optional().describe('Labels that selectors match.'),
  annotations: z
    .record(z.string(), z.string())
    .optional()
    .describe('Unstructured notes of tools and people.'),
  finalizers: z
    .array(z.string())
    .optional()
    .describe('Keys of those who must do something before the object may go.'),
  ownerReferences: z
    .array(ownerReferenceSchema)
    .optional()
    .describe('Objects that this one depends on; it is collected when all are gone.'),
  managedFields: z
    .array(managedFieldsEntrySchema)
    .optional()
    .describe('Which manager set which field.'),
});

/** ObjectMeta of an object that the server has answered with. */
export interface ObjectMeta {
  name: string;
  generateName?: string | undefined;
  namespace?: string | undefined;
  uid: string;
  resourceVersion: string;
  generation?: number | undefined;
  creationTimestamp: string;
  deletionTimestamp?: string | undefined;
  deletionGracePeriodSeconds?: number | undefined;
  labels?: Record<string, string> | undefined;
  annotations?: Record<string, string> | undefined;
  finalizers?: string[] | undefined;
  ownerReferences?: OwnerReference[] | undefined;
  managedFields?: z.infer<typeof managedFieldsEntrySchema>[] | undefined;
}

/** Metadata that a client sends with a create. */
export interface DraftMeta {
  name?: string | undefined;
  generateName?: string | undefined;
  namespace?: string | undefined;
  labels?: Record<string, string> | undefined;
  annotations?: Record<string, string> | undefined;
  finalizers?: string[] | undefined;
  ownerReferences?: OwnerReference[] | undefined;
}

/** Any API object as it travels: what every kind has in common. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

/** An object that is to be created: the server fills in the rest of the metadata. */
export type Draft<T extends KubeObject> = Omit<T, 'metadata' | 'status'> & { metadata: DraftMeta };

export interface GroupVersionKind {
  /** Empty for the core group. */
  group: string;
  version: string;
  kind: string;
}

/** `v1` for the core group, `group/version` otherwise. */
export function apiVersionOf(of: { group: string; version: string }): string {
  return of.group === '' ? of.version : `${of.group}/${of.version}`;
}

/** `namespace/name`, or the bare name of a cluster object: the key of workqueues and caches. */
export function objectKey(of: { namespace?: string | undefined; name: string }): string {
  return of.namespace === undefined || of.namespace === '' ? of.name : `${of.namespace}/${of.name}`;
}

export function splitKey(key: string): { namespace?: string; name: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The reference by which `owner` controls another object; the garbage collector follows it. */
export function controllerReference(owner: KubeObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

export function controllerOf(of: KubeObject): OwnerReference | undefined {
  return of.metadata.ownerReferences?.find((reference) => reference.controller === true);
}

export function hasFinalizer(of: KubeObject, finalizer: string): boolean {
  return of.metadata.finalizers?.includes(finalizer) ?? false;
}
