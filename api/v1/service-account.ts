import { z } from 'zod';
import type { KubeObject } from '../machinery/metadata.ts';
import { keyedBy, mergedBy } from './list-types.ts';
import { ageColumn, defineResource } from './zod-resource.ts';

const secretReferenceSchema = z.strictObject({
  name: z.string().describe('Name of the Secret.'),
  namespace: z.string().optional().describe('Namespace of the Secret.'),
  kind: z.string().optional().describe('Kind of the object.'),
  apiVersion: z.string().optional().describe('Group and version of the kind.'),
  uid: z.string().optional().describe('uid of the object.'),
  resourceVersion: z.string().optional().describe('Version of the object.'),
  fieldPath: z.string().optional().describe('Part of the object that is meant.'),
});

const fields = {
  secrets: z
    .array(secretReferenceSchema)
    .meta({ ...keyedBy('name'), ...mergedBy('name') })
    .optional()
    .describe('Secrets that belong to the account. Kept for clients; grants nothing.'),
  imagePullSecrets: z
    .array(z.strictObject({ name: z.string().optional().describe('Name of the Secret.') }))
    .optional()
    .describe('Kept for clients that set it: tasks pull no images by it.'),
  automountServiceAccountToken: z
    .boolean()
    .optional()
    .describe('Kept for clients that set it: no task is given a token unasked.'),
};

/** Who a program is: bearer tokens are issued for it, and roles are bound to it. */
export interface ServiceAccount extends KubeObject, z.infer<z.ZodObject<typeof fields>> {
  apiVersion: 'v1';
  kind: 'ServiceAccount';
}

export const serviceAccountResource = defineResource<ServiceAccount>({
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  shortNames: ['sa'],
  namespaced: true,
  strategicMerge: true,
  unknownFields: 'prune',
  description: 'The identity of a program: tokens are issued for it, and roles are bound to it.',
  fields,
  subresources: {
    status: false,
    connects: [
      {
        name: 'token',
        group: 'authentication.k8s.io',
        version: 'v1',
        kind: 'TokenRequest',
        verbs: ['create'],
      },
    ],
  },
  columns: [
    {
      name: 'Secrets',
      type: 'string',
      description: 'Number of Secrets that belong to the account.',
      priority: 0,
      cell: (account) => account.secrets?.length ?? 0,
    },
    ageColumn,
  ],
});
