import { z } from 'zod';
import { resourcePath } from '../../client/resource-client.ts';
import { since } from '../../machinery/age.ts';
import { timestamp } from '../../machinery/clock.ts';
import { jobLabel, jobResource, type Job } from '../../v1/job.ts';
import { isDead, taskResource } from '../../v1/task.ts';
import { againstOthers } from '../change/objects.ts';
import { changeShape, writeQueryOf } from '../change/options.ts';
import { withConnection, type Connection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { launchLines } from '../describe/container.ts';
import { pairs, section, fields } from '../describe/text.ts';
import { CommandError } from '../errors.ts';
import { qualifiedName } from '../kinds.ts';
import { parseOptions } from '../options.ts';
import { alignRows, visible } from '../output/columns.ts';
import { formatDocument, withoutManagedFields } from '../output/objects.ts';
import { tellWritten } from '../output/written.ts';
import { findRevision, isOf, previousRevision, revisionsOf } from '../rollout/revisions.ts';
import { jobNamesOf } from '../rollout/target.ts';
import { documentFormat } from './version.ts';

const revisionNumber = z
  .string()
  .regex(/^[1-9]\d{0,9}$/, 'must be the number of a revision')
  .transform(Number);

const historyShape = { revision: revisionNumber.optional(), output: z.string().optional() };
const undoShape = { ...changeShape, toRevision: revisionNumber.optional() };

/** `rollout history`: the templates that a Job has had, and what is in one of them. */
export async function history({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(historyShape, options);
  const format = documentFormat(parsed.output);
  if (format !== undefined && parsed.revision === undefined) {
    throw new CommandError('usage', '-o goes with --revision; for all: cosm get jobrevisions -o');
  }
  await withConnection(context, parsed, async (connection) => {
    for (const name of await jobNamesOf(connection, args)) {
      const job = await jobOf(connection, name);
      if (parsed.revision === undefined) {
        print(context, await historyLines(context, connection, job));
        continue;
      }
      const revision = findRevision(await revisionsOf(connection, job), parsed.revision);
      if (format !== undefined) {
        context.stdout.write(formatDocument(withoutManagedFields({ ...revision }), format));
        continue;
      }
      const { template } = revision.spec;
      const title = `${qualifiedName(jobResource, name)} with revision #${parsed.revision}`;
      print(context, [
        title,
        ...section('Template', [
          ...fields([
            ['Labels', pairs(template.metadata?.labels)],
            ['Annotations', pairs(template.metadata?.annotations)],
          ]),
          ...launchLines(template.spec),
        ]),
      ]);
    }
  });
}

async function historyLines(
  { clock }: Context,
  connection: Connection,
  job: Job,
): Promise<string[]> {
  const { name, namespace } = job.metadata;
  const scope = namespace === undefined ? {} : { namespace };
  const [revisions, tasks] = await Promise.all([
    revisionsOf(connection, job),
    connection.client.of(taskResource).list({ ...scope, labelSelector: `${jobLabel}=${name}` }),
  ]);
  const live = tasks.items.filter((task) => !isDead(task));
  const rows = [...revisions]
    .reverse()
    .map((revision) => [
      String(revision.spec.revision),
      revision.metadata.name,
      String(live.filter(({ spec }) => spec.revision === revision.metadata.name).length),
      isOf(revision, job.spec.template) ? 'yes' : '',
      since(revision.metadata.creationTimestamp, clock.now()),
    ]);
  if (rows.length === 0) return [qualifiedName(jobResource, name), 'No rollout history found.'];
  const header = ['REVISION', 'NAME', 'LIVE TASKS', 'CURRENT', 'AGE'];
  return [qualifiedName(jobResource, name), ...alignRows([header, ...rows])];
}

/** `rollout undo`: a Job gets the template of an older revision. */
export async function undo({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(undoShape, options);
  const tell = tellWritten(context, parsed);
  await withConnection(context, parsed, async (connection) => {
    for (const name of await jobNamesOf(connection, args)) {
      const { after, what } = await againstOthers(async () => {
        const job = await jobOf(connection, name);
        const revisions = await revisionsOf(connection, job);
        const revision =
          parsed.toRevision === undefined
            ? previousRevision(job, revisions)
            : findRevision(revisions, parsed.toRevision);
        if (isOf(revision, job.spec.template)) {
          const number = revision.spec.revision;
          return {
            after: job,
            what: `skipped rollback (current template already matches revision ${number})`,
          };
        }
        const query = writeQueryOf(parsed, 'rollout');
        // Whole, not merged: what the newer template has besides is to go. Only over what was looked at.
        const body = [
          {
            op: 'replace',
            path: '/metadata/resourceVersion',
            value: job.metadata.resourceVersion,
          },
          { op: 'replace', path: '/spec/template', value: revision.spec.template },
        ];
        const contentType = 'application/json-patch+json';
        const path = pathOf(connection, name);
        const answer = await connection.send({ method: 'PATCH', path, query, contentType, body });
        return { after: answer, what: 'rolled back' };
      });
      tell(jobResource, after, what);
    }
  });
}

/** The mark of kubectl: another value of it is another template, which every task has to get. */
const restartedAt = 'kubectl.kubernetes.io/restartedAt';

/** `rollout restart`: every task is replaced, as after a change of the template. */
export async function restart({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(changeShape, options);
  const tell = tellWritten(context, parsed);
  await withConnection(context, parsed, async (connection) => {
    for (const name of await jobNamesOf(connection, args)) {
      const now = timestamp(context.clock);
      const job = await jobOf(connection, name);
      if (job.spec.template.metadata?.annotations?.[restartedAt] === now) {
        throw new CommandError('failed', `job "${name}" was restarted within this second; wait`);
      }
      const answer = await connection.send({
        method: 'PATCH',
        path: pathOf(connection, name),
        query: writeQueryOf(parsed, 'rollout'),
        contentType: 'application/merge-patch+json',
        body: { spec: { template: { metadata: { annotations: { [restartedAt]: now } } } } },
      });
      tell(jobResource, answer, 'restarted');
    }
  });
}

function jobOf({ client, namespace }: Connection, name: string): Promise<Job> {
  return client.of(jobResource).get({ namespace, name });
}

function pathOf({ namespace }: Connection, name: string): string {
  return resourcePath(jobResource, { namespace, name });
}

function print({ stdout }: Context, lines: readonly string[]): void {
  stdout.write(lines.map((line) => `${visible(line)}\n`).join(''));
}
