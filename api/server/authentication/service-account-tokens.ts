import { errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import type { Clock } from '../../machinery/clock.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import type { Random } from '../../machinery/random.ts';
import type { Lookup, User } from '../registry/context.ts';
import {
  credentialIdKey,
  TokenError,
  type TokenAuthenticator,
  type TokenIdentity,
} from './authenticator.ts';
import { claimedIssuer, refusalOf } from './json-web-token.ts';
import { serviceAccountGroups, serviceAccountUserName } from './service-account.ts';
import type { SigningKey, VerifyingKey } from './signing-keys.ts';
import { VerifiedTokens } from './verified-tokens.ts';

/** An object that a token lives and dies with. */
export interface BoundObject {
  kind: 'Pod' | 'Secret';
  name: string;
  uid: string;
}

export interface TokenOrder {
  namespace: string;
  serviceAccount: { name: string; uid: string };
  boundTo: BoundObject | undefined;
  audiences: readonly string[];
  lifetimeSeconds: number;
}

const namedSchema = z.object({ name: z.string().min(1), uid: z.string().min(1) });

/** What a token of ours says; the private claim is Kubernetes' own. */
const claimsSchema = z.object({
  aud: z.union([z.string().transform((one) => [one]), z.array(z.string())]),
  exp: z.number(),
  jti: z.string().optional(),
  'kubernetes.io': z.object({
    namespace: z.string().min(1),
    serviceaccount: namedSchema,
    pod: namedSchema.optional(),
    secret: namedSchema.optional(),
  }),
});
type Claims = z.infer<typeof claimsSchema>;

/** Resources that bound objects are looked up in: a Pod is the mirror of the Task of its name and uid. */
const boundPlurals = { pod: 'tasks', secret: 'secrets' } as const;

/** How long the token of something that is being deleted goes on to count, for it to end in order. */
const leewayMs = 60_000;

/** How long a signature is taken to be right; whether the token still counts is asked each time. */
const verifiedMs = 60_000;

/** By what tokens are signed and known. */
export interface TokenKeys {
  signing: SigningKey;
  /** Every key that may have signed a token, the signing key among them. */
  verifying: readonly VerifyingKey[];
}

export interface ServiceAccountTokensOptions {
  issuer: string;
  keys: TokenKeys;
  lookups: { cached: Lookup; live: Lookup };
  clock: Clock;
  random: Random;
}

/** Signs and knows the tokens of ServiceAccounts. A token dies with its account and its bound object. */
export class ServiceAccountTokens implements TokenAuthenticator {
  readonly #options: ServiceAccountTokensOptions;
  #keys: TokenKeys;
  #verified: VerifiedTokens<Claims>;

  constructor(options: ServiceAccountTokensOptions) {
    this.#options = options;
    this.#keys = options.keys;
    this.#verified = new VerifiedTokens({ clock: options.clock, lifeMs: verifiedMs });
  }

  /** From now on these sign and verify; what others have verified counts no more. */
  setKeys(keys: TokenKeys): void {
    this.#keys = keys;
    this.#verified = new VerifiedTokens({ clock: this.#options.clock, lifeMs: verifiedMs });
  }

  /** A new token, and when it ends in milliseconds since the epoch. */
  async issue(order: TokenOrder): Promise<{ token: string; expires: number }> {
    const { clock, random, issuer } = this.#options;
    const { signing: signingKey } = this.#keys;
    const { namespace, serviceAccount, boundTo, audiences } = order;
    const now = Math.floor(clock.now() / 1000);
    const expires = now + order.lifetimeSeconds;
    const bound = boundTo && { name: boundTo.name, uid: boundTo.uid };
    const token = await new SignJWT({
      aud: [...audiences],
      exp: expires,
      iat: now,
      iss: issuer,
      jti: random.uuid(),
      'kubernetes.io': {
        namespace,
        serviceaccount: serviceAccount,
        ...(boundTo?.kind === 'Pod' ? { pod: bound } : {}),
        ...(boundTo?.kind === 'Secret' ? { secret: bound } : {}),
      },
      nbf: now,
      sub: serviceAccountUserName(namespace, serviceAccount.name),
    })
      .setProtectedHeader({ alg: signingKey.algorithm, kid: signingKey.id })
      .sign(signingKey.privateKey);
    return { token, expires: expires * 1000 };
  }

  async authenticate(
    token: string,
    audiences: readonly string[],
  ): Promise<TokenIdentity | undefined> {
    if (claimedIssuer(token) !== this.#options.issuer) return undefined;
    const claims = await this.#verified.read(token, () => this.#verify(token));
    if (this.#options.clock.now() >= claims.exp * 1000) {
      throw new TokenError('the token of a service account does not count: it has expired');
    }
    const meant = audiences.filter((audience) => claims.aud.includes(audience));
    if (meant.length === 0) {
      throw new TokenError('the token of a service account is meant for other audiences');
    }
    const { namespace, serviceaccount, pod, secret } = claims['kubernetes.io'];
    await this.#mustLive('serviceaccounts', namespace, serviceaccount);
    if (pod !== undefined) await this.#mustLive(boundPlurals.pod, namespace, pod);
    if (secret !== undefined) await this.#mustLive(boundPlurals.secret, namespace, secret);
    return { user: userOf(claims), audiences: meant };
  }

  /** The claims of a token that one of our keys signed. Throws TokenError. */
  async #verify(token: string): Promise<Claims> {
    const { verifying } = this.#keys;
    try {
      const { payload, protectedHeader } = await jwtVerify(
        token,
        ({ kid, alg }) => {
          const known = verifying.find(({ id }) => id === kid);
          if (known?.algorithm === alg) return known.key;
          throw new errors.JWKSNoMatchingKey();
        },
        {
          issuer: this.#options.issuer,
          currentDate: new Date(this.#options.clock.now()),
          requiredClaims: ['exp', 'sub'],
          algorithms: [...new Set(verifying.map(({ algorithm }) => algorithm))],
        },
      );
      const claims = claimsSchema.parse(payload);
      const { namespace, serviceaccount } = claims['kubernetes.io'];
      if (payload.sub === serviceAccountUserName(namespace, serviceaccount.name)) return claims;
      throw new TokenError(
        `a token signed with key ${protectedHeader.kid ?? ''} has a wrong subject`,
      );
    } catch (error) {
      if (error instanceof TokenError) throw error;
      throw new TokenError(`the token of a service account does not count: ${refusalOf(error)}`);
    }
  }

  /** Throws TokenError unless the very object that the token was made for is there. */
  async #mustLive(
    plural: string,
    namespace: string,
    { name, uid }: { name: string; uid: string },
  ): Promise<void> {
    const { cached, live } = this.#options.lookups;
    if (this.#isIt(await cached.get(plural, { namespace, name }), uid)) return;
    // It may be so young that the cache has not heard of it.
    if (this.#isIt(await live.get(plural, { namespace, name }), uid)) return;
    throw new TokenError(
      `the token was made for one of ${plural} that is gone: ${namespace}/${name}`,
    );
  }

  #isIt(object: KubeObject | undefined, uid: string): boolean {
    if (object?.metadata.uid !== uid) return false;
    const { deletionTimestamp } = object.metadata;
    if (deletionTimestamp === undefined) return true;
    return this.#options.clock.now() < Date.parse(deletionTimestamp) + leewayMs;
  }
}

function userOf(claims: Claims): User {
  const { namespace, serviceaccount, pod } = claims['kubernetes.io'];
  const { jti } = claims;
  return {
    name: serviceAccountUserName(namespace, serviceaccount.name),
    uid: serviceaccount.uid,
    groups: serviceAccountGroups(namespace),
    extra: {
      ...(jti === undefined ? {} : { [credentialIdKey]: [`JTI=${jti}`] }),
      ...(pod === undefined
        ? {}
        : {
            'authentication.kubernetes.io/pod-name': [pod.name],
            'authentication.kubernetes.io/pod-uid': [pod.uid],
          }),
    },
  };
}
