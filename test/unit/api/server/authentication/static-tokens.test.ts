import { describe, expect, it } from 'vitest';
import { bearerToken } from '../../../../../api/server/authentication/authenticator.ts';
import {
  parseTokenFile,
  StaticTokens,
  TokenFileError,
  type TokenFile,
} from '../../../../../api/server/authentication/static-tokens.ts';
import { VirtualClock } from '../../../../support/virtual-clock.ts';

const api = ['https://api.test'];

class FileInMemory implements TokenFile {
  text: string | undefined;
  #version = 0;

  constructor(text: string) {
    this.text = text;
  }

  change(text: string | undefined): void {
    this.text = text;
    this.#version += 1;
  }

  version(): Promise<string> {
    if (this.text === undefined) return Promise.reject(new Error('the file is gone'));
    return Promise.resolve(String(this.#version));
  }

  read(): Promise<string> {
    return Promise.resolve(this.text ?? '');
  }
}

function tokensOf(text: string): {
  tokens: StaticTokens;
  file: FileInMemory;
  clock: VirtualClock;
  errors: string[];
} {
  const file = new FileInMemory(text);
  const clock = new VirtualClock();
  const errors: string[] = [];
  const tokens = new StaticTokens({
    file,
    table: parseTokenFile(text),
    version: '0',
    audiences: api,
    clock,
    onError: (reason) => errors.push(reason),
  });
  return { tokens, file, clock, errors };
}

describe('a token file', () => {
  it('names user, uid and groups of each token', async () => {
    const { tokens } = tokensOf(
      '# comment\n\ntok1,ann,1000,"dev, ops"\r\ntok2,bob,\n"t,3","c""d",7,one\n',
    );
    expect(await tokens.authenticate('tok1', api)).toEqual({
      user: { name: 'ann', uid: '1000', groups: ['dev', 'ops'] },
      audiences: api,
    });
    expect((await tokens.authenticate('tok2', api))?.user).toEqual({ name: 'bob', groups: [] });
    expect((await tokens.authenticate('t,3', api))?.user).toEqual({
      name: 'c"d',
      uid: '7',
      groups: ['one'],
    });
    expect(await tokens.authenticate('tok', api)).toBeUndefined();
    expect(await tokens.authenticate('', api)).toBeUndefined();
  });

  it('is for the audiences of the API alone', async () => {
    const { tokens } = tokensOf('tok,ann,1');
    expect(await tokens.authenticate('tok', ['vault'])).toBeUndefined();
    expect(await tokens.authenticate('tok', ['vault', ...api])).toMatchObject({ audiences: api });
  });

  it.each([
    [',ann,1', /line 1: the token is empty/],
    ['hunter2,,1', /line 1: the user/],
    ['hunter2', /line 1: the user/],
    ['a,b,c\nhunter2,ann,1,"x', /line 2: a quote/],
    ['hunter2,ann,1,a,b', /line 1: more than four columns; quote the groups/],
    ['hunter2,ann,1\nhunter2,bob,2', /line 2: this token stands on an earlier line/],
  ])('that is wrong is refused with its line, without the token: %j', (text, message) => {
    let error: unknown;
    try {
      parseTokenFile(text);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(TokenFileError);
    expect(String(error)).toMatch(message);
    expect(String(error)).not.toContain('hunter2');
  });

  it('counts anew once it has changed', async () => {
    const { tokens, file, clock, errors } = tokensOf('old,ann,1');
    file.change('new,ann,1');
    expect(await tokens.authenticate('old', api)).toBeDefined();
    await clock.advance(1_001);
    expect(await tokens.authenticate('old', api)).toBeUndefined();
    expect(await tokens.authenticate('new', api)).toBeDefined();
    expect(errors).toEqual([]);
  });

  it('that breaks is told of once, and what it said goes on to count', async () => {
    const { tokens, file, clock, errors } = tokensOf('tok,ann,1');
    file.change('hunter2');
    for (let seconds = 0; seconds < 5; seconds += 1) {
      await clock.advance(1_001);
      expect(await tokens.authenticate('tok', api)).toBeDefined();
    }
    expect(errors).toEqual(['line 1: the user, its second column, is empty']);
    file.change(undefined);
    await clock.advance(1_001);
    expect(await tokens.authenticate('tok', api)).toBeDefined();
    expect(errors).toHaveLength(2);
    file.change('again,ann,1');
    await clock.advance(1_001);
    expect(await tokens.authenticate('tok', api)).toBeUndefined();
    expect(await tokens.authenticate('again', api)).toBeDefined();
  });
});

describe('an Authorization header', () => {
  it.each([
    ['Bearer abc', 'abc'],
    ['bearer  abc ', 'abc'],
    ['Basic abc', undefined],
    ['Bearer', undefined],
    ['Bearer a b', undefined],
    [`Bearer ${'x'.repeat(20_000)}`, undefined],
    [undefined, undefined],
  ])('%s brings %s', (header, token) => {
    expect(bearerToken(header)).toBe(token);
  });
});
