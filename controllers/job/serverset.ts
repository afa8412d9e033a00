import { jsonEqual } from '../../api/machinery/json.ts';
import type { Draft } from '../../api/machinery/metadata.ts';
import { controllerOf, controllerReference } from '../../api/machinery/metadata.ts';
import { apiVersion } from '../../api/v1/group.ts';
import type { Job } from '../../api/v1/job.ts';
import { jobLabel } from '../../api/v1/job.ts';
import type { ServerSet, ServerSetSpec } from '../../api/v1/serverset.ts';
import { serverSetDefaults } from '../../api/v1/serverset.ts';

/** What must happen to the ServerSet object that a Job's `serverSet` stands for. */
export type ServerSetPlan =
  | { action: 'none' }
  | { action: 'create'; draft: Draft<ServerSet> }
  | { action: 'update'; object: ServerSet }
  | { action: 'delete'; object: ServerSet }
  /** A ServerSet of that name is not the Job's: it is left alone and the Job says so. */
  | { action: 'blocked'; message: string };

/** The owned ServerSet has the name of its Job. */
export function planServerSet(job: Job, serverSets: readonly ServerSet[]): ServerSetPlan {
  const { name } = job.metadata;
  const existing = serverSets.find(({ metadata }) => metadata.name === name);
  const isOurs = existing !== undefined && controllerOf(existing)?.uid === job.metadata.uid;
  const spec = desiredSpec(job);
  if (spec === undefined) {
    const mustGo = isOurs && existing.metadata.deletionTimestamp === undefined;
    return mustGo ? { action: 'delete', object: existing } : { action: 'none' };
  }
  if (existing === undefined) return { action: 'create', draft: draftOf(job, spec) };
  if (!isOurs) {
    return { action: 'blocked', message: `ServerSet ${name} exists and is not of this Job` };
  }
  if (existing.metadata.deletionTimestamp !== undefined) {
    return { action: 'blocked', message: `ServerSet ${name} is being deleted` };
  }
  return jsonEqual(existing.spec, spec)
    ? { action: 'none' }
    : { action: 'update', object: { ...existing, spec } };
}

/** With this version's defaults, as the server stores it: absent and default must compare equal. */
function desiredSpec(job: Job): ServerSetSpec | undefined {
  const { serverSet } = job.spec;
  if (serverSet === undefined) return undefined;
  return {
    ...serverSet,
    selector: { matchLabels: { [jobLabel]: job.metadata.name } },
    family: serverSet.family ?? serverSetDefaults.family,
    drainSeconds: serverSet.drainSeconds ?? serverSetDefaults.drainSeconds,
  };
}

function draftOf(job: Job, spec: ServerSetSpec): Draft<ServerSet> {
  const { name, namespace } = job.metadata;
  return {
    apiVersion,
    kind: 'ServerSet',
    metadata: { name, namespace, ownerReferences: [controllerReference(job)] },
    spec,
  };
}
