import {
  localSubjectAccessReviewResource,
  selfSubjectAccessReviewResource,
  selfSubjectRulesReviewResource,
  subjectAccessReviewResource,
  type AccessReview,
} from '../../v1/access-reviews.ts';
import type { Attributes } from '../authorizer.ts';
import type { Served } from '../catalog.ts';
import { badRequest } from '../errors.ts';
import type { User } from '../registry/context.ts';
import { Review } from '../review.ts';
import type { Held, RuleAuthorizer } from './rbac-authorizer.ts';
import type { Rule } from './rules.ts';

/** The kinds of authorization.k8s.io: what is allowed is asked without trying it. */
export function accessReviews(authorizer: RuleAuthorizer): readonly Served[] {
  const about = (user: User, spec: AccessReview['spec']) => decided(authorizer, user, spec);
  return [
    new Review({
      resource: localSubjectAccessReviewResource,
      answer: ({ spec }) => about(subjectOf(spec), spec),
    }),
    new Review({
      resource: selfSubjectAccessReviewResource,
      answer: ({ spec }, { user }) => about(user, spec),
    }),
    new Review({
      resource: selfSubjectRulesReviewResource,
      answer: async ({ spec: { namespace = '' } }, { user }) => {
        if (namespace === '') throw badRequest('no namespace on request');
        return { spec: {}, status: rulesStatus(await authorizer.rulesFor(user, namespace)) };
      },
    }),
    new Review({
      resource: subjectAccessReviewResource,
      answer: ({ spec }) => about(subjectOf(spec), spec),
    }),
  ];
}

function subjectOf({ user = '', groups = [], uid, extra }: AccessReview['spec']): User {
  return {
    name: user,
    groups,
    ...(uid === undefined ? {} : { uid }),
    ...(extra === undefined ? {} : { extra }),
  };
}

async function decided(
  authorizer: RuleAuthorizer,
  user: User,
  spec: AccessReview['spec'],
): Promise<{ status: object }> {
  const { allowed, reason = '' } = await authorizer.authorize(attributesOf(user, spec));
  return { status: { allowed, ...(reason === '' ? {} : { reason }) } };
}

function attributesOf(user: User, spec: AccessReview['spec']): Attributes {
  const { resourceAttributes: asked, nonResourceAttributes } = spec;
  if (asked === undefined) {
    const { path = '', verb = '' } = nonResourceAttributes ?? {};
    return { user, verb, path };
  }
  const { verb = '', group = '', version = '', resource = '', subresource = '' } = asked;
  return {
    user,
    verb,
    path: '',
    resource: {
      group,
      version,
      resource: subresource === '' ? resource : `${resource}/${subresource}`,
      namespace: given(asked.namespace),
      name: given(asked.name),
    },
  };
}

function given(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

function rulesStatus({ rules, missing }: Held): object {
  const onResources = rules.filter(({ nonResourceURLs }) => nonResourceURLs.length === 0);
  const onPaths = rules.filter(({ nonResourceURLs }) => nonResourceURLs.length > 0);
  return {
    resourceRules: onResources.map(({ verbs, apiGroups, resources, resourceNames }: Rule) => ({
      verbs,
      apiGroups,
      resources,
      ...(resourceNames.length === 0 ? {} : { resourceNames }),
    })),
    nonResourceRules: onPaths.map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    incomplete: missing.length > 0,
    ...(missing.length === 0 ? {} : { evaluationError: missing.join(', ') }),
  };
}
