import { z } from 'zod';
import { resourcePath } from '../../client/resource-client.ts';
import { isApiError } from '../../machinery/errors.ts';
import { isObject, own } from '../../machinery/json.ts';
import { jobLabel, jobResource } from '../../v1/job.ts';
import { forceDeleteAnnotation, taskResource } from '../../v1/task.ts';
import { inOrder } from '../apply/order.ts';
import { changeShape } from '../change/options.ts';
import type { Connection } from '../connection.ts';
import { withConnection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { parseDuration } from '../duration.ts';
import { CommandError } from '../errors.ts';
import { withKinds } from '../discovery.ts';
import { qualifiedName, type Kind, type Target } from '../kinds.ts';
import { duplicates, identify } from '../manifest/check.ts';
import { formatProblem } from '../manifest/documents.ts';
import { readManifests } from '../manifest/sources.ts';
import { nothingFound } from '../missing.ts';
import { parseOptions } from '../options.ts';
import { metadataText } from '../output/table.ts';
import { fetchPages } from '../pages.ts';
import { refusalText } from '../report.ts';
import type { Awaited } from '../wait/waiting.ts';
import { waitForAll } from '../wait/waiting.ts';
import { confirmJobDead, confirmTaskDead } from './confirm-dead.ts';

const shape = {
  filename: z.array(z.string()).default([]),
  recursive: z.boolean().default(false),
  selector: z.string().optional(),
  ignoreNotFound: z.boolean().default(false),
  wait: z.boolean().default(true),
  timeout: z.string().default('0'),
  force: z.boolean().default(false),
  confirmDead: z.boolean().default(false),
  all: z.boolean().default(false),
  dryRun: changeShape.dryRun,
};

/** One object that is to go. */
interface Doomed {
  resource: Kind;
  namespace: string | undefined;
  name: string;
}

export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const timeoutMs = parseDuration(parsed.timeout, '--timeout');
  const fromFiles = parsed.filename.length > 0;
  if (fromFiles === args.length > 0) {
    throw new CommandError(
      'usage',
      'name what to delete: KIND/NAME, KIND with -l or --all, or -f FILE',
    );
  }
  await withConnection(context, parsed, async (connection) => {
    const targets = fromFiles ? [] : await withKinds(connection, (kinds) => kinds.targets(args));
    const selecting = checkNamed(targets, parsed);
    const doomed = fromFiles
      ? await doomedOfFiles(context, connection, parsed.filename, parsed.recursive)
      : await doomedOf(connection, targets, parsed.selector);
    if (selecting && doomed.length === 0) {
      context.stderr.write(`${nothingFound(targets, connection.namespace)}\n`);
    }
    // What was found and has gone meanwhile, with its owner perhaps, is what was asked for.
    const ignoreNotFound = parsed.ignoreNotFound || selecting;
    const choices = { ...parsed, ignoreNotFound, dryRun: parsed.dryRun === 'server' };
    const pending = await deleteAll(context, connection, doomed, choices);
    if (!parsed.wait || choices.dryRun) return;
    await waitForAll(context, connection, pending, {
      goal: { type: 'delete' },
      timeoutMs: timeoutMs === 0 ? undefined : timeoutMs,
      onMet: ({ resource, name }) => {
        context.stdout.write(`${qualifiedName(resource, name)} gone\n`);
      },
    });
  });
}

/** Whether the objects are selected, not named. */
function checkNamed(
  targets: readonly Target[],
  { selector, all }: { selector?: string | undefined; all: boolean },
): boolean {
  const selecting = all || selector !== undefined;
  const open = targets.find(({ names }) => names.length === 0);
  if (open !== undefined && !selecting) {
    const { plural } = open.resource;
    throw new CommandError('usage', `say which ${plural}: by name, with -l or with --all`);
  }
  if (open === undefined && selecting) {
    throw new CommandError('usage', 'names and files exclude -l and --all; give one of them');
  }
  if (all && selector !== undefined) {
    throw new CommandError('usage', '-l selects some and --all means every one; give one of them');
  }
  return selecting;
}

async function doomedOfFiles(
  context: Context,
  connection: Connection,
  filenames: readonly string[],
  recursive: boolean,
): Promise<Doomed[]> {
  const { manifests, problems } = await readManifests(context, filenames, recursive);
  const identified = manifests.map((manifest) => identify(manifest, connection));
  const items = identified.flatMap(({ item }) => (item === undefined ? [] : [item]));
  const all = [...problems, ...identified.flatMap((each) => each.problems), ...duplicates(items)];
  for (const problem of all) context.stderr.write(`${formatProblem(problem)}\n`);
  if (all.length > 0) throw new CommandError('failed', 'nothing was deleted');
  // What others need goes last.
  return inOrder(items).reverse();
}

