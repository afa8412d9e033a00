import type { RoleRef, Subject } from '../../v1/rbac-bindings.ts';
import type { Attributes, Decision } from '../authorizer.ts';
import type { User } from '../registry/context.ts';
import { allows, type Rule } from './rules.ts';

/** A role given to subjects: in one namespace, or everywhere if `namespace` is undefined. */
export interface Grant {
  name: string;
  namespace: string | undefined;
  subjects: readonly Subject[];
  roleRef: RoleRef;
}

/** A grant to one subject. */
interface Applied {
  grant: Grant;
  /** Why what its role allows is allowed. */
  reason: string;
}

type BySubject = Map<string, Applied[]>;

/**
 * Who may do what: roles and grants, indexed by subject, so that a decision looks only at the grants of
 * whoever asks. No I/O. What it does not know allows nothing.
 */
export class Policy {
  /** Rules by `roleKey`. */
  readonly #roles = new Map<string, readonly Rule[]>();
  /** Grants by `grantKey`. */
  readonly #grants = new Map<string, Grant>();
  readonly #everywhere: BySubject = new Map();
  readonly #byNamespace = new Map<string, BySubject>();

  /** `namespace` is undefined for a ClusterRole. */
  putRole(role: { namespace: string | undefined; name: string }, rules: readonly Rule[]): void {
    this.#roles.set(keyOf(role), rules);
  }

  removeRole(role: { namespace: string | undefined; name: string }): void {
    this.#roles.delete(keyOf(role));
  }

  putGrant(grant: Grant): void {
    this.removeGrant(grant);
    this.#grants.set(keyOf(grant), grant);
    const bySubject = this.#subjectsIn(grant.namespace);
    for (const subject of grant.subjects) {
      const key = subjectKey(subject, grant.namespace);
      if (key === undefined) continue;
      const applied = { grant, reason: `RBAC: allowed by ${describe(grant, subject)}` };
      const known = bySubject.get(key);
      if (known === undefined) bySubject.set(key, [applied]);
      else known.push(applied);
    }
  }

  removeGrant(ref: { namespace: string | undefined; name: string }): void {
    const grant = this.#grants.get(keyOf(ref));
    if (grant === undefined) return;
    this.#grants.delete(keyOf(ref));
    const bySubject = this.#subjectsIn(grant.namespace);
    for (const subject of grant.subjects) {
      const key = subjectKey(subject, grant.namespace);
      if (key === undefined) continue;
      const left = (bySubject.get(key) ?? []).filter((applied) => applied.grant !== grant);
      if (left.length === 0) bySubject.delete(key);
      else bySubject.set(key, left);
    }
    if (grant.namespace !== undefined && bySubject.size === 0) {
      this.#byNamespace.delete(grant.namespace);
    }
  }

  /** Forgets all Roles, or all ClusterRoles. */
  clearRoles({ namespaced }: { namespaced: boolean }): void {
    for (const key of [...this.#roles.keys()]) {
      if (key.includes('/') === namespaced) this.#roles.delete(key);
    }
  }

  /** Forgets all RoleBindings, or all ClusterRoleBindings. */
  clearGrants({ namespaced }: { namespaced: boolean }): void {
    for (const grant of [...this.#grants.values()]) {
      if ((grant.namespace !== undefined) === namespaced) this.removeGrant(grant);
    }
  }

  /** Kubernetes' decision: one rule that allows it is enough. The reason names the binding. */
  decide(attributes: Attributes): Decision {
    const missing: string[] = [];
    // Many bindings give the same role.
    const checked = new Set<readonly Rule[]>();
    const { user, resource } = attributes;
    for (const { grant, reason } of this.#applied(user, resource?.namespace)) {
      const rules = this.#rulesOf(grant);
      if (rules === undefined) missing.push(missingRole(grant));
      else if (!checked.has(rules)) {
        if (rules.some((rule) => allows(rule, attributes))) return { allowed: true, reason };
        checked.add(rules);
      }
    }
    if (missing.length === 0) return { allowed: false, reason: '' };
    const [first = ''] = missing;
    return {
      allowed: false,
      reason: `RBAC: ${missing.length === 1 ? first : `[${missing.join(', ')}]`}`,
    };
  }

  /** Every rule that a user has in a namespace, or for the cluster itself; and roles that are not there. */
  rulesFor(
    user: User,
    namespace: string | undefined,
  ): { rules: readonly Rule[]; missing: readonly string[] } {
    const rules: Rule[] = [];
    const missing: string[] = [];
    for (const { grant } of this.#applied(user, namespace)) {
      const found = this.#rulesOf(grant);
      if (found === undefined) missing.push(missingRole(grant));
      else rules.push(...found);
    }
    return { rules, missing };
  }

  #rulesOf({ roleRef, namespace }: Grant): readonly Rule[] | undefined {
    const scope = roleRef.kind === 'ClusterRole' ? undefined : namespace;
    return this.#roles.get(keyOf({ namespace: scope, name: roleRef.name }));
  }

  #applied(user: User, namespace: string | undefined): readonly Applied[] {
    const keys = [userKey(user.name), ...user.groups.map(groupKey)];
    const found = keys.flatMap((key) => this.#everywhere.get(key) ?? []);
    const inNamespace = namespace === undefined ? undefined : this.#byNamespace.get(namespace);
    if (inNamespace !== undefined) found.push(...keys.flatMap((key) => inNamespace.get(key) ?? []));
    return found;
  }

  #subjectsIn(namespace: string | undefined): BySubject {
    if (namespace === undefined) return this.#everywhere;
    const known = this.#byNamespace.get(namespace);
    if (known !== undefined) return known;
    const made: BySubject = new Map();
    this.#byNamespace.set(namespace, made);
    return made;
  }
}

function keyOf({ namespace, name }: { namespace: string | undefined; name: string }): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function userKey(name: string): string {
  return `user ${name}`;
}

function groupKey(name: string): string {
  return `group ${name}`;
}

/** What whoever is meant asks as; undefined: nobody is. */
function subjectKey(subject: Subject, namespace: string | undefined): string | undefined {
  switch (subject.kind) {
    case 'User':
      return userKey(subject.name);
    case 'Group':
      return groupKey(subject.name);
    case 'ServiceAccount': {
      const home =
        subject.namespace === undefined || subject.namespace === '' ? namespace : subject.namespace;
      return home === undefined
        ? undefined
        : userKey(`system:serviceaccount:${home}:${subject.name}`);
    }
    default:
      return undefined;
  }
}

function describe(grant: Grant, subject: Subject): string {
  const { kind, name } = grant.roleRef;
  const binding =
    grant.namespace === undefined
      ? `ClusterRoleBinding ${JSON.stringify(grant.name)}`
      : `RoleBinding ${JSON.stringify(`${grant.name}/${grant.namespace}`)}`;
  const who =
    subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace ?? ''}` : subject.name;
  return `${binding} of ${kind} ${JSON.stringify(name)} to ${subject.kind} ${JSON.stringify(who)}`;
}

function missingRole({ roleRef: { kind, name } }: Grant): string {
  return `${kind.toLowerCase()}.rbac.authorization.k8s.io ${JSON.stringify(name)} not found`;
}
