import { generateKeyPairSync } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, createLocalJWKSet, jwtVerify, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../../api/machinery/random.ts';
import type { KubeObject } from '../../../../../api/machinery/metadata.ts';
import { TokenError } from '../../../../../api/server/authentication/authenticator.ts';
import {
  ServiceAccountTokens,
  type TokenOrder,
} from '../../../../../api/server/authentication/service-account-tokens.ts';
import {
  jsonWebKeySet,
  parseSigningKey,
  parseVerifyingKeys,
  SigningKeyError,
  type SigningKey,
  type VerifyingKey,
} from '../../../../../api/server/authentication/signing-keys.ts';
import { VirtualClock } from '../../../../support/virtual-clock.ts';

const issuer = 'https://api.test';

function ecKey(namedCurve = 'P-256'): { private: string; public: string } {
  const pair = generateKeyPairSync('ec', { namedCurve });
  return {
    private: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    public: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

function rsaKey(modulusLength = 2048): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength });
  return privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
}

/** Objects by plural, namespace and name; `late` are those that the cache has not heard of. */
class Objects {
  readonly there = new Map<string, KubeObject>();
  readonly late = new Map<string, KubeObject>();

  put(plural: string, name: string, uid: string, more: object = {}, where = this.there): void {
    const metadata = { name, namespace: 'prod', uid, ...more };
    where.set(`${plural}/prod/${name}`, { apiVersion: 'v1', kind: 'Any', metadata } as KubeObject);
  }

  lookups() {
    const key = (plural: string, ref: { namespace?: string; name: string }): string =>
      `${plural}/${ref.namespace ?? ''}/${ref.name}`;
    return {
      cached: {
        get: (plural: string, ref: { namespace?: string; name: string }) =>
          Promise.resolve(this.there.get(key(plural, ref))),
      },
      live: {
        get: (plural: string, ref: { namespace?: string; name: string }) =>
          Promise.resolve(this.there.get(key(plural, ref)) ?? this.late.get(key(plural, ref))),
      },
    };
  }
}

function setUp(
  signingKey: SigningKey = parseSigningKey(ecKey().private),
  more: VerifyingKey[] = [],
) {
  const clock = new VirtualClock();
  const objects = new Objects();
  objects.put('serviceaccounts', 'ci', 'uid-1');
  const tokens = new ServiceAccountTokens({
    issuer,
    keys: { signing: signingKey, verifying: [signingKey, ...more] },
    lookups: objects.lookups(),
    clock,
    random: seededRandom(7),
  });
  return { clock, objects, tokens, signingKey };
}

function order(more: Partial<TokenOrder> = {}): TokenOrder {
  return {
    namespace: 'prod',
    serviceAccount: { name: 'ci', uid: 'uid-1' },
    boundTo: undefined,
    audiences: [issuer],
    lifetimeSeconds: 3600,
    ...more,
  };
}

const refused = async (tokens: ServiceAccountTokens, token: string): Promise<string> => {
  const error = await tokens.authenticate(token, [issuer]).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(TokenError);
  const parts = token.split('.').filter((part) => part !== '');
  for (const part of parts) expect(String(error)).not.toContain(part);
  return String(error);
};

