import { CommanderError } from 'commander';
import type { Context } from './context.ts';
import { CommandError, exitCodes, type ExitCode } from './errors.ts';
import { buildProgram } from './program.ts';

/** `--wait=false`, as kubectl takes it: a switch of ours has no value, and would take the next word for it. */
function switched(arg: string): string {
  if (arg === '--wait=false') return '--no-wait';
  return arg === '--wait=true' ? '--wait' : arg;
}

/** Runs one command line (without the program's own name) and returns the exit code. */
export async function main(args: readonly string[], context: Context): Promise<ExitCode> {
  const program = buildProgram(context);
  try {
    if (args.length === 0) program.help({ error: true });
    await program.parseAsync(args.map(switched), { from: 'user' });
    return context.signal.aborted ? exitCodes.interrupted : exitCodes.ok;
  } catch (error) {
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    if (context.signal.aborted) return exitCodes.interrupted;
    if (error instanceof CommandError && error.message === '') return error.exitCode;
    const { reportOf } = await import('./report.ts');
    const { text, exitCode } = reportOf(error);
    context.stderr.write(`error: ${text}\n`);
    return exitCode;
  }
}
