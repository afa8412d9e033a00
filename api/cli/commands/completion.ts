import { shells, type Shell } from '../completion/scripts.ts';
import type { Invocation } from '../context.ts';
import { CommandError } from '../errors.ts';

export function run({ context, args }: Invocation): Promise<void> {
  const [shell = ''] = args;
  if (!isShell(shell)) {
    throw new CommandError('usage', `no completion for "${shell}"; there is bash, zsh and fish`);
  }
  context.stdout.write(shells[shell]);
  return Promise.resolve();
}

function isShell(word: string): word is Shell {
  return Object.hasOwn(shells, word);
}
