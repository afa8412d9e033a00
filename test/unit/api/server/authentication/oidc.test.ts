import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { SignJWT, type JWTPayload } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ensureCertificates } from '../../../../../hack/local/certificates.ts';
import { TokenError } from '../../../../../api/server/authentication/authenticator.ts';
import { IssuerKeys } from '../../../../../api/server/authentication/oidc-keys.ts';
import {
  OidcTokens,
  userOfClaims,
  type OidcClaims,
} from '../../../../../api/server/authentication/oidc.ts';
import { OidcProvider } from '../../../../support/oidc-provider.ts';
import { VirtualClock } from '../../../../support/virtual-clock.ts';

let directory: string;
let ca: Buffer;
let provider: OidcProvider;
let clock: VirtualClock;
let errors: string[];
const opened: IssuerKeys[] = [];
const api = ['https://api.test'];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mesocosm-oidc-'));
  const { caFile, server } = ensureCertificates(directory);
  ca = readFileSync(caFile);
  provider = new OidcProvider({
    cert: readFileSync(server.certFile),
    key: readFileSync(server.keyFile),
  });
  await provider.start();
  provider.newKey('first');
});
afterEach(async () => {
  for (const keys of opened.splice(0)) await keys.close();
  provider.answers.clear();
});
afterAll(() => {
  provider.stop();
  rmSync(directory, { recursive: true, force: true });
});

function tokensOf(more: Partial<OidcClaims> = {}, authority: Buffer | undefined = ca): OidcTokens {
  clock = new VirtualClock();
  errors = [];
  provider.asked = [];
  const { issuer } = provider;
  const keys = new IssuerKeys({
    issuer,
    ca: authority,
    clock,
    onError: (reason) => errors.push(reason),
  });
  opened.push(keys);
  const claims = { issuer, clientId: 'mesocosm', ...more };
  return new OidcTokens({ claims, keys, audiences: api, clock });
}

function payload(more: JWTPayload = {}): JWTPayload {
  return {
    iss: provider.issuer,
    aud: 'mesocosm',
    sub: 'ann',
    exp: Math.floor(clock.now() / 1000) + 300,
    ...more,
  };
}

async function refusal(tokens: OidcTokens, token: string): Promise<string> {
  const error = await tokens.authenticate(token, api).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(TokenError);
  expect(String(error)).not.toContain(token.split('.')[2]);
  return String(error);
}

describe('an ID token', () => {
  it('stands for the user that its claims name', async () => {
    const tokens = tokensOf({ groupsClaim: 'groups', groupsPrefix: 'oidc:' });
    const token = await provider.sign(payload({ groups: ['dev', 'ops'], jti: 'j1' }));
    expect(await tokens.authenticate(token, api)).toEqual({
      user: {
        name: `${provider.issuer}#ann`,
        groups: ['oidc:dev', 'oidc:ops'],
        extra: { 'authentication.kubernetes.io/credential-id': ['JTI=j1'] },
      },
      audiences: api,
    });
    expect(errors).toEqual([]);
  });

  it('of another issuer is left to others, and the provider is not asked', async () => {
    const tokens = tokensOf();
    const token = await provider.sign(payload({ iss: 'https://elsewhere' }));
    expect(await tokens.authenticate(token, api)).toBeUndefined();
    expect(await tokens.authenticate('abc', api)).toBeUndefined();
    expect(provider.asked).toEqual([]);
  });

  it.each([
    ['is meant for somebody else', () => payload({ aud: 'other' }), 'claim aud'],
    ['has expired', () => payload({ exp: clock.now() / 1000 - 11 }), 'it has expired'],
    ['never ends', () => ({ iss: provider.issuer, aud: 'mesocosm', sub: 'ann' }), 'claim exp'],
    ['counts later', () => payload({ nbf: clock.now() / 1000 + 60 }), 'claim nbf'],
    ['has no name', () => payload({ sub: '' }), 'claim sub is no name'],
  ])('that %s does not count', async (_what, claims, message) => {
    const tokens = tokensOf();
    expect(await refusal(tokens, await provider.sign(claims()))).toContain(message);
  });

  it('signed by an algorithm that is not allowed does not count', async () => {
    const tokens = tokensOf();
    const token = await provider.sign(payload(), 'first', 'RS512');
    expect(await refusal(tokens, token)).toMatch(/no key|not allowed/);
    const { issuer } = provider;
    const head = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
    const body = Buffer.from(JSON.stringify({ ...payload(), iss: issuer })).toString('base64url');
    await expect(tokens.authenticate(`${head}.${body}.`, api)).rejects.toThrow(TokenError);
  });

  it.each([
    ['no header', '!!!'],
    ['a list for a header', Buffer.from('[]').toString('base64url')],
    ['a header without an algorithm', Buffer.from('{}').toString('base64url')],
  ])('with %s is refused, not a fault of the server', async (_what, head) => {
    const tokens = tokensOf();
    const body = Buffer.from(JSON.stringify(payload())).toString('base64url');
    expect(await refusal(tokens, `${head}.${body}.AAAA`)).toContain('does not count');
  });

  it('signed with a key of somebody else does not count', async () => {
    const tokens = tokensOf();
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const token = await new SignJWT(payload())
      .setProtectedHeader({ alg: 'RS256', kid: 'first' })
      .sign(privateKey);
    expect(await refusal(tokens, token)).toContain('its signature is wrong');
  });
});

