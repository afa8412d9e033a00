import { expect, it } from 'vitest';
import { VerifiedTokens } from '../../../../../api/server/authentication/verified-tokens.ts';
import { VirtualClock } from '../../../../support/virtual-clock.ts';

function setUp() {
  const clock = new VirtualClock();
  let verified = 0;
  const tokens = new VerifiedTokens<string>({ clock, lifeMs: 1_000 });
  const read = (token: string): Promise<string> =>
    tokens.read(token, () => {
      verified += 1;
      return token === 'bad' ? Promise.reject(new Error('bad')) : Promise.resolve(`of ${token}`);
    });
  return { clock, read, count: () => verified };
}

it('verifies a token once in its time', async () => {
  const { clock, read, count } = setUp();
  for (let turn = 0; turn < 3; turn += 1) expect(await read('a')).toBe('of a');
  expect(count()).toBe(1);
  expect(await read('b')).toBe('of b');
  expect(count()).toBe(2);
  await clock.advance(1_000);
  expect(await read('a')).toBe('of a');
  expect(count()).toBe(3);
});

it('remembers no refusal', async () => {
  const { read, count } = setUp();
  await expect(read('bad')).rejects.toThrow('bad');
  await expect(read('bad')).rejects.toThrow('bad');
  expect(count()).toBe(2);
});

it('remembers a bounded number, the latest', async () => {
  const { read, count } = setUp();
  for (let token = 0; token < 5_000; token += 1) await read(String(token));
  await read('4999');
  expect(count()).toBe(5_000);
  await read('0');
  expect(count()).toBe(5_001);
});
