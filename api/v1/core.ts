import { z } from 'zod';
import type { KubeObject } from '../machinery/metadata.ts';
import type { Column } from '../machinery/resource.ts';
import { keyedBy } from './list-types.ts';
import { ageColumn, defineResource } from './zod-resource.ts';

/** Kinds of Kubernetes itself, as far as we keep them. Unknown fields are pruned, as upstream does. */

const namespaceSpecSchema = z.strictObject({
  finalizers: z.array(z.string()).optional().describe('Who must empty the namespace first.'),
});
const namespaceStatusSchema = z.strictObject({
  phase: z
    .enum(['Active', 'Terminating'])
    .optional()
    .describe('Terminating: nothing can be created in it any more.'),
  conditions: z
    .array(z.record(z.string(), z.unknown()))
    .meta(keyedBy('type'))
    .optional()
    .describe('What keeps a terminating namespace.'),
});

export interface Namespace extends KubeObject {
  apiVersion: 'v1';
  kind: 'Namespace';
  spec?: z.infer<typeof namespaceSpecSchema> | undefined;
  status?: z.infer<typeof namespaceStatusSchema> | undefined;
}

export const namespaceResource = defineResource<Namespace>({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  shortNames: ['ns'],
  namespaced: false,
  strategicMerge: true,
  unknownFields: 'prune',
  description: 'A scope for names.',
  fields: {
    spec: namespaceSpecSchema.optional().describe('What is wanted of the namespace.'),
    status: namespaceStatusSchema.optional().describe('Whether it can be used.'),
  },
  subresources: {
    status: true,
    connects: [{ name: 'finalize', kind: 'Namespace', verbs: ['update'] }],
  },
  columns: [
    {
      name: 'Status',
      type: 'string',
      description: 'Active or Terminating.',
      priority: 0,
      cell: (namespace) => namespace.status?.phase ?? 'Active',
    },
    ageColumn,
  ],
  defaults: (namespace) => ({
    ...namespace,
    spec: { ...namespace.spec, finalizers: namespace.spec?.finalizers ?? ['kubernetes'] },
    status: { ...namespace.status, phase: namespace.status?.phase ?? 'Active' },
  }),
});

const objectReferenceSchema = z.strictObject({
  apiVersion: z.string().optional().describe('Group and version of the kind.'),
  kind: z.string().optional().describe('Kind of the object.'),
  namespace: z.string().optional().describe('Namespace of the object.'),
  name: z.string().optional().describe('Name of the object.'),
  uid: z.string().optional().describe('uid of the object.'),
  resourceVersion: z.string().optional().describe('Version of the object.'),
  fieldPath: z.string().optional().describe('Part of the object that is meant.'),
});

export const eventFields = {
  involvedObject: objectReferenceSchema.describe('The object that the event is about.'),
  reason: z.string().optional().describe('One CamelCase word for programs.'),
  message: z.string().optional().describe('A sentence for people.'),
  source: z
    .strictObject({
      component: z.string().optional().describe('Part of the system.'),
      host: z.string().optional().describe('Host that it runs on.'),
    })
    .optional()
    .describe('Who reports it.'),
  firstTimestamp: z.string().nullable().optional().describe('When it happened first.'),
  lastTimestamp: z.string().nullable().optional().describe('When it happened last.'),
  count: z.int().optional().describe('How often it happened.'),
  type: z.string().optional().describe('Normal or Warning.'),
  eventTime: z.string().nullable().optional().describe('When it happened, with microseconds.'),
  series: z
    .strictObject({
      count: z.int().optional().describe('How often it happened.'),
      lastObservedTime: z.string().nullable().optional().describe('When it happened last.'),
    })
    .optional()
    .describe('The series that it is part of.'),
  action: z.string().optional().describe('What was done.'),
  related: objectReferenceSchema.optional().describe('Another object that has to do with it.'),
  reportingComponent: z.string().optional().describe('Part of the system that reports it.'),
  reportingInstance: z.string().optional().describe('Instance of that part.'),
};

export type EventFields = z.infer<z.ZodObject<typeof eventFields>>;

export interface Event extends KubeObject, EventFields {
  apiVersion: 'v1';
  kind: 'Event';
}

