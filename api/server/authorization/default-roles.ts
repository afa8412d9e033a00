import { group as ours } from '../../v1/group.ts';
import { rbacGroup } from '../../v1/rbac-bindings.ts';
import type { PolicyRule } from '../../v1/rbac-rules.ts';

/** Marks what is brought in line at every start, as in Kubernetes. */
const bootstrapLabels = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };

/** "false" on a default role or binding: people have made it their own. */
export const autoUpdate = 'rbac.authorization.kubernetes.io/autoupdate';

export interface DefaultRole {
  metadata: { name: string; labels: Record<string, string>; annotations: Record<string, string> };
  rules: readonly PolicyRule[];
  aggregationRule?: { clusterRoleSelectors: readonly { matchLabels: Record<string, string> }[] };
}

export interface DefaultBinding {
  metadata: DefaultRole['metadata'];
  subjects: readonly { kind: 'User' | 'Group'; apiGroup: string; name: string }[];
  roleRef: { apiGroup: string; kind: 'ClusterRole'; name: string };
}

/** The user as which the controllers act, in whichever process they run. */
export const controllersName = 'system:mesocosm-controllers';

const read = ['get', 'list', 'watch'] as const;
const write = ['create', 'delete', 'deletecollection', 'patch', 'update'] as const;
const reviews = 'authorization.k8s.io';
const publicPaths = ['/healthz', '/livez', '/readyz', '/version', '/version/'];
const documents = ['/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*'];

/**
 * What people of a namespace may see: everything but Secrets, and who may do what. Tasks, revisions and
 * statuses are written by controllers alone: whoever could write a Task could launch what the rules of
 * Jobs forbid, with any address.
 */
const viewRules = [
  on('', read, 'configmaps', 'events', 'limitranges', 'serviceaccounts'),
  on('events.k8s.io', read, 'events'),
  on('', read, 'pods', 'pods/log', 'resourcequotas', 'resourcequotas/status'),
  on('', read, 'namespaces', 'namespaces/status'),
  on('coordination.k8s.io', read, 'leases'),
  on('autoscaling', read, 'horizontalpodautoscalers', 'horizontalpodautoscalers/status'),
  on('metrics.k8s.io', ['get', 'list'], 'pods'),
  on(ours, read, 'jobs', 'jobs/drift', 'jobs/scale', 'jobs/status', 'jobrevisions'),
  on(ours, read, 'serversets', 'serversets/status', 'tasks', 'tasks/status'),
];

/** What its owners may change. To delete a Task, or its pod, is to start that instance again. */
const editRules = [
  on('', [...read, ...write], 'secrets'),
  on('', write, 'configmaps', 'serviceaccounts'),
  on('', ['impersonate'], 'serviceaccounts'),
  on('', ['create'], 'serviceaccounts/token'),
  on('', ['delete'], 'pods'),
  on('autoscaling', write, 'horizontalpodautoscalers'),
  on('', ['create'], 'pods/attach', 'pods/exec', 'pods/portforward'),
  on(ours, write, 'jobs', 'serversets'),
  on(ours, ['patch', 'update'], 'jobs/scale'),
  on(ours, ['delete'], 'tasks'),
];

const adminRules = [
  on(rbacGroup, [...read, ...write], 'roles', 'rolebindings'),
  on(reviews, ['create'], 'localsubjectaccessreviews'),
];

/**
 * What the loops need. The collector and the emptying of namespaces are about every kind, those that
 * users define too; nothing of other groups is created. Autoscalers are about every kind that can be scaled.
 */
const controllerRules = [
  on(ours, [...read, ...write], '*'),
  on('*', [...read, 'delete', 'deletecollection', 'patch', 'update'], '*'),
  on('', ['create'], 'events'),
  on('events.k8s.io', ['create'], 'events'),
  on('coordination.k8s.io', ['create'], 'leases'),
];

export const defaultClusterRoles: readonly DefaultRole[] = [
  role('cluster-admin', [on('*', ['*'], '*'), paths(['*'], '*')]),
  role('system:discovery', [paths(['get'], ...documents, ...publicPaths)]),
  role('system:public-info-viewer', [paths(['get'], ...publicPaths)]),
  role('system:monitoring', [
    paths(['get'], '/healthz', '/healthz/*', '/livez', '/livez/*', '/metrics', '/metrics/slis'),
    paths(['get'], '/readyz', '/readyz/*'),
  ]),
  role('system:basic-user', [
    on(reviews, ['create'], 'selfsubjectaccessreviews', 'selfsubjectrulesreviews'),
    on('authentication.k8s.io', ['create'], 'selfsubjectreviews'),
  ]),
  role('system:auth-delegator', [
    on('authentication.k8s.io', ['create'], 'tokenreviews'),
    on(reviews, ['create'], 'subjectaccessreviews'),
  ]),
  role('system:service-account-issuer-discovery', [
    paths(['get'], '/.well-known/openid-configuration', '/openid/v1/jwks'),
  ]),
  aggregate('admin'),
  aggregate('edit', aggregatedTo('admin')),
  aggregate('view', aggregatedTo('edit')),
  role('system:aggregate-to-admin', adminRules, aggregatedTo('admin')),
  role('system:aggregate-to-edit', editRules, aggregatedTo('edit')),
  role('system:aggregate-to-view', viewRules, aggregatedTo('view')),
  role(controllersName, controllerRules),
];

export const defaultClusterRoleBindings: readonly DefaultBinding[] = [
  binding('cluster-admin', ['Group', 'system:masters']),
  binding('system:discovery', ['Group', 'system:authenticated']),
  binding('system:basic-user', ['Group', 'system:authenticated']),
  binding(
    'system:public-info-viewer',
    ['Group', 'system:authenticated'],
    ['Group', 'system:unauthenticated'],
  ),
  binding('system:monitoring', ['Group', 'system:monitoring']),
  binding('system:service-account-issuer-discovery', ['Group', 'system:serviceaccounts']),
  binding(controllersName, ['User', controllersName]),
];

function on(group: string, verbs: readonly string[], ...resources: string[]): PolicyRule {
  return { verbs: [...verbs], apiGroups: [group], resources };
}

function paths(verbs: readonly string[], ...nonResourceURLs: string[]): PolicyRule {
  return { verbs: [...verbs], nonResourceURLs };
}

function aggregatedTo(name: string): Record<string, string> {
  return { [`rbac.authorization.k8s.io/aggregate-to-${name}`]: 'true' };
}

function metadata(name: string, labels: Record<string, string>): DefaultRole['metadata'] {
  return {
    name,
    labels: { ...bootstrapLabels, ...labels },
    annotations: { [autoUpdate]: 'true' },
  };
}

function role(
  name: string,
  rules: readonly PolicyRule[],
  labels: Record<string, string> = {},
): DefaultRole {
  return { metadata: metadata(name, labels), rules };
}

/** Has the rules of every ClusterRole that is labelled for it: users' kinds join in by a label. */
function aggregate(name: string, labels: Record<string, string> = {}): DefaultRole {
  const clusterRoleSelectors = [{ matchLabels: aggregatedTo(name) }];
  return { metadata: metadata(name, labels), rules: [], aggregationRule: { clusterRoleSelectors } };
}

function binding(
  name: string,
  ...subjects: readonly (readonly ['User' | 'Group', string])[]
): DefaultBinding {
  return {
    metadata: metadata(name, {}),
    subjects: subjects.map(([kind, subject]) => ({ kind, apiGroup: rbacGroup, name: subject })),
    roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name },
  };
}
