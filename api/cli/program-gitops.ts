import type { Command } from 'commander';
import * as help from './help-gitops.ts';
import type { CommandModule } from './context.ts';

type Run = (load: () => Promise<CommandModule>) => (this: Command) => Promise<void>;

/** Commands about files and what the server has, and those that shells need. */
export function addGitOpsCommands(program: Command, lazily: Run): void {
  program
    .command('diff')
    .description('Show what apply would change.')
    .requiredOption('-f, --filename <path...>', 'file, directory or - for standard input')
    .option('-R, --recursive', 'also the directories below a directory')
    .option('--server-side', 'as apply --server-side would')
    .option('--force-conflicts', 'with --server-side: take fields that others own')
    .option('--field-manager <name>', 'with --server-side: own the fields by this name, not cosm')
    .addHelpText('after', help.diff)
    .action(lazily(() => import('./commands/diff.ts')));
  program
    .command('sync')
    .description('Make the server have what directories say, prune the rest, wait until healthy.')
    .argument('<path...>', 'directories, with those below them, or files')
    .option('--applyset <parent>', 'name of the set: NAME, secret/NAME, configmap/NAME')
    .option('--no-prune', 'delete nothing; needs no --applyset')
    .option('--dry-run', 'only say what would be done; 1 if there is something')
    .option('--no-wait', 'do not wait until all is healthy')
    .option('--timeout <duration>', 'longest time to wait for that', '5m')
    .option('--force-conflicts', 'take fields that others own')
    .option('-o, --output <format>', 'json or yaml: a report on standard output')
    .addHelpText('after', help.sync)
    .action(lazily(() => import('./commands/sync.ts')));
  program
    .command('edit')
    .description('Change objects in an editor.')
    .argument('<kind...>', 'KIND NAME... or KIND/NAME...')
    .addHelpText('after', help.edit)
    .action(lazily(() => import('./commands/edit.ts')));
  program
    .command('api-resources')
    .description('List the kinds that the server serves.')
    .option('-o, --output <format>', 'wide or name')
    .option('--namespaced <true|false>', 'only kinds in namespaces, or only others')
    .option('--api-group <group>', 'only kinds of this group; "" is the core')
    .option('--no-headers', 'leave out the line with the names of the columns')
    .action(lazily(() => import('./commands/api-resources.ts')));
  program
    .command('api-versions')
    .description('List the versions of groups that the server serves.')
    .action(lazily(() => import('./commands/api-versions.ts')));
  program
    .command('completion')
    .description('Print what makes a shell complete the words of cosm.')
    .argument('<shell>', 'bash, zsh or fish')
    .addHelpText('after', help.completion)
    .action(lazily(() => import('./commands/completion.ts')));
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .action(
      lazily(async () => {
        const { completeLine } = await import('./commands/complete.ts');
        return { run: (invocation) => completeLine(program, invocation) };
      }),
    );
}
