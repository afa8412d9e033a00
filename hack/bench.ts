/** Benchmarks: printed, never asserted. Ratios are within one run, so that a busy machine shows. */
import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { BenchCluster } from './benchmarks/cluster.ts';
import { describeProfile } from './benchmarks/cpu-profile.ts';
import { benchLatency } from './benchmarks/latency.ts';
import { benchLaunch } from './benchmarks/launch.ts';
import { benchMemory } from './benchmarks/memory.ts';
import { TaskWatch } from './benchmarks/task-watch.ts';

/** The bundle lies in .local/build of the checkout. */
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

interface Common {
  agents: number;
  cosmd: string;
  profile?: string;
}

type Bench<O> = (
  cluster: BenchCluster,
  watch: TaskWatch,
  options: O,
  say: (line: string) => void,
) => Promise<void>;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new InvalidArgumentError('it must be a whole number above 0');
  }
  return value;
}

/** One benchmark on a cluster of its own. */
async function run<O>(name: string, bench: Bench<O>, options: O, common: Common): Promise<void> {
  const profileDir = common.profile === undefined ? undefined : join(resolve(common.profile), name);
  if (profileDir !== undefined) mkdirSync(profileDir, { recursive: true });
  say(`==> ${name}`);
  await BenchCluster.with(
    { root, cosmd: resolve(common.cosmd), agents: common.agents, profileDir },
    async (cluster) => {
      const watch = new TaskWatch(cluster.transport);
      try {
        await bench(cluster, watch, options, say);
      } finally {
        watch.close();
      }
    },
  );
  if (profileDir !== undefined) for (const line of describeProfile(profileDir)) say(line);
}

function common(command: Command): Command {
  return command
    .option('--agents <n>', 'simulated agents', count, 100)
    .option('--cosmd <file>', 'the bundle to measure', join(root, '.local/build/cosmd.mjs'))
    .option(
      '--profile <directory>',
      'leave a CPU profile of cosmd there and show where its time went',
    );
}

const program = new Command('hack/bench')
  .description(
    'Benchmarks of cosmd on real etcd (synced to the disk), ZooKeeper and simulated agents. Without a command: all of them.',
  )
  .showHelpAfterError();

interface LaunchFlags extends Common {
  tasks: number;
  jobs: number;
  rounds: number;
}
common(program.command('launch'))
  .description('durable launches a second: apply → RUNNING with its addresses stored')
  .option('--tasks <n>', 'tasks a round', count, 2_000)
  .option('--jobs <n>', 'Jobs that they belong to', count, 4)
  .option('--rounds <n>', 'rounds', count, 3)
  .action((flags: LaunchFlags) => run('launch', benchLaunch, flags, flags));

interface LatencyFlags extends Common {
  rate: number;
  seconds: number;
}
common(program.command('latency'))
  .description('status update on the wire → event at a watcher of the API')
  .option('--rate <n>', 'updates a second', count, 100)
  .option('--seconds <n>', 'how long they are measured', count, 20)
  .action((flags: LatencyFlags) => run('latency', benchLatency, flags, flags));

interface MemoryFlags extends Common {
  tasks: number;
  jobs: number;
}
common(program.command('memory'))
  .description('memory of cosmd with many running tasks')
  .option('--tasks <n>', 'tasks', count, 10_000)
  .option('--jobs <n>', 'Jobs that they belong to', count, 20)
  .action((flags: MemoryFlags) => run('memory', benchMemory, flags, flags));

common(program.command('all', { isDefault: true }))
  .description('all of them, one after another')
  .action(async (flags: Common) => {
    await run('launch', benchLaunch, { tasks: 2_000, jobs: 4, rounds: 3 }, flags);
    await run('latency', benchLatency, { rate: 100, seconds: 20 }, flags);
    await run('memory', benchMemory, { tasks: 10_000, jobs: 20 }, flags);
  });

program.parseAsync().then(
  // Sockets of a cluster that is gone must not keep us.
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
