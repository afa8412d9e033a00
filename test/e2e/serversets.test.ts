import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '../../api/client/client.ts';
import { jobResource } from '../../api/v1/job.ts';
import { phaseOf, type Task } from '../../api/v1/task.ts';
import { ensureCertificates } from '../../hack/local/certificates.ts';
import { eventually, TestCluster } from '../support/cluster.ts';
import { FollowingReader } from '../support/reader.ts';
import { change, liveTasksOf, pathOf, remove, running, service } from './support/jobs.ts';
import { ServingRecord } from './support/serving-record.ts';

// Two cosmd, whose nodes in ZooKeeper are theirs alone to write, over TLS; a reader of another make that
// looks at every change of a path; and etcd's word for which task served when.
let directory: string;
let cluster: TestCluster;
let record: ServingRecord;
let reader: FollowingReader;
/** Where its looks begin that count. */
let settled: number;

const replicas = 6;
const maxUnavailable = 2;
const name = 'front';
/** Long enough after the start for a reader to tell a task that runs from one that is ready. */
const readinessProbe = {
  tcpSocket: { port: 'http' },
  initialDelaySeconds: 1,
  periodSeconds: 0.2,
};
const version = (number: number): string => `exec server --version ${number} --port 8080`;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mesocosm-serversets-'));
  const { caFile, server } = ensureCertificates(join(directory, 'certificates'));
  const passwordFile = join(directory, 'password');
  writeFileSync(passwordFile, 'correct-horse-battery\n', { mode: 0o600 });
  cluster = await TestCluster.start({
    tapped: true,
    cosmds: 2,
    emulator: { agents: 4, timings: { agentPingTimeout: 1_000, maxAgentPingTimeouts: 2 } },
    config: { leaseSeconds: 3 },
    zookeeperServer: { tls: { caFile, ...server } },
    zookeeper: { tls: { caFile }, digest: { user: 'mesocosm', passwordFile }, acl: 'Creator' },
  });
  record = await ServingRecord.start(cluster.etcd.endpoint);
  await cluster.client.of(jobResource).create(
    service(name, {
      replicas,
      published: true,
      container: { script: version(1), readinessProbe },
      template: { constraints: [{ attribute: 'hostname', operator: 'MaxPerDomain', max: 2 }] },
      updateStrategy: { maxUnavailable, minReadySeconds: 1 },
      unreachable: { replaceAfterSeconds: 1 },
    }),
  );
  await running(cluster.client, name, replicas);
}, 240_000);
afterAll(async () => {
  await remove(cluster.client, name);
  await record.stop();
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
}, 240_000);

beforeEach(async () => {
  const { connectString } = cluster.zookeeper;
  reader = await FollowingReader.start({ connectString, path: pathOf(name) });
  await seesTheReady(cluster.client);
  settled = reader.looks.length - 1;
});
afterEach(async () => {
  await reader.stop();
  for (const cosmd of cluster.cosmds) if (!cosmd.running) await cosmd.start();
});

const uids = (tasks: readonly Task[]): string[] => tasks.map(({ metadata }) => metadata.uid).sort();

/** Waits until what the reader sees are the ready tasks, each at its address, and answers them. */
async function seesTheReady(client: Client, count = replicas): Promise<Task[]> {
  return eventually('the reader sees exactly the ready tasks', async () => {
    const tasks = await running(client, name, count);
    const wanted = tasks.map(({ metadata, status }) => `${metadata.uid} at ${status?.ip}:8080`);
    const seen = reader.members.map(
      ({ metadata, service: { host, port } }) =>
        `${metadata['mesocosm.dev/task']} at ${host}:${port}`,
    );
    if (seen.sort().join() === wanted.sort().join()) return tasks;
    throw new Error(`it sees ${seen.join(', ')}, there are ${wanted.join(', ')}`);
  });
}

/** Sizes of the sets that the reader saw since it had seen all tasks. */
function counts(): number[] {
  return reader.counts(settled);
}

function expectNoShardTwice(): void {
  for (const { members } of reader.looks) {
    const shards = members.map(({ shard }) => shard);
    expect(new Set(shards).size).toBe(shards.length);
  }
}

async function update(client: Client, script: string): Promise<void> {
  const { containers } = service(name, { container: { script, readinessProbe } }).spec.template
    .spec;
  await change(client, name, { template: { spec: { containers } } });
}

