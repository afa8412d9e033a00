import { z } from 'zod';
import { apiVersionOf } from '../../machinery/metadata.ts';
import { parseParent } from '../apply/applyset.ts';
import { itemsOf, readAll } from '../apply/items.ts';
import { ApplySet } from '../apply/pruning.ts';
import { applyItems, type Outcome } from '../apply/run.ts';
import { serverSide, serverSideManager } from '../apply/server-side.ts';
import { nameOf, tellerOf } from '../apply/write-all.ts';
import { withConnection, type Connection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { parseDuration } from '../duration.ts';
import { CommandError } from '../errors.ts';
import { parseOptions } from '../options.ts';
import { formatDocument } from '../output/objects.ts';
import { reportOf } from '../report.ts';
import { isAsWanted, watchHealth, type Standing, type Subject } from '../wait/health.ts';
import { documentFormat } from './version.ts';

const shape = {
  applyset: z.string().optional(),
  prune: z.boolean().default(true),
  dryRun: z.boolean().default(false),
  wait: z.boolean().default(true),
  timeout: z.string().default('5m'),
  forceConflicts: z.boolean().default(false),
  output: z.string().optional(),
};

/** What has been done with an object, or in a dry run would be, and how it stands. */
interface Entry {
  subject: Subject;
  action: 'Created' | 'Configured' | 'Unchanged' | 'Pruned' | 'Deferred';
  standing: Standing;
}

type Verdict = 'InSync' | 'Different' | 'Healthy' | 'Unhealthy' | 'Applied';

/** Ends with 0 if all is as the files say and healthy, 1 if not, 2 if anything went wrong. */
export async function run(invocation: Invocation): Promise<void> {
  const { context } = invocation;
  try {
    const verdict = await sync(invocation);
    if (verdict === 'Different' || verdict === 'Unhealthy') throw new CommandError('failed', '');
  } catch (error) {
    if (context.signal.aborted || isVerdict(error)) throw error;
    throw new CommandError('unread', reportOf(error).text, error);
  }
}

function isVerdict(error: unknown): boolean {
  return error instanceof CommandError && error.exitCode === 1 && error.message === '';
}

async function sync({ context, args, options }: Invocation): Promise<Verdict> {
  const parsed = parseOptions(shape, options);
  const format = documentFormat(parsed.output);
  const timeoutMs = parseDuration(parsed.timeout, '--timeout');
  const { applyset, prune } = parsed;
  if (prune === (applyset === undefined)) {
    const why = prune
      ? 'name the set that is pruned with --applyset, or say --no-prune'
      : '--no-prune and --applyset exclude each other';
    throw new CommandError('usage', why);
  }
  const manifests = await readAll(context, args, true);
  return withConnection(context, parsed, async (connection) => {
    const items = await itemsOf(context, connection, manifests);
    const set =
      applyset === undefined
        ? undefined
        : await ApplySet.open(context, connection, parseParent(applyset, connection.namespace));
    const write = serverSide({ manager: serverSideManager, force: parsed.forceConflicts });
    // Standard output is for the report alone.
    const teller = tellerOf(context, context.stderr);
    const { dryRun } = parsed;
    const outcome = await applyItems(teller, { ...connection, write }, items, { set, dryRun });
    const entries = entriesOf(outcome);
    const waits = parsed.wait && !dryRun;
    if (waits) await settle(context, connection, entries, timeoutMs);
    const verdict = verdictOf(entries, { dryRun, waits });
    context.stderr.write(`${summary(entries, verdict)}\n`);
    if (format !== undefined)
      context.stdout.write(formatDocument(report(entries, verdict), format));
    return verdict;
  });
}

const unknown: Standing = { status: 'Unknown', message: '' };

const actions = { created: 'Created', configured: 'Configured', unchanged: 'Unchanged' } as const;

function entriesOf({ done, deferred, pruned }: Outcome): Entry[] {
  const lives = (item: Pick<Subject, 'resource' | 'namespace' | 'name'>): Subject => {
    const { resource, namespace, name } = item;
    return { resource, namespace, name, to: 'live' };
  };
  return [
    ...done.map(({ item, written }) => ({
      subject: lives(item),
      action: actions[written.outcome],
      standing: unknown,
    })),
    ...deferred.map((item) => ({
      subject: lives(item),
      action: 'Deferred' as const,
      standing: unknown,
    })),
    ...pruned.map((member) => ({
      subject: { ...lives(member), to: 'go' as const, uid: member.uid },
      action: 'Pruned' as const,
      standing: unknown,
    })),
  ];
}

async function settle(
  context: Context,
  connection: Connection,
  entries: readonly Entry[],
  timeoutMs: number,
): Promise<void> {
  const standings = await watchHealth(
    context,
    connection,
    entries.map(({ subject }) => subject),
    {
      timeoutMs,
      onChange: (subject, { status, message }) => {
        const detail = message === '' ? '' : `: ${message}`;
        context.stderr.write(`${nameOf(subject)} is ${status}${detail}\n`);
      },
    },
  );
  for (const entry of entries) entry.standing = standings.get(entry.subject) ?? unknown;
}

function verdictOf(
  entries: readonly Entry[],
  { dryRun, waits }: { dryRun: boolean; waits: boolean },
): Verdict {
  if (dryRun) return entries.every(({ action }) => action === 'Unchanged') ? 'InSync' : 'Different';
  if (!waits) return 'Applied';
  const well = entries.every(({ subject, standing }) => isAsWanted(subject, standing));
  return well ? 'Healthy' : 'Unhealthy';
}

function summary(entries: readonly Entry[], verdict: Verdict): string {
  const counts = new Map<string, number>();
  for (const { action } of entries) counts.set(action, (counts.get(action) ?? 0) + 1);
  const parts = [...counts].map(([action, count]) => `${count} ${action.toLowerCase()}`);
  return `${verdict}: ${parts.join(', ')}`;
}

function report(entries: readonly Entry[], verdict: Verdict): Record<string, unknown> {
  return {
    verdict,
    objects: entries.map(({ subject, action, standing }) => {
      const { resource, namespace, name } = subject;
      return {
        apiVersion: apiVersionOf(resource.gvk),
        kind: resource.gvk.kind,
        ...(namespace === undefined ? {} : { namespace }),
        name,
        action,
        health: standing.status,
        message: standing.message,
      };
    }),
  };
}
