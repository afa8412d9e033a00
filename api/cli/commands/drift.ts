import { z } from 'zod';
import { resourcePath } from '../../client/resource-client.ts';
import { isObject, own, type JsonObject } from '../../machinery/json.ts';
import {
  frameworkDriftSchema,
  jobDriftSchema,
  worst,
  type DriftVerdict,
  type FrameworkDrift,
  type JobDrift,
} from '../../v1/drift.ts';
import { frameworkResource } from '../../v1/framework.ts';
import { jobResource } from '../../v1/job.ts';
import { mapBounded } from '../bounded.ts';
import type { Connection } from '../connection.ts';
import { withConnection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { driftLines } from '../drift/table.ts';
import { CommandError } from '../errors.ts';
import { builtInKinds, parseNamedTargets } from '../kinds.ts';
import { parseOptions } from '../options.ts';
import { formatDocument, listOf } from '../output/objects.ts';
import { painterFor } from '../output/paint.ts';
import { metadataText } from '../output/table.ts';
import { fetchPages } from '../pages.ts';
import { reportOf } from '../report.ts';
import { documentFormat } from './version.ts';

const shape = {
  allNamespaces: z.boolean().default(false),
  output: z.string().optional(),
  strict: z.boolean().default(false),
};

/** Jobs looked at at a time; the server asks Mesos once a second for all of them. */
const jobsAtOnce = 4;

/** Ends with 0 if the truths agree, 1 if they differ, 2 if they could not all be read or anything failed. */
export async function run(invocation: Invocation): Promise<void> {
  const { context } = invocation;
  try {
    const verdict = await show(invocation);
    if (verdict === 'Unknown') throw new CommandError('unread', '');
    const isDrift = verdict === 'Drift' || (verdict === 'Moving' && isStrict(invocation));
    if (isDrift) throw new CommandError('failed', '');
  } catch (error) {
    if (error instanceof CommandError || context.signal.aborted) throw error;
    throw new CommandError('unread', reportOf(error).text, error);
  }
}

function isStrict({ options }: Invocation): boolean {
  return parseOptions(shape, options).strict;
}

async function show({ context, args, options }: Invocation): Promise<DriftVerdict> {
  const parsed = parseOptions(shape, options);
  const format = documentFormat(parsed.output);
  const names = namesOf(args);
  if (names.length > 0 && parsed.allNamespaces) {
    throw new CommandError('usage', 'a job is named in one namespace; use -n instead of -A');
  }
  return withConnection(context, parsed, async (connection) => {
    const { allNamespaces } = parsed;
    const reports = await readReports(connection, names, allNamespaces);
    const bodies = [...reports.jobs, ...reports.frameworks];
    if (format !== undefined) {
      const [first] = bodies;
      const document =
        names.length === 1 && first !== undefined
          ? first.body
          : listOf(bodies.map(({ body }) => body));
      context.stdout.write(formatDocument(document, format));
    } else print(context, reports);
    return worst(bodies.map(({ report }) => report.verdict));
  });
}

function namesOf(args: readonly string[]): string[] {
  if (args.length === 0) return [];
  const [first = ''] = args;
  // Somebody has named a job as if there were nothing else.
  if (args.length === 1 && !first.includes('/') && !builtInKinds.knows(first)) {
    throw new CommandError('usage', `"${first}" is no kind; a job is named job/${first}`);
  }
  const targets = parseNamedTargets(args);
  const other = targets.find(({ resource }) => resource.plural !== jobResource.plural);
  if (other !== undefined) {
    throw new CommandError(
      'usage',
      `the drift of ${other.resource.plural} is not told; that of jobs is`,
    );
  }
  return targets.flatMap((target) => target.names);
}

/** A report as it came, and as this version reads it. */
interface Read<T> {
  body: JsonObject;
  report: T;
}

interface Reports {
  jobs: Read<JobDrift>[];
  frameworks: Read<FrameworkDrift>[];
}

async function readReports(
  connection: Connection,
  names: readonly string[],
  allNamespaces: boolean,
): Promise<Reports> {
  const { namespace } = connection;
  const refs =
    names.length > 0
      ? names.map((name) => ({ namespace, name }))
      : await listed(connection, resourcePath(jobResource, allNamespaces ? {} : { namespace }));
  const frameworks = allNamespaces
    ? await listed(connection, resourcePath(frameworkResource, {}))
    : [];
  return {
    jobs: await mapBounded(refs, jobsAtOnce, (ref) =>
      read(connection, resourcePath(jobResource, ref, 'drift'), jobDriftSchema),
    ),
    frameworks: await mapBounded(frameworks, 1, ({ name }) =>
      read(connection, resourcePath(frameworkResource, { name }, 'drift'), frameworkDriftSchema),
    ),
  };
}

async function listed(
  connection: Connection,
  path: string,
): Promise<{ namespace: string; name: string }[]> {
  const pages = await fetchPages(connection, { path, query: {} });
  const items = pages.flatMap((page) => (isObject(page) ? own(page, 'items') : []));
  return items.filter(isObject).map((item) => ({
    namespace: metadataText(item, 'namespace'),
    name: metadataText(item, 'name'),
  }));
}

async function read<T>(
  connection: Connection,
  path: string,
  schema: z.ZodType<T>,
): Promise<Read<T>> {
  const body = await connection.send({ method: 'GET', path });
  const parsed = schema.safeParse(body);
  if (!isObject(body) || !parsed.success) {
    throw new CommandError(
      'unread',
      `${connection.server} answers ${path} with no drift that cosm can read`,
    );
  }
  return { body, report: parsed.data };
}

function print(context: Context, { jobs, frameworks }: Reports): void {
  const reports = jobs.map(({ report }) => report);
  const [framework] = frameworks.map(({ report }) => report);
  if (reports.length === 0 && framework === undefined) context.stderr.write('No jobs found.\n');
  const lines = driftLines(reports, framework, painterFor(context));
  context.stdout.write(lines.map((line) => `${line}\n`).join(''));
  const verdict = worst([...jobs, ...frameworks].map(({ report }) => report.verdict));
  context.stderr.write(`${sentences[verdict]}\n`);
}

const sentences: Record<DriftVerdict, string> = {
  Agrees: 'All truths agree.',
  Moving: 'What differs is under way.',
  Drift: 'There is drift.',
  Unknown: 'Not everything could be read.',
};
