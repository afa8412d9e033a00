import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findCondition } from '../../api/machinery/conditions.ts';
import { jobResource } from '../../api/v1/job.ts';
import { serverSetResource } from '../../api/v1/serverset.ts';
import { mesosTaskId, taskResource, type Task } from '../../api/v1/task.ts';
import { eventually, TestCluster } from '../support/cluster.ts';
import type { MesosTap } from '../support/mesos-tap.ts';
import { liveTasksOf, namespace, pathOf, remove, running, service } from './support/jobs.ts';
import { aliveOverTime, membersOf, mesosTasks, mirrored, taskOf } from './support/laws.ts';
import { zookeeperHistory } from './support/zookeeper-history.ts';

// A master that gives an agent up after three unanswered pings, one each second.
let cluster: TestCluster;
let tap: MesosTap;

beforeAll(async () => {
  cluster = await TestCluster.start({
    tapped: true,
    emulator: { agents: 4, timings: { agentPingTimeout: 1_000, maxAgentPingTimeouts: 3 } },
    config: { brake: { members: 2, percent: 20 } },
  });
  const [only] = cluster.taps;
  if (only === undefined) throw new Error('the cluster is not tapped');
  tap = only;
});
afterAll(() => cluster.stop());

let lost: number[] = [];
let calls = 0;

beforeEach(() => {
  calls = tap.calls.length;
});
afterEach(async () => {
  for (const index of lost) await cluster.emulator.resumeAgent(index);
  lost = [];
  await remove(cluster.client, 'returns', 'replaced', 'held');
});

const unique = [{ attribute: 'hostname', operator: 'Unique' as const }];

/** Cuts off the agent of a task. */
async function lose(task: Task): Promise<() => Promise<void>> {
  const hostname = task.status?.mesos?.agentHostname;
  const index = cluster.emulator.agents.findIndex((agent) => agent.hostname === hostname);
  await cluster.emulator.pauseAgent(index);
  lost.push(index);
  return async () => {
    await cluster.emulator.resumeAgent(index);
    lost = lost.filter((other) => other !== index);
  };
}

const reread = ({ metadata: { name } }: Task): Promise<Task> =>
  cluster.client.of(taskResource).get({ namespace, name });

function unreachable(task: Task): Promise<Task> {
  return eventually(`${task.metadata.name} is Unreachable`, async () => {
    const now = await reread(task);
    return now.status?.phase === 'Unreachable' && now;
  });
}

const killed = (): string[] =>
  tap.calls.slice(calls).flatMap(({ kill }) => (kill === undefined ? [] : [kill.task_id.value]));

function second([, task]: readonly Task[]): Task {
  if (task === undefined) throw new Error('there is no second task');
  return task;
}

