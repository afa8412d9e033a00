import type { Command } from 'commander';
import type { CommandModule } from './context.ts';
import { CommandError } from './errors.ts';
import * as help from './help-changes.ts';

type Run = (load: () => Promise<CommandModule>) => (this: Command) => Promise<void>;

const rollouts = () => import('./commands/rollout.ts');
const labels = () => import('./commands/label.ts');

const filename = ['-f, --filename <path...>', 'file, directory or - for standard input'] as const;
const recursive = ['-R, --recursive', 'also the directories below a directory'] as const;
const dryRun = ['--dry-run <where>', '"server" asks the server and stores nothing'] as const;
const output = ['-o, --output <format>', 'name, json, yaml or jsonpath=TEMPLATE'] as const;
const manager = ['--field-manager <name>', 'own what is changed by this name'] as const;

/** Commands that ask who may do what, and those that change what is there by words instead of files. */
export function addChangeCommands(program: Command, lazily: Run): void {
  addAccessCommands(program, lazily);
  addFileCommands(program, lazily);
  addFieldCommands(program, lazily);
  addRolloutCommands(program, lazily);
}

function addAccessCommands(program: Command, lazily: Run): void {
  const auth = program
    .command('auth')
    .description('Ask who you are and what you may do.')
    .addHelpText('after', help.auth);
  auth
    .command('can-i')
    .description('Ask whether you may do something: yes and 0, or no and 1.')
    .argument('[verb]', 'get, list, watch, create, update, patch, delete, …, or * for all')
    .argument('[resource]', 'RESOURCE, RESOURCE/NAME, * or a path such as /metrics')
    .option('--list', 'show all that you may do in the namespace')
    .option('-A, --all-namespaces', 'in all namespaces')
    .option('--subresource <name>', 'a part of the resource: status, scale, log, exec')
    .option('-q, --quiet', 'print nothing: the exit code says it')
    .option('--no-headers', 'with --list: leave out the line with the names of the columns')
    .addHelpText('after', help.canI)
    .action(lazily(() => import('./commands/can-i.ts')));
  auth
    .command('whoami')
    .description('Show whom the server takes you for.')
    .option('-o, --output <format>', 'json, yaml or jsonpath=TEMPLATE')
    .action(lazily(() => import('./commands/whoami.ts')));
}

function addFileCommands(program: Command, lazily: Run): void {
  const create = program
    .command('create')
    .description('Create what files describe; what exists already is refused.')
    .option(...filename)
    .option(...recursive)
    .option('--dry-run <where>', 'only check: "server" asks the server, "client" only reads files')
    .option(...output)
    .option(...manager)
    .addHelpText('after', help.create)
    .action(lazily(() => import('./commands/create.ts')));
  create
    .command('token')
    .description('Print a new token of a service account.')
    .argument('<serviceaccount>', 'its name')
    .option('--duration <duration>', 'how long it shall hold; 1h, 10m at least')
    .option(
      '--audience <name>',
      'whom it is meant for: the API if absent; may be given several times',
      (name: string, names: string[] | undefined) => [...(names ?? []), name],
    )
    .option('--bound-object-kind <kind>', 'Secret or Pod: the token dies with this object')
    .option('--bound-object-name <name>', 'its name')
    .option('--bound-object-uid <uid>', 'its uid; that of the present one if absent')
    .option('-o, --output <format>', 'json, yaml or jsonpath=TEMPLATE: the whole TokenRequest')
    .addHelpText('after', help.createToken)
    .action(lazily(() => import('./commands/create-token.ts')));
  program
    .command('replace')
    .description('Put what files describe in the place of what is there, whole.')
    .requiredOption(...filename)
    .option(...recursive)
    .option(...dryRun)
    .option(...output)
    .option(...manager)
    .addHelpText('after', help.replace)
    .action(lazily(() => import('./commands/replace.ts')));
}

function addFieldCommands(program: Command, lazily: Run): void {
  program
    .command('patch')
    .description('Change fields of objects.')
    .argument('<kind...>', 'KIND NAME... or KIND/NAME...')
    .option('-p, --patch <patch>', 'the patch, JSON or YAML')
    .option('--patch-file <file>', 'the file that has it')
    .option('--type <type>', 'strategic, merge or json; what the kind takes if absent')
    .option('--subresource <name>', 'status or scale')
    .option(...dryRun)
    .option(...output)
    .option(...manager)
    .addHelpText('after', help.patch)
    .action(lazily(() => import('./commands/patch.ts')));
  const pairs = (command: 'label' | 'annotate', noun: string): Command =>
    program
      .command(command)
      .description(`Set and remove ${noun} of objects.`)
      .argument('<word...>', 'KIND NAME... or KIND/NAME..., then KEY=VALUE or KEY- ...')
      .option('-l, --selector <labels>', 'all objects of the kind with these labels')
      .option('--all', 'all objects of the kind in the namespace')
      .option('--overwrite', `give another value to ${noun} that are there`)
      .option('--list', `show the ${noun}`)
      .option(...dryRun)
      .option(...output)
      .option(...manager)
      .addHelpText('after', help[command])
      .action(lazily(async () => ({ run: (await labels())[command] })));
  pairs('label', 'labels');
  pairs('annotate', 'annotations');
}

function addRolloutCommands(program: Command, lazily: Run): void {
  const rollout = program
    .command('rollout')
    .description('Follow the rollout of a job, look at its templates, go back, restart.')
    .addHelpText('after', help.rollout);
  const jobs = ['<kind...>', 'job/NAME...'] as const;
  rollout
    .command('status')
    .description('Show how far the rollout is until it is done.')
    .argument(...jobs)
    .option('-w, --watch', 'go on until it is done', true)
    .option('--no-watch', 'look once, as --watch=false does')
    .option('--timeout <duration>', 'longest time to wait; 0 for ever', '0')
    .addHelpText('after', help.rolloutStatus)
    .action(lazily(() => import('./commands/rollout-status.ts')));
  rollout
    .command('history')
    .description('Show the templates that a job has had, or what is in one of them.')
    .argument(...jobs)
    .option('--revision <number>', 'show this one')
    .option('-o, --output <format>', 'with --revision: json, yaml or jsonpath=TEMPLATE')
    .action(lazily(async () => ({ run: (await rollouts()).history })));
  rollout
    .command('undo')
    .description('Give a job the template that it had before.')
    .argument(...jobs)
    .option('--to-revision <number>', 'that of this revision; the one before if absent')
    .option(...dryRun)
    .option(...output)
    .option(...manager)
    .addHelpText('after', help.rolloutUndo)
    .action(lazily(async () => ({ run: (await rollouts()).undo })));
  rollout
    .command('restart')
    .description('Replace every task of a job, as after a change of its template.')
    .argument(...jobs)
    .option(...dryRun)
    .option(...output)
    .option(...manager)
    .action(lazily(async () => ({ run: (await rollouts()).restart })));
  for (const [name, why] of Object.entries(help.noPause)) {
    rollout
      .command(name, { hidden: true })
      .description(`Refused: ${why}.`)
      .argument('[word...]')
      .allowUnknownOption()
      .action(() => {
        throw new CommandError('usage', why);
      });
  }
}
