import type { Draft } from '../../api/machinery/metadata.ts';
import { controllerReference } from '../../api/machinery/metadata.ts';
import { apiVersion } from '../../api/v1/group.ts';
import { isBatch, trackingFinalizer } from '../../api/v1/batch.ts';
import type { Job } from '../../api/v1/job.ts';
import { instanceLabel, jobLabel } from '../../api/v1/job.ts';
import type { JobRevision } from '../../api/v1/job-revision.ts';
import { heldBackAnnotation, runAnnotation } from '../../api/v1/runs.ts';
import type { Task } from '../../api/v1/task.ts';
import { mesosFinalizer } from '../../api/v1/task.ts';
import type { TemplateSpec } from '../../api/v1/template.ts';
import type { TaskStart } from './decide.ts';

/**
 * The Task of a run. It is born with the finalizer of the scheduler: whoever deletes it before Mesos
 * has heard of it must not let the record go while a launch may be under way. One of a Batch Job stays
 * until the Job has taken down what became of it. `revision` is the one of the Job's present template.
 */
export function taskDraft(
  job: Job,
  start: TaskStart,
  { name, revision }: { name: string; revision: string },
): Draft<Task> {
  const { template } = start.kept?.spec ?? job.spec;
  return {
    apiVersion,
    kind: 'Task',
    metadata: {
      name,
      namespace: job.metadata.namespace,
      labels: {
        ...template.metadata?.labels,
        [jobLabel]: job.metadata.name,
        [instanceLabel]: String(start.instance),
      },
      annotations: {
        ...template.metadata?.annotations,
        [runAnnotation]: String(start.run),
        ...(start.kept === undefined ? {} : { [heldBackAnnotation]: revision }),
      },
      finalizers: [mesosFinalizer, ...(isBatch(job) ? [trackingFinalizer] : [])],
      ownerReferences: [controllerReference(job)],
    },
    spec: {
      ...template.spec,
      ...networksOf(template.spec, start.instance),
      job: job.metadata.name,
      instance: start.instance,
      revision: start.kept?.metadata.name ?? revision,
      restarts: start.restarts,
    },
  };
}

/** A Task says plainly which addresses it asks for. */
function networksOf({ networks }: TemplateSpec, instance: number): Pick<TemplateSpec, 'networks'> {
  if (networks === undefined) return {};
  return {
    networks: networks.map(({ ipsByInstance, ...network }) => {
      const ips = ipsByInstance?.[instance];
      return ips === undefined ? network : { ...network, ips };
    }),
  };
}

export function revisionDraft(
  job: Job,
  { name, number }: { name: string; number: number },
): Draft<JobRevision> {
  return {
    apiVersion,
    kind: 'JobRevision',
    metadata: {
      name,
      namespace: job.metadata.namespace,
      labels: { [jobLabel]: job.metadata.name },
      ownerReferences: [controllerReference(job)],
    },
    spec: { revision: number, template: job.spec.template },
  };
}
