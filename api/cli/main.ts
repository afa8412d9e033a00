import { CommanderError } from 'commander';
import type { Context } from './context.ts';
import { CommandError, CommandExit, exitCodes } from './errors.ts';
import { buildProgram } from './program.ts';
import { refuseHelpOfUnknown } from './unknown-command.ts';

/** `--wait=false`, as kubectl takes it: a switch of ours has no value, and would take the next word for it. */
function switched(arg: string): string {
  const [, name, value] = /^--(wait|watch)=(true|false)$/.exec(arg) ?? [];
  if (name === undefined) return arg;
  return value === 'true' ? `--${name}` : `--no-${name}`;
}

/** What stands after `--` is a command of others. */
function ownArguments(args: readonly string[]): string[] {
  const end = args.indexOf('--');
  if (end < 0) return args.map(switched);
  return [...args.slice(0, end).map(switched), ...args.slice(end)];
}

/** Runs one command line (without the program's own name) and returns the exit code. */
export async function main(args: readonly string[], context: Context): Promise<number> {
  const program = buildProgram(context);
  refuseHelpOfUnknown(program);
  try {
    if (args.length === 0) program.help({ error: true });
    await program.parseAsync(ownArguments(args), { from: 'user' });
    return context.signal.aborted ? exitCodes.interrupted : exitCodes.ok;
  } catch (error) {
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    if (context.signal.aborted) return exitCodes.interrupted;
    if (error instanceof CommandExit) return error.exitCode;
    if (error instanceof CommandError && error.message === '') return error.exitCode;
    const { reportOf } = await import('./report.ts');
    const { text, exitCode } = reportOf(error);
    context.stderr.write(`error: ${text}\n`);
    return exitCode;
  }
}
