import type { Clock } from '../../machinery/clock.ts';
import type { Metrics } from '../../machinery/metrics.ts';
import type { Random } from '../../machinery/random.ts';
import type { Lookup } from '../registry/context.ts';
import type { ServerLogger } from '../server.ts';
import { Authentication } from './authentication.ts';
import type { TokenAuthenticator } from './authenticator.ts';
import { IssuerDocuments } from './issuer-documents.ts';
import { IssuerKeys } from './oidc-keys.ts';
import { OidcTokens, type OidcClaims } from './oidc.ts';
import { RefusalLog } from './refusal-log.ts';
import { ServiceAccountTokens, type TokenKeys } from './service-account-tokens.ts';
import type { SigningKey, VerifyingKey } from './signing-keys.ts';
import { StaticTokens, type TokenFile, type TokenTable } from './static-tokens.ts';

/** The keys of the configuration. */
export interface ServiceAccountKeys {
  signingKey: SigningKey;
  /** Further keys that tokens may be signed with: those of before, or of the next rotation. */
  keys: readonly VerifyingKey[];
}

export interface ServiceAccountOptions extends ServiceAccountKeys {
  /** `iss` of the tokens: an https address. */
  issuer: string;
  /** Names of this API; the issuer if absent. */
  audiences?: readonly string[] | undefined;
  /** Longest life of a token. */
  maxTokenSeconds: number;
  /** Where others find our keys; `<issuer>/openid/v1/jwks` if absent. */
  jwksUri?: string | undefined;
}

/** Whom the API knows besides those who bring a client certificate. */
export interface IdentityOptions {
  /** A token file as it was read at the start. */
  staticTokens?: { file: TokenFile; table: TokenTable; version: string } | undefined;
  serviceAccounts?: ServiceAccountOptions | undefined;
  /** `ca`: PEM of the authorities that the provider must be signed by; those of the system if absent. */
  oidc?: { claims: OidcClaims; ca?: string | Buffer | undefined } | undefined;
}

export interface Identity {
  authentication: Authentication;
  /** Absent: no tokens are issued. */
  serviceAccounts: { tokens: ServiceAccountTokens; options: ServiceAccountOptions } | undefined;
  issuer: IssuerDocuments | undefined;
  /** From now on these sign and verify. Answers whether they are others than before. */
  setKeys(keys: ServiceAccountKeys): boolean;
  /** Who must have signed the OIDC provider from now on. Answers whether they are others than before. */
  setOidcCa(ca: string | Buffer): boolean;
  close(): Promise<void>;
}

/** The name of an API that issues no tokens and so has no issuer. */
const namelessAudience = 'https://mesocosm.dev';

/** Everything that finds out who sends a request. */
export function identityOf(
  options: IdentityOptions,
  context: {
    lookups: { cached: Lookup; live: Lookup };
    clock: Clock;
    random: Random;
    metrics?: Metrics | undefined;
    logger: ServerLogger;
  },
): Identity {
  const { clock, logger } = context;
  const { staticTokens, serviceAccounts, oidc } = options;
  const audiences = serviceAccounts?.audiences ?? [serviceAccounts?.issuer ?? namelessAudience];
  const tokens: TokenAuthenticator[] = [];
  if (staticTokens !== undefined) {
    const onError = (reason: string): void => {
      logger.warn(
        { reason },
        'the token file cannot be used; what it said before goes on to count',
      );
    };
    tokens.push(new StaticTokens({ ...staticTokens, audiences, clock, onError }));
  }
  const accountTokens = serviceAccounts && serviceAccountTokens(serviceAccounts, context);
  if (accountTokens !== undefined) tokens.push(accountTokens);
  const keys = oidc && issuerKeys(oidc, clock, logger);
  if (oidc !== undefined && keys !== undefined) {
    tokens.push(new OidcTokens({ claims: oidc.claims, keys, audiences, clock }));
  }
  const refusals = new RefusalLog({
    clock,
    tell: (reason, count) => {
      logger.info({ reason, count }, 'bearer tokens were refused');
    },
  });
  const onRefused = (reason: string): void => refusals.refused(reason);
  const attempts = context.metrics?.counter(
    'authentication_attempts',
    'Requests that brought a certificate or a token, by result.',
  );
  const issuer = serviceAccounts && issuerDocuments(serviceAccounts);
  let present = serviceAccounts;
  return {
    authentication: new Authentication({ tokens, audiences, onRefused, attempts }),
    serviceAccounts:
      serviceAccounts === undefined || accountTokens === undefined
        ? undefined
        : { tokens: accountTokens, options: serviceAccounts },
    issuer,
    setKeys: (keys) => {
      if (present === undefined || isSame(present, keys)) return false;
      present = { ...present, ...keys };
      accountTokens?.setKeys(tokenKeys(keys));
      issuer?.setKeys(allKeys(keys));
      return true;
    },
    setOidcCa: (ca) => keys?.setCa(ca) ?? false,
    close: async () => {
      refusals.close();
      await keys?.close();
    },
  };
}

function isSame(left: ServiceAccountKeys, right: ServiceAccountKeys): boolean {
  const ids = (keys: ServiceAccountKeys): string =>
    [keys.signingKey, ...keys.keys].map(({ id }) => id).join();
  return ids(left) === ids(right);
}

function tokenKeys(keys: ServiceAccountKeys): TokenKeys {
  return { signing: keys.signingKey, verifying: allKeys(keys) };
}

function allKeys({ signingKey, keys }: ServiceAccountKeys): VerifyingKey[] {
  const byId = new Map([signingKey, ...keys].map((key) => [key.id, key]));
  return [...byId.values()];
}

function serviceAccountTokens(
  options: ServiceAccountOptions,
  context: Parameters<typeof identityOf>[1],
): ServiceAccountTokens {
  const { issuer } = options;
  return new ServiceAccountTokens({ ...context, issuer, keys: tokenKeys(options) });
}

function issuerDocuments(options: ServiceAccountOptions): IssuerDocuments {
  const { issuer } = options;
  const jwksUri = options.jwksUri ?? `${issuer.replace(/\/$/, '')}/openid/v1/jwks`;
  return new IssuerDocuments({ issuer, jwksUri, keys: allKeys(options) });
}

function issuerKeys(
  { claims, ca }: NonNullable<IdentityOptions['oidc']>,
  clock: Clock,
  logger: ServerLogger,
): IssuerKeys {
  const { issuer } = claims;
  const onError = (reason: string): void => {
    logger.warn({ issuer, reason }, 'the OIDC provider cannot be asked for its keys');
  };
  return new IssuerKeys({ issuer, ca, clock, onError });
}
