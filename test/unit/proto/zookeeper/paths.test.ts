import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConnectString } from '../../../../proto/zookeeper/connect-string.ts';
import {
  parentOf,
  validatePath,
  withChroot,
  withoutChroot,
} from '../../../../proto/zookeeper/paths.ts';

const badArguments: unknown = expect.objectContaining({
  code: 'BAD_ARGUMENTS',
  outcome: 'not-sent',
});

describe('paths', () => {
  it.each(['/', '/a', '/a/b.c/member_0000000042', '/…', '/.hidden', '/a b'])('take %j', (path) => {
    expect(() => validatePath(path)).not.toThrow();
  });

  it.each(['', 'a', '/a/', '//a', '/a//b', '/.', '/a/../b', '/a\u0000b', '/a\n', '/\ud83d\ude00'])(
    'refuse %j',
    (path) => {
      expect(() => validatePath(path)).toThrow(badArguments);
    },
  );

  it('have parents', () => {
    expect(['/a/b/c', '/a', '/'].map(parentOf)).toEqual(['/a/b', '/', '/']);
  });

  it('go through a chroot and back', () => {
    expect(withChroot('/root', '/')).toBe('/root');
    expect(withChroot('/root', '/a')).toBe('/root/a');
    const segment = fc.stringMatching(/^[a-z]{1,5}$/);
    const path = fc.array(segment).map((segments) => `/${segments.join('/')}`);
    const chroot = fc.array(segment).map((segments) => segments.map((name) => `/${name}`).join(''));
    fc.assert(
      fc.property(chroot, path, (root, inner) => {
        expect(withoutChroot(root, withChroot(root, inner))).toBe(inner);
      }),
    );
  });
});

describe('a connect string', () => {
  it('names servers and a chroot', () => {
    expect(parseConnectString('a:2181, b.example:2182,[fd00::1]:2183/mesos/x')).toEqual({
      endpoints: [
        { host: 'a', port: 2181 },
        { host: 'b.example', port: 2182 },
        { host: 'fd00::1', port: 2183 },
      ],
      chroot: '/mesos/x',
    });
  });

  it('defaults to port 2181 and to no chroot', () => {
    const expected = { endpoints: [{ host: 'a', port: 2181 }], chroot: '' };
    expect(parseConnectString('a')).toEqual(expected);
    expect(parseConnectString('a/')).toEqual(expected);
  });

  it.each(['', ',a:1', 'a:0', 'a:65536', 'a:b', 'a:1:2', '[fd00::1', 'a b:1', 'a:1/x/', '/x'])(
    'that is %j is refused',
    (text) => {
      expect(() => parseConnectString(text)).toThrow(badArguments);
    },
  );
});
