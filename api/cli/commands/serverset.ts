import { z } from 'zod';
import { microTimestamp, sleep } from '../../machinery/clock.ts';
import { findCondition } from '../../machinery/conditions.ts';
import {
  purgeAnnotation,
  releaseHeldAnnotation,
  serverSetResource,
  type ServerSet,
} from '../../v1/serverset.ts';
import type { Connection } from '../connection.ts';
import { withConnection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { parseDuration } from '../duration.ts';
import { CommandError } from '../errors.ts';
import { parseNamedTargets, qualifiedName } from '../kinds.ts';
import { parseOptions } from '../options.ts';

const shape = { wait: z.boolean().default(false), timeout: z.string().default('30s') };

/** An annotation that the leader takes away once it has done what it asks for. */
interface Wish {
  annotation: string;
  value: string;
  /** What will be done, after the name of the set. */
  said: string;
}

/** `serverset release NAME...`: members that the brake holds shall go. */
export const release = asking((serverSet) => {
  const held = serverSet.status?.held ?? 0;
  // Asked for now, it would let go what is held one day, unseen.
  if (held === 0) return 'holds no member back';
  const said = `will let go ${held} members of unreachable tasks`;
  return { annotation: releaseHeldAnnotation, value: 'true', said };
});

/** `serverset purge NAME...`: all members of ours shall go, and come anew for ready tasks. */
export const purge = asking((_serverSet, { clock }) => ({
  annotation: purgeAnnotation,
  value: microTimestamp(clock),
  said: 'will be purged: members go, and come anew for tasks that are ready',
}));

function asking(
  wishFor: (serverSet: ServerSet, context: Context) => Wish | string,
): (invocation: Invocation) => Promise<void> {
  return async ({ context, args, options }) => {
    const parsed = parseOptions(shape, options);
    const timeoutMs = parseDuration(parsed.timeout, '--timeout');
    const names = namesOf(args);
    await withConnection(context, parsed, async (connection) => {
      const asked: { name: string; wish: Wish }[] = [];
      for (const name of names) {
        const serverSet = await get(connection, name);
        const wish = wishFor(serverSet, context);
        const said = typeof wish === 'string' ? wish : wish.said;
        if (typeof wish !== 'string') {
          await ask(connection, serverSet, wish);
          asked.push({ name, wish });
        }
        context.stdout.write(`${qualifiedName(serverSetResource, name)} ${said}\n`);
        if (typeof wish !== 'string') warnIfStalled(context, serverSet);
      }
      if (parsed.wait) await waitForAll(context, connection, asked, timeoutMs);
    });
  };
}

/** NAME or serverset/NAME. */
function namesOf(args: readonly string[]): string[] {
  return args.flatMap((arg) => {
    if (!arg.includes('/')) return [arg];
    return parseNamedTargets([arg]).flatMap(({ resource, names }) => {
      if (resource.gvk.kind === serverSetResource.gvk.kind) return names;
      throw new CommandError('usage', `${arg} is no ServerSet`);
    });
  });
}

function get({ client, namespace }: Connection, name: string): Promise<ServerSet> {
  return client.of(serverSetResource).get({ namespace, name });
}

async function ask(
  { client }: Connection,
  { metadata }: ServerSet,
  { annotation, value }: Wish,
): Promise<void> {
  const patch = { metadata: { annotations: { [annotation]: value } } };
  await client.of(serverSetResource).patch(metadata, patch, { type: 'merge' });
}

function warnIfStalled(context: Context, { metadata, status }: ServerSet): void {
  const stalled = findCondition(status?.conditions, 'Stalled');
  if (stalled?.status !== 'True') return;
  context.stderr.write(
    `warning: ${metadata.name} is stalled (${stalled.reason}), and this waits for it: ${stalled.message}\n`,
  );
}

const lookEveryMs = 200;

/** Until the leader has taken every annotation away. */
async function waitForAll(
  context: Context,
  connection: Connection,
  asked: readonly { name: string; wish: Wish }[],
  timeoutMs: number,
): Promise<void> {
  const { clock, signal } = context;
  const deadline = timeoutMs === 0 ? Infinity : clock.monotonic() + timeoutMs;
  for (const { name, wish } of asked) {
    for (;;) {
      const { metadata, status } = await get(connection, name);
      if (metadata.annotations?.[wish.annotation] !== wish.value) break;
      if (signal.aborted) return;
      if (clock.monotonic() >= deadline) {
        const why = findCondition(status?.conditions, 'Stalled');
        const reason = why?.status === 'True' ? why.message : 'no leader has done it yet';
        throw new CommandError('timeout', `timed out: ${name}: ${reason}`);
      }
      await sleep(clock, lookEveryMs, signal);
    }
    context.stdout.write(`${qualifiedName(serverSetResource, name)} done\n`);
  }
}
