import type { AnyResource } from '../machinery/resource.ts';
import { addressClaimResource } from './address-claim.ts';
import { agentResource } from './agent.ts';
import { configMapResource } from './config-map.ts';
import { customResourceDefinitionResource } from './custom-resource-definition.ts';
import { eventResource, leaseResource, namespaceResource } from './core.ts';
import { frameworkResource } from './framework.ts';
import { horizontalPodAutoscalerResource } from './horizontal-pod-autoscaler.ts';
import { jobResource } from './job.ts';
import { jobRevisionResource } from './job-revision.ts';
import { limitRangeResource } from './limit-range.ts';
import { networkResource } from './network.ts';
import { rbacResources } from './rbac.ts';
import { secretResource } from './secret.ts';
import { resourceQuotaResource } from './resource-quota.ts';
import { serverSetResource } from './serverset.ts';
import { serviceAccountResource } from './service-account.ts';
import { taskResource } from './task.ts';

/** Every kind that this version serves, in the order of discovery: ours come first. */
export const resources: readonly AnyResource[] = [
  jobResource,
  jobRevisionResource,
  taskResource,
  networkResource,
  addressClaimResource,
  serverSetResource,
  agentResource,
  frameworkResource,
  namespaceResource,
  configMapResource,
  secretResource,
  serviceAccountResource,
  resourceQuotaResource,
  limitRangeResource,
  eventResource,
  leaseResource,
  horizontalPodAutoscalerResource,
  customResourceDefinitionResource,
  ...rbacResources,
];
