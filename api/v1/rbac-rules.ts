import { z } from 'zod';
import type { FieldError } from '../machinery/errors.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import type { LabelSelector } from '../machinery/selectors.ts';

export const policyRuleSchema = z.strictObject({
  verbs: z.array(z.string()).optional().describe('What may be done; * is everything.'),
  apiGroups: z
    .array(z.string())
    .optional()
    .describe('Groups of the resources; "" is the core group, * every one.'),
  resources: z
    .array(z.string())
    .optional()
    .describe('jobs, jobs/scale, */status; * is every resource with all below it.'),
  resourceNames: z
    .array(z.string())
    .optional()
    .describe('Only objects of these names; nothing that names none, such as create, is allowed.'),
  nonResourceURLs: z
    .array(z.string())
    .optional()
    .describe('Paths that are no resources; * at the end stands for the rest of a path.'),
});
export type PolicyRule = z.infer<typeof policyRuleSchema>;

/** What Role and ClusterRole have in common. */
interface Ruled extends KubeObject {
  rules?: readonly PolicyRule[] | undefined;
}

export function validateRole(role: Ruled): FieldError[] {
  return (role.rules ?? []).flatMap((rule, index) => ruleErrors(rule, `rules[${index}]`, true));
}

export function validateClusterRole(
  role: Ruled & {
    aggregationRule?: { clusterRoleSelectors?: readonly LabelSelector[] | undefined } | undefined;
  },
): FieldError[] {
  const rules = (role.rules ?? []).flatMap((rule, index) =>
    ruleErrors(rule, `rules[${index}]`, false),
  );
  if (role.aggregationRule === undefined) return rules;
  const field = 'aggregationRule.clusterRoleSelectors';
  const { clusterRoleSelectors: selectors = [] } = role.aggregationRule;
  if (selectors.length === 0) {
    const why = 'at least one clusterRoleSelector required if aggregationRule is non-nil';
    return [...rules, required(field, why)];
  }
  return [
    ...rules,
    ...selectors.flatMap((selector, index) => selectorErrors(selector, `${field}[${index}]`)),
  ];
}

function ruleErrors(rule: PolicyRule, field: string, namespaced: boolean): FieldError[] {
  const { verbs = [], apiGroups = [], resources = [], resourceNames = [] } = rule;
  const { nonResourceURLs = [] } = rule;
  const errors: FieldError[] = [];
  if (verbs.length === 0) {
    errors.push(required(`${field}.verbs`, 'verbs must contain at least one value'));
  }
  if (nonResourceURLs.length > 0) {
    const at = `${field}.nonResourceURLs`;
    if (namespaced) {
      const why = 'namespaced rules cannot apply to non-resource URLs';
      errors.push(invalidValue(at, nonResourceURLs, why));
    }
    if (apiGroups.length + resources.length + resourceNames.length > 0) {
      const why = 'rules cannot apply to both regular resources and non-resource URLs';
      errors.push(invalidValue(at, nonResourceURLs, why));
    }
    return errors;
  }
  if (apiGroups.length === 0) {
    const why = 'resource rules must supply at least one api group';
    errors.push(required(`${field}.apiGroups`, why));
  }
  if (resources.length === 0) {
    const why = 'resource rules must supply at least one resource';
    errors.push(required(`${field}.resources`, why));
  }
  return errors;
}

/** Rules of metav1.LabelSelector beyond its shape. */
function selectorErrors(selector: LabelSelector, field: string): FieldError[] {
  return (selector.matchExpressions ?? []).flatMap(({ operator, values = [] }, index) => {
    const at = `${field}.matchExpressions[${index}].values`;
    const compares = operator === 'In' || operator === 'NotIn';
    if (compares && values.length === 0) {
      return [required(at, "must be specified when `operator` is 'In' or 'NotIn'")];
    }
    if (compares || values.length === 0) return [];
    const message = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
    return [{ field: at, message, reason: 'FieldValueForbidden' }];
  });
}

export function required(field: string, why: string): FieldError {
  const message = why === '' ? 'Required value' : `Required value: ${why}`;
  return { field, message, reason: 'FieldValueRequired' };
}

export function invalidValue(field: string, value: unknown, why: string): FieldError {
  const message = `Invalid value: ${JSON.stringify(value)}: ${why}`;
  return { field, message, reason: 'FieldValueInvalid' };
}
