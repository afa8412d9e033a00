import { parseMesosTaskId } from '../../api/v1/task.ts';
import type { TaskStatus } from '../../proto/mesos/generated/messages.ts';
import type { ZooKeeperClient } from '../../proto/zookeeper/client.ts';
import { until } from '../local/wait.ts';
import type { BenchCluster } from './cluster.ts';
import { paced, pause, put } from './etcd-baseline.ts';
import { applyJob, spread } from './load.ts';
import { MemberWatch } from './member-watch.ts';
import { percentile, summary } from './statistics.ts';
import { isReady, type SeenTask, type TaskWatch } from './task-watch.ts';
import { load, verdict } from './verdict.ts';

export interface PublishOptions {
  /** Changes a second: half of them make a task ready, half make one unready. */
  rate: number;
  /** How long they are measured. */
  seconds: number;
  /** The first changes come while code is still being compiled. */
  warmUpSeconds: number;
}

/** Between two changes of one task. */
const flapSeconds = 2;
/** Instances of a Job, which are the members on one path. */
const instances = 10;
/** One etcd put and then one ZooKeeper create, so many times a second meanwhile. */
const baselineRate = 50;
const valueBytes = 2_500;
const memberBytes = 450;
/** Aim: our 99th percentile in those of the baseline. */
const aimRatio = 3;

/** Milliseconds since the update passed on its way from the master. */
interface Latencies {
  /** To its event at a watcher of the API. */
  watched: number[];
  /** To the member, as a client of ZooKeeper reads it. */
  published: number[];
  /** Updates on the wire that were measured, of either direction. */
  updates: number;
  /** Tasks that were unready again before their member was seen. */
  overtaken: number;
}

/**
 * From the bytes of a TASK_RUNNING that makes its task ready, through etcd and the watch, to the member in
 * ZooKeeper, while readiness changes at a steady rate. Beside it: one etcd put and then one create in
 * ZooKeeper, by the same libraries on the same servers at the same time.
 */
export async function benchPublish(
  cluster: BenchCluster,
  watch: TaskWatch,
  { rate, seconds, warmUpSeconds }: PublishOptions,
  say: (line: string) => void,
): Promise<void> {
  const tasks = rate * flapSeconds;
  const members = new MemberWatch(cluster.zookeeper);
  const follower = new Follower(cluster, watch, members);
  const ready = new Set<string>();
  const stopCounting = watch.onEvent((task) => {
    if (isReady(task)) ready.add(task.metadata.name);
  });
  for (const [index, replicas] of spread(tasks, Math.ceil(tasks / instances)).entries()) {
    const name = `flap-${index}`;
    const zkPath = `/mesocosm/default/${name}`;
    await applyJob(cluster.client, { name, replicas, zkPath, flapSeconds });
    members.follow(zkPath);
  }
  const all = await until(() => ready.size >= tasks, 120_000);
  stopCounting();
  if (!all) throw new Error(`${ready.size} of ${tasks} tasks were ready within two minutes`);
  await pause(warmUpSeconds * 1000);
  const before = cluster.usage();
  follower.measuring = true;
  const baseline = await putAndCreate(cluster, seconds);
  follower.measuring = false;
  const after = cluster.usage();
  const under = load();
  // What is on its way still counts.
  await pause(flapSeconds * 1000);
  follower.stop();
  watch.assertOpen();
  members.assertOpen();
  const cpu = (name: 'cosmd' | 'etcd'): string =>
    `${(((after[name].cpuSeconds - before[name].cpuSeconds) / seconds) * 100).toFixed(0)} %`;
  report(follower.latencies, baseline, seconds, say);
  say(`  CPU meanwhile: cosmd ${cpu('cosmd')}, etcd ${cpu('etcd')} of a core; ${under}`);
}

function report(
  { watched, published, updates, overtaken }: Latencies,
  baseline: readonly number[],
  seconds: number,
  say: (line: string) => void,
): void {
  const late = percentile(published, 0.99) / percentile(baseline, 0.99);
  const middle = percentile(published, 0.5) / percentile(baseline, 0.5);
  say(`one etcd put, then one ZooKeeper create: ${summary(baseline)}`);
  say(`TASK_RUNNING on the wire → watcher:      ${summary(watched)}`);
  say(`TASK_RUNNING on the wire → member:       ${summary(published)}`);
  say(
    `publish: at ${(updates / seconds).toFixed(0)} changes/s the member is there after ` +
      `${middle.toFixed(1)} times (p50) and ${late.toFixed(1)} times (p99) the two plain writes; ` +
      verdict(`p99 within ${aimRatio} times`, late <= aimRatio),
  );
  if (overtaken > 0) say(`  ${overtaken} tasks were unready again before their member was seen`);
}

/** Follows each task from its update to its member. */
class Follower {
  readonly latencies: Latencies = { watched: [], published: [], updates: 0, overtaken: 0 };
  measuring = false;
  /** When the update passed that made a task ready, until its member is seen. */
  readonly #passed = new Map<string, { at: number; watched: boolean }>();
  readonly #names = new Map<string, string>();
  readonly #stops: readonly (() => void)[];

  constructor(cluster: BenchCluster, watch: TaskWatch, members: MemberWatch) {
    this.#stops = [
      cluster.tap.onUpdate((update, at) => {
        this.#updated(update, at);
      }),
      watch.onEvent((task, at) => {
        this.#watched(task, at);
      }),
      members.onMember((uid, at) => {
        this.#published(uid, at);
      }),
    ];
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }

  #updated({ task_id: id, state, check_status: check }: TaskStatus, at: number): void {
    const name = parseMesosTaskId(id.value)?.name;
    const isUp = check?.tcp?.succeeded;
    if (!this.measuring || name === undefined || state !== 'TASK_RUNNING' || isUp === undefined) {
      return;
    }
    this.latencies.updates += 1;
    if (isUp) this.#passed.set(name, { at, watched: false });
    else if (this.#passed.delete(name)) this.latencies.overtaken += 1;
  }

  #watched(task: SeenTask, at: number): void {
    const { name, uid } = task.metadata;
    this.#names.set(uid, name);
    const passed = this.#passed.get(name);
    if (passed === undefined || passed.watched || !isReady(task)) return;
    passed.watched = true;
    this.latencies.watched.push(at - passed.at);
  }

  #published(uid: string, at: number): void {
    const name = this.#names.get(uid) ?? '';
    const passed = this.#passed.get(name);
    if (passed === undefined) return;
    this.#passed.delete(name);
    this.latencies.published.push(at - passed.at);
  }
}

/** Milliseconds for one put in etcd and, once it is answered, one create in ZooKeeper. */
async function putAndCreate(
  { etcd, zookeeper }: { etcd: BenchCluster['etcd']; zookeeper: ZooKeeperClient },
  seconds: number,
): Promise<number[]> {
  const parent = '/bench';
  await zookeeper.create(parent, Buffer.alloc(0));
  const value = Buffer.alloc(valueBytes, 'x');
  const member = Buffer.alloc(memberBytes, 'x');
  const latencies: number[] = [];
  await paced(baselineRate, seconds, async (index) => {
    const began = performance.now();
    await put(etcd, `/bench/publish/${index}`, value);
    await zookeeper.create(`${parent}/member_`, member, { sequential: true });
    latencies.push(performance.now() - began);
  });
  return latencies;
}
