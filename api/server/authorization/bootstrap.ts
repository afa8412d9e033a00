import type { Client, ResourceClient } from '../../client/client.ts';
import { isApiError } from '../../machinery/errors.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import {
  clusterRoleBindingResource,
  clusterRoleResource,
  type ClusterRole,
  type ClusterRoleBinding,
} from '../../v1/rbac.ts';
import { rbacGroup } from '../../v1/rbac-bindings.ts';
import { outdatedAggregates } from './aggregation.ts';
import {
  defaultClusterRoleBindings,
  defaultClusterRoles,
  type DefaultBinding,
  type DefaultRole,
} from './default-roles.ts';
import { reconciledBinding, reconciledRole } from './reconcile.ts';

const apiVersion = `${rbacGroup}/v1` as const;

/** How often it is looked again after another server, or a person, changed the same objects meanwhile. */
const maxAttempts = 20;

/**
 * Brings default roles and bindings in line, as Kubernetes does at every start. Several servers may do so
 * at once. Throws ApiError, e.g. 503 while the store is away.
 */
export async function ensureDefaultPolicy(client: Client): Promise<void> {
  const roles = client.of(clusterRoleResource);
  const bindings = client.of(clusterRoleBindingResource);
  for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
    const storedRoles = byName((await roles.list()).items);
    const storedBindings = byName((await bindings.list()).items);
    const done = [
      ...defaultClusterRoles.map((wanted) =>
        ensureRole(roles, wanted, storedRoles.get(wanted.metadata.name)),
      ),
      ...defaultClusterRoleBindings.map((wanted) =>
        ensureBinding(bindings, wanted, storedBindings.get(wanted.metadata.name)),
      ),
    ];
    const settled = (await Promise.all(done)).every((one) => one);
    const { items } = await roles.list();
    if ((await updateAggregates(client, items)) && settled) return;
  }
}

/**
 * Writes the rules of aggregated roles that are not what they should be; true if there were none. Roles
 * may be made of aggregated ones, so there may be more to do afterwards.
 */
export async function updateAggregates(
  client: Client,
  roles: readonly ClusterRole[],
): Promise<boolean> {
  const outdated = outdatedAggregates(roles);
  for (const role of outdated) {
    await unlessRaced(() => client.of(clusterRoleResource).update(role));
  }
  return outdated.length === 0;
}

function byName<T extends KubeObject>(objects: readonly T[]): ReadonlyMap<string, T> {
  return new Map(objects.map((object) => [object.metadata.name, object]));
}

async function ensureRole(
  roles: ResourceClient<ClusterRole>,
  wanted: DefaultRole,
  stored: ClusterRole | undefined,
): Promise<boolean> {
  if (stored === undefined) {
    const { metadata, rules, aggregationRule } = wanted;
    const aggregated =
      aggregationRule === undefined
        ? {}
        : { aggregationRule: { clusterRoleSelectors: [...aggregationRule.clusterRoleSelectors] } };
    const draft = { apiVersion, kind: 'ClusterRole' as const, metadata, rules: [...rules] };
    return unlessRaced(() => roles.create({ ...draft, ...aggregated }));
  }
  const next = reconciledRole(stored, wanted);
  return next === stored || unlessRaced(() => roles.update(next));
}

async function ensureBinding(
  bindings: ResourceClient<ClusterRoleBinding>,
  wanted: DefaultBinding,
  stored: ClusterRoleBinding | undefined,
): Promise<boolean> {
  if (stored === undefined) {
    const { metadata, subjects, roleRef } = wanted;
    const draft = { apiVersion, kind: 'ClusterRoleBinding' as const, metadata, roleRef };
    return unlessRaced(() => bindings.create({ ...draft, subjects: [...subjects] }));
  }
  const next = reconciledBinding(stored, wanted);
  if (next === stored) return true;
  if (next !== 'replace') return unlessRaced(() => bindings.update(next));
  const { name, uid } = stored.metadata;
  await unlessRaced(() => bindings.delete({ name }, { preconditions: { uid } }));
  return false;
}

/** false if somebody else was faster with the same object. */
async function unlessRaced(write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (error) {
    if (isApiError(error, 'Conflict', 'AlreadyExists', 'NotFound')) return false;
    throw error;
  }
}
