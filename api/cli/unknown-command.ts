import type { Command } from 'commander';
import { closestWord } from '../machinery/suggest.ts';

/** Help of a command that there is not would be that of the command above it, as if all were well. */
export function refuseHelpOfUnknown(program: Command): void {
  program.addHelpText('beforeAll', ({ command }) => {
    const [first, second] = command.args;
    const word = first === 'help' ? second : first;
    const known = command.commands.map((each) => each.name());
    if (known.length === 0 || word === undefined || word.startsWith('-')) return '';
    if (known.includes(word)) return '';
    const near = closestWord(word, known);
    const hint = near === undefined ? '' : `\n(Did you mean ${near}?)`;
    return command.error(`error: unknown command '${word}'${hint}`, {
      code: 'commander.unknownCommand',
    });
  });
}
