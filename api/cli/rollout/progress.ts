import { findCondition } from '../../machinery/conditions.ts';
import { finishOf, isBatch } from '../../v1/batch.ts';
import { jobDefaults, type Job } from '../../v1/job.ts';

/** How far the rollout of a Job is. */
export interface Progress {
  done: boolean;
  message: string;
  /** It will never be done. */
  failed?: true;
}

/** Pure: by the counts of the status, in the words of `kubectl rollout status`. */
export function progressOf({ metadata, spec, status }: Job): Progress {
  const name = JSON.stringify(metadata.name);
  const wanted = spec.replicas ?? jobDefaults.replicas;
  const { updatedReplicas = 0, availableReplicas = 0, replicas = 0 } = status ?? {};
  const waiting = (what: string): Progress => ({
    done: false,
    message: `Waiting for job ${name} rollout to finish: ${what}...`,
  });
  if ((status?.observedGeneration ?? -1) < (metadata.generation ?? 0)) {
    return { done: false, message: 'Waiting for job spec update to be observed...' };
  }
  if (isBatch({ spec })) {
    const finish = finishOf({ status });
    if (finish === 'Failed') {
      const why = findCondition(status?.conditions, 'Failed')?.message ?? '';
      return { done: false, failed: true, message: `job ${name} has failed: ${why}` };
    }
    return finish === 'Complete'
      ? { done: true, message: `job ${name} has run to completion` }
      : waiting(`${status?.succeeded ?? 0} of ${wanted} instances have succeeded`);
  }
  if (updatedReplicas < wanted) {
    return waiting(`${updatedReplicas} out of ${wanted} new instances have been updated`);
  }
  if (replicas > updatedReplicas) {
    return waiting(`${replicas - updatedReplicas} old instances are pending termination`);
  }
  if (availableReplicas < updatedReplicas) {
    const of = `${availableReplicas} of ${updatedReplicas}`;
    return waiting(`${of} updated instances are available`);
  }
  return { done: true, message: `job ${name} successfully rolled out` };
}
