import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../api/machinery/clock.ts';
import { controllerOf, type Draft } from '../../api/machinery/metadata.ts';
import { systemRandom } from '../../api/machinery/random.ts';
import { eventResource } from '../../api/v1/core.ts';
import { jobResource, type Job } from '../../api/v1/job.ts';
import { serverSetResource, type ServerSet } from '../../api/v1/serverset.ts';
import { findCondition } from '../../api/machinery/conditions.ts';
import type { ZooKeeperClient } from '../../proto/zookeeper/client.ts';
import { ensurePath } from '../../proto/zookeeper/ensure-path.ts';
import { openZooKeeper } from '../../proto/zookeeper/network-client.ts';
import { ControlPlane } from './support/control-plane.ts';
import { eventually, TestCluster } from '../support/cluster.ts';
import { FollowingReader, readMembers } from '../support/reader.ts';
import {
  change,
  liveTasksOf,
  namespace,
  pathOf,
  remove,
  running,
  service,
  type ServiceOptions,
} from './support/jobs.ts';
import { aliveOverTime, membersOf, mirrored, taskOf } from './support/laws.ts';
import { zookeeperHistory } from './support/zookeeper-history.ts';

// What an operator may do to a ServerSet, or find done to it.
let cluster: TestCluster;
/** A session that is nobody's but the operator's. */
let zk: ZooKeeperClient;

const auroraPath = '/aurora/prod/live/web';

beforeAll(async () => {
  cluster = await TestCluster.start({
    emulator: { agents: 3, timings: { agentPingTimeout: 1_000, maxAgentPingTimeouts: 2 } },
    config: {
      brake: { members: 1, percent: 10 },
      serverSetRoots: [
        { prefix: '/mesocosm/<namespace>' },
        { prefix: '/aurora/prod/live', namespaces: [namespace] },
      ],
    },
    zookeeperServer: { config: { enforceQuota: true } },
  });
  ({ zk } = cluster);
});
afterAll(() => cluster.stop());
afterEach(async () => {
  const sets = cluster.client.of(serverSetResource);
  const { items } = await cluster.client.of(jobResource).list({ namespace });
  await remove(cluster.client, ...items.map(({ metadata }) => metadata.name));
  for (const set of (await sets.list({ namespace })).items) {
    // The garbage collector removes those of the Jobs.
    if (controllerOf(set) === undefined) await sets.delete(set.metadata);
  }
  await eventually('no set is left', async () => {
    return (await sets.list({ namespace })).items.length === 0;
  });
});

async function cosm(...args: string[]): Promise<string> {
  const program = resolve(import.meta.dirname, '../../.local/bin/cosm');
  const env = { ...process.env, KUBECONFIG: cluster.kubeconfig, NO_COLOR: '1' };
  return (await promisify(execFile)(program, ['-n', namespace, ...args], { env })).stdout;
}

async function start(
  name: string,
  replicas: number,
  options: ServiceOptions & { labels?: Record<string, string>; zkPath?: string } = {},
): Promise<void> {
  const { labels, zkPath, ...more } = options;
  const job: Draft<Job> = service(name, { published: true, replicas, ...more });
  if (labels !== undefined) job.spec.template.metadata = { labels };
  if (zkPath !== undefined && job.spec.serverSet !== undefined) job.spec.serverSet.zkPath = zkPath;
  await cluster.client.of(jobResource).create(job);
}

async function started(name: string, replicas: number, options: ServiceOptions = {}) {
  await start(name, replicas, options);
  const tasks = await running(cluster.client, name, replicas);
  await mirrored(cluster, name);
  return tasks;
}

function says(name: string, type: string, reason: string): Promise<ServerSet> {
  return eventually(`ServerSet ${name} says ${type}: ${reason}`, async () => {
    const set = await cluster.client.of(serverSetResource).get({ namespace, name });
    const condition = findCondition(set.status?.conditions, type);
    if (condition?.status === 'True' && condition.reason === reason) return set;
    throw new Error(`it says ${JSON.stringify(set.status)}`);
  });
}

async function follow(path: string): Promise<FollowingReader> {
  const { connectString } = cluster.zookeeper;
  const reader = await FollowingReader.start({ connectString, path });
  onTestFinished(() => reader.stop());
  return reader;
}

