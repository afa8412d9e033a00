import type { CommandInfo } from '../../../../proto/mesos/generated/messages.ts';

/** What a simulated command does, step by step; after the last step it exits with 0. */
export type Step =
  | { readonly do: 'sleep'; readonly ms: number }
  | { readonly do: 'exit'; readonly code: number }
  | { readonly do: 'signal'; readonly signal: number }
  | { readonly do: 'ignoreTerm' }
  | { readonly do: 'listen'; readonly port: number }
  | { readonly do: 'flap'; readonly port: number; readonly ms: number }
  | { readonly do: 'touch' | 'remove'; readonly file: string }
  | { readonly do: 'exhaustMemory' }
  | { readonly do: 'forever' };

/**
 * Understands the few shell words that test tasks are made of (sleep, exit, touch, rm, trap, kill
 * $$, true, false, echo, `listen(PORT)`); any other program is taken for a server that runs on.
 * `flap(PORT,MS)` is a server that stops and begins to listen every so many milliseconds.
 */
export function programOf(command: CommandInfo | undefined): Step[] {
  const text = [command?.value ?? '', ...(command?.arguments ?? []).slice(1)].join(' ').trim();
  const steps: Step[] = [];
  // A simulated machine has no file there; a shell says 127, a direct execution 1.
  if (text.startsWith('/no/such/')) {
    return [{ do: 'exit', code: command?.shell === false ? 1 : 127 }];
  }
  // Before loops: a server's script may loop over what it needs first.
  const listening = /listen\((\d+)\)|--port[ =](\d+)/.exec(text);
  if (listening !== null) {
    return [{ do: 'listen', port: Number(listening[1] ?? listening[2]) }, { do: 'forever' }];
  }
  const flapping = /flap\((\d+),(\d+)\)/.exec(text);
  if (flapping !== null) {
    return [{ do: 'flap', port: Number(flapping[1]), ms: Number(flapping[2]) }];
  }
  if (/\b(while|for|until)\b/.test(text)) {
    if (/trap '' (SIG)?TERM/.test(text)) steps.push({ do: 'ignoreTerm' });
    return [...steps, { do: 'forever' }];
  }
  for (const part of text.split(/;|&&|\n/)) steps.push(...stepsOf(part.trim()));
  return steps;
}

function stepsOf(command: string): Step[] {
  const words = command.replace(/^exec\s+/, '').split(/\s+/);
  const [name = '', argument = ''] = words;
  const seconds = Number(argument.replace(/s$/, ''));
  switch (name) {
    case 'sleep':
      return Number.isFinite(seconds) ? [{ do: 'sleep', ms: seconds * 1000 }] : [{ do: 'forever' }];
    case 'exit':
      return [{ do: 'exit', code: Number(argument) & 0xff }];
    case 'false':
      return [{ do: 'exit', code: 1 }];
    case 'touch':
      return [{ do: 'touch', file: argument }];
    case 'rm':
      return [{ do: 'remove', file: words.at(-1) ?? '' }];
    case 'trap':
      return /TERM/.test(command) ? [{ do: 'ignoreTerm' }] : [];
    case 'kill':
      return [{ do: 'signal', signal: Number(argument.replace('-', '')) }];
    case '':
    case 'true':
    case ':':
    case 'echo':
    case 'cat':
    case 'env':
    case 'ip':
    case 'grep':
      return [];
    default:
      return [{ do: 'forever' }];
  }
}
