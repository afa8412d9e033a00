import { Command } from 'commander';
import type { CommandModule, Context } from './context.ts';
import * as help from './help.ts';
import { addChangeCommands } from './program-changes.ts';
import { addGitOpsCommands } from './program-gitops.ts';
import { cosmVersion } from './version.ts';

/** The command line of cosm. Each command's file is imported only when it is called. */
export function buildProgram(context: Context): Command {
  const program = new Command('cosm')
    .description('Jobs, tasks and their networks on Apache Mesos, from the command line.')
    .version(cosmVersion, '--version', 'print the version of cosm and exit')
    .option('--kubeconfig <file>', 'kubeconfig file (default: $KUBECONFIG or ~/.kube/config)')
    .option('--context <name>', 'context of the kubeconfig')
    .option('-n, --namespace <name>', 'namespace (default: that of the context)')
    .option('--server <url>', 'address of the API server, instead of that of the kubeconfig')
    .option('--as <user>', 'act as this user; the server asks whether you may impersonate')
    .option(
      '--as-group <group>',
      'with --as: act as a member of this group; may be given several times',
      (group: string, groups: string[] | undefined) => [...(groups ?? []), group],
    )
    .option('--as-uid <uid>', 'with --as: the uid of that user')
    .option('--request-timeout <duration>', 'time for one request', '30s')
    .option('-v, --verbose', 'show each request on standard error')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
    })
    .addHelpText('after', help.program)
    .exitOverride();
  addObjectCommands(program, context);
  addChangeCommands(program, (load) => lazily(context, load));
  addGitOpsCommands(program, (load) => lazily(context, load));
  addRunningCommands(program, context);
  addClusterCommands(program, context);
  return program;
}

type Load = () => Promise<CommandModule>;

const decisions = () => import('./commands/framework-decide.ts');
const serverSets = () => import('./commands/serverset.ts');

/** Runs a command's file with the operands and options that commander has sorted out. */
function lazily(context: Context, load: Load): (this: Command) => Promise<void> {
  return async function (this: Command) {
    const command = await load();
    await command.run({ context, args: this.args, options: this.optsWithGlobals() });
  };
}

const selector = ['-l, --selector <labels>', 'only objects with these labels: a=b,c!=d'] as const;
const filename = [
  '-f, --filename <path...>',
  'file, directory or - for standard input; may be given several times',
] as const;
const done = ['--wait', 'wait until the leader has done it'] as const;
const doneTimeout = ['--timeout <duration>', 'longest time to wait; 0 for ever', '30s'] as const;
const recursive = ['-R, --recursive', 'also the directories below a directory'] as const;

