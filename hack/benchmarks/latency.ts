import type { ObjectRef } from '../../api/client/client.ts';
import { jobResource } from '../../api/v1/job.ts';
import { until } from '../local/wait.ts';
import type { BenchCluster } from './cluster.ts';
import { pause, putToWatch } from './etcd-baseline.ts';
import { applyJob } from './load.ts';
import { percentile, summary } from './statistics.ts';
import { isUp, type TaskWatch } from './task-watch.ts';
import { load, verdict } from './verdict.ts';

export interface LatencyOptions {
  /** Updates a second. A launch makes two: STARTING and RUNNING. */
  rate: number;
  /** How long updates are measured. */
  seconds: number;
  /** The first updates come while code is still being compiled. */
  warmUpSeconds: number;
}

/** Scaled up in turn. */
const jobs = 10;
/** Time between two steps of one instance or more. */
const stepMs = 100;

/** Milliseconds from the making of an update to its event at the watcher, by what the update says. */
interface Latencies {
  /** Sent as soon as it is made: this is the time on the wire. */
  starting: number[];
  /** Made soon after, and sent once the agent has the acknowledgement of STARTING. */
  running: number[];
}

/**
 * Milliseconds from a status update, as stamped by the agent that makes it, to the event that a watcher of
 * Tasks receives over HTTPS: master, scheduler, etcd and API lie between. All on one machine's clock.
 */
export async function benchLatency(
  cluster: BenchCluster,
  watch: TaskWatch,
  options: LatencyOptions,
  say: (line: string) => void,
): Promise<void> {
  // While updates come, each also costs the etcd of a cluster two writes before it: create and bind.
  const baseline = {
    perSecond: options.rate * 2,
    bytes: 2_500,
    seconds: Math.min(5, options.seconds),
  };
  const etcdBefore = await putToWatch(cluster.etcd, baseline);
  const measured = await measure(cluster, watch, options);
  const etcdAfter = await putToWatch(cluster.etcd, baseline);
  const etcd = [...etcdBefore, ...etcdAfter];
  const { starting, running } = measured;
  const updates = (starting.length + running.length) / options.seconds;
  say(row(`etcd put → watch, ${baseline.perSecond} puts/s`, etcd));
  say(row(`update → watcher, ${updates.toFixed(0)} updates/s`, starting));
  say(row('RUNNING, which waits for the acknowledgement of STARTING', running));
  const ratio = (share: number): string =>
    (percentile(starting, share) / percentile(etcd, share)).toFixed(1);
  const [middle, late] = [percentile(starting, 0.5), percentile(starting, 0.99)];
  say(
    `latency: p50 ${middle.toFixed(1)} ms, p99 ${late.toFixed(1)} ms, ` +
      `${ratio(0.5)} and ${ratio(0.99)} times etcd's own; ${load()}; ` +
      verdict('p99 ≤ 50 ms', late <= 50),
  );
}

function row(name: string, values: readonly number[]): string {
  return `${name}: ${summary(values)}`;
}

async function measure(
  cluster: BenchCluster,
  watch: TaskWatch,
  { rate, seconds, warmUpSeconds }: LatencyOptions,
): Promise<Latencies> {
  const stamps = new Map<string, number>();
  const up = new Set<string>();
  const latencies: Latencies = { starting: [], running: [] };
  let measuring = false;
  const stopListening = watch.onEvent((task, receivedAt) => {
    const { name } = task.metadata;
    if (isUp(task)) up.add(name);
    const stamp = task.status?.mesos?.timestamp;
    // An update that changes the state brings its own time; other writes keep the last one.
    if (stamp === undefined || stamps.get(name) === stamp) return;
    stamps.set(name, stamp);
    if (!measuring) return;
    const { starting, running } = latencies;
    const kept = task.status?.mesos?.state === 'TASK_STARTING' ? starting : running;
    kept.push(receivedAt - stamp * 1000);
  });
  const began = performance.now();
  const tasks = await scaleUp(cluster, rate / 2, warmUpSeconds + seconds, () => {
    measuring = performance.now() - began > warmUpSeconds * 1000;
  });
  measuring = false;
  const all = await until(() => up.size >= tasks, 60_000);
  stopListening();
  watch.assertOpen();
  if (!all) throw new Error(`${up.size} of ${tasks} tasks run after a minute`);
  return latencies;
}

/** Adds instances steadily, Job after Job; answers how many there are at the end. */
async function scaleUp(
  { client }: BenchCluster,
  perSecond: number,
  seconds: number,
  onStep: () => void,
): Promise<number> {
  const names = Array.from({ length: jobs }, (_, index) => `steady-${index}`);
  for (const name of names) await applyJob(client, { name, replicas: 0 });
  const replicas = new Map<string, number>();
  const began = performance.now();
  let total = 0;
  for (let step = 1; step * stepMs <= seconds * 1000; step += 1) {
    const more = Math.floor((perSecond * step * stepMs) / 1000) - total;
    const name = names[step % jobs] ?? '';
    const ref: ObjectRef = { namespace: 'default', name };
    const wanted = (replicas.get(name) ?? 0) + more;
    replicas.set(name, wanted);
    total += more;
    await client.of(jobResource).setScale(ref, wanted);
    onStep();
    await pause(Math.max(0, began + step * stepMs - performance.now()));
  }
  return total;
}
