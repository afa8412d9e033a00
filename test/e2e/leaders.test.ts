import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Client } from '../../api/client/client.ts';
import { jobResource } from '../../api/v1/job.ts';
import { mesosTaskId } from '../../api/v1/task.ts';
import type { SchedulerCall } from '../../proto/mesos/generated/messages.ts';
import { eventually, TestCluster } from '../support/cluster.ts';
import type { Cosmd } from '../support/cosmd.ts';
import { launchesOf, type MesosTap } from '../support/mesos-tap.ts';
import { etcdHistory, isRoutine, quiet, type EtcdWrite } from './support/etcd-history.ts';
import { change, remove, running, service } from './support/jobs.ts';
import { mesosTasks, mirrored, repeated, watchLaunches } from './support/laws.ts';
import { zookeeperHistory } from './support/zookeeper-history.ts';

// Two cosmd share everything; a term is five seconds: nobody is to lose it by a moment of load.
let cluster: TestCluster;
let unknown: string[];

beforeAll(async () => {
  cluster = await TestCluster.start({
    tapped: true,
    cosmds: 2,
    emulator: { agents: 6 },
    config: { leaseSeconds: 5 },
  });
});
afterAll(() => cluster.stop());

interface Candidate {
  cosmd: Cosmd;
  tap: MesosTap;
  client: Client;
  index: number;
}

let leader: Candidate;
let other: Candidate;

function candidate(index: number): Candidate {
  const [cosmd, tap] = [cluster.cosmds[index], cluster.taps[index]];
  if (cosmd === undefined || tap === undefined) throw new Error(`there is no cosmd ${index}`);
  return { cosmd, tap, client: cluster.clientOf(index), index };
}

beforeEach(async () => {
  for (const cosmd of cluster.cosmds) if (!cosmd.running) await cosmd.start();
  const index = await eventually('somebody leads', async () => ({ leads: await cluster.leader() }));
  leader = candidate(index.leads);
  other = candidate(1 - index.leads);
  unknown = watchLaunches(cluster);
});

afterEach(async () => {
  for (const cosmd of cluster.cosmds) cosmd.signal('SIGCONT');
  const awake = cluster.cosmds.findIndex((cosmd) => cosmd.running);
  await remove(cluster.clientOf(awake), 'killed', 'frozen', 'alone');
});

const leads = ({ index, client }: Candidate): Promise<boolean> =>
  eventually(`cosmd ${index} leads`, async () => (await cluster.leader(client)) === index);

/** Needs several ACCEPTs for more than four tasks. */
const job = (name: string, replicas: number) =>
  service(name, {
    replicas,
    published: true,
    container: { resources: { requests: { cpu: 1.9, memory: '64Mi' } } },
  });

/** The three truths agree on `count` tasks, and no id was used twice by anybody. */
async function expectExactly(client: Client, name: string, count: number): Promise<void> {
  const tasks = await running(client, name, count);
  expect(tasks.map(({ spec }) => spec.instance)).toEqual([...tasks.keys()]);
  const ids = tasks.map(mesosTaskId).sort();
  await eventually(`Mesos runs the tasks of ${name} and no other`, async () => {
    const { live } = await mesosTasks(cluster, name);
    return JSON.stringify(live) === JSON.stringify(ids);
  });
  await mirrored(cluster, name, client);
  expect(repeated(cluster.taps.flatMap(({ launched }) => launched))).toEqual([]);
  expect(repeated((await mesosTasks(cluster, name)).all)).toEqual([]);
  expect(unknown).toEqual([]);
}

const epochSchema = z.object({ epoch: z.number() });

/** What the epoch node was written with, in order. */
async function epochsOf(): Promise<number[]> {
  return (await zookeeperHistory(cluster.zookeeper))
    .filter(({ path, data }) => path.endsWith('/epoch') && data !== undefined)
    .map(({ data = '' }) => epochSchema.parse(JSON.parse(data)).epoch);
}

/** What was written to etcd after a revision, but for leases and agents. */
async function writesAfter(revision: number): Promise<EtcdWrite[]> {
  const history = await etcdHistory(cluster.etcd.endpoint);
  return history.filter((write) => write.revision > revision && !isRoutine(write));
}