/** The columns of an Event, whatever its fields are called. */
export function eventColumns<T extends KubeObject>(
  fieldsOf: (event: T) => EventFields,
): Column<T>[] {
  return [
    {
      name: 'Last Seen',
      type: 'date',
      description: 'When it last happened.',
      priority: 0,
      cell: (event) => lastSeen(fieldsOf(event)) ?? event.metadata.creationTimestamp,
    },
    {
      name: 'Type',
      type: 'string',
      description: 'Normal or Warning.',
      priority: 0,
      cell: (event) => fieldsOf(event).type ?? '',
    },
    {
      name: 'Reason',
      type: 'string',
      description: 'One word for programs.',
      priority: 0,
      cell: (event) => fieldsOf(event).reason ?? '',
    },
    {
      name: 'Object',
      type: 'string',
      description: 'The object that it is about.',
      priority: 0,
      cell: (event) => {
        const { kind, name } = fieldsOf(event).involvedObject;
        return `${(kind ?? '').toLowerCase()}/${name ?? ''}`;
      },
    },
    {
      name: 'Message',
      type: 'string',
      description: 'A sentence for people.',
      priority: 0,
      cell: (event) => fieldsOf(event).message ?? '',
    },
    {
      name: 'Count',
      type: 'integer',
      description: 'How often it happened.',
      priority: 1,
      cell: (event) => {
        const { series, count } = fieldsOf(event);
        return (series === undefined ? count : series.count) ?? 1;
      },
    },
  ];
}

function lastSeen({
  series,
  lastTimestamp,
  firstTimestamp,
  eventTime,
}: EventFields): string | null {
  return series?.lastObservedTime ?? lastTimestamp ?? firstTimestamp ?? eventTime ?? null;
}

export const eventResource = defineResource<Event>({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  namespaced: true,
  fieldOwners: 'OnceApplied',
  strategicMerge: true,
  unknownFields: 'prune',
  ttlSeconds: 3600,
  description: 'A report of something that happened to an object; kept for an hour.',
  fields: eventFields,
  columns: eventColumns((event) => event),
  selectableFields: {
    'involvedObject.kind': ({ involvedObject }) => involvedObject.kind ?? '',
    'involvedObject.namespace': ({ involvedObject }) => involvedObject.namespace ?? '',
    'involvedObject.name': ({ involvedObject }) => involvedObject.name ?? '',
    'involvedObject.uid': ({ involvedObject }) => involvedObject.uid ?? '',
    'involvedObject.apiVersion': ({ involvedObject }) => involvedObject.apiVersion ?? '',
    'involvedObject.resourceVersion': ({ involvedObject }) => involvedObject.resourceVersion ?? '',
    'involvedObject.fieldPath': ({ involvedObject }) => involvedObject.fieldPath ?? '',
    reason: (event) => event.reason ?? '',
    reportingComponent: (event) => event.reportingComponent ?? '',
    source: (event) => event.source?.component ?? '',
    type: (event) => event.type ?? '',
  },
});

const leaseSpecSchema = z.strictObject({
  holderIdentity: z.string().optional().describe('Who holds the lease.'),
  leaseDurationSeconds: z.int().min(1).optional().describe('Term after an unchanged renewTime.'),
  acquireTime: z.string().optional().describe('When the holder took it.'),
  renewTime: z.string().optional().describe('When the holder last said that it is there.'),
  leaseTransitions: z.int().min(0).optional().describe('How often the holder changed.'),
  strategy: z.string().optional().describe('Kept for clients that set it.'),
  preferredHolder: z.string().optional().describe('Kept for clients that set it.'),
});

export interface Lease extends KubeObject {
  apiVersion: 'coordination.k8s.io/v1';
  kind: 'Lease';
  spec?: z.infer<typeof leaseSpecSchema> | undefined;
}

export const leaseResource = defineResource<Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
  fieldOwners: 'OnceApplied',
  strategicMerge: true,
  unknownFields: 'prune',
  description: 'Who leads. Its create revision is the epoch that fences the writes of the leader.',
  fields: { spec: leaseSpecSchema.optional().describe('Who holds it, and since when.') },
  columns: [
    {
      name: 'Holder',
      type: 'string',
      description: 'Who holds the lease.',
      priority: 0,
      cell: (lease) => lease.spec?.holderIdentity ?? '',
    },
    ageColumn,
  ],
});
