import {
  selfSubjectReviewResources,
  tokenReviewResource,
  type TokenReview,
  type UserInfo,
} from '../../v1/identity-reviews.ts';
import type { Served } from '../catalog.ts';
import { badRequest } from '../errors.ts';
import type { User } from '../registry/context.ts';
import { Review } from '../review.ts';
import type { Authentication } from './authentication.ts';
import { TokenError } from './authenticator.ts';

/** Kubernetes' questions about who somebody is. */
export function identityReviews(authentication: Authentication): Served[] {
  return [
    new Review({
      resource: tokenReviewResource,
      answer: async ({ spec }) => ({ status: await tokenStatus(spec, authentication) }),
    }),
    ...selfSubjectReviewResources.map(
      (resource) =>
        new Review({
          resource,
          answer: (_review, { user }) => Promise.resolve({ status: { userInfo: userInfo(user) } }),
        }),
    ),
  ];
}

async function tokenStatus(
  { token = '', audiences = [] }: TokenReview['spec'],
  authentication: Authentication,
): Promise<NonNullable<TokenReview['status']>> {
  if (token === '') throw badRequest('token is required for TokenReview in authentication');
  try {
    const identity = await authentication.review(token, audiences);
    return {
      authenticated: true,
      user: userInfo(identity.user),
      audiences: [...identity.audiences],
    };
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    return { user: {}, error: error.message };
  }
}

function userInfo({ name, uid, groups, extra = {} }: User): UserInfo {
  const values = Object.entries(extra).map(([key, list]): [string, string[]] => [key, [...list]]);
  return {
    username: name,
    ...(uid === undefined ? {} : { uid }),
    groups: [...groups],
    ...(values.length === 0 ? {} : { extra: Object.fromEntries(values) }),
  };
}
