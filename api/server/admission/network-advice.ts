import { valueAt } from '../../machinery/json.ts';
import type { KubeObject } from '../../machinery/metadata.ts';
import { group } from '../../v1/group.ts';
import { attachmentsIn, contradictionMessage, contradictionsOf } from '../../v1/network-rules.ts';
import { networkResource } from '../../v1/network.ts';
import type { Advisor } from '../registry/context.ts';

/** What the cache has. */
export interface CachedObjects {
  jobs(): Iterable<KubeObject>;
  namespace(name: string): KubeObject | undefined;
}

/** Tells who changes or deletes a Network which Jobs contradict it then. */
export function adviseOnNetworks(cached: CachedObjects): Advisor {
  return ({ resource, name, object }) => {
    const { gvk, plural } = resource;
    if (gvk.group !== group || plural !== networkResource.plural) return [];
    const parsed = object === undefined ? undefined : networkResource.parse(object);
    const network = parsed?.ok === true ? parsed.value : undefined;
    const contradicting = [...cached.jobs()].filter((job) => {
      if (job.metadata.deletionTimestamp !== undefined) return false;
      const joined = attachmentsIn(valueAt(job, ['spec', 'template', 'spec', 'networks']));
      const here = joined.filter((attachment) => attachment.name === name);
      if (here.length === 0) return false;
      const { namespace = '' } = job.metadata;
      const { labels } = cached.namespace(namespace)?.metadata ?? {};
      return contradictionsOf(here, () => network, { name: namespace, labels }).length > 0;
    });
    const message = contradictionMessage(contradicting);
    return message === undefined ? [] : [`Network "${name}": ${message}`];
  };
}