const hostsOf = (reader: FollowingReader): string[] =>
  reader.members.map(({ service: { host } }) => host).sort();

const ips = async (job: string): Promise<string[]> =>
  (await liveTasksOf(cluster.client, job)).map(({ status }) => status?.ip ?? '').sort();

async function sees(reader: FollowingReader, hosts: readonly string[]): Promise<void> {
  await eventually(`the reader sees ${hosts.join(', ')}`, () => {
    if (hostsOf(reader).join() === [...hosts].sort().join()) return true;
    throw new Error(`it sees ${hostsOf(reader).join(', ')}`);
  });
}

const least = (reader: FollowingReader): number => Math.min(...reader.counts());

describe('a ServerSet', { timeout: 180_000 }, () => {
  it('publishes tasks of several Jobs, on networks and on those of their agents', async () => {
    const labels = { app: 'shop' };
    await start('catalogue', 2, { published: false, labels });
    await start('till', 1, {
      published: false,
      labels,
      template: { networks: [] },
      container: {
        script: 'exec server --port 31500',
        ports: [{ name: 'http', hostPort: 31_500 }],
      },
    });
    await start('other', 1, { published: false });
    await cluster.client.of(serverSetResource).create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'ServerSet',
      metadata: { name: 'shop', namespace },
      spec: { zkPath: pathOf('shop'), selector: { matchLabels: labels }, primaryPort: 'http' },
    });
    const tasks = await running(cluster.client, 'catalogue', 2);
    const [till] = await running(cluster.client, 'till', 1);
    await running(cluster.client, 'other', 1);
    const wanted = [
      ...tasks.map(({ status }) => ({ host: status?.ip, port: 8080 })),
      { host: till?.status?.mesos?.agentHostname, port: 31_500 },
    ];
    const { connectString } = cluster.zookeeper;
    const members = await eventually('three members', async () => {
      const seen = await readMembers({ connectString, path: pathOf('shop') });
      return seen.length === 3 && seen;
    });
    expect(members.map(({ service: endpoint }) => endpoint)).toEqual(
      expect.arrayContaining(wanted),
    );
    expect(members.map(({ shard }) => shard)).toEqual([null, null, null]);
  });

  it('is refused outside of the roots of its namespace', async () => {
    const refused = cluster.client.of(serverSetResource).create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'ServerSet',
      metadata: { name: 'outside', namespace },
      spec: { zkPath: '/aurora/prod/test/web', selector: {}, primaryPort: 'http' },
    });
    await expect(refused).rejects.toThrow(/zkPath.*\/aurora\/prod\/live/s);
  });

  it('mends what somebody does to its members, and tells it', async () => {
    await started('web', 2);
    const [first = '', second = ''] = (await membersOf(cluster, 'web')).keys();
    await zk.delete(`${pathOf('web')}/${first}`);
    await zk.setData(`${pathOf('web')}/${second}`, Buffer.from('{"status":"DEAD"}'));
    await eventually('both are counted', async () => {
      const set = await cluster.client.of(serverSetResource).get({ namespace, name: 'web' });
      return set.status?.drift?.mended === 2;
    });
    await mirrored(cluster, 'web');
    await expect
      .poll(() => cosm('get', 'serverset', 'web', '-o', 'wide'))
      .toMatch(/MEMBERS.*HELD +DRIFT +LAST WRITE.*\n.* 2\/2 .* 0 +2 +\d+[sm]/);
    const described = await eventually('an Event tells it', async () => {
      const text = await cosm('describe', 'serverset', 'web');
      return text.includes('MembersChanged') && text;
    });
    expect(described).toMatch(/mended: 2/);
    expect(described).toMatch(new RegExp(`(deleted|edited) ${pathOf('web')}/member_`));
  });

  it('holds members that the brake holds, until cosm serverset release lets them go', async () => {
    const tasks = await started('web', 4, {
      template: {
        constraints: [{ attribute: 'hostname', operator: 'Equals', values: ['agent1.test'] }],
      },
      unreachable: { replaceAfterSeconds: 600 },
    });
    const agent = cluster.emulator.agents.findIndex(({ hostname }) => hostname === 'agent1.test');
    await cluster.emulator.pauseAgent(agent);
    onTestFinished(() => cluster.emulator.resumeAgent(agent));
    await says('web', 'Held', 'TooManyUnreachable');
    await eventually('the first one has gone, the others stay', async () => {
      return (await membersOf(cluster, 'web')).size === 3;
    });
    expect(await cosm('serverset', 'release', 'web', '--wait')).toContain('done');
    expect((await membersOf(cluster, 'web')).size).toBe(0);
    await cluster.emulator.resumeAgent(agent);
    const after = await running(cluster.client, 'web', 4);
    expect(after.map(({ metadata }) => metadata.uid)).toEqual(
      tasks.map(({ metadata }) => metadata.uid),
    );
    await mirrored(cluster, 'web');
  });

  it('gets new members by cosm serverset purge, and no reader misses one', async () => {
    await started('web', 3);
    const before = [...(await membersOf(cluster, 'web')).keys()];
    const reader = await follow(pathOf('web'));
    expect(await cosm('serverset', 'purge', 'web', '--wait')).toContain('done');
    const after = [...(await membersOf(cluster, 'web')).keys()];
    expect(after.filter((node) => before.includes(node))).toEqual([]);
    await sees(reader, await ips('web'));
    await eventually('an Event tells it', async () => {
      const { items } = await cluster.client.of(eventResource).list({ namespace });
      return items.some(({ reason }) => reason === 'Purged');
    });
    expect(new Set((await mirrored(cluster, 'web')).map(taskOf)).size).toBe(3);
  });

  it('is there on the new path before it leaves the old one', async () => {
    await started('mover', 3);
    const since = (await zookeeperHistory(cluster.zookeeper)).at(-1)?.zxid ?? 0n;
    await change(cluster.client, 'mover', { serverSet: { zkPath: pathOf('moved') } });
    await eventually('it has moved', async () => {
      return (
        (await zk.exists(pathOf('mover'))) === undefined &&
        (await cluster.members(pathOf('moved'))).size === 3
      );
    });
    const history = await zookeeperHistory(cluster.zookeeper);
    const states = [pathOf('mover'), pathOf('moved')].map(
      (path) =>
        new Map(aliveOverTime(history, path).map(({ write, alive }) => [write.zxid, alive])),
    );
    let [old, now] = [3, 0];
    for (const { zxid } of history.filter((write) => write.zxid > since)) {
      old = states[0]?.get(zxid)?.length ?? old;
      now = states[1]?.get(zxid)?.length ?? now;
      expect(now === 3 || old === 3, `old ${old}, new ${now}`).toBe(true);
    }
  });
});

