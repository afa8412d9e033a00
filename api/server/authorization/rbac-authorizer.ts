import type { Attributes, Authorizer, Decision } from '../authorizer.ts';
import type { User } from '../registry/context.ts';
import type { CachedPolicy } from './cached-policy.ts';
import type { Rule } from './rules.ts';

/** Whoever is in this group may do everything, whatever is stored, so that rules can be mended. */
const superusers = 'system:masters';

const all: readonly Rule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'], resourceNames: [], nonResourceURLs: [] },
  { verbs: ['*'], apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: ['*'] },
];

/** Everything that a user may do somewhere; `missing` says which of their roles are not there. */
export interface Held {
  rules: readonly Rule[];
  missing: readonly string[];
}

/** An authorizer that can also tell what somebody may do, and not only whether. */
export interface RuleAuthorizer extends Authorizer {
  rulesFor(user: User, namespace: string | undefined): Promise<Held>;
}

export function isSuperuser({ groups }: User): boolean {
  return groups.includes(superusers);
}

/** Decides by Roles, ClusterRoles and their bindings. */
export class RbacAuthorizer implements RuleAuthorizer {
  readonly #policy: CachedPolicy;

  constructor(policy: CachedPolicy) {
    this.#policy = policy;
  }

  authorize(attributes: Attributes): Promise<Decision> {
    if (isSuperuser(attributes.user)) return Promise.resolve({ allowed: true });
    const policy = this.#policy.fresh();
    if (policy !== undefined) return Promise.resolve(policy.decide(attributes));
    return this.#policy.current().then((current) => current.decide(attributes));
  }

  async rulesFor(user: User, namespace: string | undefined): Promise<Held> {
    if (isSuperuser(user)) return { rules: all, missing: [] };
    return (await this.#policy.current()).rulesFor(user, namespace);
  }
}

/** Whoever has proven who they are may do everything: for trials on loopback. */
export function alwaysAllow(): RuleAuthorizer {
  return {
    authorize: () => Promise.resolve({ allowed: true }),
    rulesFor: () => Promise.resolve({ rules: all, missing: [] }),
  };
}
