import { isObject, own } from '../../machinery/json.ts';
import { apiVersionOf, type KubeObject } from '../../machinery/metadata.ts';
import type { Resource } from '../../machinery/resource.ts';
import { notedSpec } from '../../v1/autoscaler-versions.ts';
import { customResourceDefinitionResource } from '../../v1/custom-resource-definition.ts';
import {
  terminating,
  withStoredVersion,
  type CustomResourceDefinition,
} from '../../v1/custom-resource-types.ts';
import { keepDefaultNetwork } from '../../v1/default-network.ts';
import { group as ourGroup } from '../../v1/group.ts';
import { horizontalPodAutoscalerV1Resource } from '../../v1/horizontal-pod-autoscaler-v1.ts';
import { autoscalerKind } from '../../v1/horizontal-pod-autoscaler.ts';

/** Where a kind differs from the rest in how its objects begin, change and end. */
export interface Strategy {
  /** Who must act before the object may go, besides metadata.finalizers. */
  pendingFinalizers(object: KubeObject): readonly string[];
  /** What an update of the main resource may not touch, put back from the stored object. */
  keep(updated: KubeObject, stored: KubeObject): KubeObject;
  /** What is desired, beyond what the object says outside its metadata and status. */
  noted(object: KubeObject): unknown;
  /** The object as it is once its deletion was asked for. */
  terminating(object: KubeObject): KubeObject;
  /** Why this object can never be deleted, if so. */
  undeletable(name: string): string | undefined;
  /** Who deletes an object is shown it, as typed clients of the kind expect; else a Status. */
  showsDeleted: boolean;
}

const plain: Strategy = {
  pendingFinalizers: () => [],
  keep: (updated) => updated,
  noted: () => undefined,
  terminating: (object) => ({
    ...object,
    metadata: { ...object.metadata, deletionGracePeriodSeconds: 0 },
  }),
  undeletable: () => undefined,
  showsDeleted: false,
};

/** Namespaces that exist from the start and for ever. */
export const permanentNamespaces = ['default', 'mesocosm-system'] as const;

/** A namespace goes when metadata.finalizers and spec.finalizers are empty; only `finalize` sets the latter. */
const namespaces: Strategy = {
  ...plain,
  pendingFinalizers: specFinalizers,
  keep: (updated, stored) => withSpecFinalizers(updated, specFinalizers(stored)),
  terminating: (object) => withField(object, 'status', 'phase', 'Terminating'),
  undeletable: (name) =>
    permanentNamespaces.some((permanent) => permanent === name)
      ? 'this namespace may not be deleted'
      : undefined,
};

/** A definition goes once the objects of its kind have gone. */
const definitions: Strategy = {
  ...plain,
  keep: (updated) => withStoredVersion(updated as CustomResourceDefinition),
  terminating: (object) => terminating(plain.terminating(object) as CustomResourceDefinition),
};

const accountsAndQuotas: Strategy = { ...plain, showsDeleted: true };

const jobs: Strategy = { ...plain, keep: keepDefaultNetwork };

/** autoscaling/v1 keeps a part of what is stored as spec in annotations. */
const autoscalers: Strategy = {
  ...plain,
  noted: ({ apiVersion, metadata }) =>
    apiVersion === apiVersionOf(horizontalPodAutoscalerV1Resource.gvk)
      ? notedSpec(metadata)
      : undefined,
};

export function strategyOf(resource: Pick<Resource, 'gvk'>): Strategy {
  const { group, kind } = resource.gvk;
  if (group === ourGroup && kind === 'Job') return jobs;
  const { gvk } = customResourceDefinitionResource;
  if (group === gvk.group && kind === gvk.kind) return definitions;
  if (isAutoscaler(resource)) return autoscalers;
  if (group !== '') return plain;
  if (kind === 'ServiceAccount' || kind === 'ResourceQuota') return accountsAndQuotas;
  return kind === 'Namespace' ? namespaces : plain;
}

export function isAutoscaler({ gvk: { group, kind } }: Pick<Resource, 'gvk'>): boolean {
  return group === autoscalerKind.group && kind === autoscalerKind.kind;
}

export function specFinalizers(object: KubeObject): readonly string[] {
  const spec = field(object, 'spec');
  const finalizers = isObject(spec) ? spec['finalizers'] : undefined;
  return Array.isArray(finalizers) ? finalizers.filter((item) => typeof item === 'string') : [];
}

export function withSpecFinalizers(object: KubeObject, finalizers: readonly string[]): KubeObject {
  return withField(object, 'spec', 'finalizers', finalizers.length === 0 ? undefined : finalizers);
}

export function isTerminating(object: KubeObject): boolean {
  const status = field(object, 'status');
  const phase = isObject(status) ? status['phase'] : undefined;
  return object.metadata.deletionTimestamp !== undefined || phase === 'Terminating';
}

function field(object: KubeObject, name: string): unknown {
  return own({ ...object }, name);
}

function withField(object: KubeObject, section: string, name: string, value: unknown): KubeObject {
  const current = field(object, section);
  return { ...object, [section]: { ...(isObject(current) ? current : {}), [name]: value } };
}
