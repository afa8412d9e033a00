import {
  decodeProtectedHeader,
  jwtVerify,
  type JWTPayload,
  type ProtectedHeaderParameters,
} from 'jose';
import type { Clock } from '../../machinery/clock.ts';
import { own } from '../../machinery/json.ts';
import type { User } from '../registry/context.ts';
import {
  credentialIdKey,
  TokenError,
  type TokenAuthenticator,
  type TokenIdentity,
} from './authenticator.ts';
import { claimedIssuer, refusalOf } from './json-web-token.ts';
import type { IssuerKeys } from './oidc-keys.ts';
import { VerifiedTokens } from './verified-tokens.ts';

/** How ID tokens of a provider become users, in the words of kube-apiserver's --oidc-… flags. */
export interface OidcClaims {
  /** `https://…`; the claim `iss` of every token. */
  issuer: string;
  /** One of the audiences of every token. */
  clientId: string;
  /** `sub` if absent. */
  usernameClaim?: string | undefined;
  /** `<issuer>#` if absent and the claim is not `email`; `-` for none. */
  usernamePrefix?: string | undefined;
  groupsClaim?: string | undefined;
  groupsPrefix?: string | undefined;
  requiredClaims?: Readonly<Record<string, string>> | undefined;
  /** RS256 if absent. */
  signingAlgorithms?: readonly string[] | undefined;
}

export interface OidcOptions {
  claims: OidcClaims;
  keys: IssuerKeys;
  /** Audiences of the API: ID tokens are for it alone. */
  audiences: readonly string[];
  clock: Clock;
}

/** How long a token that was found right is not looked at again. */
const verifiedMs = 10_000;

/** Knows the ID tokens of one OpenID Connect provider. */
export class OidcTokens implements TokenAuthenticator {
  readonly #options: OidcOptions;
  readonly #verified: VerifiedTokens<User>;

  constructor(options: OidcOptions) {
    this.#options = options;
    this.#verified = new VerifiedTokens({ clock: options.clock, lifeMs: verifiedMs });
  }

  async authenticate(
    token: string,
    audiences: readonly string[],
  ): Promise<TokenIdentity | undefined> {
    if (claimedIssuer(token) !== this.#options.claims.issuer) return undefined;
    const meant = audiences.filter((audience) => this.#options.audiences.includes(audience));
    if (meant.length === 0) return undefined;
    const user = await this.#verified.read(token, () => this.#verify(token));
    return { user, audiences: meant };
  }

  /** Throws TokenError. */
  async #verify(token: string): Promise<User> {
    const { claims, keys, clock } = this.#options;
    try {
      const key = await keys.find(headerOf(token));
      const { payload } = await jwtVerify(token, key, {
        issuer: claims.issuer,
        audience: claims.clientId,
        algorithms: [...(claims.signingAlgorithms ?? ['RS256'])],
        currentDate: new Date(clock.now()),
        clockTolerance: 10,
        requiredClaims: ['exp'],
      });
      return userOfClaims(payload, claims);
    } catch (error) {
      if (error instanceof TokenError) throw error;
      throw new TokenError(`the ID token does not count: ${refusalOf(error)}`);
    }
  }
}

/** The header of a token, of which nothing is believed yet. Throws TokenError. */
function headerOf(token: string): ProtectedHeaderParameters {
  try {
    return decodeProtectedHeader(token);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new TokenError('the ID token does not count: it has no header');
  }
}

/** The user that a verified ID token stands for. Throws TokenError. */
export function userOfClaims(payload: JWTPayload, claims: OidcClaims): User {
  for (const [name, value] of Object.entries(claims.requiredClaims ?? {})) {
    if (own(payload, name) !== value) {
      throw new TokenError(
        `the ID token does not count: its claim ${name} is not what is required`,
      );
    }
  }
  const { jti } = payload;
  return {
    name: userName(payload, claims),
    groups: groupNames(payload, claims),
    ...(jti === undefined ? {} : { extra: { [credentialIdKey]: [`JTI=${jti}`] } }),
  };
}

function userName(
  payload: JWTPayload,
  { issuer, usernameClaim = 'sub', ...claims }: OidcClaims,
): string {
  const value = own(payload, usernameClaim);
  if (typeof value !== 'string' || value === '') {
    throw new TokenError(`the ID token does not count: its claim ${usernameClaim} is no name`);
  }
  const verified = own(payload, 'email_verified');
  if (usernameClaim === 'email' && verified !== undefined && verified !== true) {
    throw new TokenError('the ID token does not count: its email is not verified');
  }
  const prefix = claims.usernamePrefix ?? (usernameClaim === 'email' ? '-' : `${issuer}#`);
  return notOfTheSystem(prefix === '-' ? value : `${prefix}${value}`);
}

function groupNames(payload: JWTPayload, { groupsClaim, groupsPrefix = '' }: OidcClaims): string[] {
  const value = groupsClaim === undefined ? undefined : own(payload, groupsClaim);
  if (value === undefined || value === null) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((group) => {
    if (typeof group === 'string') return notOfTheSystem(`${groupsPrefix}${group}`);
    throw new TokenError(
      `the ID token does not count: its claim ${groupsClaim ?? ''} is no list of names`,
    );
  });
}

/** Names of the system carry rights of their own: no provider may give them away. */
function notOfTheSystem(name: string): string {
  if (!name.startsWith('system:')) return name;
  throw new TokenError(
    'the ID token does not count: it names a user or group of the system (system:…); set a prefix',
  );
}
