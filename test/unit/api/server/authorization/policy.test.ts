import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Policy, type Grant } from '../../../../../api/server/authorization/policy.ts';
import { allows, ruleOf, type Rule } from '../../../../../api/server/authorization/rules.ts';
import type { Attributes } from '../../../../../api/server/authorizer.ts';
import { arbitraryRule, asker, everyQuestion } from './arbitraries.ts';

const apiGroup = 'rbac.authorization.k8s.io';
const namespaces = ['prod', 'dev', undefined];

const arbitraryGrant: fc.Arbitrary<Grant> = fc.record({
  name: fc.constantFrom('one', 'two', 'three'),
  namespace: fc.constantFrom(...namespaces),
  subjects: fc.array(
    fc.constantFrom(
      { kind: 'User', apiGroup, name: 'ann' },
      { kind: 'User', apiGroup, name: 'bob' },
      { kind: 'Group', apiGroup, name: 'devs' },
      { kind: 'Group', apiGroup, name: 'ann' },
      { kind: 'ServiceAccount', name: 'robot', namespace: 'prod' },
    ),
    { maxLength: 3 },
  ),
  roleRef: fc.record({
    apiGroup: fc.constant(apiGroup),
    kind: fc.constantFrom('Role', 'ClusterRole'),
    name: fc.constantFrom('reader', 'writer'),
  }),
});

type Step =
  | { do: 'put role'; namespace: string | undefined; name: string; rules: Rule[] }
  | { do: 'remove role'; namespace: string | undefined; name: string }
  | { do: 'put grant'; grant: Grant }
  | { do: 'remove grant'; namespace: string | undefined; name: string };

const role = {
  namespace: fc.constantFrom(...namespaces),
  name: fc.constantFrom('reader', 'writer'),
};

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant('put role' as const),
      ...role,
      rules: fc.array(arbitraryRule, { maxLength: 3 }),
    }),
    fc.record({ do: fc.constant('remove role' as const), ...role }),
    fc.record({ do: fc.constant('put grant' as const), grant: arbitraryGrant }),
    fc.record({
      do: fc.constant('remove grant' as const),
      namespace: role.namespace,
      name: fc.constantFrom('one', 'two', 'three'),
    }),
  ),
  { maxLength: 20 },
);

/** The same by looking at everything, every time. */
class Naive {
  roles: { namespace: string | undefined; name: string; rules: Rule[] }[] = [];
  grants: Grant[] = [];

  take(step: Step): void {
    const same = (one: { namespace: string | undefined; name: string }): boolean => {
      const other = step.do === 'put grant' ? step.grant : step;
      return one.namespace === other.namespace && one.name === other.name;
    };
    if (step.do.endsWith('role')) this.roles = this.roles.filter((one) => !same(one));
    else this.grants = this.grants.filter((one) => !same(one));
    if (step.do === 'put role') this.roles.push(step);
    if (step.do === 'put grant') this.grants.push(step.grant);
  }

  permits(question: Attributes): boolean {
    const namespace = question.resource?.namespace;
    return this.grants.some((grant) => {
      if (grant.namespace !== undefined && grant.namespace !== namespace) return false;
      const meant = grant.subjects.some(
        ({ kind, name }) =>
          (kind === 'User' && name === question.user.name) ||
          (kind === 'Group' && question.user.groups.includes(name)),
      );
      const home = grant.roleRef.kind === 'Role' ? grant.namespace : undefined;
      const found = this.roles.find(
        (one) => one.namespace === home && one.name === grant.roleRef.name,
      );
      return meant && (found?.rules ?? []).some((rule) => allows(rule, question));
    });
  }
}

function take(policy: Policy, step: Step): void {
  switch (step.do) {
    case 'put role':
      policy.putRole(step, step.rules);
      return;
    case 'remove role':
      policy.removeRole(step);
      return;
    case 'put grant':
      policy.putGrant(step.grant);
      return;
    case 'remove grant':
      policy.removeGrant(step);
  }
}

describe('a policy', () => {
  it('decides like looking at every binding and every rule', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const policy = new Policy();
        const naive = new Naive();
        for (const step of all) {
          take(policy, step);
          naive.take(step);
        }
        for (const question of everyQuestion) {
          expect(policy.decide(question).allowed).toBe(naive.permits(question));
        }
      }),
      { numRuns: 100 },
    );
  });

  it('never allows less for a rule more', () => {
    fc.assert(
      fc.property(steps, arbitraryGrant, arbitraryRule, (all, grant, rule) => {
        const policy = new Policy();
        for (const step of all) take(policy, step);
        const before = everyQuestion.filter((question) => policy.decide(question).allowed);
        policy.putRole({ namespace: undefined, name: 'new' }, [rule]);
        policy.putGrant({ ...grant, name: 'new', roleRef: { kind: 'ClusterRole', name: 'new' } });
        for (const question of before) expect(policy.decide(question).allowed).toBe(true);
      }),
    );
  });

  it('allows what the rules say that it tells somebody of', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const policy = new Policy();
        for (const step of all) take(policy, step);
        for (const question of everyQuestion) {
          const { rules } = policy.rulesFor(question.user, question.resource?.namespace);
          const told = rules.some((rule) => allows(rule, question));
          expect(told).toBe(policy.decide(question).allowed);
        }
      }),
    );
  });
});

describe('the reason of a decision', () => {
  const question: Attributes = {
    user: asker,
    verb: 'get',
    path: '/',
    resource: { group: '', version: 'v1', resource: 'jobs', namespace: 'prod', name: 'web' },
  };
  const grant: Grant = {
    name: 'all',
    namespace: 'prod',
    subjects: [{ kind: 'Group', apiGroup, name: 'devs' }],
    roleRef: { apiGroup, kind: 'Role', name: 'reader' },
  };

  it('names binding, role and subject', () => {
    const policy = new Policy();
    policy.putGrant(grant);
    policy.putRole({ namespace: 'prod', name: 'reader' }, [
      ruleOf({ apiGroups: [''], resources: ['jobs'], verbs: ['get'] }),
    ]);
    expect(policy.decide(question)).toEqual({
      allowed: true,
      reason: 'RBAC: allowed by RoleBinding "all/prod" of Role "reader" to Group "devs"',
    });
  });

  it('names the role that a binding gives and that is not there', () => {
    const policy = new Policy();
    policy.putGrant(grant);
    expect(policy.decide(question)).toEqual({
      allowed: false,
      reason: 'RBAC: role.rbac.authorization.k8s.io "reader" not found',
    });
  });

  it('means the ServiceAccount of its own namespace if a binding names none', () => {
    const policy = new Policy();
    policy.putGrant({ ...grant, subjects: [{ kind: 'ServiceAccount', name: 'robot' }] });
    policy.putRole({ namespace: 'prod', name: 'reader' }, [
      ruleOf({ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }),
    ]);
    const as = (name: string): boolean =>
      policy.decide({ ...question, user: { name, groups: [] } }).allowed;
    expect(as('system:serviceaccount:prod:robot')).toBe(true);
    expect(as('system:serviceaccount:dev:robot')).toBe(false);
    expect(as('robot')).toBe(false);
  });
});
