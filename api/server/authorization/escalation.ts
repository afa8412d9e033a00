import { z } from 'zod';
import { jsonEqual, without } from '../../machinery/json.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import { clusterRoleResource, roleResource } from '../../v1/rbac.ts';
import { rbacGroup, roleRefSchema, type RoleRef } from '../../v1/rbac-bindings.ts';
import { policyRuleSchema } from '../../v1/rbac-rules.ts';
import { forbidden, notFound } from '../errors.ts';
import type { Admission, AdmissionRequest, Lookup } from '../registry/context.ts';
import { compacted, listText, ruleText, uncovered } from './covers.ts';
import { isSuperuser, type RuleAuthorizer } from './rbac-authorizer.ts';
import { ruleOf, type Rule } from './rules.ts';

const ruled = z.object({
  rules: z.array(policyRuleSchema).default([]),
  aggregationRule: z.unknown().optional(),
});
const bound = z.object({ roleRef: roleRefSchema });

/** Everything: whoever sets an aggregationRule may come to grant any of it. */
const fullAuthority: readonly Rule[] = [
  ruleOf({ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }),
  ruleOf({ verbs: ['*'], nonResourceURLs: ['*'] }),
];

/** So many missing rules are listed at most. */
const maxLines = 200;

/**
 * Kubernetes' protection: nobody makes a role of rules that they do not hold, nor gives one to somebody,
 * unless a rule allows them to `escalate` or `bind` it. `roles` reads the newest state of the store.
 */
export function refuseEscalation(options: {
  authorizer: RuleAuthorizer;
  roles: Lookup;
}): Admission {
  return async (request) => {
    const { resource, object, old, user, subresource } = request;
    if (resource.gvk.group !== rbacGroup || subresource !== undefined) return [];
    if (isSuperuser(user) || (old !== undefined && onlyGarbage(object, old))) return [];
    const isRole = resource.plural === 'roles' || resource.plural === 'clusterroles';
    if (isRole) await checkRole(request, options.authorizer);
    else await checkBinding(request, options);
    return [];
  };
}

async function checkRole(request: AdmissionRequest, authorizer: RuleAuthorizer): Promise<void> {
  const { resource, object, old } = request;
  // As in Kubernetes, what is created has no name yet that a rule could be about.
  const name = old === undefined ? undefined : object.metadata.name;
  if (await may('escalate', resource.plural, name, request, authorizer)) return;
  const next = ruled.parse(object);
  const before = old === undefined ? undefined : ruled.parse(old);
  await refuseMissing(next.rules.map(ruleOf), request, authorizer);
  if (next.aggregationRule === undefined && before?.aggregationRule === undefined) return;
  const { rules } = await authorizer.rulesFor(request.user, request.namespace);
  if (uncovered(rules, fullAuthority).length === 0) return;
  throw forbidden(
    resource,
    object.metadata.name,
    'must have cluster-admin privileges to use an aggregationRule',
  );
}

async function checkBinding(
  request: AdmissionRequest,
  { authorizer, roles }: { authorizer: RuleAuthorizer; roles: Lookup },
): Promise<void> {
  const { roleRef } = bound.parse(request.object);
  const plural = roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles';
  if (await may('bind', plural, roleRef.name, request, authorizer)) return;
  const rules = await rulesOf(roleRef, request.namespace, roles);
  await refuseMissing(rules, request, authorizer);
}

async function rulesOf(
  { kind, name }: RoleRef,
  namespace: string | undefined,
  roles: Lookup,
): Promise<Rule[]> {
  const clusterWide = kind === 'ClusterRole';
  const found = clusterWide
    ? await roles.get('clusterroles', { name })
    : await roles.get('roles', { ...(namespace === undefined ? {} : { namespace }), name });
  if (found === undefined) throw notFound(clusterWide ? clusterRoleResource : roleResource, name);
  return ruled.parse(found).rules.map(ruleOf);
}

async function may(
  verb: 'escalate' | 'bind',
  plural: string,
  name: string | undefined,
  { user, namespace }: AdmissionRequest,
  authorizer: RuleAuthorizer,
): Promise<boolean> {
  const { allowed } = await authorizer.authorize({
    user,
    verb,
    path: '',
    resource: { group: rbacGroup, version: '*', resource: plural, namespace, name },
  });
  return allowed;
}

async function refuseMissing(
  wanted: readonly Rule[],
  { user, namespace, resource, object }: AdmissionRequest,
  authorizer: RuleAuthorizer,
): Promise<void> {
  const { rules, missing: unknown } = await authorizer.rulesFor(user, namespace);
  const missing = uncovered(rules, wanted);
  if (missing.length === 0) return;
  const lines = [...new Set(compacted(missing).map(ruleText))].sort();
  const more = lines.length - maxLines;
  if (more > 0) lines.splice(maxLines, more, `and ${more} more`);
  const resolution = unknown.length === 0 ? '' : `; resolution errors: [${unknown.join(', ')}]`;
  throw forbidden(
    resource,
    object.metadata.name,
    `user ${JSON.stringify(user.name)} (groups=${listText(user.groups)}) is attempting to grant RBAC permissions not currently held:\n${lines.join('\n')}${resolution}`,
  );
}

/** Whether only what the garbage collector changes differs. */
function onlyGarbage(next: KubeObject, before: KubeObject): boolean {
  return jsonEqual(withoutGarbage(next), withoutGarbage(before));
}

function withoutGarbage(object: KubeObject): unknown {
  const metadata = without(
    object.metadata,
    'finalizers',
    'ownerReferences',
    'managedFields',
    'resourceVersion',
  );
  return { ...object, metadata };
}
