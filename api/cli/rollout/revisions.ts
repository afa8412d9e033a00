import { jsonEqual } from '../../machinery/json.ts';
import { controllerOf } from '../../machinery/metadata.ts';
import type { Job } from '../../v1/job.ts';
import { jobRevisionResource, type JobRevision } from '../../v1/job-revision.ts';
import type { Connection } from '../connection.ts';
import { CommandError } from '../errors.ts';

/** The revisions of a Job, the newest first. */
export async function revisionsOf(
  { client }: Pick<Connection, 'client'>,
  { metadata: { namespace, uid } }: Job,
): Promise<JobRevision[]> {
  const scope = namespace === undefined ? {} : { namespace };
  const { items } = await client.of(jobRevisionResource).list(scope);
  return items
    .filter((revision) => controllerOf(revision)?.uid === uid)
    .sort((left, right) => right.spec.revision - left.spec.revision);
}

/** The revision with this number. */
export function findRevision(revisions: readonly JobRevision[], number: number): JobRevision {
  const found = revisions.find(({ spec }) => spec.revision === number);
  if (found !== undefined) return found;
  const known = revisions.map(({ spec }) => spec.revision).sort((left, right) => left - right);
  throw new CommandError(
    'failed',
    `unable to find specified revision ${number} in history; there is ${known.join(', ') || 'none'}`,
  );
}

/** The newest revision with another template than the Job has: what ran before it. */
export function previousRevision(
  { metadata, spec }: Job,
  revisions: readonly JobRevision[],
): JobRevision {
  const found = revisions.find((revision) => !isOf(revision, spec.template));
  if (found !== undefined) return found;
  throw new CommandError('failed', `no rollout history found for job "${metadata.name}"`);
}

/** Whether the revision has this template. */
export function isOf({ spec }: JobRevision, template: Job['spec']['template']): boolean {
  return jsonEqual(spec.template, template);
}