const hasRolledOut = (client: Client, script: string): Promise<Task[]> =>
  eventually(`all tasks run ${script}`, async () => {
    const tasks = await running(client, name, replicas);
    return tasks.every(({ spec }) => spec.containers[0]?.script === script) && tasks;
  });

describe('a reader that is not ours', { timeout: 180_000 }, () => {
  it('sees a rollout without a gap and without a member that is not ready', async () => {
    const before = uids(await running(cluster.client, name, replicas));
    await update(cluster.client, version(2));
    await hasRolledOut(cluster.client, version(2));
    const after = uids(await seesTheReady(cluster.client));
    expect(after.filter((uid) => before.includes(uid))).toEqual([]);
    expect(record.wrong(reader.looks, 0)).toEqual([]);
    expect(reader.looks.length).toBeGreaterThan(replicas);
    expect(Math.min(...counts())).toBe(replicas - maxUnavailable);
    expectNoShardTwice();
  });

  it('sees no less when whoever leads is killed at random moments of a rollout', async () => {
    const moments = [1, 2].map(() => Math.round(Math.random() * 1_500));
    await update(cluster.client, version(3));
    let survivor = 0;
    for (const moment of moments) {
      await delay(moment);
      const leads = await eventually('somebody leads', async () => ({
        index: await cluster.leader(cluster.clientOf(survivor)),
      }));
      await cluster.cosmds[leads.index]?.kill();
      survivor = 1 - leads.index;
      const client = cluster.clientOf(survivor);
      await eventually('the other leads', async () => (await cluster.leader(client)) === survivor);
      await cluster.cosmds[leads.index]?.start();
    }
    const client = cluster.clientOf(survivor);
    await hasRolledOut(client, version(3));
    await seesTheReady(client);
    const told = `killed ${moments.join(', ')} ms after each start`;
    expect(record.wrong(reader.looks, 0), told).toEqual([]);
    expect(Math.min(...counts()), told).toBeGreaterThanOrEqual(replicas - maxUnavailable);
    expectNoShardTwice();
  });

  it('sees members come only once they are ready, and go before their tasks end, when a job is scaled', async () => {
    await change(cluster.client, name, { replicas: 3 });
    await seesTheReady(cluster.client, 3);
    await change(cluster.client, name, { replicas });
    await seesTheReady(cluster.client);
    expect(record.wrong(reader.looks, 0)).toEqual([]);
    expect(Math.min(...counts())).toBe(3);
    expectNoShardTwice();
  });

  it('sees the members of a lost agent go, and their replacements come', async () => {
    const before = await running(cluster.client, name, replicas);
    const hostname = before[0]?.status?.mesos?.agentHostname;
    const lost = before.filter(({ status }) => status?.mesos?.agentHostname === hostname);
    const index = cluster.emulator.agents.findIndex((agent) => agent.hostname === hostname);
    await cluster.emulator.pauseAgent(index);
    await eventually('each lost task is replaced', async () => {
      const live = await liveTasksOf(cluster.client, name);
      const away = live.filter((task) => phaseOf(task) === 'Unreachable');
      return live.length === replicas + lost.length && uids(away).join() === uids(lost).join();
    });
    await eventually(
      'the reader sees as many as before, and none of the lost',
      () =>
        reader.members.length === replicas &&
        reader.members.every(
          ({ metadata }) => !uids(lost).includes(metadata['mesocosm.dev/task'] ?? ''),
        ),
    );
    await cluster.emulator.resumeAgent(index);
    const after = await seesTheReady(cluster.client);
    expect(uids(after).filter((uid) => uids(lost).includes(uid))).toEqual([]);
    // Mesos says late that they are out of sight; their members go as soon as it has said so, which takes a
    // busy machine a while.
    expect(record.wrong(reader.looks, 10_000)).toEqual([]);
    expect(Math.min(...counts())).toBe(replicas - lost.length);
    expectNoShardTwice();
  });

  it('sees the same members before and after ZooKeeper is restarted', async () => {
    const before = reader.members;
    const looks = reader.looks.length;
    await cluster.zookeeper.restart();
    await eventually('it looks again', () => reader.looks.length > looks);
    await change(cluster.client, name, { replicas: replicas + 1 });
    await seesTheReady(cluster.client, replicas + 1);
    for (const { members } of reader.looks) {
      expect(members.slice(0, replicas)).toEqual(before);
    }
    expect(record.wrong(reader.looks, 0)).toEqual([]);
  });
});
