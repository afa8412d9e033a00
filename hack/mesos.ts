/** An emulated Mesos for any v1 client; `hack/mesos --help` tells what it does. */
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../api/cli/duration.ts';
import { CommandError } from '../api/cli/errors.ts';
import { alignRows } from '../api/cli/output/columns.ts';
import {
  exitCodes,
  MesosCluster,
  MesosToolError,
  type MesosStatus,
} from './local/mesos-cluster.ts';
import { ConfigError } from '../controllers/cosmd/yaml-file.ts';
import { mesosConfig, type MesosFlags } from './local/mesos-config.ts';

/** The bundle lies in .local/build of the checkout. */
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const help = `
The file of "up --config", with its defaults:

  mode: process            # or simulated; process needs root and the CNI plugins
  masters: 1               # more than one needs zookeeper
  agents: 3                # how many, or one by one:
  # agents:
  #   - hostname: db.test  # db-1.test and db-2.test
  #     count: 2
  #     attributes: {rack: r1, zone: z1, level: 10}
  #     cpus: 8
  #     mem: 8192          # MB
  #     disk: 20000        # MB
  zookeeper: false         # true starts one; or host:port[,host:port…][/path]
  port: 0                  # of the first master; 0 takes free ones
  timings:                 # milliseconds; these are Mesos' own
    allocationInterval: 1000
    heartbeatInterval: 15000
    agentPingTimeout: 15000
    maxAgentPingTimeouts: 5
    agentReregisterTimeout: 600000
    agentRecovery: 2000
    updateRetryMin: 10000
    updateRetryMax: 600000
    zkSessionTimeout: 10000

A framework says itself how long its filters last (refuse_seconds) and how long its tasks stay without it
(failover_timeout), as with a real Mesos.

Exit codes: 0 done, 1 failed (of status: no master leads), 2 the command line or the file is wrong,
3 no cluster runs, 4 there is no such agent.

Example: 5,000 agents for a client at port 5050
  hack/mesos up --agents 5000 --mode simulated --port 5050`;

function whole(text: string): number {
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError('it must be a whole number');
  return Number(text);
}

/** Progress is for people: what a script reads goes to standard output. */
function say(words: string): void {
  process.stderr.write(`==> ${words}\n`);
}

function print(status: MesosStatus, output: string): void {
  if (output === 'json') {
    process.stdout.write(`${JSON.stringify(status, undefined, 2)}\n`);
    return;
  }
  const { masters, agents, connectedAgents } = status;
  const rows = [
    ['MASTER', 'STATE', 'PID'],
    ...masters.map(({ address, state, pid }) => [address, state, String(pid ?? '')]),
    [],
    ['AGENT', 'STATE', 'PID', 'ADDRESS', 'ATTRIBUTES'],
    ...agents.map(({ name, state, pid, address, attributes }) => [
      ...[name, state, String(pid ?? ''), address === '' ? '<simulated>' : address],
      Object.entries(attributes)
        .map(([key, value]) => `${key}:${value}`)
        .join(';'),
    ]),
  ];
  for (const line of alignRows(rows)) process.stdout.write(`${line}\n`);
  const summary = `${connectedAgents} of ${agents.length} agents connected`;
  process.stdout.write(`\n${summary}; masters for a framework: ${status.master}\n`);
}

const program = new Command('hack/mesos')
  .description(
    'An emulated Mesos (1.12) for any client of the v1 API: masters, agents, and faults on demand. Tasks are real ' +
      'processes on CNI networks, or simulated.',
  )
  .option('--state-dir <directory>', 'where its state lies', join(root, '.local/mesos'))
  .addHelpText('after', help)
  .showHelpAfterError('hack/mesos --help tells more')
  .exitOverride();

function cluster(): MesosCluster {
  const { stateDir } = program.opts<{ stateDir: string }>();
  return new MesosCluster(resolve(stateDir), say);
}

const output = (): Option =>
  new Option('-o, --output <format>', 'how it is shown')
    .choices(['table', 'json'])
    .default('table');

program
  .command('up')
  .description('start it and wait until all agents are registered')
  .option('--config <file>', 'YAML, as hack/mesos --help shows it; flags win')
  .addOption(
    new Option('--mode <mode>', 'default: process where possible').choices([
      'process',
      'simulated',
    ]),
  )
  .option('--masters <n>', 'how many masters', whole)
  .option('--agents <n>', 'how many agents, all alike', whole)
  .option('--port <n>', 'of the first master, the others follow', whole)
  .option(
    '--zookeeper [address]',
    'elect the leader in a ZooKeeper: a new one, or host:port[/path]',
  )
  .addOption(output())
  .action(async (flags: MesosFlags & { output: string }) => {
    const { output: format, ...given } = flags;
    print(await cluster().up(mesosConfig(given)), format);
  });
program
  .command('down')
  .description('end it and remove all that it made, also after a crash')
  .action(() => cluster().down());
program
  .command('status')
  .description('show masters and agents')
  .addOption(output())
  .action(async ({ output: format }: { output: string }) => {
    const status = await cluster().status();
    print(status, format);
    if (status.leader === null) process.exitCode = exitCodes.failed;
  });
program
  .command('kill-agent')
  .description('kill -9 of an agent; its tasks go on')
  .argument('<name>', 'host name of the agent')
  .action((name: string) => cluster().killAgent(name));
program
  .command('partition')
  .description(
    'cut an agent off from the masters: a process is stopped, a simulated one disconnected',
  )
  .argument('<name>', 'host name of the agent')
  .option('--for <duration>', 'heal by itself after so long, such as 30s or 2m')
  .action((name: string, given: { for?: string }) =>
    cluster().partition(
      name,
      given.for === undefined ? undefined : parseDuration(given.for, '--for'),
    ),
  );
program
  .command('heal')
  .description('end partitions and start what was killed')
  .argument('[name]', 'only this agent')
  .action((name: string | undefined) => cluster().heal(name));
program
  .command('failover')
  .description('kill the leading master, wait for the next leader, start the killed one again')
  .action(() => cluster().failover());

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
  process.stderr.write(`hack/mesos: ${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof MesosToolError) return exitCodes[error.code];
  const wrong = error instanceof ConfigError || error instanceof CommandError;
  return wrong ? exitCodes.usage : exitCodes.failed;
}

program.parseAsync().catch((error: unknown) => {
  process.exitCode = exitCodeOf(error);
});
