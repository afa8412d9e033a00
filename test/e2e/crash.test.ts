import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
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
afterEach(async () => {
  if (cluster.cosmds[0]?.running === false) await cluster.cosmds[0].start();
});

/** Four of them fill an agent, so that twenty need several ACCEPTs. */
const job = (name: string): Draft<Job> =>
  service(name, {
    replicas,
    published: true,
    container: { resources: { requests: { cpu: 1.9, memory: '64Mi' } } },
  });

/** cosmd dies at the nth of these calls about the tasks of a job. */
interface Moment {
  when: string;
  call: 'ACCEPT' | 'ACKNOWLEDGE';
  nth: number;
  /** Before the call reaches Mesos, which then never gets it or does; or after Mesos has answered it. */
  strike: 'lost' | 'forwarded' | 'answered';
}

const moments: Moment[] = [
  {
    when: 'the first tasks are bound and Mesos has not been asked',
    ...{ call: 'ACCEPT', nth: 1, strike: 'lost' },
  },
  {
    when: 'Mesos has been asked for the first time and its answer is lost',
    ...{ call: 'ACCEPT', nth: 1, strike: 'answered' },
  },
  {
    when: 'the third launch is on its way',
    ...{ call: 'ACCEPT', nth: 3, strike: 'forwarded' },
  },
  {
    when: 'the first update is stored and its acknowledgement is lost',
    ...{ call: 'ACKNOWLEDGE', nth: 1, strike: 'lost' },
  },
  {
    when: 'fifteen updates have been acknowledged',
    ...{ call: 'ACKNOWLEDGE', nth: 15, strike: 'answered' },
  },
];

function concerns({ type, acknowledge, ...call }: SchedulerCall, name: string): boolean {
  const ids = type === 'ACKNOWLEDGE' ? [acknowledge?.task_id.value ?? ''] : launchesOf(call);
  return ids.some((id) => id.startsWith(`default.${name}-`));
}

/** Arms the tap; resolves once cosmd was killed at the moment. Nothing is struck before `created`. */
function arm(moment: Moment, name: string, created: Promise<unknown>): Promise<void> {
  const [tap] = cluster.taps;
  const [cosmd] = cluster.cosmds;
  if (tap === undefined || cosmd === undefined) throw new Error('nothing to strike');
  const check = tap.before;
  let fatal: SchedulerCall | undefined;
  let seen = 0;
  return new Promise((resolve) => {
    const kill = async (): Promise<void> => {
      tap.before = check;
      tap.after = () => undefined;
      await cosmd.kill();
      resolve();
    };
    tap.before = async (call): Promise<Fate> => {
      await created;
      await check(call);
      if (call.type !== moment.call || !concerns(call, name)) return 'forward';
      seen += 1;
      if (seen !== moment.nth) return 'forward';
      fatal = call;
      if (moment.strike === 'answered') return 'forward';
      await kill();
      return moment.strike === 'lost' ? 'lose' : 'forward';
    };
    tap.after = async (call) => {
      if (call === fatal) await kill();
    };
  });
}

describe('cosmd killed in the middle of launching twenty tasks', { timeout: 180_000 }, () => {
  let unknown: string[];
  beforeAll(() => {
    unknown = watchLaunches(cluster);
  });

  it.each(moments.map((moment, index) => ({ moment, name: `crash-${index}`, ...moment })))(
    'goes on and runs exactly twenty when $when',
    async ({ moment, name }) => {
      let said: (value: unknown) => void = () => undefined;
      const struck = arm(moment, name, new Promise((resolve) => (said = resolve)));
      said(await cluster.client.of(jobResource).create(job(name)));
      await struck;
      await cluster.cosmds[0]?.start();
      await expectExactly(name);
      await remove(cluster.client, name);
    },
  );

  it('goes on and runs exactly twenty when it is killed again and again while it starts', async () => {
    const name = 'crash-often';
    const [tap] = cluster.taps;
    const made = (): number => tap?.calls.length ?? 0;
    let calls = made();
    await cluster.client.of(jobResource).create(job(name));
    for (let round = 0; round < 3; round += 1) {
      // It subscribes and reconciles each time, whatever else there is to do.
      await eventually('cosmd talks to Mesos', () => made() >= calls + 2);
      await cluster.cosmds[0]?.kill();
      calls = made();
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
