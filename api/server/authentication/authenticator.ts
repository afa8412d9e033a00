import type { User } from '../registry/context.ts';

/** Groups that Kubernetes gives by the way in which somebody came. */
export const authenticatedGroup = 'system:authenticated';
export const unauthenticatedGroup = 'system:unauthenticated';

/** Who has shown nothing; may ask only for what is open to everybody. */
export const anonymous: User = { name: 'system:anonymous', groups: [unauthenticatedGroup] };

/** Extra value that tells which certificate or token somebody came with, as in Kubernetes. */
export const credentialIdKey = 'authentication.kubernetes.io/credential-id';

/** Whom a token stands for, and which of the audiences asked for it is meant for. */
export interface TokenIdentity {
  user: User;
  audiences: readonly string[];
}

/** A token that belongs to an authenticator and does not count. The message never has the token in it. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
}

/** Knows one sort of bearer tokens. */
export interface TokenAuthenticator {
  /**
   * Whose token it is; undefined if it is not of this sort. `audiences` are those that the token must be
   * meant for, one at least. Throws TokenError for one that does not count, with the reason.
   */
  authenticate(token: string, audiences: readonly string[]): Promise<TokenIdentity | undefined>;
}

/** Asks one after another; the first that knows the token decides. Throws TokenError if none does. */
export async function authenticateToken(
  authenticators: readonly TokenAuthenticator[],
  token: string,
  audiences: readonly string[],
): Promise<TokenIdentity> {
  const reasons: string[] = [];
  for (const authenticator of authenticators) {
    try {
      const identity = await authenticator.authenticate(token, audiences);
      if (identity !== undefined) return withAuthenticatedGroup(identity);
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      reasons.push(error.message);
    }
  }
  throw new TokenError(reasons.length === 0 ? 'invalid bearer token' : reasons.join('; '));
}

/** Every user whom we know is in this group. */
function withAuthenticatedGroup({ user, audiences }: TokenIdentity): TokenIdentity {
  const groups = [...new Set([...user.groups, authenticatedGroup])];
  return { user: { ...user, groups }, audiences };
}

/** Longest token that is looked at, in characters. */
const longestToken = 16 * 1024;

/** The token of an `Authorization: Bearer` header (RFC 6750 2.1); undefined if it brings none. */
export function bearerToken(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const [scheme = '', token = '', ...more] = authorization.trim().split(/ +/);
  if (scheme.toLowerCase() !== 'bearer' || token === '' || more.length > 0) return undefined;
  return token.length > longestToken ? undefined : token;
}
