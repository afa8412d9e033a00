import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../../../api/machinery/errors.ts';
import {
  impersonate,
  impersonationOf,
  type Impersonation,
} from '../../../../../api/server/authentication/impersonation.ts';
import type { Attributes, Authorizer } from '../../../../../api/server/authorizer.ts';

const bob = { name: 'bob', groups: ['dev', 'system:authenticated'] };

function wanted(more: Partial<Impersonation> = {}): Impersonation {
  return { user: 'ann', groups: [], uid: undefined, extra: {}, ...more };
}

/** Allows what `may` says, and remembers what it was asked. */
function asking(may: (resource: NonNullable<Attributes['resource']>) => boolean): {
  authorizer: Authorizer;
  asked: string[];
} {
  const asked: string[] = [];
  const authorizer: Authorizer = {
    authorize: ({ user, verb, resource }) => {
      if (resource === undefined) throw new Error('no resource');
      const { group, namespace, name } = resource;
      const place = [group, namespace, resource.resource, name].filter(
        (part) => part !== undefined,
      );
      asked.push(`${user.name} ${verb} ${place.join(' ')}`);
      return Promise.resolve(may(resource) ? { allowed: true } : { allowed: false, reason: '' });
    },
  };
  return { authorizer, asked };
}

describe('the headers', () => {
  it('are read one by one, whatever the case, though groups have commas', () => {
    const raw = [
      ...[
        'Host',
        'x',
        'Impersonate-User',
        'ann',
        'impersonate-group',
        'a,b',
        'Impersonate-Group',
        'c',
      ],
      ...[
        'IMPERSONATE-UID',
        '7',
        'Impersonate-Extra-Scopes',
        'one',
        'impersonate-extra-scopes',
        'two',
      ],
      ...['Impersonate-Extra-Acme.com%2fProject', 'p'],
    ];
    expect(impersonationOf(raw)).toEqual({
      user: 'ann',
      groups: ['a,b', 'c'],
      uid: '7',
      extra: { scopes: ['one', 'two'], 'acme.com/project': ['p'] },
    });
  });

  it('are UTF-8, which Node shows as Latin-1', () => {
    const name = Buffer.from('müller').toString('latin1');
    expect(impersonationOf(['Impersonate-User', name])?.user).toBe('müller');
    expect(() => impersonationOf(['Impersonate-User', 'm\xfcller'])).toThrow('not valid UTF-8');
  });

  it('without any of them nobody is impersonated', () => {
    expect(impersonationOf(['Accept', '*/*', 'X-Impersonate-User', 'ann'])).toBeUndefined();
  });

  it.each([
    [['Impersonate-Group', 'g'], 'but no user'],
    [['Impersonate-Uid', '1'], 'but no user'],
    [['Impersonate-User', ''], 'but no user'],
    [['Impersonate-User', 'a', 'impersonate-user', 'b'], 'given twice'],
    [['Impersonate-User', 'a', 'Impersonate-Role', 'x'], 'impersonate-role is not known'],
  ])('that make no sense are refused: %j', (raw, message) => {
    expect(() => impersonationOf(raw)).toThrow(message);
    expect(() => impersonationOf(raw)).toThrow(ApiError);
  });

  it('never ask for less than they say', () => {
    const name = fc.stringMatching(/^[a-z:,]{1,12}$/);
    fc.assert(
      fc.property(name, fc.array(name, { maxLength: 5 }), (user, groups) => {
        const raw = [
          'Impersonate-User',
          user,
          ...groups.flatMap((one) => ['Impersonate-Group', one]),
        ];
        expect(impersonationOf(raw)).toMatchObject({ user, groups });
      }),
    );
  });
});

describe('acting as somebody else', () => {
  it('is asked for each part of it', async () => {
    const { authorizer, asked } = asking(() => true);
    const user = await impersonate(
      bob,
      wanted({ groups: ['g1', 'g2'], uid: '7', extra: { scopes: ['a', 'b'] } }),
      authorizer,
      '/',
    );
    expect(asked).toEqual([
      'bob impersonate  users ann',
      'bob impersonate  groups g1',
      'bob impersonate  groups g2',
      'bob impersonate authentication.k8s.io uids 7',
      'bob impersonate authentication.k8s.io userextras/scopes a',
      'bob impersonate authentication.k8s.io userextras/scopes b',
    ]);
    expect(user).toEqual({
      name: 'ann',
      uid: '7',
      groups: ['g1', 'g2', 'system:authenticated'],
      extra: { scopes: ['a', 'b'] },
    });
  });

  it.each([
    [
      wanted({}),
      'users',
      'users "ann" is forbidden: User "bob" cannot impersonate resource "users" in API group "" at the cluster scope',
    ],
    [wanted({ groups: ['system:masters'] }), 'groups', 'groups "system:masters" is forbidden'],
    [wanted({ uid: '1' }), 'uids', 'uids.authentication.k8s.io "1" is forbidden'],
    [
      wanted({ extra: { scopes: ['all'] } }),
      'userextras/scopes',
      'userextras.authentication.k8s.io "all" is forbidden: User "bob" cannot impersonate resource "userextras/scopes" in API group "authentication.k8s.io"',
    ],
    [
      wanted({ user: 'system:serviceaccount:prod:ci' }),
      'serviceaccounts',
      'serviceaccounts "ci" is forbidden: User "bob" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "prod"',
    ],
  ])('is refused if one part of it is: %#', async (impersonation, denied, message) => {
    const { authorizer } = asking(({ resource }) => resource !== denied);
    const refusal = impersonate(bob, impersonation, authorizer, '/');
    await expect(refusal).rejects.toThrow(message);
    await expect(refusal).rejects.toMatchObject({ code: 403 });
  });

  it.each([
    [wanted({}), ['system:authenticated']],
    [
      wanted({ user: 'system:serviceaccount:prod:ci' }),
      ['system:serviceaccounts', 'system:serviceaccounts:prod', 'system:authenticated'],
    ],
    [
      wanted({ user: 'system:serviceaccount:prod:ci', groups: ['x'] }),
      ['x', 'system:authenticated'],
    ],
    [wanted({ user: 'system:serviceaccount:prod' }), ['system:authenticated']],
    [wanted({ user: 'system:anonymous' }), ['system:unauthenticated']],
    [wanted({ groups: ['system:unauthenticated'] }), ['system:unauthenticated']],
    [wanted({ groups: ['system:authenticated'] }), ['system:authenticated']],
  ])('brings the right groups: %#', async (impersonation, groups) => {
    const { authorizer } = asking(() => true);
    expect((await impersonate(bob, impersonation, authorizer, '/')).groups).toEqual(groups);
  });
});
