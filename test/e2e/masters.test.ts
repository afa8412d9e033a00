import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { frameworkResource, type Framework } from '../../api/v1/framework.ts';
import { jobResource } from '../../api/v1/job.ts';
import { mesosTaskId } from '../../api/v1/task.ts';
import { eventually, TestCluster } from '../support/cluster.ts';
import { change, describeTask, running, service, tasksOf } from './support/jobs.ts';
import { mesosTasks, mirrored, repeated } from './support/laws.ts';

// Two masters that elect their leader in ZooKeeper, where cosmd finds it, too.
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({
    emulator: { masters: 2, agents: 4, timings: { zkSessionTimeout: 2_000 } },
  });
});
afterAll(() => cluster.stop());

const framework = (): Promise<Framework> =>
  cluster.client.of(frameworkResource).get({ name: 'test' });

/** Waits until cosmd is subscribed to another master than `before`. */
function subscribedElsewhere(before: string | undefined): Promise<Framework> {
  return eventually('cosmd is subscribed to the other master', async () => {
    const found = await framework();
    const { state, masterAddress } = found.status ?? {};
    return state === 'Subscribed' && masterAddress !== before && found;
  });
}

async function failOver(): Promise<{ before: Framework; after: Framework }> {
  const before = await framework();
  const index = cluster.emulator.masters.indexOf(before.status?.masterAddress ?? '');
  expect(index).toBeGreaterThanOrEqual(0);
  await cluster.emulator.killMaster(index);
  const after = await subscribedElsewhere(before.status?.masterAddress);
  await cluster.emulator.startMaster(index);
  return { before, after };
}

describe('a master failed over', { timeout: 180_000 }, () => {
  it('leaves all tasks running under the same framework, and takes new ones', async () => {
    await cluster.client
      .of(jobResource)
      .create(service('steady', { replicas: 4, published: true }));
    const tasks = await running(cluster.client, 'steady', 4);
    const members = await mirrored(cluster, 'steady');

    const { before, after } = await failOver();
    expect(after.status?.id).toBe(before.status?.id);
    expect(after.status?.masterId).not.toBe(before.status?.masterId);
    const still = await running(cluster.client, 'steady', 4);
    expect(still.map(({ metadata }) => metadata.uid)).toEqual(
      tasks.map(({ metadata }) => metadata.uid),
    );
    expect(still.map(({ status }) => status?.ips)).toEqual(tasks.map(({ status }) => status?.ips));
    expect(await mirrored(cluster, 'steady')).toEqual(members);

    await change(cluster.client, 'steady', { replicas: 7 });
    const more = await running(cluster.client, 'steady', 7);
    expect(more.slice(0, 4).map(({ metadata }) => metadata.uid)).toEqual(
      tasks.map(({ metadata }) => metadata.uid),
    );
    await mirrored(cluster, 'steady');
    await expectMesosAgrees();
  });

  it('in the middle of a change, which is carried out by the next one, both ways', async () => {
    await change(cluster.client, 'steady', { replicas: 12 });
    const { before, after } = await failOver();
    expect(after.status?.id).toBe(before.status?.id);
    await running(cluster.client, 'steady', 12);
    await change(cluster.client, 'steady', { replicas: 2 });
    await failOver();
    await running(cluster.client, 'steady', 2);
    await mirrored(cluster, 'steady');
    await expectMesosAgrees();
    // A launch may be lost with the master that got it, but nothing that ran may end unasked.
    const ended = (await tasksOf(cluster.client, 'steady')).filter(
      ({ spec, status }) =>
        status?.finishTime !== undefined &&
        status.startTime !== undefined &&
        spec.stop === undefined,
    );
    expect(ended.map(describeTask)).toEqual([]);
  });
});

async function expectMesosAgrees(): Promise<void> {
  await eventually('Mesos runs what etcd says', async () => {
    const ids = (await tasksOf(cluster.client, 'steady'))
      .filter(({ status }) => status?.phase === 'Running')
      .map(mesosTaskId)
      .sort();
    const { live } = await mesosTasks(cluster, 'steady');
    if (JSON.stringify(live) === JSON.stringify(ids)) return true;
    throw new Error(`Mesos runs ${live.join(', ')}, etcd says ${ids.join(', ')}`);
  });
  expect(repeated((await mesosTasks(cluster, 'steady')).all)).toEqual([]);
}
