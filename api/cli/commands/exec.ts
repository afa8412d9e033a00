import { z } from 'zod';
import { withConnection } from '../connection.ts';
import type { Context, Invocation } from '../context.ts';
import { CommandError, CommandExit } from '../errors.ts';
import { runningContainer, type RunningContainer } from '../exec/container.ts';
import { sessionInput } from '../exec/input.ts';
import { runSession } from '../exec/session.ts';
import { taskToEnter } from '../exec/target.ts';
import { parseOptions } from '../options.ts';

const shape = {
  container: z.string().optional(),
  stdin: z.boolean().default(false),
  tty: z.boolean().default(false),
};

export async function run({ context, args, options }: Invocation): Promise<void> {
  const parsed = parseOptions(shape, options);
  const [word = '', ...command] = args;
  const container = await withConnection(context, parsed, async (connection) => {
    const task = await taskToEnter(connection, word);
    const found = runningContainer(task, parsed.container);
    if ('reason' in found) {
      throw new CommandError('failed', `task "${task.metadata.name}" ${found.reason}`);
    }
    const names = task.spec.containers.map(({ name }) => name);
    if (parsed.container === undefined && names.length > 1) {
      context.stderr.write(`Defaulted container "${found.name}" out of: ${names.join(', ')}\n`);
    }
    return found;
  });
  const code = exitCodeOf(await execute(context, container, command, parsed));
  if (code === 0) return;
  context.stderr.write(`command terminated with exit code ${code}\n`);
  throw new CommandExit(code);
}

async function execute(
  context: Context,
  container: RunningContainer,
  command: readonly string[],
  { stdin, tty }: { stdin: boolean; tty: boolean },
): Promise<number> {
  const { terminal } = context.stdin;
  if (tty && stdin && terminal === undefined) {
    context.stderr.write('Unable to use a TTY - input is not a terminal\n');
  }
  const ended = new AbortController();
  const signal = AbortSignal.any([context.signal, ended.signal]);
  const keyboard = tty && stdin ? terminal : undefined;
  keyboard?.setRaw(true);
  try {
    return await runSession({
      container,
      name: `cosm-exec-${context.random.uuid()}`,
      command,
      terminal: tty ? (terminal?.size() ?? { rows: 24, columns: 80 }) : undefined,
      input: stdin ? sessionInput(context.stdin.chunks(signal), keyboard, signal) : undefined,
      output: (stream, data) => {
        (stream === 'STDOUT' ? context.stdout : context.stderr).write(data);
      },
      clock: context.clock,
      signal: context.signal,
    });
  } finally {
    ended.abort();
    keyboard?.setRaw(false);
  }
}

/** As a shell tells it: 128 and the signal for a command that was killed. */
function exitCodeOf(status: number): number {
  const signal = status & 0x7f;
  return signal === 0 ? (status >> 8) & 0xff : 128 + signal;
}
