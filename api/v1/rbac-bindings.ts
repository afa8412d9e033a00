import { z } from 'zod';
import type { FieldError } from '../machinery/errors.ts';
import type { KubeObject } from '../machinery/metadata.ts';
import { invalidValue, required } from './rbac-rules.ts';

export const rbacGroup = 'rbac.authorization.k8s.io';

export const subjectSchema = z.strictObject({
  kind: z.string().describe('User, Group or ServiceAccount.'),
  apiGroup: z
    .string()
    .optional()
    .describe('rbac.authorization.k8s.io for users and groups, empty for ServiceAccounts.'),
  name: z.string().describe('Name of the user, the group or the ServiceAccount.'),
  namespace: z
    .string()
    .optional()
    .describe('Namespace of a ServiceAccount; that of the RoleBinding if absent.'),
});
export type Subject = z.infer<typeof subjectSchema>;

export const roleRefSchema = z.strictObject({
  apiGroup: z.string().optional().describe('rbac.authorization.k8s.io.'),
  kind: z.string().describe('Role, of the same namespace, or ClusterRole.'),
  name: z
    .string()
    .describe('Name of the role. A binding keeps its role: make another one instead.'),
});
export type RoleRef = z.infer<typeof roleRefSchema>;

interface Binding extends KubeObject {
  subjects?: readonly Subject[] | undefined;
  roleRef: RoleRef;
}

const boundBefore = z.object({ roleRef: roleRefSchema });

/** Rules of RoleBindings and ClusterRoleBindings, in Kubernetes' words. */
export function validateBinding(binding: Binding, { old }: { old?: KubeObject }): FieldError[] {
  const namespaced = binding.kind === 'RoleBinding';
  return [
    ...roleRefErrors(binding.roleRef, namespaced ? ['Role', 'ClusterRole'] : ['ClusterRole']),
    ...(binding.subjects ?? []).flatMap((subject, index) =>
      subjectErrors(subject, `subjects[${index}]`, namespaced),
    ),
    ...(old === undefined ? [] : changedRole(binding.roleRef, boundBefore.parse(old).roleRef)),
  ];
}

function roleRefErrors(
  { apiGroup = '', kind, name }: RoleRef,
  kinds: readonly string[],
): FieldError[] {
  const errors: FieldError[] = [];
  if (apiGroup !== rbacGroup) errors.push(unsupported('roleRef.apiGroup', apiGroup, [rbacGroup]));
  if (!kinds.includes(kind)) errors.push(unsupported('roleRef.kind', kind, kinds));
  if (name === '') errors.push(required('roleRef.name', ''));
  else {
    errors.push(...pathSegmentErrors(name).map((why) => invalidValue('roleRef.name', name, why)));
  }
  return errors;
}

function subjectErrors(subject: Subject, field: string, namespaced: boolean): FieldError[] {
  const { kind, name, apiGroup = '', namespace = '' } = subject;
  const errors: FieldError[] = name === '' ? [required(`${field}.name`, '')] : [];
  switch (kind) {
    case 'ServiceAccount':
      if (apiGroup !== '') errors.push(unsupported(`${field}.apiGroup`, apiGroup, ['']));
      if (!namespaced && namespace === '') errors.push(required(`${field}.namespace`, ''));
      return errors;
    case 'User':
    case 'Group':
      if (apiGroup !== rbacGroup) {
        errors.push(unsupported(`${field}.apiGroup`, apiGroup, [rbacGroup]));
      }
      return errors;
    default:
      return [...errors, unsupported(`${field}.kind`, kind, ['ServiceAccount', 'User', 'Group'])];
  }
}

function changedRole(next: RoleRef, before: RoleRef): FieldError[] {
  const same =
    next.apiGroup === before.apiGroup && next.kind === before.kind && next.name === before.name;
  if (same) return [];
  const quoted = [next.apiGroup ?? '', next.kind, next.name].map((text) => JSON.stringify(text));
  const shown = `rbac.RoleRef{APIGroup:${quoted[0] ?? ''}, Kind:${quoted[1] ?? ''}, Name:${quoted[2] ?? ''}}`;
  return [
    {
      field: 'roleRef',
      message: `Invalid value: ${shown}: cannot change roleRef`,
      reason: 'FieldValueInvalid',
    },
  ];
}

function unsupported(field: string, value: string, supported: readonly string[]): FieldError {
  const values = supported.map((one) => JSON.stringify(one)).join(', ');
  return {
    field,
    message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${values}`,
    reason: 'FieldValueNotSupported',
  };
}

/**
 * What cannot be one part of a path. Names of roles and bindings may be anything else that the store
 * takes in a key: printable ASCII without spaces.
 */
export function pathSegmentErrors(text: string): string[] {
  if (text === '.' || text === '..') return [`may not be '${text}'`];
  const errors = ['/', '%'].flatMap((part) =>
    text.includes(part) ? [`may not contain '${part}'`] : [],
  );
  if (!/^[\x21-\x7e]*$/.test(text)) errors.push('must be printable ASCII without spaces');
  if (text.length > 253) errors.push('must be no more than 253 characters');
  return errors;
}
