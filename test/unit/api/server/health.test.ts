import { describe, expect, it } from 'vitest';
import { healthAnswer, shutdownCheck, type HealthCheck } from '../../../../api/server/health.ts';

const fine: HealthCheck = { name: 'etcd', check: () => Promise.resolve(undefined) };
const bad: HealthCheck = { name: 'framework', check: () => Promise.resolve('no framework id') };
const broken: HealthCheck = {
  name: 'informer-sync',
  check: () => Promise.reject(new Error('it broke')),
};

async function ask(checks: HealthCheck[], path = '/readyz', query = ''): Promise<[number, string]> {
  const answer = await healthAnswer('readyz', checks, path, new URLSearchParams(query));
  expect(answer.headers).toEqual({ 'X-Content-Type-Options': 'nosniff' });
  return [answer.code, answer.kind === 'bytes' ? Buffer.from(answer.bytes).toString() : ''];
}

describe('readyz', () => {
  it('is a word when all is well, a list when asked', async () => {
    expect(await ask([fine])).toEqual([200, 'ok']);
    expect(await ask([fine], '/readyz/')).toEqual([200, 'ok']);
    expect(await ask([fine], '/readyz', 'verbose')).toEqual([
      200,
      '[+]ping ok\n[+]etcd ok\nreadyz check passed\n',
    ]);
  });

  it('names what is wrong and why, also when a check itself breaks', async () => {
    expect(await ask([fine, bad, broken])).toEqual([
      500,
      '[+]ping ok\n[+]etcd ok\n[-]framework failed: no framework id\n[-]informer-sync failed: it broke\nreadyz check failed\n',
    ]);
  });

  it('answers for one check', async () => {
    expect(await ask([fine, bad], '/readyz/etcd')).toEqual([200, 'ok']);
    expect(await ask([fine, bad], '/readyz/framework', 'verbose')).toEqual([
      500,
      'internal server error: no framework id\n',
    ]);
    expect(await ask([fine], '/readyz/nope')).toEqual([404, '404 page not found\n']);
  });

  it('leaves out what is excluded, and says what cannot be', async () => {
    expect(await ask([fine, bad], '/readyz', 'exclude=framework')).toEqual([200, 'ok']);
    expect(await ask([bad], '/readyz', 'exclude=framework&exclude=b&exclude=a&verbose')).toEqual([
      200,
      '[+]ping ok\n[+]framework excluded: ok\nwarn: some health checks cannot be excluded: no matches for "a","b"\nreadyz check passed\n',
    ]);
  });
});

it('a server that begins to stop is not ready any more', async () => {
  const leaving = new AbortController();
  const checks = [shutdownCheck(leaving.signal)];
  expect((await ask(checks))[0]).toBe(200);
  leaving.abort();
  expect(await ask(checks)).toEqual([
    500,
    '[+]ping ok\n[-]shutdown failed: process is shutting down\nreadyz check failed\n',
  ]);
});
