import {
  defaultNetworkAnnotation,
  leavesNetworksOpen,
  withDefaultNetwork,
} from '../../v1/default-network.ts';
import { namespaceResource } from '../../v1/core.ts';
import { group } from '../../v1/group.ts';
import type { Defaulter } from '../registry/context.ts';

/** Gives a new Job that leaves its networks open the default network of its namespace. */
export const giveDefaultNetwork: Defaulter = async (request, lookup) => {
  const { resource, namespace, object, old } = request;
  const { gvk } = resource;
  if (old !== undefined) return object;
  if (gvk.group !== group || gvk.kind !== 'Job' || namespace === undefined) return object;
  if (!leavesNetworksOpen(object)) return withDefaultNetwork(object, undefined);
  const found = await lookup.get(namespaceResource.plural, { name: namespace });
  return withDefaultNetwork(object, found?.metadata.annotations?.[defaultNetworkAnnotation]);
};
