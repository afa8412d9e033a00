import { describe, expect, it } from 'vitest';
import { Metrics } from '../../../../../api/machinery/metrics.ts';
import { Authentication } from '../../../../../api/server/authentication/authentication.ts';
import {
  TokenError,
  type TokenAuthenticator,
} from '../../../../../api/server/authentication/authenticator.ts';

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

it('reviews a token for the audiences that are asked for, or for this API', async () => {
  const { authentication } = setUp(knowing('t', 'ann'));
  expect((await authentication.review('t', [])).audiences).toEqual(['api']);
  expect((await authentication.review('t', ['vault'])).audiences).toEqual(['vault']);
  await expect(authentication.review('x', [])).rejects.toThrow('invalid bearer token');
});
