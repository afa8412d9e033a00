import { deepFreeze } from '../machinery/json.ts';
import { apiVersionOf } from '../machinery/metadata.ts';
import type { AnyResource } from '../machinery/resource.ts';
import { eventResource } from '../v1/core.ts';
import { coreEventOf, eventOfCore, eventsEventResource } from '../v1/events.ts';
import { versionedItems, type StoredVersion } from './crd/view.ts';
import type { EndpointOptions } from './endpoint.ts';

type Items = Pick<EndpointOptions, 'store' | 'cache'>;

const version: StoredVersion = {
  storedAs: apiVersionOf(eventResource.gvk),
  present: (stored) =>
    stored.apiVersion === apiVersionOf(eventsEventResource.gvk)
      ? stored
      : deepFreeze(eventOfCore(stored)),
  restore: coreEventOf,
};

/** Events of events.k8s.io, if there are Events of the core group: they are the same. */
export function eventsOf(
  resources: readonly AnyResource[],
  items: Items,
): (Items & Pick<EndpointOptions, 'resource'>)[] {
  if (!resources.some(({ gvk }) => gvk.group === '' && gvk.kind === eventResource.gvk.kind)) {
    return [];
  }
  return [{ resource: eventsEventResource, ...versionedItems(version, items) }];
}
