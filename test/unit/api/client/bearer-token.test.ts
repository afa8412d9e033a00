import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BearerToken } from '../../../../api/client/bearer-token.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

let directory: string;
let tokenFile: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mesocosm-token-'));
  tokenFile = join(directory, 'token');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('the token of an access', () => {
  it('is as it was given, if it is from no file', async () => {
    const clock = new VirtualClock();
    expect(await new BearerToken({}, clock).current()).toBeUndefined();
    const bearer = new BearerToken({ token: 't' }, clock);
    await clock.advance(3_600_000);
    expect(await bearer.current()).toBe('t');
  });

  it('is read again from its file after a minute, by all who ask then', async () => {
    const clock = new VirtualClock();
    const bearer = new BearerToken({ token: 'first', tokenFile }, clock);
    writeFileSync(tokenFile, ' second\n');
    await clock.advance(59_999);
    expect(await bearer.current()).toBe('first');
    await clock.advance(1);
    expect(await Promise.all([bearer.current(), bearer.current()])).toEqual(['second', 'second']);
  });

  it('stays as it was while its file is away or empty', async () => {
    const clock = new VirtualClock();
    const bearer = new BearerToken({ token: 'first', tokenFile }, clock);
    await clock.advance(60_000);
    expect(await bearer.current()).toBe('first');
    writeFileSync(tokenFile, '\n');
    await clock.advance(60_000);
    expect(await bearer.current()).toBe('first');
    writeFileSync(tokenFile, 'second');
    await clock.advance(60_000);
    expect(await bearer.current()).toBe('second');
  });
});
