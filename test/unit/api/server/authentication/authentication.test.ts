import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Metrics } from '../../../../../api/machinery/metrics.ts';
import { Authentication } from '../../../../../api/server/authentication/authentication.ts';
import {
  TokenError,
  type TokenAuthenticator,
} from '../../../../../api/server/authentication/authenticator.ts';
import { ServiceAccountTokens } from '../../../../../api/server/authentication/service-account-tokens.ts';
import { parseSigningKey } from '../../../../../api/server/authentication/signing-keys.ts';
import { seededRandom } from '../../../../../api/machinery/random.ts';
import { VirtualClock } from '../../../../support/virtual-clock.ts';

/** Knows one token. */
function knowing(token: string, name: string): TokenAuthenticator {
  return {
    authenticate: (shown, audiences) =>
      Promise.resolve(shown === token ? { user: { name, groups: [] }, audiences } : undefined),
  };
}

function failing(error: Error): TokenAuthenticator {
  return { authenticate: () => Promise.reject(error) };
}

function setUp(...tokens: TokenAuthenticator[]) {
  const refused: string[] = [];
  const metrics = new Metrics();
  const authentication = new Authentication({
    tokens,
    audiences: ['api'],
    onRefused: (reason) => refused.push(reason),
    attempts: metrics.counter('authentication_attempts', ''),
  });
  const identify = (authorization?: string, name?: string) =>
    authentication.identify({
      certificate: name === undefined ? undefined : { name, groups: [] },
      authorization,
    });
  return { authentication, identify, refused, metrics };
}

describe('who sends a request', () => {
  it('is whom a certificate names, before any token', async () => {
    const { identify } = setUp(knowing('t', 'ann'));
    expect((await identify('Bearer t', 'admin'))?.name).toBe('admin');
    expect((await identify('Bearer t'))?.name).toBe('ann');
    expect(await identify()).toBeUndefined();
    expect(await identify('Basic t')).toBeUndefined();
  });

  it('is in the group of all whom we know, once', async () => {
    const { identify } = setUp(knowing('t', 'ann'));
    expect((await identify('Bearer t'))?.groups).toEqual(['system:authenticated']);
  });

  it('is found by the first that knows the token, whatever others say of it', async () => {
    const { identify, refused, metrics } = setUp(
      failing(new TokenError('not now')),
      knowing('t', 'ann'),
      knowing('t', 'bob'),
    );
    expect((await identify('Bearer t'))?.name).toBe('ann');
    expect(await identify('Bearer hunter2')).toBeUndefined();
    expect(refused).toEqual(['not now']);
    expect(metrics.text()).toContain('authentication_attempts{result="success"} 1');
    expect(metrics.text()).toContain('authentication_attempts{result="failure"} 1');
  });

  it('is not taken for nobody because the store is away', async () => {
    const { identify, metrics } = setUp(failing(new Error('the store is away')));
    await expect(identify('Bearer t')).rejects.toThrow('the store is away');
    expect(metrics.text()).toContain('authentication_attempts{result="error"} 1');
  });
});

it('is not upset by anything that is shown as a token', async () => {
  const clock = new VirtualClock();
  const signingKey = parseSigningKey(
    generateKeyPairSync('ec', { namedCurve: 'P-256' })
      .privateKey.export({
        type: 'pkcs8',
        format: 'pem',
      })
      .toString(),
  );
  const nothing = { get: () => Promise.resolve(undefined) };
  const accounts = new ServiceAccountTokens({
    issuer: 'api',
    keys: { signing: signingKey, verifying: [signingKey] },
    lookups: { cached: nothing, live: nothing },
    clock,
    random: seededRandom(1),
  });
  const { identify } = setUp(accounts);
  const part = fc.oneof(
    fc.base64String(),
    fc.json().map((text) => Buffer.from(text).toString('base64url')),
    fc
      .record({
        iss: fc.constant('api'),
        alg: fc.anything(),
        kid: fc.anything(),
        exp: fc.anything(),
      })
      .map((claims) => Buffer.from(JSON.stringify(claims)).toString('base64url')),
  );
  const token = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('.')),
  );
  await fc.assert(
    fc.asyncProperty(token, async (shown) => {
      expect(await identify(`Bearer ${shown}`)).toBeUndefined();
    }),
    { numRuns: 200 },
  );
});

it('reviews a token for the audiences that are asked for, or for this API', async () => {
  const { authentication } = setUp(knowing('t', 'ann'));
  expect((await authentication.review('t', [])).audiences).toEqual(['api']);
  expect((await authentication.review('t', ['vault'])).audiences).toEqual(['vault']);
  await expect(authentication.review('x', [])).rejects.toThrow('invalid bearer token');
});
