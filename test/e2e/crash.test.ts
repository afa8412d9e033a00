import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Draft } from '../../api/machinery/metadata.ts';
import { frameworkResource, isReplacingHeld } from '../../api/v1/framework.ts';
import { jobResource, type Job } from '../../api/v1/job.ts';
import { mesosTaskId } from '../../api/v1/task.ts';
import type { SchedulerCall } from '../../proto/mesos/generated/messages.ts';
import { eventually, TestCluster } from '../support/cluster.ts';
import { launchesOf, type Fate } from '../support/mesos-tap.ts';
import { etcdHistory } from './support/etcd-history.ts';
import { remove, running, service, tasksOf } from './support/jobs.ts';
import { mesosTasks, mirrored, repeated, watchLaunches } from './support/laws.ts';

const replicas = 20;

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({
    tapped: true,
    emulator: { agents: 6 },
    config: { leaseSeconds: 3 },
  });
});
afterAll(() => cluster.stop());

/** Four of them fill an agent, so that twenty need several ACCEPTs. */
const job = (name: string): Draft<Job> =>
  service(name, {
    replicas,
    published: true,
    container: { resources: { requests: { cpu: 1.9, memory: '64Mi' } } },
  });

/** Lets things go until `moment` says so for a call before or after Mesos has seen it; kills cosmd then. */
interface Moment {
  name: string;
  /** Whether to kill now; what has been launched and acknowledged before is in the counts. */
  before?: (call: SchedulerCall, seen: Seen) => boolean;
  after?: (call: SchedulerCall, seen: Seen) => boolean;
  /** What becomes of a call that `before` has cut. */
  fate?: Fate;
}

interface Seen {
  accepts: number;
  acknowledged: number;
}

const launches = (call: SchedulerCall): boolean => launchesOf(call).length > 0;

const moments: Moment[] = [
  {
    name: 'the first tasks are bound and Mesos has not been asked',
    before: (call, { accepts }) => launches(call) && accepts === 1,
    fate: 'lose',
  },
  {
    name: 'Mesos has been asked for the first time and its answer is lost',
    after: (call, { accepts }) => launches(call) && accepts === 1,
  },
  {
    name: 'the third launch is on its way',
    before: (call, { accepts }) => launches(call) && accepts === 3,
    fate: 'forward',
  },
  {
    name: 'the first update is being acknowledged',
    before: (call, { acknowledged }) => call.type === 'ACKNOWLEDGE' && acknowledged === 1,
    fate: 'lose',
  },
  {
    name: 'fifteen updates have been acknowledged',
    after: (call, { acknowledged }) => call.type === 'ACKNOWLEDGE' && acknowledged === 15,
  },
];

/** Resolves once cosmd was killed at the moment. */
function strike({ before, after, fate = 'forward' }: Omit<Moment, 'name'>): Promise<void> {
  const [tap] = cluster.taps;
  const [cosmd] = cluster.cosmds;
  if (tap === undefined || cosmd === undefined) throw new Error('nothing to strike');
  const seen: Seen = { accepts: 0, acknowledged: 0 };
  const check = tap.before;
  return new Promise((resolve) => {
    let struck = false;
    const kill = async (): Promise<void> => {
      struck = true;
      tap.before = check;
      tap.after = () => undefined;
      await cosmd.kill();
      resolve();
    };
    tap.before = async (call): Promise<Fate> => {
      if (launches(call)) seen.accepts += 1;
      if (call.type === 'ACKNOWLEDGE') seen.acknowledged += 1;
      await check(call);
      if (struck || before?.(call, seen) !== true) return 'forward';
      await kill();
      return fate;
    };
    tap.after = async (call) => {
      if (!struck && after?.(call, seen) === true) await kill();
    };
  });
}

describe('cosmd killed in the middle of launching twenty tasks', { timeout: 90_000 }, () => {
  let unknown: string[];
  beforeAll(() => {
    unknown = watchLaunches(cluster);
  });

  it.each(
    moments.map((moment, index) => ({ ...moment, name: `crash-${index}`, when: moment.name })),
  )('goes on and runs exactly twenty when $when', async ({ name, ...moment }) => {
    const struck = strike(moment);
    await cluster.client.of(jobResource).create(job(name));
    await struck;
    await cluster.cosmds[0]?.start();
    await expectExactly(name);
    await remove(cluster.client, name);
  });

  it('goes on and runs exactly twenty when it is killed again and again while it starts', async () => {
    const name = 'crash-often';
    await cluster.client.of(jobResource).create(job(name));
    const [tap] = cluster.taps;
    for (let round = 0; round < 3; round += 1) {
      const calls = tap?.calls.length ?? 0;
      await eventually('cosmd talks to Mesos', () => (tap?.calls.length ?? 0) > calls + 3 + round);
      await cluster.cosmds[0]?.kill();
      await cluster.cosmds[0]?.start();
    }
    await expectExactly(name);
    await remove(cluster.client, name);
  });

  async function expectExactly(name: string): Promise<void> {
    const tasks = await running(cluster.client, name, replicas);
    expect(tasks.map(({ spec }) => spec.instance)).toEqual([...tasks.keys()]);
    const ids = tasks.map(mesosTaskId).sort();
    await eventually(`Mesos runs the tasks of ${name} and no other`, async () => {
      const { live } = await mesosTasks(cluster, name);
      if (JSON.stringify(live) === JSON.stringify(ids)) return true;
      throw new Error(`Mesos runs ${live.join(', ')}, etcd says ${ids.join(', ')}`);
    });
    expect(await mirrored(cluster, name)).toHaveLength(replicas);

    expect(repeated((await mesosTasks(cluster, name)).all)).toEqual([]);
    expect(repeated(cluster.taps[0]?.launched ?? [])).toEqual([]);
    expect(unknown).toEqual([]);
    const created = (await etcdHistory(cluster.etcd.endpoint))
      .filter(({ key, version }) => version === 1 && key.startsWith('mesocosm.dev/tasks/'))
      .map(({ key }) => key);
    expect(repeated(created)).toEqual([]);
    // Launches that never arrived are no sign of trouble in Mesos that somebody would have to look into.
    expect(isReplacingHeld(await cluster.client.of(frameworkResource).get({ name: 'test' }))).toBe(
      false,
    );
    // Nobody but the crash has ended a task.
    const dead = (await tasksOf(cluster.client, name)).filter(
      ({ status }) => status?.phase === 'Killed',
    );
    expect(dead).toEqual([]);
  }
});
