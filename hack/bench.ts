/** Benchmarks: printed, never asserted. Ratios are within one run, so that a busy machine shows. */
import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { benchApi } from './benchmarks/api/bench.ts';
import { withApiCluster } from './benchmarks/api/cluster.ts';
import type { ApiBenchOptions } from './benchmarks/api/measure.ts';
import { BenchCluster } from './benchmarks/cluster.ts';
import { describeProfile } from './benchmarks/cpu-profile.ts';
import { benchLatency } from './benchmarks/latency.ts';
import { benchLaunch } from './benchmarks/launch.ts';
import { benchMemory } from './benchmarks/memory.ts';
import { benchPublish } from './benchmarks/publish.ts';
import { benchServerSets } from './benchmarks/serversets.ts';
import { TaskWatch } from './benchmarks/task-watch.ts';

/** The bundle lies in .local/build of the checkout. */
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

interface Common {
  quick?: true;
  agents: number;
  cosmd: string;
  profile?: string;
}

interface Bench<O> {
  name: string;
  run: (
    cluster: BenchCluster,
    watch: TaskWatch,
    options: O,
    say: (line: string) => void,
  ) => Promise<void>;
  /** How much of everything: the aims are about these. */
  full: O;
  /** For a look whether something has become much slower. */
  quick: O;
  tapped?: boolean;
}

/** Of the leader, in seconds: cosmd's own default, and as short as it may be. */
const term = { full: 15, quick: 3 };

const launch: Bench<Parameters<typeof benchLaunch>[2]> = {
  name: 'launch',
  run: benchLaunch,
  full: { tasks: 2_000, jobs: 4, rounds: 3, putSeconds: 2 },
  quick: { tasks: 300, jobs: 2, rounds: 1, putSeconds: 1 },
};
const latency: Bench<Parameters<typeof benchLatency>[2]> = {
  name: 'latency',
  run: benchLatency,
  full: { rate: 100, seconds: 20, warmUpSeconds: 5 },
  quick: { rate: 40, seconds: 3, warmUpSeconds: 2 },
};
const publish: Bench<Parameters<typeof benchPublish>[2]> = {
  name: 'publish',
  run: benchPublish,
  full: { rate: 500, seconds: 20, warmUpSeconds: 5 },
  quick: { rate: 100, seconds: 4, warmUpSeconds: 2 },
  tapped: true,
};
const serverSets: Bench<Parameters<typeof benchServerSets>[2]> = {
  name: 'serversets',
  run: benchServerSets,
  full: { sets: 1_000, members: 10_000, quietSeconds: 20, settleSeconds: 5 },
  quick: { sets: 30, members: 150, quietSeconds: 3, settleSeconds: 2 },
};
const memory: Bench<Parameters<typeof benchMemory>[2]> = {
  name: 'memory',
  run: benchMemory,
  full: { tasks: 10_000, jobs: 20, restSeconds: 20 },
  quick: { tasks: 300, jobs: 3, restSeconds: 2 },
};

/** The API alone, without Mesos: its cluster is another. */
const api: Record<'full' | 'quick', ApiBenchOptions> = {
  full: {
    few: 2_000,
    many: 10_000,
    concurrency: 64,
    seconds: 5,
    lists: 10,
    watchers: 200,
    moreWatchers: 1_000,
    changes: 50,
  },
  quick: {
    few: 200,
    many: 1_000,
    concurrency: 64,
    seconds: 1,
    lists: 3,
    watchers: 20,
    moreWatchers: 100,
    changes: 10,
  },
};

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
async function run<O>(bench: Bench<O>, options: O, common: Common): Promise<void> {
  const { name } = bench;
  const profileDir = common.profile === undefined ? undefined : join(resolve(common.profile), name);
  if (profileDir !== undefined) mkdirSync(profileDir, { recursive: true });
  say(`==> ${name}`);
  await BenchCluster.with(
    {
      root,
      cosmd: resolve(common.cosmd),
      agents: common.agents,
      profileDir,
      tapped: bench.tapped === true,
      leaseSeconds: common.quick === true ? term.quick : term.full,
    },
    async (cluster) => {
      const watch = new TaskWatch(cluster.transport);
      try {
        await bench.run(cluster, watch, options, say);
      } finally {
        watch.close();
      }
    },
  );
  if (profileDir !== undefined) for (const line of describeProfile(profileDir)) say(line);
}

