import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Task } from '../../../api/v1/task.ts';
import { until } from '../zookeeper/event-log.ts';
import { Cluster } from './cluster.ts';

const path = '/aurora/prod/web';
const brake = { members: 2, percent: 20, windowSeconds: 300 };
const hosts = [1, 2, 3, 4, 5, 6].map((n) => `10.0.0.${n}`);

let cluster: Cluster;
let tasks: Task[];

beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(async () => {
  await cluster.stop();
});

/** Six members, of which the last four are lost, two and two: the first two go, the others are held. */
async function loseFour(): Promise<void> {
  await cluster.publish('web', { drainSeconds: 0.2 });
  tasks = await Promise.all(hosts.map((_, instance) => cluster.ready('web', instance)));
  await cluster.shows(path, hosts);
  for (const task of tasks.slice(2, 4)) await cluster.become(task, 'Unreachable');
  await cluster.shows(path, ['10.0.0.1', '10.0.0.2', '10.0.0.5', '10.0.0.6']);
  for (const task of tasks.slice(4)) await cluster.become(task, 'Unreachable');
  await until(
    async () =>
      (await cluster.serverSets.get({ namespace: 'prod', name: 'web' })).status?.held === 2,
    'two are held',
  );
  expect(await cluster.members(path)).toHaveLength(4);
}

async function heldHosts(): Promise<string[]> {
  const shown = (await cluster.members(path)).map(({ host }) => host);
  return shown.filter((host) => host !== '10.0.0.1' && host !== '10.0.0.2').sort();
}

describe('the brake', () => {
  it('holds what would go at once above the limit, and says so', async () => {
    await cluster.lead({ brake });
    await loseFour();
    const { status } = await cluster.says('web', 'Held', 'True', 'TooManyUnreachable');
    expect(status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'Held',
    });
    await until(async () => (await cluster.eventReasons()).includes('MembersHeld'), 'an Event');
  });

  it('goes on holding under the next leader', async () => {
    const first = await cluster.lead({ brake });
    await loseFour();
    const held = await heldHosts();
    await first.stop();
    // With limits that would let all of them go.
    await cluster.lead({ brake: { members: 100, percent: 100, windowSeconds: 300 } });
    await cluster.become(tasks[0]!, 'Running', '10.0.7.7');
    await until(
      async () => (await cluster.members(path)).some(({ host }) => host === '10.0.7.7'),
      'it works',
    );
    expect((await cluster.members(path)).map(({ host }) => host).sort()).toEqual(
      ['10.0.0.2', '10.0.7.7', ...held].sort(),
    );
  });

  it('lets go what returns, dies, is to stop, or whose address another task has', async () => {
    await cluster.lead({ brake });
    await loseFour();
    const [one, two] = (await heldHosts()).map((host) => tasks[hosts.indexOf(host)]!);
    await cluster.become(one!, 'Failed');
    await until(async () => (await heldHosts()).length === 1, 'the dead one is gone');
    await cluster.ready('api', 0, (await heldHosts())[0]);
    await until(async () => (await heldHosts()).length === 0, 'its address is used again');
    await cluster.become(two!, 'Running', '10.0.5.5');
    await cluster.shows(path, ['10.0.0.1', '10.0.0.2', '10.0.5.5']);
    await cluster.says('web', 'Held', 'False');
  });

  it('never keeps a task that is to stop', async () => {
    await cluster.lead({ brake });
    await loseFour();
    for (const task of tasks.slice(2)) await cluster.stopTask(task);
    await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
    await until(async () => {
      const { items } = await cluster.tasks.list({ namespace: 'prod' });
      return items.filter(({ metadata }) => metadata.finalizers !== undefined).length === 2;
    }, 'they are free');
  });

  it('lets all go that an operator releases', async () => {
    await cluster.lead({ brake });
    await loseFour();
    const ref = { namespace: 'prod', name: 'web' };
    const annotations = { 'mesocosm.dev/release-held': 'true' };
    await cluster.serverSets.patch(ref, { metadata: { annotations } }, { type: 'merge' });
    await cluster.shows(path, ['10.0.0.1', '10.0.0.2']);
    await cluster.says('web', 'Held', 'False');
    expect((await cluster.serverSets.get(ref)).metadata.annotations).toBeUndefined();
  });

  it('does not hold tasks that are not ready, dead, or scaled down, however many', async () => {
    await cluster.lead({ brake });
    await cluster.publish('web', { drainSeconds: 0.2 });
    const all = await Promise.all(hosts.map((_, instance) => cluster.ready('web', instance)));
    await cluster.shows(path, hosts);
    for (const task of all.slice(0, 2)) await cluster.become(task, 'Running', '10.0.0.1', false);
    for (const task of all.slice(2, 4)) await cluster.become(task, 'Failed');
    for (const task of all.slice(4)) await cluster.stopTask(task);
    await cluster.shows(path, []);
  });
});
