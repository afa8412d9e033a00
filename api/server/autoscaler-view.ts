import { deepFreeze } from '../machinery/json.ts';
import { apiVersionOf, type KubeObject } from '../machinery/metadata.ts';
import type { AnyResource, Resource } from '../machinery/resource.ts';
import { asV1, fromV1 } from '../v1/autoscaler-versions.ts';
import { horizontalPodAutoscalerV1Resource } from '../v1/horizontal-pod-autoscaler-v1.ts';
import { horizontalPodAutoscalerResource } from '../v1/horizontal-pod-autoscaler.ts';
import { versionedItems, type StoredVersion } from './crd/view.ts';
import type { EndpointOptions } from './endpoint.ts';

type Items = Pick<EndpointOptions, 'store' | 'cache'>;

const shownAs = apiVersionOf(horizontalPodAutoscalerV1Resource.gvk);

const version: StoredVersion = {
  storedAs: apiVersionOf(horizontalPodAutoscalerResource.gvk),
  present: (stored) =>
    stored.apiVersion === shownAs
      ? stored
      : deepFreeze(asV1(typed(horizontalPodAutoscalerResource, stored))),
  restore: (shown, before) =>
    fromV1(
      typed(horizontalPodAutoscalerV1Resource, shown),
      before === undefined ? undefined : typed(horizontalPodAutoscalerV1Resource, before),
    ),
};

/** What was checked when it was written. */
function typed<T extends KubeObject>(resource: Resource<T>, object: KubeObject): T {
  const parsed = resource.parse(object);
  if (parsed.ok) return parsed.value;
  throw new TypeError(`no ${resource.gvk.kind} of ${apiVersionOf(resource.gvk)}`);
}

/** HorizontalPodAutoscalers of autoscaling/v1, if there are those of v2: they are the same. */
export function autoscalersOf(
  resources: readonly AnyResource[],
  items: Items,
): (Items & Pick<EndpointOptions, 'resource'>)[] {
  const { gvk } = horizontalPodAutoscalerResource;
  if (!resources.some((one) => one.gvk.group === gvk.group && one.gvk.kind === gvk.kind)) return [];
  return [{ resource: horizontalPodAutoscalerV1Resource, ...versionedItems(version, items) }];
}
