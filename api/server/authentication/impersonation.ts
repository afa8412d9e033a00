import type { Authorizer } from '../authorizer.ts';
import { badRequest, forbidden } from '../errors.ts';
import type { User } from '../registry/context.ts';
import { anonymous, authenticatedGroup, unauthenticatedGroup } from './authenticator.ts';
import { parseServiceAccountUserName, serviceAccountGroups } from './service-account.ts';

/** Whom somebody wants to be treated as, as the Impersonate-… headers say. */
export interface Impersonation {
  user: string;
  groups: readonly string[];
  uid: string | undefined;
  /** Keys in lower case. */
  extra: Readonly<Record<string, readonly string[]>>;
}

const extraPrefix = 'impersonate-extra-';

/**
 * Reads the headers as they came, names and values in turn: Node joins those that are repeated, and a
 * group may have a comma in it. undefined: nobody is impersonated. Throws 400.
 */
export function impersonationOf(rawHeaders: readonly string[]): Impersonation | undefined {
  const values = new Map<string, string[]>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    if (!name.startsWith('impersonate-')) continue;
    values.set(name, [...(values.get(name) ?? []), utf8(rawHeaders[at + 1] ?? '', name)]);
  }
  if (values.size === 0) return undefined;
  const single = (name: string): string | undefined => {
    const given = values.get(name) ?? [];
    values.delete(name);
    if (given.length > 1) throw badRequest(`the header ${name} is given twice`);
    return given[0] === '' ? undefined : given[0];
  };
  const user = single('impersonate-user');
  const uid = single('impersonate-uid');
  const groups = values.get('impersonate-group') ?? [];
  values.delete('impersonate-group');
  const unknown = [...values.keys()].find((name) => !name.startsWith(extraPrefix));
  if (unknown !== undefined) throw badRequest(`the header ${unknown} is not known`);
  if (user === undefined) {
    throw badRequest('groups, uid or extra values are to be impersonated, but no user');
  }
  const extra = [...values].map(([name, list]) => [extraKey(name), list] as const);
  return { user, uid, groups, extra: Object.fromEntries(extra) };
}

/** Node reads headers as Latin-1; names are UTF-8. */
function utf8(value: string, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'latin1'));
  } catch (error) {
    if (error instanceof TypeError) throw badRequest(`the header ${name} is not valid UTF-8`);
    throw error;
  }
}

/** Keys are percent-encoded where a header's name could not hold them. */
function extraKey(header: string): string {
  const encoded = header.slice(extraPrefix.length);
  try {
    return decodeURIComponent(encoded);
  } catch (error) {
    if (error instanceof URIError) return encoded;
    throw error;
  }
}

/** Whom each part of an impersonation is authorized on: Kubernetes' virtual resources. */
interface Target {
  group: string;
  resource: string;
  namespace?: string;
  name: string;
}

function targetsOf({ user, groups, uid, extra }: Impersonation): Target[] {
  const review = 'authentication.k8s.io';
  const account = parseServiceAccountUserName(user);
  return [
    account === undefined
      ? { group: '', resource: 'users', name: user }
      : { group: '', resource: 'serviceaccounts', ...account },
    ...groups.map((name) => ({ group: '', resource: 'groups', name })),
    ...(uid === undefined ? [] : [{ group: review, resource: 'uids', name: uid }]),
    ...Object.entries(extra).flatMap(([key, values]) =>
      values.map((name) => ({ group: review, resource: `userextras/${key}`, name })),
    ),
  ];
}

/** The user that `requester` acts as. Throws 403 unless `requester` may impersonate every part of it. */
export async function impersonate(
  requester: User,
  wanted: Impersonation,
  authorizer: Authorizer,
  path: string,
): Promise<User> {
  for (const { group, resource, namespace, name } of targetsOf(wanted)) {
    const decision = await authorizer.authorize({
      user: requester,
      verb: 'impersonate',
      path,
      resource: { group, version: 'v1', resource, namespace, name },
    });
    if (decision.allowed) continue;
    const scope =
      namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`;
    const [plural = ''] = resource.split('/');
    throw forbidden(
      { gvk: { group, version: 'v1', kind: '' }, plural },
      name,
      `User ${JSON.stringify(requester.name)} cannot impersonate resource "${resource}" in API group "${group}" ${scope}`,
    );
  }
  return {
    name: wanted.user,
    groups: groupsOf(wanted),
    ...(wanted.uid === undefined ? {} : { uid: wanted.uid }),
    ...(Object.keys(wanted.extra).length === 0 ? {} : { extra: wanted.extra }),
  };
}

/** The groups that are asked for, or those of a service account, and the one that everybody is in. */
function groupsOf({ user, groups }: Impersonation): readonly string[] {
  const account = parseServiceAccountUserName(user);
  if (groups.length === 0 && account !== undefined) return serviceAccountGroups(account.namespace);
  const common = user === anonymous.name ? unauthenticatedGroup : authenticatedGroup;
  const known = groups.includes(authenticatedGroup) || groups.includes(unauthenticatedGroup);
  return known ? groups : [...groups, common];
}
