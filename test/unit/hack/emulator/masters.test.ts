import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseZkUrl } from '../../../../hack/emulator/master/election.ts';
import { TestEmulator } from '../../../support/emulator.ts';
import { TestFramework, shellTask } from '../../../support/test-framework.ts';
import { startZooKeeper, type RealZooKeeper } from '../../../support/zookeeper.ts';

let zookeeper: RealZooKeeper;
let emulator: TestEmulator;

beforeAll(async () => {
  zookeeper = await startZooKeeper();
  emulator = await TestEmulator.start({
    mode: 'process',
    masters: 2,
    agents: 1,
    zk: `zk://${zookeeper.connectString}/mesos`,
    timings: { zkSessionTimeout: 4000 },
  });
});

afterAll(async () => {
  await emulator.stop();
  await zookeeper.stop();
});

test('a master killed with -9 is followed by the other, with tasks and framework ids', async () => {
  const [first = '', second = ''] = emulator.masters;
  await expect.poll(() => leaderOf(second)).toBe(first);
  const redirect = await subscribeAt(second);
  expect(redirect.status).toBe(307);
  expect(redirect.headers.get('location')).toBe(`//${first}/master/api/v1/scheduler`);
  expect(await redirect.text()).toBe('');

  const before = await TestFramework.subscribe(first);
  await before.launch(shellTask('kept', 'sleep 600', ['dev-net']));
  const running = await before.status('kept', 'TASK_RUNNING');
  await emulator.killMaster(0);
  await expect.poll(() => before.ended).toBe(true);
  // Until the session of the dead leader expires, it is still named.
  expect(await leaderOf(second)).toBe(first);
  await expect.poll(() => leaderOf(second)).toBe(second);

  const id = { value: before.id ?? '' };
  const after = await TestFramework.subscribe(second, { id });
  expect(after.id).toBe(before.id);
  const offer = await after.offer();
  expect(offer.id.value).toMatch(/-O0$/);
  expect(offer.agent_id).toEqual(running.agent_id);
  await after.call({ type: 'RECONCILE', reconcile: { tasks: [] } });
  const reconciled = await after.status('kept', 'TASK_RUNNING');
  expect(reconciled.message).toBe('Reconciliation: Latest task state');
  expect(reconciled.container_status).toEqual(running.container_status);
  await after.call({ type: 'KILL', kill: { task_id: { value: 'kept' } } });
  await after.status('kept', 'TASK_KILLED');
  after.close();

  await emulator.startMaster(0);
  await expect.poll(() => leaderOf(first)).toBe(second);
});

test('a session that expires takes the leadership and the process of the leader', async () => {
  await zookeeper.kill();
  const [, second = ''] = emulator.masters;
  await expect
    .poll(async () => (await answer(second, '/master/redirect'))?.status ?? 'gone')
    .toBe('gone');
  const [first = ''] = emulator.masters;
  const without = await answer(first, '/master/redirect');
  expect(without?.status).toBe(503);
  expect(await without?.text()).toBe('No leader elected');
  await zookeeper.restart();
  await expect.poll(() => leaderOf(first)).toBe(first);
});

test('a ZooKeeper address must name hosts and a path', () => {
  expect(parseZkUrl('zk://a:1,b:2/mesos')).toEqual({ hosts: 'a:1,b:2', path: '/mesos' });
  expect(() => parseZkUrl('a:1/mesos')).toThrow(/is not zk:/);
});

async function leaderOf(master: string): Promise<string | undefined> {
  const response = await answer(master, '/master/redirect');
  return response?.headers.get('location')?.replace('//', '');
}

async function answer(master: string, path: string): Promise<Response | undefined> {
  try {
    return await fetch(`http://${master}${path}`, { redirect: 'manual' });
  } catch {
    return undefined;
  }
}

function subscribeAt(master: string): Promise<Response> {
  return fetch(`http://${master}/api/v1/scheduler`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/json' },
    body: '{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"root","name":"x"}}}',
  });
}
