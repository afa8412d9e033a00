import type { User } from '../registry/context.ts';
import type { RequestInfo } from '../request-info.ts';

/** How much is recorded of a request. `Request`: also what was sent, but for what is confidential. */
export type AuditLevel = 'None' | 'Metadata' | 'Request';

/** One rule, in the fields of audit.k8s.io/v1 PolicyRule. What it leaves out, it does not look at. */
export interface AuditRule {
  level: AuditLevel;
  users?: readonly string[] | undefined;
  userGroups?: readonly string[] | undefined;
  verbs?: readonly string[] | undefined;
  /** The namespaces that a resource lies in; '' for those of the cluster. */
  namespaces?: readonly string[] | undefined;
  /** `resources`: plurals, `plural/subresource`, `plural/*`, `*`; those alone if the group has none. */
  resources?:
    | readonly { group?: string | undefined; resources?: readonly string[] | undefined }[]
    | undefined;
  /** Paths that are no resources, `*` at the end for any rest. */
  nonResourceURLs?: readonly string[] | undefined;
}

/** What a rule is held against. */
export interface AuditSubject {
  /** Who asks, before any impersonation; undefined: nobody that we know. */
  user: User | undefined;
  verb: string;
  /** undefined: the path is malformed. */
  info: RequestInfo | undefined;
  path: string;
}

const readers = ['get', 'list', 'watch'];

/** What is recorded if the configuration has no rules: who did what, without the loops' own noise. */
export const defaultRules: readonly AuditRule[] = [
  {
    level: 'None',
    users: ['system:apiserver', 'system:mesocosm-controllers'],
    verbs: readers,
  },
  {
    level: 'None',
    resources: [
      { resources: ['events'] },
      { group: 'events.k8s.io', resources: ['events'] },
      { group: 'coordination.k8s.io', resources: ['leases'] },
    ],
  },
  {
    level: 'None',
    nonResourceURLs: [
      '/api*',
      '/openapi*',
      '/version*',
      '/metrics*',
      '/healthz*',
      '/livez*',
      '/readyz*',
    ],
  },
  { level: 'Metadata' },
];

/** The level of the first rule that fits; None if there is none, as in Kubernetes. */
export function auditLevel(subject: AuditSubject, rules: readonly AuditRule[]): AuditLevel {
  return rules.find((rule) => fits(rule, subject))?.level ?? 'None';
}

function fits(rule: AuditRule, { user, verb, info, path }: AuditSubject): boolean {
  const { users, userGroups, verbs, namespaces, resources, nonResourceURLs } = rule;
  if (some(users) && !users.includes(user?.name ?? '')) return false;
  if (some(userGroups) && !userGroups.some((group) => user?.groups.includes(group))) return false;
  if (some(verbs) && !verbs.includes(verb)) return false;
  if (!some(namespaces) && !some(resources) && !some(nonResourceURLs)) return true;
  if (info?.kind !== 'resource') {
    return some(nonResourceURLs) && nonResourceURLs.some((pattern) => pathFits(pattern, path));
  }
  if (some(nonResourceURLs) && !some(resources) && !some(namespaces)) return false;
  if (some(namespaces) && !namespaces.includes(info.namespace ?? '')) return false;
  return (
    !some(resources) ||
    resources.some(
      ({ group = '', resources: plurals }) =>
        group === info.group &&
        (!some(plurals) || plurals.some((one) => resourceFits(one, info.plural, info.subresource))),
    )
  );
}

function some<T>(list: readonly T[] | undefined): list is readonly T[] {
  return list !== undefined && list.length > 0;
}

function pathFits(pattern: string, path: string): boolean {
  if (pattern.endsWith('*')) return path.startsWith(pattern.slice(0, -1));
  return pattern === path;
}

function resourceFits(pattern: string, plural: string, subresource: string | undefined): boolean {
  const [wantedPlural = '', wantedPart] = pattern.split('/');
  if (pattern === '*') return true;
  if (wantedPlural !== '*' && wantedPlural !== plural) return false;
  return wantedPart === '*' ? true : wantedPart === subresource;
}