function addObjectCommands(program: Command, context: Context): void {
  program
    .command('apply')
    .description('Create or change objects so that they are what files say.')
    .requiredOption(...filename)
    .option(...recursive)
    .option('--dry-run <where>', 'only check: "server" asks the server, "client" only reads files')
    .option('--server-side', 'let the server merge, and remember who owns which field')
    .option('--force-conflicts', 'with --server-side: take fields that others own')
    .option('--field-manager <name>', 'with --server-side: own the fields by this name, not cosm')
    .option(
      '--prune',
      'delete what was applied with the same --applyset and is in the files no more',
    )
    .option(
      '--applyset <parent>',
      'with --prune: name of the set: NAME, secret/NAME, configmap/NAME',
    )
    .addHelpText('after', help.apply)
    .action(lazily(context, () => import('./commands/apply.ts')));
  program
    .command('get')
    .description('Show objects.')
    .argument('<kind...>', 'KIND [NAME...], KIND/NAME..., or several kinds with commas')
    .option(...selector)
    .option('--field-selector <fields>', 'only objects with these fields: metadata.name=x')
    .option('-A, --all-namespaces', 'objects of all namespaces')
    .option('-o, --output <format>', 'wide, json, yaml, name or jsonpath=TEMPLATE')
    .option('-w, --watch', 'go on with every change')
    .option('--sort-by <jsonpath>', 'sort by this field: .metadata.creationTimestamp')
    .option('--no-headers', 'leave out the line with the names of the columns')
    .option('--show-managed-fields', 'keep metadata.managedFields in json and yaml')
    .addHelpText('after', help.get)
    .action(lazily(context, () => import('./commands/get.ts')));
  program
    .command('describe')
    .description('Show all about an object: its parts, its state, and why it is so.')
    .argument('<kind...>', 'KIND NAME... or KIND/NAME...')
    .addHelpText('after', help.describe)
    .action(lazily(context, () => import('./commands/describe.ts')));
  program
    .command('explain')
    .description('Say what the fields of a kind mean, as the server describes them.')
    .argument('<field>', 'KIND or KIND.FIELD.FIELD...')
    .option('--recursive', 'all fields below, without their descriptions')
    .addHelpText('after', help.explain)
    .action(lazily(context, () => import('./commands/explain.ts')));
  program
    .command('delete')
    .description('Delete objects. What a Job owns is stopped and deleted with it.')
    .argument('[kind...]', 'KIND NAME..., KIND/NAME..., or KIND with -l or --all')
    .option(...filename)
    .option(...recursive)
    .option(...selector)
    .option('--all', 'all objects of the kind in the namespace')
    .option('--dry-run <where>', '"server" asks the server and deletes nothing')
    .option('--ignore-not-found', 'an object that does not exist is no failure')
    .option('--wait', 'wait until the objects are gone', true)
    .option('--no-wait', 'only ask for it, as --wait=false does')
    .option('--timeout <duration>', 'longest time to wait; 0 for ever', '0')
    .option('--force', 'kill tasks though their ServerSet members cannot be withdrawn')
    .option('--confirm-dead', 'the unreachable tasks are dead: do not wait for them to return')
    .addHelpText('after', help.remove)
    .action(lazily(context, () => import('./commands/delete.ts')));
}

function addRunningCommands(program: Command, context: Context): void {
  program
    .command('scale')
    .description('Set how many instances a Job has, or an object of a custom kind that scales.')
    .argument('<kind...>', 'job/NAME..., KIND/NAME...')
    .requiredOption('--replicas <number>', 'number of instances')
    .addHelpText('after', help.scale)
    .action(lazily(context, () => import('./commands/scale.ts')));
  program
    .command('wait')
    .description('Wait until objects are in a state.')
    .argument('<kind...>', 'KIND/NAME..., or KIND with -l or --all')
    .requiredOption(
      '--for <state>',
      'healthy, condition=TYPE[=STATUS], delete, create or jsonpath=PATH[=VALUE]',
    )
    .option(...selector)
    .option('--all', 'all objects of the kind in the namespace')
    .option('--timeout <duration>', 'longest time to wait; 0 looks once', '30s')
    .addHelpText('after', help.wait)
    .action(lazily(context, () => import('./commands/wait.ts')));
  program
    .command('logs')
    .description('Print what tasks have written, from their sandboxes.')
    .argument('<task>', 'TASK, task/NAME or job/NAME')
    .option('-f, --follow', 'go on with what is written')
    .option('-c, --container <name>', 'container of a task that has several')
    .option('--stderr', 'standard error instead of standard output')
    .option('--tail <lines>', 'only the last lines')
    .addHelpText('after', help.logs)
    .action(lazily(context, () => import('./commands/logs.ts')));
  program
    .command('exec')
    .description('Run a command in a container of a task.')
    .argument('<task>', 'TASK, task/NAME or job/NAME')
    .argument('<command...>', 'after --')
    .option('-c, --container <name>', 'container of a task that has several; the first if absent')
    .option('-i, --stdin', 'pass standard input to the command')
    .option('-t, --tty', 'give the command a terminal')
    .addHelpText('after', help.exec)
    .action(lazily(context, () => import('./commands/exec.ts')));
  program
    .command('attach')
    .description('Show what a container of a task writes from now on, until the task ends.')
    .argument('<task>', 'TASK, task/NAME or job/NAME')
    .option('-c, --container <name>', 'container of a task that has several; the first if absent')
    .addHelpText('after', help.attach)
    .action(lazily(context, () => import('./commands/attach.ts')));
  program
    .command('drift')
    .description('Compare what jobs want with what etcd, Mesos and ZooKeeper hold.')
    .argument('[job...]', 'job/NAME...; all jobs of the namespace if there is none')
    .option('-A, --all-namespaces', 'jobs of all namespaces, and what belongs to no job')
    .option('-o, --output <format>', 'json or yaml')
    .option('--strict', 'end with 1 also for what is under way')
    .addHelpText('after', help.drift)
    .action(lazily(context, () => import('./commands/drift.ts')));
  program
    .command('events')
    .description('Show what happened lately, the oldest first.')
    .option('--for <object>', 'only about this object: KIND/NAME')
    .option('-A, --all-namespaces', 'events of all namespaces')
    .option('-w, --watch', 'go on with every event')
    .option('--types <types>', 'only events of these types: Normal, Warning')
    .option('--no-headers', 'leave out the line with the names of the columns')
    .addHelpText('after', help.events)
    .action(lazily(context, () => import('./commands/events.ts')));
}

