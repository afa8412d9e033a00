import { z } from 'zod';
import type { KubeObject } from '../machinery/metadata.ts';
import type { Resource } from '../machinery/resource.ts';
import { defineResource, type ZodResource } from './zod-resource.ts';

/** Reviews can only be created: they are answered in their status and kept nowhere. */
function asked<T extends KubeObject>(definition: ZodResource<T>): Resource<T> {
  return { ...defineResource(definition), verbs: ['create'] };
}

/** authentication.k8s.io/v1 UserInfo. */
const userInfoSchema = z.strictObject({
  username: z.string().optional().describe('Name of the user.'),
  uid: z.string().optional().describe('Tells users of one name apart.'),
  groups: z.array(z.string()).optional().describe('Groups of the user.'),
  extra: z
    .record(z.string(), z.array(z.string()))
    .optional()
    .describe('What else the authenticator knows.'),
});
export type UserInfo = z.infer<typeof userInfoSchema>;

const tokenReviewSpecSchema = z.strictObject({
  token: z.string().optional().describe('The token.'),
  audiences: z
    .array(z.string())
    .optional()
    .describe('Whom it must be meant for, one at least; this API if empty.'),
});
const tokenReviewStatusSchema = z.strictObject({
  authenticated: z.boolean().optional().describe('Whether the token counts.'),
  user: userInfoSchema.optional().describe('Whose token it is.'),
  audiences: z.array(z.string()).optional().describe('Those of the audiences it is meant for.'),
  error: z.string().optional().describe('Why it does not count.'),
});

export interface TokenReview extends KubeObject {
  apiVersion: 'authentication.k8s.io/v1';
  kind: 'TokenReview';
  spec: z.infer<typeof tokenReviewSpecSchema>;
  status?: z.infer<typeof tokenReviewStatusSchema> | undefined;
}

export const tokenReviewResource = asked<TokenReview>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenReview',
  plural: 'tokenreviews',
  namespaced: false,
  strategicMerge: true,
  unknownFields: 'prune',
  confidential: true,
  description: 'Asks whose token this is.',
  fields: { spec: tokenReviewSpecSchema, status: tokenReviewStatusSchema.optional() },
  columns: [],
});

const selfSubjectReviewStatusSchema = z.strictObject({
  userInfo: userInfoSchema.optional().describe('Who asks, as this API sees it.'),
});

export interface SelfSubjectReview extends KubeObject {
  kind: 'SelfSubjectReview';
  status?: z.infer<typeof selfSubjectReviewStatusSchema> | undefined;
}

/** `version`: kubectl 1.27 asks for v1beta1, later ones for v1. */
function selfSubjectReview(version: 'v1' | 'v1beta1'): Resource<SelfSubjectReview> {
  return asked<SelfSubjectReview>({
    group: 'authentication.k8s.io',
    version,
    kind: 'SelfSubjectReview',
    plural: 'selfsubjectreviews',
    namespaced: false,
    strategicMerge: true,
    unknownFields: 'prune',
    description: 'Asks who the asking one is.',
    fields: { status: selfSubjectReviewStatusSchema.optional() },
    columns: [],
  });
}

export const selfSubjectReviewResources = [
  selfSubjectReview('v1'),
  selfSubjectReview('v1beta1'),
] as const;
