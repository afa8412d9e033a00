import { z } from 'zod';
import { resourcePath } from '../../client/resource-client.ts';
import { isObject, own } from '../../machinery/json.ts';
import type { Connection } from '../connection.ts';
import { withConnection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { parseDuration } from '../duration.ts';
import { CommandError } from '../errors.ts';
import { withKinds } from '../discovery.ts';
import { qualifiedName, type Target } from '../kinds.ts';
import { parseOptions } from '../options.ts';
import { metadataText } from '../output/table.ts';
import { fetchPages } from '../pages.ts';
import { parseGoal, type Goal } from '../wait/goal.ts';
import type { Awaited } from '../wait/waiting.ts';
import { waitForAll } from '../wait/waiting.ts';

const shape = {
  for: z.string(),
  selector: z.string().optional(),
  all: z.boolean().default(false),
  timeout: z.string().default('30s'),
};

export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const goal = parseGoal(parsed.for);
  const timeoutMs = parseDuration(parsed.timeout, '--timeout');
  await withConnection(context, parsed, async (connection) => {
    const targets = await withKinds(connection, (kinds) => kinds.targets(args));
    checkSelection(targets, parsed);
    const objects = await awaitedOf(connection, targets, parsed.selector, goal);
    await waitForAll(context, connection, objects, {
      goal,
      timeoutMs,
      onMet: ({ resource, name }) => {
        context.stdout.write(`${qualifiedName(resource, name)} ${outcome(goal)}\n`);
      },
    });
  });
}

function checkSelection(
  targets: readonly Target[],
  { all, selector }: { all: boolean; selector?: string | undefined },
): void {
  const selecting = all || selector !== undefined;
  const open = targets.find(({ names }) => names.length === 0);
  if (open !== undefined && !selecting) {
    throw new CommandError(
      'usage',
      `say which ${open.resource.plural}: by name, with -l or with --all`,
    );
  }
  if (open === undefined && selecting) {
    throw new CommandError('usage', 'names exclude -l and --all; give one of them');
  }
}

function outcome(goal: Goal): string {
  switch (goal.type) {
    case 'delete':
      return 'deleted';
    case 'create':
      return 'exists';
    case 'healthy':
      return 'healthy';
    case 'condition':
    case 'jsonpath':
      return 'condition met';
  }
}

/** The named objects, or those that the selector finds now. */
async function awaitedOf(
  connection: Connection,
  targets: readonly Target[],
  selector: string | undefined,
  goal: Goal,
): Promise<Awaited[]> {
  const all: Awaited[] = [];
  for (const { resource, names } of targets) {
    const namespace = connection.namespaceFor(resource);
    if (names.length > 0) all.push(...names.map((name) => ({ resource, namespace, name })));
    else {
      const path = resourcePath(resource, { namespace });
      const query: Record<string, string> =
        selector === undefined ? {} : { labelSelector: selector };
      const pages = await fetchPages(connection, { path, query });
      const items = pages.flatMap((page) => (isObject(page) ? own(page, 'items') : []));
      all.push(
        ...items.filter(isObject).map((item) => ({
          resource,
          namespace,
          name: metadataText(item, 'name'),
          uid: metadataText(item, 'uid'),
        })),
      );
    }
  }
  if (all.length === 0 && goal.type !== 'delete') {
    throw new CommandError('failed', 'nothing matches; there is nothing to wait for');
  }
  return all;
}