async function doomedOf(
  connection: Connection,
  targets: readonly Target[],
  selector: string | undefined,
): Promise<Doomed[]> {
  const doomed: Doomed[] = [];
  for (const { resource, names } of targets) {
    const namespace = connection.namespaceFor(resource);
    const found =
      names.length > 0
        ? names
        : await namesOf(connection, resource, { namespace, labelSelector: selector });
    doomed.push(...found.map((name) => ({ resource, namespace, name })));
  }
  return doomed;
}

async function namesOf(
  connection: Connection,
  resource: Kind,
  {
    namespace,
    labelSelector,
  }: { namespace: string | undefined; labelSelector: string | undefined },
): Promise<string[]> {
  const path = resourcePath(resource, { namespace });
  const query: Record<string, string> = labelSelector === undefined ? {} : { labelSelector };
  const pages = await fetchPages(connection, { path, query });
  const items = pages.flatMap((page) => (isObject(page) ? own(page, 'items') : []));
  return items.filter(isObject).map((item) => metadataText(item, 'name'));
}

interface DeleteChoices {
  force: boolean;
  confirmDead: boolean;
  ignoreNotFound: boolean;
  /** Only asks the server; nothing is marked either. */
  dryRun: boolean;
}

/** Deletes one after the other and returns those that go only later. One failure does not spare the rest. */
async function deleteAll(
  context: Context,
  connection: Connection,
  doomed: readonly Doomed[],
  choices: DeleteChoices,
): Promise<Awaited[]> {
  const { ignoreNotFound, dryRun } = choices;
  const force = choices.force && !dryRun;
  const confirmDead = choices.confirmDead && !dryRun;
  const pending: Awaited[] = [];
  let failures = 0;
  for (const object of doomed) {
    try {
      const { kind } = object.resource.gvk;
      if (force) await annotate(connection, object);
      if (confirmDead && kind === 'Task') await confirmTaskDead(connection, object);
      const left = await deleteOne(context, connection, object, dryRun);
      if (left !== undefined) pending.push({ ...object, uid: left });
      if (force && kind === 'Job') await annotateTasks(connection, object);
      if (confirmDead && kind === 'Job') await confirmJobDead(connection, object);
    } catch (error) {
      if (!isApiError(error)) throw error;
      if (ignoreNotFound && isApiError(error, 'NotFound')) continue;
      failures += 1;
      context.stderr.write(`error: ${refusalText(error)}\n`);
    }
  }
  if (failures > 0) throw new CommandError('failed', '');
  return pending;
}

/** The uid of an object that only has been marked, since somebody has yet to do something before. */
async function deleteOne(
  context: Context,
  connection: Connection,
  { resource, namespace, name }: Doomed,
  dryRun: boolean,
): Promise<string | undefined> {
  const answer = await connection.send({
    method: 'DELETE',
    path: resourcePath(resource, { namespace, name }),
    ...(dryRun ? { query: { dryRun: 'All' } } : {}),
    body: { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Background' },
  });
  const uid = isObject(answer) && answer['kind'] !== 'Status' ? metadataText(answer, 'uid') : '';
  const finalizers = isObject(answer) ? finalizersOf(answer) : [];
  const waiting = uid !== '' && finalizers.length > 0;
  const what = waiting ? `deletion started (held by ${finalizers.join(', ')})` : 'deleted';
  const suffix = dryRun ? ' (dry run)' : '';
  context.stdout.write(`${qualifiedName(resource, name)} ${what}${suffix}\n`);
  return waiting ? uid : undefined;
}

function finalizersOf(object: Record<string, unknown>): string[] {
  const metadata = own(object, 'metadata');
  const finalizers = isObject(metadata) ? own(metadata, 'finalizers') : undefined;
  return Array.isArray(finalizers) ? finalizers.filter((each) => typeof each === 'string') : [];
}

/** Only Jobs and Tasks wait for ZooKeeper. */
async function annotate(
  { client }: Connection,
  { resource, namespace, name }: Doomed,
): Promise<void> {
  const { kind } = resource.gvk;
  const patch = { metadata: { annotations: { [forceDeleteAnnotation]: 'true' } } };
  if (kind === 'Job') await client.of(jobResource).patch({ namespace, name }, patch, merge);
  if (kind === 'Task') await client.of(taskResource).patch({ namespace, name }, patch, merge);
}

const merge = { type: 'merge' } as const;

/** After the deletion of their Job, so that none is made behind our back. */
async function annotateTasks(connection: Connection, { namespace, name }: Doomed): Promise<void> {
  const query = { namespace, labelSelector: `${jobLabel}=${name}` };
  for (const task of await namesOf(connection, taskResource, query)) {
    try {
      await annotate(connection, { resource: taskResource, namespace, name: task });
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
    }
  }
}
