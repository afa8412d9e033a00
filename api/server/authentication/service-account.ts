import { authenticatedGroup } from './authenticator.ts';

/** Names that Kubernetes derives from a ServiceAccount. */

const prefix = 'system:serviceaccount:';

export function serviceAccountUserName(namespace: string, name: string): string {
  return `${prefix}${namespace}:${name}`;
}

export function serviceAccountGroups(namespace: string): string[] {
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, authenticatedGroup];
}

/** The ServiceAccount that a user name stands for; undefined if it is no such name. */
export function parseServiceAccountUserName(
  userName: string,
): { namespace: string; name: string } | undefined {
  if (!userName.startsWith(prefix)) return undefined;
  const [namespace = '', name = '', ...more] = userName.slice(prefix.length).split(':');
  if (namespace === '' || name === '' || more.length > 0) return undefined;
  return { namespace, name };
}
