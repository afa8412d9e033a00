import type { AnyResource, Resource } from '../../api/machinery/resource.ts';
import { isTrue, type CustomResourceDefinition } from '../../api/v1/custom-resource-types.ts';
import type { HorizontalPodAutoscaler } from '../../api/v1/horizontal-pod-autoscaler.ts';
import { bare } from '../gc/kinds.ts';

type Reference = HorizontalPodAutoscaler['spec']['scaleTargetRef'];

/** The kind that a reference names, in that version, if it is served and has a scale subresource. */
export function scaledKind(
  { apiVersion = 'v1', kind }: Reference,
  own: readonly AnyResource[],
  definitions: readonly CustomResourceDefinition[],
): Resource | undefined {
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  const known = own.find(
    ({ gvk, subresources }) =>
      gvk.kind === kind &&
      gvk.group === group &&
      gvk.version === version &&
      subresources.scale !== undefined,
  );
  if (known !== undefined) return bare(known);
  const custom = definitions.find(
    (definition) =>
      definition.spec.group === group &&
      definition.spec.names.kind === kind &&
      isTrue(definition, 'Established') &&
      definition.spec.versions.some(
        ({ name, served, subresources }) =>
          name === version && served && subresources?.scale !== undefined,
      ),
  );
  if (custom === undefined) return undefined;
  const { names, scope } = custom.spec;
  return bare({
    gvk: { group, version, kind },
    plural: names.plural,
    namespaced: scope === 'Namespaced',
  });
}

/** What two autoscalers of one namespace must not share. */
export function targetOf({ metadata, spec }: HorizontalPodAutoscaler): string {
  const { apiVersion = 'v1', kind, name } = spec.scaleTargetRef;
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : '';
  return `${metadata.namespace ?? ''}/${group ?? ''}/${kind}/${name}`;
}
