import type { BenchCluster } from './cluster.ts';
import { pause } from './etcd-baseline.ts';
import { launch } from './launch.ts';
import type { NodeMemory, Usage } from './measured-process.ts';
import type { TaskWatch } from './task-watch.ts';
import { load, verdict } from './verdict.ts';

export interface MemoryOptions {
  tasks: number;
  jobs: number;
  /** At rest means: nothing has changed for so long. */
  restSeconds: number;
}

/** With 10,000 tasks. */
const aimBytes = 400e6;

interface Sample {
  usage: Usage;
  node: NodeMemory;
}

/** What cosmd takes with nothing to do, and with `tasks` running and at rest. */
export async function benchMemory(
  cluster: BenchCluster,
  watch: TaskWatch,
  { tasks, jobs, restSeconds }: MemoryOptions,
  say: (line: string) => void,
): Promise<void> {
  const cosmd = cluster.process('cosmd');
  // RSS is read first: asking for the rest collects garbage.
  const sample = async (): Promise<Sample> => ({
    usage: cosmd.usage(),
    node: await cosmd.memory(),
  });
  const empty = await sample();
  const { seconds } = await launch(cluster, watch, { name: 'memory', tasks, jobs });
  const launched = cosmd.usage();
  await pause(restSeconds * 1000);
  const began = cosmd.usage();
  await pause(5_000);
  const idle = (cosmd.usage().cpuSeconds - began.cpuSeconds) / 5;
  const full = await sample();
  say(`without tasks: RSS ${mib(empty.usage.rssBytes)}, live heap ${mib(empty.node.heapLive)}`);
  say(
    `${tasks} tasks launched in ${seconds.toFixed(1)} s: RSS ${mib(launched.rssBytes)}, peak ${mib(launched.peakRssBytes)}`,
  );
  say(
    `at rest: RSS ${mib(full.usage.rssBytes)}; heap ${mib(full.node.heapUsed)} used of ${mib(full.node.heapTotal)}, ` +
      `${mib(full.node.heapLive)} live; outside the heap ${mib(full.node.external)}; CPU ${(idle * 100).toFixed(1)} %`,
  );
  const each = (full.node.heapLive - empty.node.heapLive) / tasks / 1024;
  say(
    `memory: RSS ${mib(full.usage.rssBytes)} with ${tasks} running tasks, peak ${mib(full.usage.peakRssBytes)}; ` +
      `${each.toFixed(1)} KiB of live heap a task; ${load()}; ` +
      verdict('≤ 400 MB with 10,000 tasks', full.usage.rssBytes <= aimBytes),
  );
}

function mib(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(0)} MiB`;
}