function addClusterCommands(program: Command, context: Context): void {
  const framework = program
    .command('framework')
    .description('Show the Mesos framework: its id and state, who leads, agents, health.')
    .option('-o, --output <format>', 'json or yaml')
    .addHelpText('after', help.framework)
    .action(lazily(context, () => import('./commands/framework.ts')));
  framework
    .command('adopt')
    .description('Go on with the tasks of this framework id.')
    .argument('<id>', 'the id, as the master shows it')
    .option('--name <name>', 'the framework, if there are several')
    .action(lazily(context, async () => ({ run: (await decisions()).adopt })));
  framework
    .command('reset')
    .description('Forget the framework id and register anew.')
    .option('--confirm-all-dead', 'no task runs under the old id any more')
    .option('--name <name>', 'the framework, if there are several')
    .action(lazily(context, async () => ({ run: (await decisions()).reset })));
  framework
    .command('release-replacing')
    .description('Replace the tasks that were lost all at once, which is held until you say so.')
    .option('--name <name>', 'the framework, if there are several')
    .action(lazily(context, async () => ({ run: (await decisions()).release })));
  framework
    .command('take-epoch')
    .description('Let the leader write over a greater epoch in ZooKeeper: after etcd was restored.')
    .argument('<epoch>', 'the one that the condition EpochAhead names')
    .option('--name <name>', 'the framework, if there are several')
    .action(lazily(context, async () => ({ run: (await decisions()).takeEpoch })));
  const serverset = program
    .command('serverset')
    .description('Decide about members in ZooKeeper that the controllers leave to an operator.')
    .addHelpText('after', help.serverset);
  serverset
    .command('release')
    .description('Let go the members of unreachable tasks that are held, as too many went at once.')
    .argument('<name...>', 'NAME or serverset/NAME')
    .option(...done)
    .option(...doneTimeout)
    .action(lazily(context, async () => ({ run: (await serverSets()).release })));
  serverset
    .command('purge')
    .description('Remove all members of ours; tasks that are ready get new ones at once.')
    .argument('<name...>', 'NAME or serverset/NAME')
    .option(...done)
    .option(...doneTimeout)
    .action(lazily(context, async () => ({ run: (await serverSets()).purge })));
  program
    .command('version')
    .description('Print the versions of cosm and of the server.')
    .option('--client', 'only of cosm')
    .option('-o, --output <format>', 'json or yaml')
    .action(lazily(context, () => import('./commands/version.ts')));
}