describe('a path', { timeout: 180_000 }, () => {
  it('passes to a Job of another name without a gap', async () => {
    await started('web', 3);
    await start('www', 3, { zkPath: pathOf('web') });
    await running(cluster.client, 'www', 3);
    await says('www', 'Stalled', 'PathConflict');
    const reader = await follow(pathOf('web'));
    const before = await ips('web');
    await sees(reader, before);
    // As README says: take `serverSet` from the old one, then delete it.
    await change(cluster.client, 'web', { serverSet: null });
    await sees(reader, await ips('www'));
    await remove(cluster.client, 'web');
    expect(least(reader)).toBe(3);
    for (const { members } of reader.looks.filter(({ whole }) => whole)) {
      expect(new Set(members.map(({ shard }) => shard)).size).toBe(3);
    }
  });

  it('passes from an Aurora job to ours and back, and nobody touches what is not theirs', async () => {
    const { connectString } = cluster.zookeeper;
    const executors: ZooKeeperClient[] = [];
    const nodes: string[] = [];
    const announce = async (shard: number): Promise<void> => {
      const executor = openZooKeeper({
        connectString,
        clock: systemClock(),
        random: systemRandom(),
      });
      onTestFinished(() => executor.close());
      await executor.whenConnected();
      await ensurePath(executor, auroraPath);
      const endpoint = { host: `agent${shard}`, port: 31_000 + shard };
      const body = {
        status: 'ALIVE',
        additionalEndpoints: { http: endpoint },
        serviceEndpoint: endpoint,
        shard,
      };
      const options = { ephemeral: true, sequential: true };
      nodes.push(
        await executor.create(`${auroraPath}/member_`, Buffer.from(JSON.stringify(body)), options),
      );
      executors.push(executor);
    };
    for (const shard of [0, 1]) await announce(shard);
    for (const name of ['singleton_candidate_', 'vector_']) {
      nodes.push(await zk.create(`${auroraPath}/${name}`, Buffer.from('{}'), { sequential: true }));
    }
    const reader = await follow(auroraPath);
    await start('web', 2, { zkPath: auroraPath });
    await running(cluster.client, 'web', 2);
    const ours = await ips('web');
    await sees(reader, ['agent0', 'agent1', ...ours]);
    for (const node of nodes) expect((await zk.exists(node))?.version).toBe(0);
    for (const executor of executors) await executor.close();
    await sees(reader, ours);
    // And back.
    await announce(2);
    await announce(3);
    await remove(cluster.client, 'web');
    await sees(reader, ['agent2', 'agent3']);
    expect(least(reader)).toBe(2);
    for (const node of nodes.slice(2)) expect((await zk.exists(node))?.version).toBe(0);
    expect(await zk.exists(auroraPath)).toBeDefined();
    for (const node of nodes.slice(2, 4)) await zk.delete(node);
  });

  it('that its owner locks, or whose quota is used up, stalls its set and no other', async () => {
    const locked = pathOf('locked');
    const limits = `/zookeeper/quota${pathOf('full')}`;
    await ensurePath(zk, pathOf('full'));
    await ensurePath(zk, limits);
    await zk.create(
      `${limits}/zookeeper_limits`,
      Buffer.from('count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=2'),
    );
    await zk.create(`${limits}/zookeeper_stats`, Buffer.from('count=1,bytes=0'));
    const readOnly = [{ permissions: 1, scheme: 'world', id: 'anyone' }];
    await zk.create(locked, Buffer.alloc(0), { acl: readOnly });
    for (const name of ['locked', 'full', 'web']) await start(name, 2);
    await mirrored(cluster, 'web');
    const denied = await says('locked', 'Stalled', 'AccessDenied');
    expect(findCondition(denied.status?.conditions, 'Stalled')?.message).toContain(locked);
    await says('full', 'Stalled', 'QuotaExceeded');
    await eventually('one member fits', async () => (await membersOf(cluster, 'full')).size === 1);
    expect(await membersOf(cluster, 'locked')).toEqual(new Map());
    await zk.delete(locked);
    await zk.setData(
      `${limits}/zookeeper_limits`,
      Buffer.from('count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=9'),
    );
    // It is tried again now and then, and with every change.
    for (const name of ['locked', 'full']) await change(cluster.client, name, { replicas: 3 });
    for (const name of ['locked', 'full']) {
      await running(cluster.client, name, 3);
      await mirrored(cluster, name);
    }
  });

  it('that two control planes publish on is shared, and each mends and removes its own alone', async () => {
    const path = pathOf('web');
    await started('web', 2);
    const west = await ControlPlane.start('west', cluster);
    onTestFinished(() => west.stop());
    await west.client.of(jobResource).create(service('web', { published: true, replicas: 3 }));
    const theirs = (await running(west.client, 'web', 3)).map(({ status }) => status?.ip ?? '');
    const ours = await ips('web');
    const reader = await follow(path);
    await sees(reader, [...ours, ...theirs]);
    const nodes = [...(await cluster.members(path))].filter(([, body]) => body.includes('west'));
    await change(cluster.client, 'web', { replicas: 1 });
    const left = (await running(cluster.client, 'web', 1)).map(({ status }) => status?.ip ?? '');
    await sees(reader, [...left, ...theirs]);
    await zk.delete(`${path}/${nodes[0]?.[0]}`);
    await eventually('the other one mends it', async () => {
      const set = await west.client.of(serverSetResource).get({ namespace, name: 'web' });
      return set.status?.drift?.mended === 1;
    });
    await remove(cluster.client, 'web');
    await sees(reader, theirs);
    await remove(west.client, 'web');
    await sees(reader, []);
  });
});