describe('the token of a ServiceAccount', () => {
  it.each([
    ['ES256', () => ecKey().private],
    ['ES384', () => ecKey('P-384').private],
    ['ES512', () => ecKey('P-521').private],
    ['RS256', rsaKey],
  ])('signed with %s stands for its account', async (algorithm, key) => {
    const { tokens, signingKey } = setUp(parseSigningKey(key()));
    const { token, expires } = await tokens.issue(order());
    expect(decodeProtectedHeader(token)).toEqual({ alg: algorithm, kid: signingKey.id });
    expect(decodeJwt(token)).toMatchObject({
      iss: issuer,
      sub: 'system:serviceaccount:prod:ci',
      aud: [issuer],
      exp: expires / 1000,
      'kubernetes.io': { namespace: 'prod', serviceaccount: { name: 'ci', uid: 'uid-1' } },
    });
    expect(await tokens.authenticate(token, ['other', issuer])).toEqual({
      user: {
        name: 'system:serviceaccount:prod:ci',
        uid: 'uid-1',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:prod', 'system:authenticated'],
        extra: {
          'authentication.kubernetes.io/credential-id': [`JTI=${decodeJwt(token).jti ?? ''}`],
        },
      },
      audiences: [issuer],
    });
  });

  it('is verified by others with the published keys', async () => {
    const { tokens, signingKey, clock } = setUp();
    const { token } = await tokens.issue(order());
    const published = JSON.parse(JSON.stringify(jsonWebKeySet([signingKey]))) as {
      keys: { kty: string; d?: string }[];
    };
    expect(published.keys[0]?.d).toBeUndefined();
    await jwtVerify(token, createLocalJWKSet(published), {
      issuer,
      currentDate: new Date(clock.now()),
    });
  });

  it('ends at its time', async () => {
    const { tokens, clock } = setUp();
    const { token } = await tokens.issue(order({ lifetimeSeconds: 600 }));
    await clock.advance(599_000);
    expect(await tokens.authenticate(token, [issuer])).toBeDefined();
    await clock.advance(1_000);
    expect(await refused(tokens, token)).toContain('it has expired');
  });

  it('dies with its account, also if another takes the name', async () => {
    const { tokens, objects } = setUp();
    const { token } = await tokens.issue(order());
    objects.there.clear();
    expect(await refused(tokens, token)).toContain('serviceaccounts that is gone: prod/ci');
    objects.put('serviceaccounts', 'ci', 'uid-2');
    expect(await refused(tokens, token)).toContain('gone');
  });

  it('counts while the cache has not heard of its account', async () => {
    const { tokens, objects } = setUp();
    const { token } = await tokens.issue(order());
    objects.there.clear();
    objects.put('serviceaccounts', 'ci', 'uid-1', {}, objects.late);
    expect(await tokens.authenticate(token, [issuer])).toBeDefined();
  });

  it('counts for a minute after the deletion of its account has begun', async () => {
    const { tokens, objects, clock } = setUp();
    const { token } = await tokens.issue(order());
    const deletionTimestamp = new Date(clock.now()).toISOString();
    objects.put('serviceaccounts', 'ci', 'uid-1', { deletionTimestamp });
    await clock.advance(59_000);
    expect(await tokens.authenticate(token, [issuer])).toBeDefined();
    await clock.advance(1_000);
    expect(await refused(tokens, token)).toContain('gone');
  });

  it.each([
    ['Pod', 'tasks'],
    ['Secret', 'secrets'],
  ] as const)('bound to a %s dies with it', async (kind, plural) => {
    const { tokens, objects } = setUp();
    objects.put(plural, 'web-0', 'bound-1');
    const { token } = await tokens.issue(
      order({ boundTo: { kind, name: 'web-0', uid: 'bound-1' } }),
    );
    const found = await tokens.authenticate(token, [issuer]);
    if (kind === 'Pod') {
      expect(found?.user.extra).toMatchObject({
        'authentication.kubernetes.io/pod-name': ['web-0'],
        'authentication.kubernetes.io/pod-uid': ['bound-1'],
      });
    }
    objects.there.delete(`${plural}/prod/web-0`);
    expect(await refused(tokens, token)).toContain(`${plural} that is gone`);
  });

  it('is of no use for other audiences', async () => {
    const { tokens } = setUp();
    const { token } = await tokens.issue(order({ audiences: ['vault'] }));
    expect(await refused(tokens, token)).toContain('other audiences');
    expect(await tokens.authenticate(token, ['vault'])).toMatchObject({ audiences: ['vault'] });
  });

  it('counts when an earlier key has signed it, as long as that key is listed', async () => {
    const former = ecKey();
    const before = setUp(parseSigningKey(former.private));
    const { token } = await before.tokens.issue(order());
    const rotated = setUp(parseSigningKey(rsaKey()), parseVerifyingKeys(former.public));
    expect(await rotated.tokens.authenticate(token, [issuer])).toBeDefined();
    const ended = setUp();
    expect(await refused(ended.tokens, token)).toContain('no key that is known has signed it');
  });

  it('is none that somebody else signed, altered, or left unsigned', async () => {
    const { tokens, signingKey } = setUp();
    const { token } = await tokens.issue(order());
    const [head = '', body = '', signature = ''] = token.split('.');
    const stranger = parseSigningKey(ecKey().private);
    const forged = await new SignJWT(decodeJwt(token))
      .setProtectedHeader({ alg: 'ES256', kid: signingKey.id })
      .sign(stranger.privateKey);
    expect(await refused(tokens, forged)).toContain('its signature is wrong');
    const more = Buffer.from(JSON.stringify({ ...decodeJwt(token), exp: 9e9 })).toString(
      'base64url',
    );
    expect(await refused(tokens, `${head}.${more}.${signature}`)).toContain('signature');
    const none = Buffer.from(JSON.stringify({ alg: 'none', kid: signingKey.id })).toString(
      'base64url',
    );
    expect(await refused(tokens, `${none}.${body}.`)).toMatch(/does not count/);
    const hmac = await new SignJWT(decodeJwt(token))
      .setProtectedHeader({ alg: 'HS256', kid: signingKey.id })
      .sign(Buffer.from(ecKey().public));
    expect(await refused(tokens, hmac)).toContain('algorithm');
  });

  it('of another issuer, or no token at all, is left to others', async () => {
    const { tokens, signingKey } = setUp();
    const other = await new SignJWT({ iss: 'https://elsewhere' })
      .setProtectedHeader({ alg: 'ES256', kid: signingKey.id })
      .sign(signingKey.privateKey);
    for (const token of [other, 'abc', 'a.b.c', '..', '\0']) {
      expect(await tokens.authenticate(token, [issuer])).toBeUndefined();
    }
  });

  it('without the claims of Kubernetes does not count', async () => {
    const { tokens, signingKey, clock } = setUp();
    const bare = await new SignJWT({
      iss: issuer,
      sub: 'x',
      aud: issuer,
      exp: clock.now() / 1000 + 60,
    })
      .setProtectedHeader({ alg: 'ES256', kid: signingKey.id })
      .sign(signingKey.privateKey);
    expect(await refused(tokens, bare)).toContain('it lacks claims: kubernetes.io');
  });
});

describe('a key', () => {
  it.each([
    ['rubbish', () => 'rubbish'],
    ['a public key', () => ecKey().public],
    ['RSA of 1024 bits', () => rsaKey(1024)],
    ['EC on another curve', () => ecKey('secp256k1').private],
    [
      'Ed25519',
      () =>
        generateKeyPairSync('ed25519')
          .privateKey.export({ type: 'pkcs8', format: 'pem' })
          .toString(),
    ],
  ])('that is %s signs nothing, and the refusal does not show it', (_what, pem) => {
    const text = pem();
    let error: unknown;
    try {
      parseSigningKey(text);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(SigningKeyError);
    expect(String(error)).not.toContain(text.split('\n')[1] ?? text);
  });

  it('is named alike from its private and its public half; several stand in one file', () => {
    const [first, second] = [ecKey(), ecKey()];
    const keys = parseVerifyingKeys(`${first.public}\n${second.private}`);
    expect(keys.map(({ id }) => id)).toEqual(
      [first, second].map((pair) => parseSigningKey(pair.private).id),
    );
    expect(() => parseVerifyingKeys('nothing')).toThrow(SigningKeyError);
  });
});
