import { z } from 'zod';
import type { KubeObject } from '../machinery/metadata.ts';
import type { Column, Resource } from '../machinery/resource.ts';
import { labelSelectorSchema } from '../machinery/selectors.ts';
import { rbacGroup, roleRefSchema, subjectSchema, validateBinding } from './rbac-bindings.ts';
import { policyRuleSchema, validateClusterRole, validateRole } from './rbac-rules.ts';
import { ageColumn, defineResource } from './zod-resource.ts';

/** Kubernetes' kinds of access control (rbac.authorization.k8s.io/v1): rules, and who has them. */

const version = 'v1';

const rulesField = z
  .array(policyRuleSchema)
  .optional()
  .describe('What is allowed. Rules only ever add: there is none that denies.');

const aggregationRuleSchema = z.strictObject({
  clusterRoleSelectors: z
    .array(labelSelectorSchema)
    .optional()
    .describe('The rules are those of all ClusterRoles that one of these matches.'),
});

const subjectsField = z
  .array(subjectSchema)
  .optional()
  .describe('Who has the role: users, groups and ServiceAccounts.');

export interface Role extends KubeObject {
  apiVersion: 'rbac.authorization.k8s.io/v1';
  kind: 'Role';
  rules?: z.infer<typeof rulesField>;
}

export interface ClusterRole extends KubeObject {
  apiVersion: 'rbac.authorization.k8s.io/v1';
  kind: 'ClusterRole';
  rules?: z.infer<typeof rulesField>;
  aggregationRule?: z.infer<typeof aggregationRuleSchema> | undefined;
}

interface Binding extends KubeObject {
  apiVersion: 'rbac.authorization.k8s.io/v1';
  subjects?: z.infer<typeof subjectsField>;
  roleRef: z.infer<typeof roleRefSchema>;
}

export interface RoleBinding extends Binding {
  kind: 'RoleBinding';
}

export interface ClusterRoleBinding extends Binding {
  kind: 'ClusterRoleBinding';
}

const createdAtColumn: Column<KubeObject> = {
  name: 'Created At',
  // Kubernetes shows the time itself here, not the age.
  type: 'string',
  description: 'When the object was created.',
  priority: 0,
  cell: ({ metadata }) => metadata.creationTimestamp,
};

const shared = {
  group: rbacGroup,
  version,
  strategicMerge: true,
  unknownFields: 'prune',
} as const;

export const roleResource = defineResource<Role>({
  ...shared,
  kind: 'Role',
  plural: 'roles',
  namespaced: true,
  description: 'What may be done in one namespace.',
  fields: { rules: rulesField },
  columns: [createdAtColumn],
  validate: validateRole,
});

export const clusterRoleResource = defineResource<ClusterRole>({
  ...shared,
  kind: 'ClusterRole',
  plural: 'clusterroles',
  namespaced: false,
  description: 'What may be done in all namespaces, or in one if a RoleBinding gives it there.',
  fields: {
    rules: rulesField,
    aggregationRule: aggregationRuleSchema
      .optional()
      .describe('If it is there, the server fills in the rules and writes over others.'),
  },
  columns: [createdAtColumn],
  validate: validateClusterRole,
});

export const roleBindingResource = defineResource<RoleBinding>({
  ...shared,
  kind: 'RoleBinding',
  plural: 'rolebindings',
  namespaced: true,
  description: 'Gives a Role, or the rules of a ClusterRole, to subjects in one namespace.',
  fields: { subjects: subjectsField, roleRef: roleRefSchema.describe('The role that they have.') },
  columns: bindingColumns(),
  defaults: withDefaults,
  validate: validateBinding,
});

export const clusterRoleBindingResource = defineResource<ClusterRoleBinding>({
  ...shared,
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  namespaced: false,
  description: 'Gives a ClusterRole to subjects, in all namespaces and for the cluster itself.',
  fields: { subjects: subjectsField, roleRef: roleRefSchema.describe('The role that they have.') },
  columns: bindingColumns(),
  defaults: withDefaults,
  validate: validateBinding,
});

/** All of them, in the order of discovery. */
export const rbacResources = [
  clusterRoleResource,
  clusterRoleBindingResource,
  roleResource,
  roleBindingResource,
] as const satisfies readonly Pick<Resource, 'gvk'>[];

function withDefaults<T extends Binding>(binding: T): T {
  const { subjects, roleRef } = binding;
  return {
    ...binding,
    ...(subjects === undefined ? {} : { subjects: subjects.map(withGroup) }),
    roleRef: { ...roleRef, apiGroup: nonEmpty(roleRef.apiGroup) ?? rbacGroup },
  };
}

function withGroup(subject: z.infer<typeof subjectSchema>): z.infer<typeof subjectSchema> {
  const grouped = subject.kind === 'User' || subject.kind === 'Group';
  if (!grouped || nonEmpty(subject.apiGroup) !== undefined) return subject;
  return { ...subject, apiGroup: rbacGroup };
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

function bindingColumns(): readonly Column<Binding>[] {
  const names = (kind: string, binding: Binding): string =>
    (binding.subjects ?? [])
      .filter((subject) => subject.kind === kind)
      .map(({ name, namespace = '' }) =>
        kind === 'ServiceAccount' ? `${namespace}/${name}` : name,
      )
      .join(', ');
  const wide = (name: string, kind: string): Column<Binding> => ({
    name,
    type: 'string',
    description: `${name} that have the role.`,
    priority: 1,
    cell: (binding) => names(kind, binding),
  });
  return [
    {
      name: 'Role',
      type: 'string',
      description: 'Kind and name of the role.',
      priority: 0,
      cell: ({ roleRef }) => `${roleRef.kind}/${roleRef.name}`,
    },
    ageColumn,
    wide('Users', 'User'),
    wide('Groups', 'Group'),
    wide('ServiceAccounts', 'ServiceAccount'),
  ];
}
