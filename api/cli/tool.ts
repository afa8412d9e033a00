import { spawn } from 'node:child_process';
import type { Output } from './context.ts';
import { CommandError } from './errors.ts';

/** The words of a variable such as EDITOR. No shell reads them: nothing is expanded, nothing run besides. */
export function toolOf(
  env: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
  otherwise: readonly string[],
): readonly string[] {
  for (const name of names) {
    const words = (env[name] ?? '').split(/\s+/).filter((word) => word !== '');
    if (words.length > 0) return words;
  }
  return otherwise;
}

/**
 * Runs a program of the user's with our terminal; what it writes goes to `stdout` if that is given.
 * Resolves with its exit code.
 */
export async function runTool(argv: readonly string[], stdout?: Output): Promise<number> {
  const [command = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['inherit', stdout === undefined ? 'inherit' : 'pipe', 'inherit'],
    });
    child.stdout?.on('data', (data: Buffer) => stdout?.write(data));
    child.once('error', (error) => {
      reject(new CommandError('usage', `cannot run ${command}: ${error.message}`, error));
    });
    child.once('close', (code) => {
      resolve(code ?? 255);
    });
  });
}
