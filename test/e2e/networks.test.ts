import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findCondition } from '../../api/machinery/conditions.ts';
import { eventResource } from '../../api/v1/core.ts';
import { jobResource } from '../../api/v1/job.ts';
import { networkResource } from '../../api/v1/network.ts';
import { taskResource, type Task } from '../../api/v1/task.ts';
import { eventually, TestCluster } from '../support/cluster.ts';
import { namespace, running, service } from './support/jobs.ts';
import { mirrored } from './support/laws.ts';

// Real processes in real network namespaces: the addresses are those that CNI plugins gave.
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({
    emulator: { mode: 'process', agents: 2 },
    mesos: { addressCheckSeconds: 2 },
  });
});
afterAll(() => cluster.stop());

const server = `exec node -e 'require("node:http").createServer((_, r) => r.end()).listen(8080, "::")'`;
const container = {
  script: server,
  resources: { requests: { cpu: '100m', memory: '96Mi' } },
};

async function eventsOf(name: string, reason: string): Promise<{ type: string; count: number }[]> {
  const { items } = await cluster.client.of(eventResource).list({ namespace });
  return items
    .filter((event) => event.involvedObject.name === name && event.reason === reason)
    .map(({ type = '', count = 0 }) => ({ type, count }));
}

const addressesOf = ({ status }: Task): unknown =>
  status?.networks?.map(({ name, ips }) => ({ name, ips }));

/** Stores other addresses than the Task has, as a backup that is too old would. */
async function forge({ metadata }: Task): Promise<void> {
  const tasks = cluster.client.of(taskResource);
  await eventually('it is stored', async () => {
    const { status, ...task } = await tasks.get(metadata);
    if (status?.networks === undefined) throw new Error('it has no networks');
    const networks = status.networks.map((network) => ({ ...network, ips: ['192.0.2.1'] }));
    const ips = networks.flatMap((network) => network.ips);
    const wrong = { ...status, ip: '192.0.2.1', ips, networks };
    return await tasks.updateStatus({ ...task, status: wrong });
  });
}

describe('observation', { timeout: 180_000 }, () => {
  it('mends addresses that are not what the agents say, of single tasks and of groups', async () => {
    const networks = [{ name: 'dev-net' }, { name: 'data-net' }];
    const jobs = cluster.client.of(jobResource);
    await jobs.create(service('single', { published: true, template: { networks }, container }));
    const group = service('group', { template: { networks }, container });
    const [first] = group.spec.template.spec.containers;
    if (first === undefined) throw new Error('it has no container');
    const side = { name: 'side', script: 'exec sleep 1000', resources: container.resources };
    group.spec.template.spec.containers = [first, side];
    await jobs.create(group);
    for (const name of ['single', 'group']) {
      const [task] = await running(cluster.client, name, 1);
      if (task === undefined) throw new Error('it does not run');
      await forge(task);
      const mended = await eventually(`${name} has its addresses again`, async () => {
        const now = await cluster.client.of(taskResource).get(task.metadata);
        return now.status?.ip === task.status?.ip && now;
      });
      expect(addressesOf(mended)).toEqual(addressesOf(task));
      expect(mended.status?.ips).toEqual(task.status?.ips);
      const drift = await eventually('it is told', async () => {
        const found = await eventsOf(task.metadata.name, 'AddressDrift');
        return found.length > 0 && found;
      });
      expect(drift).toEqual([{ type: 'Warning', count: 1 }]);
    }
    await mirrored(cluster, 'single');
  });
});

describe('a Network that operators change', { timeout: 180_000 }, () => {
  it('tells which Jobs contradict it, and breaks none, not even when it is deleted', async () => {
    const networks = cluster.client.of(networkResource);
    await networks.create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Network',
      metadata: { name: 'offered' },
      spec: { cniName: 'data-net' },
    });
    const template = { networks: [{ name: 'offered' }] };
    await cluster.client.of(jobResource).create(service('joined', { template, container }));
    const [before] = await running(cluster.client, 'joined', 1);
    if (before === undefined) throw new Error('it does not run');

    await networks.patch({ name: 'offered' }, { spec: { namespaces: [] } }, { type: 'merge' });
    const condition = await eventually('the Network says so', async () => {
      const { status } = await networks.get({ name: 'offered' });
      const found = findCondition(status?.conditions, 'Contradicted');
      return found?.status === 'True' && found;
    });
    expect(condition.message).toMatch(/^1 Job contradicts it: default\/joined;/);
    await eventually(
      'the Job is told',
      async () => (await eventsOf('joined', 'NetworkChanged')).length === 1,
    );

    await networks.delete({ name: 'offered' });
    await eventually(
      'the Job is told',
      async () => (await eventsOf('joined', 'NetworkDeleted')).length === 1,
    );
    const [still] = await running(cluster.client, 'joined', 1);
    expect(still?.metadata.uid).toBe(before.metadata.uid);

    await cluster.client.of(taskResource).delete(before.metadata);
    const after = await eventually('another runs', async () => {
      const [task] = await running(cluster.client, 'joined', 1);
      return task?.metadata.uid !== before.metadata.uid && task;
    });
    expect(after.status?.networks).toMatchObject([
      { name: 'offered', cniName: 'data-net', verdict: 'Assigned' },
    ]);
    expect(await eventsOf('joined', 'NetworkChanged')).toEqual([{ type: 'Warning', count: 1 }]);
  });
});
