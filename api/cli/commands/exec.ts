import { z } from 'zod';
import type { Task } from '../../v1/task.ts';
import { withConnection, type Connection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { CommandExit } from '../errors.ts';
import { sessionInput } from '../exec/input.ts';
import { runSession, type SessionInput, type WindowSize } from '../exec/session.ts';
import { chosenContainer, enter, taskToEnter } from '../exec/target.ts';
import { inOurWords } from '../logs/log.ts';
import { parseOptions } from '../options.ts';

const shape = {
  container: z.string().optional(),
  stdin: z.boolean().default(false),
  tty: z.boolean().default(false),
};

export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const [word = '', ...command] = args;
  const code = await withConnection(context, parsed, async (connection) => {
    const task = await taskToEnter(connection, word);
    const container = chosenContainer(context, task, parsed.container);
    return execute(context, connection, { ...parsed, task, container, command });
  });
  if (code === 0) return;
  context.stderr.write(`command terminated with exit code ${code}\n`);
  throw new CommandExit(code);
}

interface Execution {
  task: Task;
  container: string;
  command: readonly string[];
  stdin: boolean;
  tty: boolean;
}

async function execute(
  context: Context,
  connection: Connection,
  { task, container, command, stdin, tty }: Execution,
): Promise<number> {
  const { terminal } = context.stdin;
  if (tty && stdin && terminal === undefined) {
    context.stderr.write('Unable to use a TTY - input is not a terminal\n');
  }
  const ended = new AbortController();
  const signal = AbortSignal.any([context.signal, ended.signal]);
  const keyboard = tty && stdin ? terminal : undefined;
  try {
    const socket = await enter(connection, task, 'exec', signal, [
      ['container', container],
      ...command.map((each) => ['command', each] as const),
      ...(stdin ? [['stdin', 'true'] as const] : []),
      ['stdout', 'true'],
      // A terminal has one output only.
      ...(tty ? [['tty', 'true'] as const] : [['stderr', 'true'] as const]),
    ]);
    keyboard?.setRaw(true);
    const typed = stdin ? sessionInput(context.stdin.chunks(signal), keyboard, signal) : undefined;
    const size = tty ? terminal?.size() : undefined;
    return await runSession(context, socket, begunWith(size, typed)).catch((error: unknown) => {
      throw inOurWords(error);
    });
  } finally {
    ended.abort();
    keyboard?.setRaw(false);
  }
}

/** The size of the window, if there is one, before anything is typed. */
async function* begunWith(
  size: WindowSize | undefined,
  typed: AsyncIterable<SessionInput> | undefined,
): AsyncGenerator<SessionInput, void, undefined> {
  if (size !== undefined) yield { size };
  if (typed !== undefined) yield* typed;
}
