import { describe, expect, it } from 'vitest';
import { creatorAcl, digestAuthentication, digestId } from '../../../../proto/zookeeper/digest.ts';

describe('a digest user', () => {
  it('has the id that ZooKeeper computes', () => {
    expect(digestId({ user: 'u', password: 'pw' })).toBe('u:BvFaefuhWURhnvpD7ipe45CKTpk=');
  });

  it('shows its name and its password, which may hold a colon', () => {
    const { scheme, credentials } = digestAuthentication({ user: 'u', password: 'p:w' });
    expect([scheme, Buffer.from(credentials).toString()]).toEqual(['digest', 'u:p:w']);
  });

  it('may do everything with its nodes, and everybody else may read', () => {
    expect(creatorAcl({ user: 'u', password: 'pw' })).toEqual([
      { permissions: 31, scheme: 'digest', id: 'u:BvFaefuhWURhnvpD7ipe45CKTpk=' },
      { permissions: 1, scheme: 'world', id: 'anyone' },
    ]);
  });

  it('without a password, or with a name that cannot be, is refused without its secret', () => {
    for (const user of ['', 'a:b']) {
      const refused = (): unknown => digestAuthentication({ user, password: 'hidden' });
      expect(refused).toThrow(/BAD_ARGUMENTS/);
      expect(refused).not.toThrow(/hidden/);
    }
    expect(() => digestId({ user: 'u', password: '' })).toThrow(/BAD_ARGUMENTS/);
  });
});