/** The benchmark of the API on a cluster of its own. */
async function runApi(
  options: ApiBenchOptions,
  { cosmd, profile, kubeApiserver }: Common & { kubeApiserver?: string },
): Promise<void> {
  const profileDir = profile === undefined ? undefined : join(resolve(profile), 'api');
  if (profileDir !== undefined) mkdirSync(profileDir, { recursive: true });
  say('==> api');
  const { concurrency } = options;
  await withApiCluster(
    { root, cosmd: resolve(cosmd), kubeApiserver, profileDir, concurrency },
    (cluster) => benchApi(cluster, options, say),
  );
  if (profileDir !== undefined) for (const line of describeProfile(profileDir)) say(line);
}

/** A command for one benchmark, with an option for each of its figures. */
function command<O extends object>(
  bench: Bench<O>,
  description: string,
  flags: Readonly<Record<keyof O & string, string>>,
): void {
  const added = common(program.command(bench.name)).description(description);
  const defaults = new Map<string, unknown>(Object.entries(bench.full));
  for (const [name, meaning] of Object.entries<string>(flags)) {
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    added.option(`--${flag} <n>`, `${meaning} (default: ${String(defaults.get(name))})`, count);
  }
  added.action((given: Common & Partial<O>) =>
    run(bench, { ...(given.quick === true ? bench.quick : bench.full), ...given }, given),
  );
}

function common(on: Command): Command {
  return on
    .option('--quick', 'little of everything, in seconds: its figures are rough')
    .option('--agents <n>', 'simulated agents', count, 100)
    .option('--cosmd <file>', 'the bundle to measure', join(root, '.local/build/cosmd.mjs'))
    .option(
      '--profile <directory>',
      'leave a CPU profile of cosmd there and show where its time went',
    );
}

const program = new Command('hack/bench')
  .description(
    'Benchmarks of cosmd on real etcd (synced to the disk), ZooKeeper and simulated agents. Without a command: all of them, ' +
      'in some fifteen minutes; with --quick the launches, the publishing, the failover and the API, in about one. ' +
      'An aim that is missed is printed and changes no exit status.',
  )
  .showHelpAfterError();

command(launch, 'durable launches a second: apply → RUNNING with its addresses stored', {
  tasks: 'tasks a round',
  jobs: 'Jobs that they belong to',
  rounds: 'rounds',
  putSeconds: 'how long plain puts are measured before and after each',
});
command(latency, 'status update on the wire → event at a watcher of the API', {
  rate: 'updates a second',
  seconds: 'how long they are measured',
  warmUpSeconds: 'how long they come before that',
});
command(publish, 'TASK_RUNNING on the wire → etcd → watcher → member in ZooKeeper', {
  rate: 'changes of readiness a second',
  seconds: 'how long they are measured',
  warmUpSeconds: 'how long they come before that',
});
command(serverSets, 'many ServerSets at rest, and the time to verify all after a failover', {
  sets: 'ServerSets',
  members: 'members in all of them together',
  quietSeconds: 'how long they are measured at rest',
  settleSeconds: 'how long nothing is written before that, and a standby fills its caches',
});
command(memory, 'memory of cosmd with many running tasks', {
  tasks: 'tasks',
  jobs: 'Jobs that they belong to',
  restSeconds: 'how long nothing has changed when it is measured at rest',
});

common(program.command('api'))
  .description('requests of the API, lists, watchers and memory, beside etcd itself')
  .option('--kube-apiserver <file>', 'a kube-apiserver to compare with, on the same etcd')
  .option('--many <n>', `objects (default: ${api.full.many})`, count)
  .option('--more-watchers <n>', `watchers (default: ${api.full.moreWatchers})`, count)
  .option('--seconds <n>', `how long requests are measured (default: ${api.full.seconds})`, count)
  .action((given: Common & Partial<ApiBenchOptions> & { kubeApiserver?: string }) =>
    runApi({ ...(given.quick === true ? api.quick : api.full), ...given }, given),
  );

common(program.command('all', { isDefault: true }))
  .description('all of them, one after another')
  .action(async (given: Common) => {
    const quick = given.quick === true;
    const one = <O>(bench: Bench<O>): Promise<void> =>
      run(bench, quick ? bench.quick : bench.full, given);
    await one(launch);
    if (!quick) await one(latency);
    await one(publish);
    await one(serverSets);
    if (!quick) await one(memory);
    await runApi(quick ? api.quick : api.full, given);
  });

program.parseAsync().then(
  // Sockets of a cluster that is gone must not keep us.
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
