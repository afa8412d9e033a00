import { pathMatches, type Rule } from './rules.ts';

/** Simple rules that one rule is taken apart into at most: the product of its lists has no other bound. */
const maxSimpleRules = 10_000;

/**
 * What of `wanted` is not within `held`, in simple rules of one verb on one resource (and name) or path
 * each. Empty: whoever holds `held` may grant `wanted`. Each simple rule must be covered by one rule that
 * is held; two that cover it only together do not count, as in Kubernetes. A rule that is too large to
 * be taken apart counts as one.
 */
export function uncovered(held: readonly Rule[], wanted: readonly Rule[]): Rule[] {
  const isHeld = (rule: Rule): boolean => held.some((one) => covers(one, rule));
  return wanted.flatMap((rule) => {
    if (isHeld(rule)) return [];
    if (sizeOf(rule) > maxSimpleRules) return [rule];
    return simpleRules(rule).filter((simple) => !isHeld(simple));
  });
}

function sizeOf({ verbs, apiGroups, resources, resourceNames, nonResourceURLs }: Rule): number {
  const targets = apiGroups.length * resources.length * Math.max(resourceNames.length, 1);
  return verbs.length * (targets + nonResourceURLs.length);
}

const none: Rule = {
  verbs: [],
  apiGroups: [],
  resources: [],
  resourceNames: [],
  nonResourceURLs: [],
};

/** The rule as many that each say one thing. */
export function simpleRules(rule: Rule): Rule[] {
  const { verbs, apiGroups, resources, resourceNames, nonResourceURLs } = rule;
  const names = resourceNames.length === 0 ? [[]] : resourceNames.map((name) => [name]);
  const onResources = apiGroups.flatMap((group) =>
    resources.flatMap((resource) =>
      verbs.flatMap((verb) =>
        names.map((one) => ({
          ...none,
          verbs: [verb],
          apiGroups: [group],
          resources: [resource],
          resourceNames: one,
        })),
      ),
    ),
  );
  const onPaths = nonResourceURLs.flatMap((url) =>
    verbs.map((verb) => ({ ...none, verbs: [verb], nonResourceURLs: [url] })),
  );
  return [...onResources, ...onPaths];
}

/** Whether everything that `wanted` allows is allowed by `held` alone. */
export function covers(held: Rule, wanted: Rule): boolean {
  return (
    hasAll(held.verbs, wanted.verbs) &&
    wanted.nonResourceURLs.every((url) =>
      held.nonResourceURLs.some((one) => pathMatches(one, url)),
    ) &&
    (wanted.resources.length === 0 || coversResources(held, wanted))
  );
}

function coversResources(held: Rule, wanted: Rule): boolean {
  const named =
    held.resourceNames.length === 0 ||
    (wanted.resourceNames.length > 0 &&
      wanted.resourceNames.every((name) => held.resourceNames.includes(name)));
  return (
    named &&
    hasAll(held.apiGroups, wanted.apiGroups) &&
    wanted.resources.every((resource) => resourceCovered(held.resources, resource))
  );
}

function hasAll(held: readonly string[], wanted: readonly string[]): boolean {
  return held.includes('*') || wanted.every((one) => held.includes(one));
}

function resourceCovered(held: readonly string[], wanted: string): boolean {
  if (held.includes('*') || held.includes(wanted)) return true;
  const slash = wanted.indexOf('/');
  return slash >= 0 && held.includes(`*${wanted.slice(slash)}`);
}

/** Simple rules of the same resource, or path, and name as one with all their verbs; others as they are. */
export function compacted(rules: readonly Rule[]): Rule[] {
  const byTarget = new Map<string, Rule>();
  for (const rule of rules) {
    const target = JSON.stringify({ ...rule, verbs: [] });
    const known = byTarget.get(target);
    const added = known === undefined ? rule.verbs : [...known.verbs, ...rule.verbs];
    byTarget.set(target, { ...rule, verbs: [...new Set(added)] });
  }
  return [...byTarget.values()];
}

/** `{APIGroups:["*"], Resources:["*"], Verbs:["get" "list"]}`, as Kubernetes writes a rule. */
export function ruleText(rule: Rule): string {
  const parts: readonly (readonly [string, readonly string[]])[] = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['ResourceNames', rule.resourceNames],
    ['Verbs', rule.verbs],
  ];
  const given = parts.filter(([, values]) => values.length > 0);
  return `{${given.map(([name, values]) => `${name}:${listText(values)}`).join(', ')}}`;
}

/** A list of texts as Go quotes it: `["a" "b"]`. */
export function listText(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
}