describe('claims', () => {
  const claims: OidcClaims = { issuer: 'https://i', clientId: 'c' };

  it('name the user with a prefix, but for e-mail', () => {
    const name = (given: JWTPayload, more: Partial<OidcClaims>): string =>
      userOfClaims(given, { ...claims, ...more }).name;
    expect(name({ sub: 'ann' }, {})).toBe('https://i#ann');
    expect(name({ sub: 'ann' }, { usernamePrefix: '-' })).toBe('ann');
    expect(name({ sub: 'ann' }, { usernamePrefix: 'oidc:' })).toBe('oidc:ann');
    expect(name({ email: 'a@b' }, { usernameClaim: 'email' })).toBe('a@b');
    expect(name({ email: 'a@b', email_verified: true }, { usernameClaim: 'email' })).toBe('a@b');
    expect(() => name({ email: 'a@b', email_verified: false }, { usernameClaim: 'email' })).toThrow(
      'not verified',
    );
    expect(() =>
      name({ email: 'a@b', email_verified: 'true' }, { usernameClaim: 'email' }),
    ).toThrow('not verified');
  });

  it('never name somebody of the system', () => {
    const plain = { ...claims, usernamePrefix: '-', groupsClaim: 'groups' };
    expect(() => userOfClaims({ sub: 'system:apiserver' }, plain)).toThrow('set a prefix');
    expect(() => userOfClaims({ sub: 'ann', groups: ['system:masters'] }, plain)).toThrow(
      'set a prefix',
    );
    const prefixed = { ...plain, groupsPrefix: 'oidc:' };
    expect(userOfClaims({ sub: 'ann', groups: 'system:masters' }, prefixed).groups).toEqual([
      'oidc:system:masters',
    ]);
  });

  it('must have the values that are required', () => {
    const strict = { ...claims, requiredClaims: { tenant: 't1' } };
    expect(userOfClaims({ sub: 'ann', tenant: 't1' }, strict).name).toContain('ann');
    expect(() => userOfClaims({ sub: 'ann', tenant: 't2' }, strict)).toThrow('claim tenant');
    expect(() => userOfClaims({ sub: 'ann' }, strict)).toThrow('claim tenant');
  });

  it('with groups that are no names do not count', () => {
    const grouped = { ...claims, groupsClaim: 'groups' };
    expect(() => userOfClaims({ sub: 'ann', groups: [1] }, grouped)).toThrow('no list of names');
    expect(userOfClaims({ sub: 'ann' }, grouped).groups).toEqual([]);
  });
});

