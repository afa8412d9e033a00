import { until } from '../local/wait.ts';
import type { BenchCluster } from './cluster.ts';
import { plainPuts, type Puts } from './etcd-baseline.ts';
import { applyJob, spread } from './load.ts';
import { median } from './statistics.ts';
import { isUp, type TaskWatch } from './task-watch.ts';
import { load, verdict } from './verdict.ts';

export interface Launched {
  seconds: number;
  /** Events of Tasks up to RUNNING with addresses: one for each write of a Task. */
  taskWrites: number;
  /** All writes in etcd meanwhile. */
  writes: number;
  /** CPU seconds by process. */
  cpu: Record<'cosmd' | 'etcd' | 'emulator' | 'bench', number>;
}

/** Applies Jobs with `tasks` instances together, and waits until all of them run with addresses. */
export async function launch(
  cluster: BenchCluster,
  watch: TaskWatch,
  { name, tasks, jobs }: { name: string; tasks: number; jobs: number },
): Promise<Launched> {
  const up = new Set<string>();
  let taskWrites = 0;
  let finished = 0;
  const stopListening = watch.onEvent((task) => {
    if (!task.spec.job.startsWith(`${name}-`)) return;
    taskWrites += 1;
    if (!isUp(task)) return;
    up.add(task.metadata.name);
    if (up.size === tasks) finished = performance.now();
  });
  const revision = await cluster.revision();
  const before = cluster.usage();
  const began = performance.now();
  const shapes = spread(tasks, jobs).map((replicas, index) => ({
    name: `${name}-${index}`,
    replicas,
  }));
  await Promise.all(shapes.map((shape) => applyJob(cluster.client, shape)));
  // At 50 tasks a second it is still worth waiting for.
  const patienceMs = 60_000 + tasks * 20;
  await until(() => {
    watch.assertOpen();
    return finished > 0;
  }, patienceMs);
  const after = cluster.usage();
  stopListening();
  if (finished === 0) {
    throw new Error(
      `${up.size} of ${tasks} tasks run after ${patienceMs / 1000} s; cosmd says:\n${cluster.process('cosmd').log.slice(-3000)}`,
    );
  }
  const spent = (process: keyof Launched['cpu']): number =>
    after[process].cpuSeconds - before[process].cpuSeconds;
  return {
    seconds: (finished - began) / 1000,
    taskWrites,
    writes: (await cluster.revision()) - revision,
    cpu: {
      cosmd: spent('cosmd'),
      etcd: spent('etcd'),
      emulator: spent('emulator'),
      bench: spent('bench'),
    },
  };
}

/** Writes that the scheduler has under way at a time. */
const concurrency = 64;
const warmUpTasks = 200;
/** About what a Task takes in etcd. */
const valueBytes = 2_500;

export interface LaunchOptions {
  tasks: number;
  jobs: number;
  rounds: number;
  /** How long plain puts are measured before and after a round. */
  putSeconds: number;
}

/** Durable launches a second, beside the plain puts that the same etcd takes before and after. */
export async function benchLaunch(
  cluster: BenchCluster,
  watch: TaskWatch,
  { tasks, jobs, rounds, putSeconds }: LaunchOptions,
  say: (line: string) => void,
): Promise<void> {
  await launch(cluster, watch, { name: 'warm-up', tasks: warmUpTasks, jobs: 1 });
  const puts = (): Promise<Puts> =>
    plainPuts(cluster.etcd, { concurrency, bytes: valueBytes, seconds: putSeconds });
  // The client's code is compiled by then.
  await puts();
  let before = await puts();
  const figures: Figures[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const launched = await launch(cluster, watch, { name: `round${round}`, tasks, jobs });
    const after = await puts();
    const measured = figuresOf(launched, tasks, [before, after]);
    before = after;
    figures.push(measured);
    for (const line of describe(launched, tasks, measured)) say(line);
  }
  const perSecond = median(figures.map((figure) => figure.perSecond));
  const middle = (of: (figure: Figures) => number): number => median(figures.map(of));
  say(
    `launch: ${perSecond.toFixed(0)} tasks/s, ` +
      `${middle(({ share }) => share).toFixed(2)} of what etcd takes in plain puts at 4 a task; ` +
      `cosmd's CPU for a task is that of ${middle(({ putsOfCpu }) => putsOfCpu).toFixed(1)} plain puts; ` +
      `${load()}; ${verdict('500 tasks/s', perSecond >= 500)}`,
  );
}

interface Figures {
  perSecond: number;
  /** Plain puts a second around it. */
  puts: number;
  /** Tasks a second, of those that plain puts at 4 a task would make. */
  share: number;
  /** CPU of cosmd for a task, in CPU of the client for a plain put: machine and load cancel out. */
  putsOfCpu: number;
}

function figuresOf({ seconds, cpu }: Launched, tasks: number, around: readonly Puts[]): Figures {
  const mean = (of: (puts: Puts) => number): number =>
    around.reduce((sum, puts) => sum + of(puts), 0) / around.length;
  const puts = mean((one) => one.perSecond);
  return {
    perSecond: tasks / seconds,
    puts,
    share: (tasks / seconds / puts) * 4,
    putsOfCpu: (cpu.cosmd * 1000) / tasks / mean((one) => one.cpuMs),
  };
}

function describe(launched: Launched, tasks: number, figures: Figures): string[] {
  const { seconds, taskWrites, writes, cpu } = launched;
  const { perSecond, puts, share, putsOfCpu } = figures;
  const each = (of: number): string => `${((of * 1000) / tasks).toFixed(2)} ms`;
  const perTask = (of: number): string => (of / tasks).toFixed(2);
  return [
    `${tasks} tasks in ${seconds.toFixed(2)} s = ${perSecond.toFixed(0)} tasks/s; ` +
      `${perTask(taskWrites)} writes a task (${perTask(writes)} with Jobs, Agents, Events)`,
    `  plain puts ${puts.toFixed(0)}/s, ${concurrency} at a time; ` +
      `4 writes a task would be ${(puts / 4).toFixed(0)} tasks/s: ratio ${share.toFixed(2)}`,
    `  CPU a task: cosmd ${each(cpu.cosmd)} (${putsOfCpu.toFixed(1)} plain puts), etcd ${each(cpu.etcd)}, ` +
      `emulator ${each(cpu.emulator)}, this watcher ${each(cpu.bench)}`,
  ];
}
