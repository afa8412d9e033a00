import { jsonEqual } from '../../machinery/json.ts';
import type { ClusterRole, ClusterRoleBinding } from '../../v1/rbac.ts';
import { covers } from './covers.ts';
import { autoUpdate, type DefaultBinding, type DefaultRole } from './default-roles.ts';
import { ruleOf } from './rules.ts';

/**
 * A default role as it should be, given what is stored: what is missing comes back, what people have added
 * stays. The stored object itself if there is nothing to do, or people have taken it over.
 */
export function reconciledRole(stored: ClusterRole, wanted: DefaultRole): ClusterRole {
  if (isTakenOver(stored)) return stored;
  const { aggregationRule } = wanted;
  const next: ClusterRole =
    aggregationRule === undefined
      ? withRules(stored, wanted)
      : withSelectors(stored, aggregationRule.clusterRoleSelectors);
  return changedOrSame(stored, { ...next, metadata: withMarks(stored, wanted) });
}

/**
 * A default binding as it should be; `replace` if it gives another role, which no update can mend.
 */
export function reconciledBinding(
  stored: ClusterRoleBinding,
  wanted: DefaultBinding,
): ClusterRoleBinding | 'replace' {
  if (isTakenOver(stored)) return stored;
  const { kind, name } = stored.roleRef;
  if (kind !== wanted.roleRef.kind || name !== wanted.roleRef.name) return 'replace';
  const { subjects = [] } = stored;
  const missing = wanted.subjects.filter(
    (one) => !subjects.some((other) => other.kind === one.kind && other.name === one.name),
  );
  return changedOrSame(stored, {
    ...stored,
    metadata: withMarks(stored, wanted),
    subjects: [...subjects, ...missing],
  });
}

function isTakenOver({ metadata }: ClusterRole | ClusterRoleBinding): boolean {
  return metadata.annotations?.[autoUpdate] === 'false';
}

function withRules(stored: ClusterRole, { rules }: DefaultRole): ClusterRole {
  const held = (stored.rules ?? []).map(ruleOf);
  const missing = rules.filter((rule) => !held.some((one) => covers(one, ruleOf(rule))));
  return { ...stored, rules: [...(stored.rules ?? []), ...missing] };
}

function withSelectors(
  stored: ClusterRole,
  wanted: NonNullable<DefaultRole['aggregationRule']>['clusterRoleSelectors'],
): ClusterRole {
  const held = stored.aggregationRule?.clusterRoleSelectors ?? [];
  const missing = wanted.filter((selector) => !held.some((one) => jsonEqual(one, selector)));
  return { ...stored, aggregationRule: { clusterRoleSelectors: [...held, ...missing] } };
}

function withMarks<T extends ClusterRole | ClusterRoleBinding>(
  { metadata }: T,
  { metadata: { labels, annotations } }: DefaultRole | DefaultBinding,
): T['metadata'] {
  return {
    ...metadata,
    labels: { ...labels, ...metadata.labels },
    annotations: { ...annotations, ...metadata.annotations },
  };
}

function changedOrSame<T>(stored: T, next: T): T {
  return jsonEqual(stored, next) ? stored : next;
}
