import { z } from 'zod';
import { withConnection } from '../connection.ts';
import type { Invocation } from '../context.ts';
import { runSession } from '../exec/session.ts';
import { chosenContainer, enter, taskToEnter } from '../exec/target.ts';
import { inOurWords } from '../logs/log.ts';
import { parseOptions } from '../options.ts';

const shape = { container: z.string().optional() };

/** Shows what a container writes from now on, both streams at once, until its task ends. */
export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const { signal } = context;
  await withConnection(context, parsed, async (connection) => {
    const task = await taskToEnter(connection, args[0] ?? '');
    const container = chosenContainer(context, task, parsed.container);
    const socket = await enter(connection, task, 'attach', signal, [
      ['container', container],
      ['stdout', 'true'],
      ['stderr', 'true'],
    ]);
    await runSession(context, socket, undefined).catch((error: unknown) => {
      throw inOurWords(error);
    });
  });
}
