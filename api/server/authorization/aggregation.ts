import { jsonEqual } from '../../machinery/json.ts';
import { matches, requirementsOf } from '../../machinery/selectors.ts';
import type { ClusterRole } from '../../v1/rbac.ts';
import type { PolicyRule } from '../../v1/rbac-rules.ts';

/**
 * The ClusterRoles whose rules are not those of the roles that their aggregationRule selects, with the
 * rules that they should have: in the order of names, each rule once.
 */
export function outdatedAggregates(roles: readonly ClusterRole[]): ClusterRole[] {
  const ordered = [...roles].sort((left, right) =>
    left.metadata.name < right.metadata.name ? -1 : 1,
  );
  return ordered.flatMap((role) => {
    if (role.aggregationRule === undefined) return [];
    const rules = aggregated(role, ordered);
    return jsonEqual(rules, role.rules ?? []) ? [] : [{ ...role, rules }];
  });
}

function aggregated(role: ClusterRole, all: readonly ClusterRole[]): PolicyRule[] {
  const selectors = (role.aggregationRule?.clusterRoleSelectors ?? []).map(requirementsOf);
  const rules = new Map<string, PolicyRule>();
  for (const { metadata, rules: added } of all) {
    if (metadata.name === role.metadata.name) continue;
    if (!selectors.some((selector) => matches(selector, metadata.labels))) continue;
    for (const rule of added ?? []) rules.set(JSON.stringify(rule), rule);
  }
  return [...rules.values()];
}
