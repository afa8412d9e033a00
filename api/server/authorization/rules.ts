import type { PolicyRule } from '../../v1/rbac-rules.ts';
import type { Attributes } from '../authorizer.ts';

/** A rule of RBAC in full: what is absent allows nothing (resourceNames: does not narrow). */
export type Rule = Readonly<Required<{ [Key in keyof PolicyRule]: readonly string[] }>>;

const everything = '*';

export function ruleOf(rule: PolicyRule): Rule {
  const { verbs = [], apiGroups = [], resources = [], resourceNames = [] } = rule;
  return {
    verbs,
    apiGroups,
    resources,
    resourceNames,
    nonResourceURLs: rule.nonResourceURLs ?? [],
  };
}

/** Whether the rule, given to whoever asks, allows what is asked. */
export function allows(rule: Rule, { verb, path, resource }: Attributes): boolean {
  if (!has(rule.verbs, verb)) return false;
  if (resource === undefined) return rule.nonResourceURLs.some((url) => pathMatches(url, path));
  return (
    has(rule.apiGroups, resource.group) &&
    resourceMatches(rule.resources, resource.resource) &&
    nameMatches(rule.resourceNames, resource.name)
  );
}

function has(list: readonly string[], one: string): boolean {
  return list.includes(one) || list.includes(everything);
}

/** `jobs` or `jobs/scale`; a star alone matches both, a star before the slash the scale of anything. */
function resourceMatches(resources: readonly string[], wanted: string): boolean {
  if (has(resources, wanted)) return true;
  const slash = wanted.indexOf('/');
  return slash >= 0 && resources.includes(`${everything}${wanted.slice(slash)}`);
}

/** What names no object, such as a create or a list, is not covered by names. */
function nameMatches(names: readonly string[], wanted: string | undefined): boolean {
  return names.length === 0 || names.includes(wanted ?? '');
}

/** `/healthz`, `/healthz/*`, `*`. */
export function pathMatches(url: string, path: string): boolean {
  if (url === everything || url === path) return true;
  return url.endsWith(everything) && path.startsWith(url.replace(/\*+$/, ''));
}
