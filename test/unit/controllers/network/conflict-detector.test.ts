import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createClient } from '../../../../api/client/resource-client.ts';
import { findCondition } from '../../../../api/machinery/conditions.ts';
import { eventResource } from '../../../../api/v1/core.ts';
import { networkResource } from '../../../../api/v1/network.ts';
import { taskResource, type Task, type TaskStatus } from '../../../../api/v1/task.ts';
import {
  createConflictDetector,
  type ConflictDetector,
} from '../../../../controllers/network/conflict-detector.ts';
import { EventRecorder } from '../../../../controllers/runtime/event-recorder.ts';
import { Informer } from '../../../../controllers/runtime/informer.ts';
import { runAll } from '../../../../controllers/runtime/manager.ts';
import { silent, startApi, type TestApi } from '../runtime/api.ts';
import { FaultyTransport } from '../runtime/faulty-transport.ts';
import { draftTask, offerNetworks } from '../scheduler/harness.ts';

let api: TestApi;
let transport: FaultyTransport;
let detector: ConflictDetector;
let stop: () => Promise<void>;

beforeEach(async () => {
  api = await startApi();
  await offerNetworks(api.client, 'dev-net');
  start();
});
afterEach(async () => {
  await stop();
  await api.stop();
});

function start(): void {
  transport = new FaultyTransport(api.transport);
  const client = createClient(transport);
  const { clock, random } = api;
  const options = { clock, random, logger: silent };
  const caches = {
    tasks: new Informer({ client: client.of(taskResource), ...options }),
    networks: new Informer({ client: client.of(networkResource), ...options }),
  };
  const events = new EventRecorder({ client, component: 'conflicts', ...options });
  detector = createConflictDetector({ client, caches, events, ...options });
  const abort = new AbortController();
  const parts = [...Object.values(caches), detector.controller];
  const running = runAll(parts, abort.signal, silent);
  stop = async () => {
    abort.abort();
    await running;
  };
}

const tasks = () => api.client.of(taskResource);
const taskOf = (name: string): Promise<Task> => tasks().get({ namespace: 'prod', name });

