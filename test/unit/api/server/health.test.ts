import { describe, expect, it } from 'vitest';
import { healthAnswer, type HealthCheck } from '../../../../api/server/health.ts';

const fine: HealthCheck = { name: 'storage', check: () => Promise.resolve(undefined) };
const bad: HealthCheck = { name: 'framework', check: () => Promise.resolve('no framework id') };
const broken: HealthCheck = { name: 'cache', check: () => Promise.reject(new Error('it broke')) };

async function ask(checks: HealthCheck[], path = '/readyz', query = ''): Promise<[number, string]> {
  const answer = await healthAnswer('readyz', checks, path, new URLSearchParams(query));
  return [answer.code, answer.kind === 'bytes' ? Buffer.from(answer.bytes).toString() : ''];
}

describe('readyz', () => {
  it('is a word when all is well, a list when asked', async () => {
    expect(await ask([fine])).toEqual([200, 'ok']);
    expect(await ask([fine], '/readyz', 'verbose')).toEqual([
      200,
      '[+]ping ok\n[+]storage ok\nreadyz check passed\n',
    ]);
  });

  it('names what is wrong and why, also when a check itself breaks', async () => {
    expect(await ask([fine, bad, broken])).toEqual([
      500,
      '[+]ping ok\n[+]storage ok\n[-]framework failed: no framework id\n[-]cache failed: it broke\nreadyz check failed\n',
    ]);
  });

  it('answers for one check, and leaves out what is excluded', async () => {
    expect(await ask([fine, bad], '/readyz/storage')).toEqual([200, 'ok']);
    expect((await ask([fine, bad], '/readyz/framework'))[0]).toBe(500);
    expect((await ask([fine, bad], '/readyz', 'exclude=framework'))[0]).toBe(200);
    expect((await ask([fine], '/readyz/nope'))[0]).toBe(404);
  });
});
