import { z } from 'zod';
import type { KubeObject } from '../machinery/metadata.ts';
import { defineResource } from './zod-resource.ts';

const specSchema = z.strictObject({
  audiences: z
    .array(z.string())
    .optional()
    .describe('Whom the token is meant for; this API if empty.'),
  expirationSeconds: z
    .int()
    .optional()
    .describe('How long it is wanted to hold; the answer says how long it does.'),
  boundObjectRef: z
    .strictObject({
      kind: z.string().optional().describe('Pod or Secret.'),
      apiVersion: z.string().optional().describe('v1.'),
      name: z.string().optional().describe('Name of the object.'),
      uid: z.string().optional().describe('uid of the object; the present one if absent.'),
    })
    .optional()
    .describe('An object that the token dies with.'),
});

const statusSchema = z.strictObject({
  token: z.string().optional().describe('The token. It is shown once and kept nowhere.'),
  expirationTimestamp: z.string().nullable().optional().describe('When the token ends.'),
});

export interface TokenRequest extends KubeObject {
  apiVersion: 'authentication.k8s.io/v1';
  kind: 'TokenRequest';
  spec: z.infer<typeof specSchema>;
  status?: z.infer<typeof statusSchema> | undefined;
}

/** The body of `serviceaccounts/token`; nothing of it is stored. */
export const tokenRequestResource = defineResource<TokenRequest>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenRequest',
  plural: 'tokenrequests',
  namespaced: true,
  unknownFields: 'prune',
  strategicMerge: true,
  confidential: true,
  description: 'Asks for a token of a ServiceAccount.',
  fields: { spec: specSchema, status: statusSchema.optional() },
  columns: [],
});