describe('the keys of a provider', () => {
  const asks = (): number => provider.asked.filter((path) => path === '/keys').length;

  it('are asked for once, and again when they are ten minutes old', async () => {
    const tokens = tokensOf();
    const token = await provider.sign(payload({ exp: clock.now() / 1000 + 86_400 }));
    await Promise.all([1, 2, 3].map(() => tokens.authenticate(token, api)));
    await tokens.authenticate(token, api);
    expect(asks()).toBe(1);
    await clock.advance(11 * 60_000);
    await tokens.authenticate(token, api);
    expect(asks()).toBe(2);
  });

  it('are asked for when one is new, but not at every token that names none', async () => {
    const tokens = tokensOf();
    await tokens.authenticate(await provider.sign(payload()), api);
    await clock.advance(10_001);
    provider.newKey('second');
    expect(await tokens.authenticate(await provider.sign(payload()), api)).toBeDefined();
    expect(asks()).toBe(2);
    const strange = await new SignJWT(payload())
      .setProtectedHeader({ alg: 'RS256', kid: 'strange' })
      .sign(provider.keys[0]!.key);
    for (let turn = 0; turn < 20; turn += 1) {
      expect(await refusal(tokens, strange)).toContain('no key that is known');
    }
    expect(asks()).toBe(2);
  });

  it('go on to count for a day while the provider is away', async () => {
    const tokens = tokensOf();
    const token = await provider.sign(payload({ exp: clock.now() / 1000 + 900_000 }));
    await tokens.authenticate(token, api);
    provider.answers.set('/.well-known/openid-configuration', { status: 500, body: '{}' });
    await clock.advance(23 * 3_600_000);
    expect(await tokens.authenticate(token, api)).toBeDefined();
    expect(errors.at(-1)).toContain('answered 500');
    await clock.advance(2 * 3_600_000);
    expect(await refusal(tokens, token)).toContain('are not known now');
    provider.answers.clear();
    await clock.advance(10_001);
    expect(await tokens.authenticate(token, api)).toBeDefined();
  });

  it.each([
    [
      'a document about another issuer',
      { issuer: 'https://x', jwks_uri: 'https://x/keys' },
      'about the issuer',
    ],
    ['keys over plain http', { jwks_uri: 'http://127.0.0.1/keys' }, 'jwks_uri'],
    [
      'a document that is far too long',
      { padding: 'x'.repeat(2 * 1024 * 1024) },
      'answered more than',
    ],
  ])('are not taken from %s', async (_what, document, message) => {
    const tokens = tokensOf();
    const { issuer } = provider;
    const body = JSON.stringify('jwks_uri' in document ? { issuer, ...document } : document);
    provider.answers.set('/.well-known/openid-configuration', { status: 200, body });
    expect(await refusal(tokens, await provider.sign(payload()))).toContain('not known now');
    expect(errors.join()).toContain(message);
    expect(asks()).toBe(0);
  });

  it('are not followed to where a redirection leads', async () => {
    const tokens = tokensOf();
    const headers = { location: `${provider.issuer}/elsewhere` };
    provider.answers.set('/keys', { status: 302, body: '', headers });
    expect(await refusal(tokens, await provider.sign(payload()))).toContain('not known now');
    expect(provider.asked).not.toContain('/elsewhere');
  });

  it('are not taken from a server that nobody whom we trust has signed', async () => {
    const tokens = tokensOf({}, Buffer.from(''));
    expect(await refusal(tokens, await provider.sign(payload()))).toContain('not known now');
    expect(errors).toHaveLength(1);
    expect(provider.asked).toEqual([]);
  });

  it('are asked for anew of a provider that others have signed, and count until it answers', async () => {
    const [strange = ''] = rootCertificates;
    const tokens = tokensOf({}, Buffer.from(strange));
    const [keys] = opened;
    expect(await refusal(tokens, await provider.sign(payload()))).toContain('not known now');
    expect(keys?.setCa(strange)).toBe(false);
    expect(keys?.setCa(ca)).toBe(true);
    // Though it has just been asked in vain.
    expect(await tokens.authenticate(await provider.sign(payload()), api)).toBeDefined();
    expect(asks()).toBe(1);
    expect(keys?.setCa(strange)).toBe(true);
    const late = await provider.sign(payload({ jti: 'late' }));
    expect(await tokens.authenticate(late, api)).toBeDefined();
    expect([errors.length, asks()]).toEqual([2, 1]);
  });
});
