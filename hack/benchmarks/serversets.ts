import { concurrently } from '../../controllers/runtime/concurrently.ts';
import { until } from '../local/wait.ts';
import { epochPath, type BenchCluster } from './cluster.ts';
import { pause } from './etcd-baseline.ts';
import { applyJob, spread } from './load.ts';
import type { TaskWatch } from './task-watch.ts';
import { load, verdict } from './verdict.ts';

export interface ServerSetsOptions {
  sets: number;
  /** In all sets together. */
  members: number;
  /** Nothing happens for so long. */
  quietSeconds: number;
  /** For so long nothing but the Lease must be written until it counts as at rest. */
  settleSeconds: number;
}

interface PublishedSet {
  path: string;
  members: number;
}

const aimSeconds = 10;
/** Requests to ZooKeeper under way at a time. */
const inFlight = 64;
/** Sets that lack a member when a new leader comes: it must mend them. */
const damagedSets = 20;
const buildWithinMs = 600_000;
const settleWithinMs = 180_000;
const takeoverWithinMs = 120_000;

/** What many ServerSets cost at rest, and how long a new leader takes to hold all of them against ZooKeeper. */
export async function benchServerSets(
  cluster: BenchCluster,
  _watch: TaskWatch,
  { sets: count, members, quietSeconds, settleSeconds }: ServerSetsOptions,
  say: (line: string) => void,
): Promise<void> {
  const sets = spread(members, count).map((each, index) => ({
    path: `/mesocosm/default/set-${index}`,
    members: each,
  }));
  const began = performance.now();
  await concurrently(sets, 8, async ({ path, members: replicas }) => {
    await applyJob(cluster.client, { name: path.split('/').at(-1) ?? '', replicas, zkPath: path });
  });
  const built = await until(() => allComplete(cluster, sets), buildWithinMs);
  if (!built) throw new Error(`not all members exist after ${buildWithinMs / 1000} s`);
  const seconds = (performance.now() - began) / 1000;
  say(`${members} members in ${count} ServerSets, launched in ${seconds.toFixed(0)} s; ${load()}`);
  await settled(cluster, settleSeconds);
  await atRest(cluster, quietSeconds, say);
  await failover(cluster, sets, settleSeconds, say);
}

/** After the last member has appeared statuses are still being written; those of Agents once a minute. */
async function settled(cluster: BenchCluster, seconds: number): Promise<void> {
  const quiet = await until(async () => {
    const revision = await cluster.revision();
    await pause(seconds * 1000);
    return withoutLease(await writtenSince(cluster, revision)).length === 0;
  }, settleWithinMs);
  if (!quiet)
    throw new Error(`objects are still written ${settleWithinMs / 1000} s after the launch`);
}

async function atRest(
  cluster: BenchCluster,
  seconds: number,
  say: (line: string) => void,
): Promise<void> {
  const [zxid, revision] = [await markZooKeeper(cluster), await cluster.revision()];
  const before = cluster.usage();
  await pause(seconds * 1000);
  const after = cluster.usage();
  const total = (await cluster.revision()) - revision;
  const written = await writtenSince(cluster, revision);
  // The second mark is a write of ours.
  const zookeeperWrites = Number((await markZooKeeper(cluster)) - zxid) - 1;
  const others = withoutLease(written);
  const cpu = (name: 'cosmd' | 'etcd'): string =>
    `${(((after[name].cpuSeconds - before[name].cpuSeconds) / seconds) * 100).toFixed(1)} %`;
  say(
    `at rest for ${seconds} s: CPU of cosmd ${cpu('cosmd')}, of etcd ${cpu('etcd')}; ` +
      `etcd: ${total} writes, ${others.length === 0 ? 'all of the Lease' : `of ${others.length} objects besides the Lease`}; ` +
      `ZooKeeper: ${zookeeperWrites} writes; ${load()}; ` +
      verdict('no writes but of the Lease', others.length === 0 && zookeeperWrites === 0),
  );
  if (others.length > 0) say(`  written: ${others.slice(0, 10).join(' ')}`);
}

/**
 * The leader is killed and, while nobody leads, members of some sets are taken away. A leader watches every
 * member that it has read, so ZooKeeper's count of watches tells when it has read all.
 */
async function failover(
  cluster: BenchCluster,
  sets: readonly PublishedSet[],
  settleSeconds: number,
  say: (line: string) => void,
): Promise<void> {
  const { zookeeper } = cluster;
  const standby = await cluster.startStandby();
  // Its caches are full by then.
  await pause(settleSeconds * 1000);
  const epoch = await zookeeper.exists(epochPath);
  const killed = performance.now();
  await cluster.process('cosmd').kill();
  const damaged = sets.filter((_, index) => index % Math.ceil(sets.length / damagedSets) === 0);
  for (const { path } of damaged) {
    const { children } = await zookeeper.getChildren(path);
    const victim = children.find((name) => name.startsWith('member_'));
    if (victim !== undefined) await zookeeper.delete(`${path}/${victim}`);
  }
  const taken = async (): Promise<boolean> =>
    (await zookeeper.exists(epochPath))?.version !== epoch?.version;
  if (await taken()) throw new Error('the standby has taken over before members were taken away');
  const withoutLeader = await cluster.watches();
  if (!(await until(taken, takeoverWithinMs))) throw new Error('the standby has not taken over');
  const led = performance.now();
  const cpu = standby.usage().cpuSeconds;
  const all = sets.reduce((sum, { members }) => sum + members, 0);
  const verified = async (): Promise<boolean> =>
    (await cluster.watches()) - withoutLeader >= all && (await allComplete(cluster, damaged));
  if (!(await until(verified, takeoverWithinMs))) {
    throw new Error('not every member was verified within two minutes');
  }
  const seconds = (performance.now() - led) / 1000;
  say(
    `leader killed, ${damaged.length} members taken away; ` +
      `a standby led ${((led - killed) / 1000).toFixed(1)} s after the kill`,
  );
  say(
    `serversets: all ${all} members verified, and those mended, ${seconds.toFixed(1)} s after that ` +
      `(CPU ${(standby.usage().cpuSeconds - cpu).toFixed(1)} s); ${load()}; ` +
      verdict(`< ${aimSeconds} s`, seconds < aimSeconds),
  );
}

async function allComplete(
  { zookeeper }: BenchCluster,
  sets: readonly PublishedSet[],
): Promise<boolean> {
  let complete = true;
  await concurrently(sets, inFlight, async ({ path, members }) => {
    // The first that lacks one answers for all.
    if (complete && (await zookeeper.exists(path))?.numChildren !== members) complete = false;
  });
  return complete;
}

/** ZooKeeper's number of a write made now: every write of anybody counts one. */
async function markZooKeeper({ zookeeper }: BenchCluster): Promise<bigint> {
  const path = await zookeeper.create('/bench-mark-', Buffer.alloc(0), { sequential: true });
  const stat = await zookeeper.exists(path);
  if (stat === undefined) throw new Error(`${path} has gone`);
  return stat.czxid;
}

function withoutLease(keys: readonly string[]): string[] {
  return keys.filter((key) => !key.includes('/leases/'));
}

/** Keys of cosmd's that were written after `revision` and still exist. */
async function writtenSince({ etcd }: BenchCluster, revision: number): Promise<string[]> {
  const answer = await etcd.once((client, options) =>
    client.kv.range(
      {
        key: Buffer.from('/mesocosm/'),
        range_end: Buffer.from('/mesocosm0'),
        min_mod_revision: String(revision + 1),
        keys_only: true,
      },
      options,
    ),
  );
  return answer.kvs.map(({ key }) => key.toString());
}