function having(name: string, agentId: string, ...ips: string[]): TaskStatus {
  const network = {
    name: 'dev-net',
    cniName: 'dev-net',
    interface: 'eth0',
    ips,
    verdict: 'Assigned' as const,
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  return {
    phase: 'Running',
    mesos: { taskId: `prod.${name}`, agentId, agentHostname: agentId },
    ips,
    networks: [network],
  };
}

async function become(name: string, status: TaskStatus): Promise<void> {
  const task = await taskOf(name);
  const { conditions } = task.status ?? {};
  await tasks().updateStatus({
    ...task,
    status: { ...status, ...(conditions === undefined ? {} : { conditions }) },
  });
}

async function runs(name: string, agentId: string, ...ips: string[]): Promise<void> {
  await tasks().create(draftTask(name));
  await become(name, having(name, agentId, ...ips));
}

async function said(name: string): Promise<string | undefined> {
  const condition = findCondition((await taskOf(name)).status?.conditions, 'AddressConflict');
  return condition && `${condition.status}: ${condition.message}`;
}

async function told(): Promise<string[]> {
  const { items } = await api.client.of(eventResource).list({ namespace: 'prod' });
  return items
    .filter(({ reason, type }) => reason === 'AddressConflict' && type === 'Warning')
    .map(({ involvedObject, count = 0 }) => `${involvedObject.name ?? ''} ${count}`)
    .sort();
}

const writes = (): number => transport.writes.filter(({ path }) => path.includes('/tasks/')).length;
const settle = (): Promise<void> => api.clock.advance(3_000);
const over = 'False: no other live task has an address of it';

describe('one address at two tasks', () => {
  it('is told on both, once, and counted, until one of them is dead', async () => {
    await runs('web-0-b', 'S1', '10.0.0.5');
    await runs('web-1-c', 'S2', '10.0.0.5');
    await runs('web-2-d', 'S3', '10.0.0.6');
    await settle();
    expect(await said('web-0-b')).toBe(
      'True: prod/web-1-c on agent S2 has 10.0.0.5 on CNI network "dev-net" too',
    );
    expect(await said('web-1-c')).toBe(
      'True: prod/web-0-b on agent S1 has 10.0.0.5 on CNI network "dev-net" too',
    );
    expect(await said('web-2-d')).toBeUndefined();
    expect(await told()).toEqual(['web-0-b 1', 'web-1-c 1']);
    expect(detector.duplicates()).toEqual(new Map([['dev-net', 1]]));
    const { conditions = [] } = (await taskOf('web-0-b')).status ?? {};
    expect(conditions.map(({ type }) => type)).toEqual(['AddressConflict']);

    await api.clock.advance(600_000);
    expect(writes()).toBe(2);

    await become('web-1-c', { ...having('web-1-c', 'S2'), phase: 'Failed' });
    await settle();
    expect(await said('web-0-b')).toBe(over);
    expect(await said('web-1-c')).toBe(over);
    expect(detector.duplicates()).toEqual(new Map());
    expect(await told()).toEqual(['web-0-b 1', 'web-1-c 1']);
    expect(writes()).toBe(4);
  });

  it('is over when the other is deleted, as an object, without a word', async () => {
    await runs('web-0-b', 'S1', '10.0.0.5');
    await runs('web-1-c', 'S2', '10.0.0.5');
    await settle();
    const { metadata, ...other } = await taskOf('web-1-c');
    await tasks().update({ ...other, metadata: { ...metadata, finalizers: [] } });
    await tasks().delete({ namespace: 'prod', name: 'web-1-c' });
    await settle();
    expect(await said('web-0-b')).toBe(over);
  });

  it('is no news if it is over within seconds: the end of the first was on its way', async () => {
    await runs('web-0-b', 'S1', '10.0.0.5');
    await runs('web-1-c', 'S2', '10.0.0.5');
    await api.clock.advance(1_000);
    await become('web-0-b', { ...having('web-0-b', 'S1'), phase: 'Finished' });
    await api.clock.advance(10_000);
    expect(await said('web-0-b')).toBeUndefined();
    expect(await said('web-1-c')).toBeUndefined();
    expect(writes()).toBe(0);
  });

  it('is found when a task returns that was out of sight', async () => {
    await runs('web-0-b', 'S1', '10.0.0.5');
    const { networks, ips } = having('web-0-b', 'S1', '10.0.0.5');
    await become('web-0-b', {
      ...having('web-0-b', 'S1'),
      phase: 'Unreachable',
      lastKnown: { ips, networks },
    });
    await runs('web-1-c', 'S2', '10.0.0.5');
    await settle();
    expect(writes()).toBe(0);
    await become('web-0-b', having('web-0-b', 'S1', '10.0.0.5'));
    await settle();
    expect(await said('web-1-c')).toMatch(/^True: prod\/web-0-b /);
    expect(await told()).toEqual(['web-0-b 1', 'web-1-c 1']);
  });

  it('takes neither out of service', async () => {
    await runs('web-0-b', 'S1', '10.0.0.5');
    await runs('web-1-c', 'S2', '10.0.0.5');
    const before = await taskOf('web-0-b');
    await settle();
    const { status: after } = await taskOf('web-0-b');
    expect(after?.conditions).toHaveLength(1);
    expect({ ...after, conditions: undefined }).toEqual(before.status);
  });
});

describe('the leader that follows', () => {
  it('writes nothing that is said already, and takes back what is over', async () => {
    await runs('web-0-b', 'S1', '10.0.0.5');
    await runs('web-1-c', 'S2', '10.0.0.5');
    await settle();
    await stop();
    start();
    await settle();
    expect(writes()).toBe(0);
    expect(detector.duplicates()).toEqual(new Map([['dev-net', 1]]));
    await stop();
    await become('web-1-c', having('web-1-c', 'S2', '10.0.0.7'));
    start();
    await settle();
    expect(await said('web-0-b')).toBe(over);
    expect(await said('web-1-c')).toBe(over);
  });
});

describe('a network of which every agent has its own', () => {
  it('is compared agent by agent as soon as an operator says so', async () => {
    await runs('web-0-b', 'S1', '10.0.0.5');
    await runs('web-1-c', 'S2', '10.0.0.5');
    await settle();
    expect(await said('web-0-b')).toMatch(/^True/);
    const networks = api.client.of(networkResource);
    await networks.patch(
      { name: 'dev-net' },
      { spec: { addressScope: 'Agent' } },
      { type: 'merge' },
    );
    await settle();
    expect(await said('web-0-b')).toBe(over);
    expect(detector.duplicates()).toEqual(new Map());
    await runs('web-2-d', 'S2', '10.0.0.5');
    await settle();
    expect(await said('web-1-c')).toMatch(/^True: prod\/web-2-d on agent S2 /);
    expect(await said('web-0-b')).toBe(over);
    await networks.delete({ name: 'dev-net' });
    await settle();
    expect(await said('web-0-b')).toBe(over);
  });
});
