import { z } from 'zod';
import type { FieldError } from '../machinery/errors.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import { invalidValue } from './rbac-rules.ts';
import { defineResource } from './zod-resource.ts';

/**
 * Kubernetes' questions about access (authorization.k8s.io/v1). They are created, answered in their
 * status and kept nowhere.
 */

const group = 'authorization.k8s.io';
const version = 'v1';

const resourceAttributesSchema = z.strictObject({
  namespace: z.string().optional().describe('Namespace; empty: the cluster, or all namespaces.'),
  verb: z.string().optional().describe('get, list, watch, create, …; * is every verb.'),
  group: z.string().optional().describe('API group; empty: the core group.'),
  version: z.string().optional().describe('API version.'),
  resource: z.string().optional().describe('Plural name of the kind.'),
  subresource: z.string().optional().describe('Part of the resource: status, scale, log.'),
  name: z.string().optional().describe('Name of the object; empty: any.'),
});

const attributesFields = {
  resourceAttributes: resourceAttributesSchema
    .optional()
    .describe('Something to be done with a resource.'),
  nonResourceAttributes: z
    .strictObject({
      path: z.string().optional().describe('The path.'),
      verb: z.string().optional().describe('The method, in lower case.'),
    })
    .optional()
    .describe('Something to be done with a path that is no resource.'),
};

const subjectFields = {
  ...attributesFields,
  user: z.string().optional().describe('Name of the user who is asked about.'),
  groups: z.array(z.string()).optional().describe('Groups of that user.'),
  uid: z.string().optional().describe('uid of that user.'),
  extra: z
    .record(z.string(), z.array(z.string()))
    .optional()
    .describe('What else is known of that user; no rule looks at it.'),
};

const statusSchema = z
  .strictObject({
    allowed: z.boolean().describe('Whether it is allowed.'),
    denied: z.boolean().optional().describe('Never: rules only allow.'),
    reason: z.string().optional().describe('Which rule allows it.'),
    evaluationError: z.string().optional().describe('What could not be looked at.'),
  })
  .optional()
  .describe('The answer.');

const selfSpecSchema = z.strictObject(attributesFields);
const subjectSpecSchema = z.strictObject(subjectFields);

type AccessSpec = z.infer<typeof subjectSpecSchema>;

/** A question whether somebody may do one thing. */
export interface AccessReview extends KubeObject {
  apiVersion: 'authorization.k8s.io/v1';
  kind: 'SelfSubjectAccessReview' | 'SubjectAccessReview' | 'LocalSubjectAccessReview';
  spec: AccessSpec;
  status?: z.infer<typeof statusSchema>;
}

/** A question what whoever asks may do in a namespace. */
export interface RulesReview extends KubeObject {
  apiVersion: 'authorization.k8s.io/v1';
  kind: 'SelfSubjectRulesReview';
  spec: { namespace?: string | undefined };
}

const shared = {
  group,
  version,
  unknownFields: 'prune',
  strategicMerge: true,
  verbs: ['create'],
  columns: [],
} as const;

export const selfSubjectAccessReviewResource = defineResource<AccessReview>({
  ...shared,
  kind: 'SelfSubjectAccessReview',
  plural: 'selfsubjectaccessreviews',
  namespaced: false,
  description: 'Whether whoever asks may do something.',
  fields: { spec: selfSpecSchema.describe('What is asked.'), status: statusSchema },
  validate: ({ spec }) => oneQuestion(spec),
});

export const subjectAccessReviewResource = defineResource<AccessReview>({
  ...shared,
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
  namespaced: false,
  description: 'Whether a user may do something.',
  fields: { spec: subjectSpecSchema.describe('What is asked.'), status: statusSchema },
  validate: ({ spec }) => [...oneQuestion(spec), ...someSubject(spec)],
});

export const localSubjectAccessReviewResource = defineResource<AccessReview>({
  ...shared,
  kind: 'LocalSubjectAccessReview',
  plural: 'localsubjectaccessreviews',
  namespaced: true,
  description: 'Whether a user may do something in one namespace.',
  fields: { spec: subjectSpecSchema.describe('What is asked.'), status: statusSchema },
  validate: ({ spec, metadata }) => [
    ...oneQuestion(spec),
    ...someSubject(spec),
    ...inNamespace(spec, metadata.namespace ?? ''),
  ],
});

export const selfSubjectRulesReviewResource = defineResource<RulesReview>({
  ...shared,
  kind: 'SelfSubjectRulesReview',
  plural: 'selfsubjectrulesreviews',
  namespaced: false,
  description: 'What whoever asks may do in a namespace.',
  fields: {
    spec: z
      .strictObject({ namespace: z.string().optional().describe('The namespace.') })
      .describe('What is asked.'),
    status: z
      .strictObject({
        resourceRules: z
          .array(
            z.strictObject({
              verbs: z.array(z.string()).describe('What may be done.'),
              apiGroups: z.array(z.string()).optional().describe('Groups of the resources.'),
              resources: z.array(z.string()).optional().describe('Resources and subresources.'),
              resourceNames: z.array(z.string()).optional().describe('Only these objects.'),
            }),
          )
          .describe('Rules about resources.'),
        nonResourceRules: z
          .array(
            z.strictObject({
              verbs: z.array(z.string()).describe('What may be done.'),
              nonResourceURLs: z.array(z.string()).optional().describe('Paths.'),
            }),
          )
          .describe('Rules about paths.'),
        incomplete: z.boolean().describe('Whether there may be rules that are not listed.'),
        evaluationError: z.string().optional().describe('What could not be looked at.'),
      })
      .optional()
      .describe('The answer.'),
  },
});

function oneQuestion({ resourceAttributes, nonResourceAttributes }: AccessSpec): FieldError[] {
  if (resourceAttributes !== undefined && nonResourceAttributes !== undefined) {
    const why = 'cannot be specified in combination with resourceAttributes';
    return [invalidValue('spec.nonResourceAttributes', nonResourceAttributes, why)];
  }
  if (resourceAttributes !== undefined || nonResourceAttributes !== undefined) return [];
  const why = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
  return [invalidValue('spec.resourceAttributes', null, why)];
}

function someSubject({ user = '', groups = [] }: AccessSpec): FieldError[] {
  if (user !== '' || groups.length > 0) return [];
  return [invalidValue('spec.user', user, 'at least one of user or group must be specified')];
}

function inNamespace(
  { resourceAttributes, nonResourceAttributes }: AccessSpec,
  namespace: string,
): FieldError[] {
  if (nonResourceAttributes !== undefined) {
    const why = 'disallowed on this kind of request';
    return [invalidValue('spec.nonResourceAttributes', nonResourceAttributes, why)];
  }
  const given = resourceAttributes?.namespace ?? '';
  if (given === namespace) return [];
  const field = 'spec.resourceAttributes.namespace';
  return [invalidValue(field, given, `must be ${JSON.stringify(namespace)}`)];
}
