import { createHash } from 'node:crypto';
import { jsonEqual } from '../../api/machinery/json.ts';
import { controllerOf } from '../../api/machinery/metadata.ts';
import type { Job } from '../../api/v1/job.ts';
import type { JobRevision } from '../../api/v1/job-revision.ts';

/** Revisions that no Task uses and that are kept for looking back. */
const keptUnused = 10;

export interface RevisionPlan {
  /** Name and number of the revision of the Job's template. */
  current: { name: string; number: number };
  /** It does not exist yet: it must before a Task names it. */
  create: boolean;
  /** It exists and gets the newest number, because the Job has returned to it. */
  renumber: JobRevision | undefined;
  /** Names of all revisions with this template: a Task of any of them is up to date. */
  upToDate: ReadonlySet<string>;
}

/**
 * Finds the template among the revisions, as submitted: what a newer version defaults differently is
 * not another template.
 */
export function planRevision(job: Job, revisions: readonly JobRevision[]): RevisionPlan {
  const { template } = job.spec;
  const numbers = revisions.map(({ spec }) => spec.revision);
  const highest = Math.max(0, ...numbers);
  const same = revisions
    .filter(({ spec }) => jsonEqual(spec.template, template))
    .sort((left, right) => right.spec.revision - left.spec.revision);
  const [existing] = same;
  if (existing === undefined) {
    const name = revisionName(job);
    const current = { name, number: highest + 1 };
    return { current, create: true, renumber: undefined, upToDate: new Set([name]) };
  }
  const { name } = existing.metadata;
  const upToDate = new Set(same.map(({ metadata }) => metadata.name));
  const isNewest = existing.spec.revision === highest;
  return {
    current: { name, number: isNewest ? highest : highest + 1 },
    create: false,
    renumber: isNewest ? undefined : existing,
    upToDate,
  };
}

/**
 * Made of the Job's uid and the template, so that making it twice is making it once, and a Job of the
 * same name that was deleted before does not get in the way.
 */
function revisionName(job: Job): string {
  const content = JSON.stringify([job.metadata.uid, sorted(job.spec.template)]);
  const digest = createHash('sha256').update(content).digest('hex').slice(0, 10);
  return `${job.metadata.name}-${digest}`;
}

/** With the keys of every object in one order: equal templates give equal text. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, child]) => child !== undefined);
  return Object.fromEntries(
    entries
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, child]) => [key, sorted(child)]),
  );
}

/** Own revisions that no Task uses, beyond the newest few of them. */
export function prunableRevisions(
  job: Job,
  revisions: readonly JobRevision[],
  used: ReadonlySet<string>,
): JobRevision[] {
  return revisions
    .filter(({ metadata }) => !used.has(metadata.name) && metadata.deletionTimestamp === undefined)
    .filter((revision) => controllerOf(revision)?.uid === job.metadata.uid)
    .sort((left, right) => right.spec.revision - left.spec.revision)
    .slice(keptUnused);
}