describe('an agent that is lost', { timeout: 180_000 }, () => {
  it('and comes back in time finds its task where it was, without a replacement', async () => {
    const job = service('returns', {
      replicas: 3,
      published: true,
      template: { constraints: unique },
      unreachable: { replaceAfterSeconds: 600 },
    });
    await cluster.client.of(jobResource).create(job);
    const before = await running(cluster.client, 'returns', 3);
    await mirrored(cluster, 'returns');
    const task = second(before);
    const comeBack = await lose(task);

    const away = await unreachable(task);
    expect(away.status).toMatchObject({
      mesos: { state: 'TASK_UNREACHABLE' },
      lastKnown: { ip: task.status?.ip, ips: task.status?.ips },
      unreachableTime: expect.any(String) as string,
    });
    expect([away.status?.ip, away.status?.ips]).toEqual([undefined, undefined]);
    const left = await mirrored(cluster, 'returns');
    expect(left).toHaveLength(2);
    expect(left.map(taskOf)).not.toContain(task.metadata.uid);
    await eventually('the Job says so', async () => {
      const found = await cluster.client.of(jobResource).get({ namespace, name: 'returns' });
      return found.status?.unreachableReplicas === 1 && found.status.readyReplicas === 2;
    });

    await comeBack();
    const after = await running(cluster.client, 'returns', 3);
    expect(after.map(({ metadata }) => metadata.uid)).toEqual(
      before.map(({ metadata }) => metadata.uid),
    );
    expect(second(after).status).toMatchObject({ ip: task.status?.ip, ips: task.status?.ips });
    expect(second(after).status?.lastKnown).toBeUndefined();
    expect(await mirrored(cluster, 'returns')).toHaveLength(3);
    expect(killed()).toEqual([]);
  });

  it('for too long has its task replaced; when it returns the original ends and the replacement stays', async () => {
    const job = service('replaced', {
      replicas: 3,
      published: true,
      template: { constraints: unique },
      unreachable: { replaceAfterSeconds: 2 },
    });
    await cluster.client.of(jobResource).create(job);
    const before = await running(cluster.client, 'replaced', 3);
    const task = second(before);
    const comeBack = await lose(task);
    await unreachable(task);
    const replacement = await eventually('a replacement runs', async () => {
      const live = await liveTasksOf(cluster.client, 'replaced');
      return live.find(
        ({ metadata, spec, status }) =>
          spec.instance === 1 &&
          metadata.uid !== task.metadata.uid &&
          findCondition(status?.conditions, 'Ready')?.status === 'True',
      );
    });
    expect(replacement.status?.mesos?.agentHostname).not.toBe(task.status?.mesos?.agentHostname);
    expect((await reread(task)).status?.phase).toBe('Unreachable');
    expect(killed()).toEqual([]);
    expect(await mirrored(cluster, 'replaced')).toHaveLength(3);

    await comeBack();
    const after = await running(cluster.client, 'replaced', 3);
    expect(second(after).metadata.uid).toBe(replacement.metadata.uid);
    const ended = await reread(task);
    expect(ended).toMatchObject({
      spec: { stop: { reason: 'Replaced' } },
      status: { phase: 'Killed' },
    });
    expect([...new Set(killed())]).toEqual([mesosTaskId(task)]);
    await mirrored(cluster, 'replaced');
    const ids = after.map(mesosTaskId).sort();
    expect((await mesosTasks(cluster, 'replaced')).live).toEqual(ids);
    const history = aliveOverTime(await zookeeperHistory(cluster.zookeeper), pathOf('replaced'));
    for (const { alive } of history) {
      const shards = alive.map(({ shard }) => shard);
      expect(new Set(shards).size).toBe(shards.length);
    }
  });

  it('with more members than the brake lets go keeps the rest of them published until it is back', async () => {
    const job = service('held', {
      replicas: 6,
      published: true,
      template: {
        constraints: [{ attribute: 'hostname', operator: 'Equals', values: ['agent1.test'] }],
      },
    });
    await cluster.client.of(jobResource).create(job);
    const before = await running(cluster.client, 'held', 6);
    await mirrored(cluster, 'held');
    const comeBack = await lose(second(before));
    for (const task of before) await unreachable(task);
    // They are lost one after the other, and so it says more and more.
    const [held, kept] = await eventually('the ServerSet says Held', async () => {
      const set = await cluster.client.of(serverSetResource).get({ namespace, name: 'held' });
      const condition = findCondition(set.status?.conditions, 'Held');
      const said = condition?.status === 'True' ? (set.status?.held ?? 0) : 0;
      const members = await membersOf(cluster, 'held');
      if (said >= 4 && members.size === said) return [said, members] as const;
      throw new Error(`it says that ${said} of ${members.size} are held`);
    });
    expect([...kept.values()].map(({ status }) => status)).toEqual(
      Array.from({ length: held }, () => 'ALIVE'),
    );

    await comeBack();
    const after = await running(cluster.client, 'held', 6);
    expect(after.map(({ metadata }) => metadata.uid)).toEqual(
      before.map(({ metadata }) => metadata.uid),
    );
    await mirrored(cluster, 'held');
    const nodes = [...(await membersOf(cluster, 'held')).keys()];
    expect(nodes).toEqual(expect.arrayContaining([...kept.keys()]));
    expect(killed()).toEqual([]);
  });
});