describe('two cosmd', { timeout: 180_000 }, () => {
  it('the other goes on when the leader is killed in the middle of a launch', async () => {
    await leader.client.of(jobResource).create(job('killed', 2));
    await running(leader.client, 'killed', 2);
    const launched = new Promise<void>((resolve) => {
      leader.tap.after = async (call) => {
        if (launchesOf(call).length === 0) return;
        leader.tap.after = () => undefined;
        await leader.cosmd.kill();
        resolve();
      };
    });
    await change(other.client, 'killed', { replicas: 12 });
    await launched;
    await leads(other);
    await expectExactly(other.client, 'killed', 12);
    const epochs = await epochsOf();
    expect(epochs).toEqual([...epochs].sort((a, b) => a - b));
    expect(new Set(epochs).size).toBe(2);
  });

  it('a leader frozen in the middle of a launch and woken after its term does nothing at all', async () => {
    const frozen = new Promise<void>((resolve) => {
      const check = leader.tap.before;
      leader.tap.before = (call: SchedulerCall) => {
        if (launchesOf(call).length === 0) return check(call);
        leader.cosmd.signal('SIGSTOP');
        resolve();
        return check(call);
      };
    });
    await other.client.of(jobResource).create(job('frozen', 20));
    await frozen;
    await leads(other);
    await expectExactly(other.client, 'frozen', 20);

    const head = await quiet(cluster.etcd.endpoint);
    const calls = leader.tap.calls.length;
    const zxid = (await zookeeperHistory(cluster.zookeeper)).at(-1)?.zxid ?? 0n;
    const said = leader.cosmd.log.length;
    leader.cosmd.signal('SIGCONT');
    await eventually('the woken leader knows that it leads no longer', () =>
      leader.cosmd.log.slice(said).includes('no longer leading'),
    );
    // Its API answers, so it is awake and has had its turn.
    await running(leader.client, 'frozen', 20);
    await expectExactly(other.client, 'frozen', 20);

    expect(leader.tap.calls.slice(calls)).toEqual([]);
    expect(await writesAfter(head)).toEqual([]);
    const history = await zookeeperHistory(cluster.zookeeper);
    expect(history.filter((write) => write.zxid > zxid)).toEqual([]);
    expect(await cluster.leader(other.client)).toBe(other.index);
  });

  it('a woken leader writes nothing before it leads again, though nobody else moves', async () => {
    await leader.client.of(jobResource).create(job('alone', 3));
    await running(leader.client, 'alone', 3);
    await mirrored(cluster, 'alone', leader.client);
    leader.cosmd.signal('SIGSTOP');
    await leads(other);
    await change(other.client, 'alone', { replicas: 6 });
    other.cosmd.signal('SIGSTOP');
    const head = await quiet(cluster.etcd.endpoint);
    const calls = leader.tap.calls.length;

    leader.cosmd.signal('SIGCONT');
    await leads(leader);
    const history = await etcdHistory(cluster.etcd.endpoint);
    const election = history.findLast(
      ({ key, version }) =>
        key === 'coordination.k8s.io/leases/mesocosm-system/cosmd' && version === 1,
    );
    expect(election?.revision).toBeGreaterThan(head);
    expect((await writesAfter(head))[0]?.revision).toBeGreaterThan(election?.revision ?? 0);
    // What it says to Mesos begins with a subscription of its own.
    await eventually('it talks to Mesos', () => leader.tap.calls.length > calls);
    expect(leader.tap.calls[calls]?.type).toBe('SUBSCRIBE');
    await expectExactly(leader.client, 'alone', 6);

    const rest = await quiet(cluster.etcd.endpoint);
    const asked = other.tap.calls.length;
    const said = other.cosmd.log.length;
    other.cosmd.signal('SIGCONT');
    await eventually('the second woken leader knows, too', () =>
      other.cosmd.log.slice(said).includes('no longer leading'),
    );
    await expectExactly(leader.client, 'alone', 6);
    expect(other.tap.calls.slice(asked)).toEqual([]);
    expect(await writesAfter(rest)).toEqual([]);
    const epochs = await epochsOf();
    expect(epochs).toEqual([...epochs].sort((a, b) => a - b));
  });
});
