import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createClient } from '../../../../api/client/resource-client.ts';
import { Metrics } from '../../../../api/machinery/metrics.ts';
import { agentResource } from '../../../../api/v1/agent.ts';
import { eventResource } from '../../../../api/v1/core.ts';
import { taskResource, type Task } from '../../../../api/v1/task.ts';
import {
  createAddressObserver,
  observerIndexers,
} from '../../../../controllers/network/observer.ts';
import { EventRecorder } from '../../../../controllers/runtime/event-recorder.ts';
import { Informer } from '../../../../controllers/runtime/informer.ts';
import { runAll } from '../../../../controllers/runtime/manager.ts';
import type { AgentResponseGetContainers } from '../../../../proto/mesos/generated/messages.ts';
import { MesosRequestError } from '../../../../proto/mesos/transport.ts';
import { settle } from '../../../support/virtual-clock.ts';
import { silent, startApi, until, type TestApi } from '../runtime/api.ts';
import { FaultyTransport } from '../runtime/faulty-transport.ts';
import { draftTask, offerNetworks } from '../scheduler/harness.ts';

const intervalMs = 300_000;

let api: TestApi;
let transport: FaultyTransport;
let asked: { host: string; at: number }[];
let answer: (host: string) => Promise<AgentResponseGetContainers>;
let metrics: Metrics;
let stop: () => Promise<void>;

beforeEach(async () => {
  api = await startApi();
  await offerNetworks(api.client, 'dev-net');
  asked = [];
  metrics = new Metrics();
  answer = () => Promise.resolve({ containers: [] });
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
    agents: new Informer({ client: client.of(agentResource), ...options }),
    tasks: new Informer({
      client: client.of(taskResource),
      ...options,
      indexers: observerIndexers,
    }),
  };
  const observer = createAddressObserver({
    client,
    caches,
    agent: ({ hostname: host }) => ({
      getContainers: () => {
        asked.push({ host, at: clock.monotonic() });
        return answer(host);
      },
    }),
    intervalMs,
    events: new EventRecorder({ client, component: 'observer', ...options }),
    drifts: metrics.counter('drifts_total', 'Drifts.'),
    ...options,
  });
  const abort = new AbortController();
  const running = runAll([...Object.values(caches), observer], abort.signal, silent);
  stop = async () => {
    abort.abort();
    await running;
  };
}

async function agent(index: number, active = true): Promise<void> {
  const agents = api.client.of(agentResource);
  const apiVersion = 'mesocosm.dev/v1' as const;
  const metadata = { name: `agent${index}` };
  const created = await agents.create({ apiVersion, kind: 'Agent', metadata, spec: {} });
  const address = { ip: `10.0.0.${index}`, port: 5051 };
  const status = { id: `S${index}`, hostname: `agent${index}`, active, address };
  await agents.updateStatus({ ...created, status });
}

/** A Task that runs on the agent with this address. */
async function runs(name: string, index: number, ip: string): Promise<void> {
  const tasks = api.client.of(taskResource);
  const taskId = `prod.${name}`;
  const now = '2026-11-21T12:00:00Z';
  await tasks.updateStatus({
    ...(await tasks.create(draftTask(name))),
    status: {
      phase: 'Running',
      mesos: { taskId, frameworkId: 'F1', agentId: `S${index}`, state: 'TASK_RUNNING' },
      containers: [{ name: 'web', taskId, state: 'TASK_RUNNING' }],
      ip,
      ips: [ip],
      networks: [
        {
          name: 'dev-net',
          cniName: 'dev-net',
          interface: 'eth0',
          ips: [ip],
          verdict: 'Assigned',
          lastTransitionTime: now,
        },
      ],
    },
  });
}

function telling(name: string, ip: string): AgentResponseGetContainers {
  return {
    containers: [
      {
        framework_id: { value: 'F1' },
        executor_id: { value: `prod.${name}` },
        container_id: { value: 'C1' },
        container_status: {
          network_infos: [{ name: 'dev-net', ip_addresses: [{ ip_address: ip }] }],
        },
      },
    ],
  };
}

const task = (name: string): Promise<Task> =>
  api.client.of(taskResource).get({ namespace: 'prod', name });

async function drifts(): Promise<string[]> {
  const { items } = await api.client.of(eventResource).list({ namespace: 'prod' });
  return items
    .filter(({ reason, type }) => reason === 'AddressDrift' && type === 'Warning')
    .map(({ involvedObject, message }) => `${involvedObject.name ?? ''}: ${message ?? ''}`);
}

const writes = (): number => transport.writes.filter(({ path }) => path.includes('/tasks/')).length;

describe('observation', () => {
  it('asks each agent that runs tasks once in an interval, spread over it', async () => {
    for (let index = 1; index <= 8; index += 1) {
      await agent(index);
      await runs(`web-0-${'bcdfghjk'[index] ?? 'z'}`, index, `10.1.0.${index}`);
    }
    await agent(9);
    await agent(10, false);
    start();
    await api.clock.advance(intervalMs);
    expect(new Set(asked.map(({ host }) => host)).size).toBe(8);
    expect(asked).toHaveLength(8);
    expect(new Set(asked.map(({ at }) => at)).size).toBe(8);
    await api.clock.advance(2 * intervalMs);
    expect(asked).toHaveLength(24);
    expect(writes()).toBe(0);
  });

  it('tells and mends a difference, once', async () => {
    await agent(1);
    await runs('web-0-b', 1, '10.1.0.1');
    answer = () => Promise.resolve(telling('web-0-b', '10.1.0.7'));
    start();
    await until(
      api.clock,
      async () => (await task('web-0-b')).status?.ip === '10.1.0.7',
      intervalMs,
    );
    await api.clock.advance(3 * intervalMs);
    expect(asked.length).toBeGreaterThanOrEqual(3);
    expect(writes()).toBe(1);
    expect(await drifts()).toEqual([
      'web-0-b: dev-net has 10.1.0.7 on the agent, and 10.1.0.1 was stored',
    ]);
    expect(metrics.text()).toContain('drifts_total 1\n');
  });

  it('changes nothing when an agent does not answer, and asks again', async () => {
    await agent(1);
    await runs('web-0-b', 1, '10.1.0.1');
    answer = () => Promise.reject(new MesosRequestError('Unreachable', 'no way there'));
    start();
    await api.clock.advance(3 * intervalMs);
    expect(asked).toHaveLength(3);
    expect(writes()).toBe(0);
    expect((await task('web-0-b')).status?.ip).toBe('10.1.0.1');
  });

  it('yields to what was written while the agent was asked', async () => {
    await agent(1);
    await runs('web-0-b', 1, '10.1.0.1');
    answer = async () => {
      const known = await task('web-0-b');
      const { status } = known;
      if (status === undefined) throw new Error('it has no status');
      const [network] = status.networks ?? [];
      if (network === undefined) throw new Error('it has no network');
      answer = () => Promise.resolve(telling('web-0-b', '10.1.0.3'));
      await api.client.of(taskResource).updateStatus({
        ...known,
        status: {
          ...status,
          ip: '10.1.0.3',
          ips: ['10.1.0.3'],
          networks: [{ ...network, ips: ['10.1.0.3'] }],
        },
      });
      return telling('web-0-b', '10.1.0.2');
    };
    start();
    await until(api.clock, () => asked.length === 1, intervalMs);
    await settle();
    expect((await task('web-0-b')).status?.ip).toBe('10.1.0.3');
    await api.clock.advance(2 * intervalMs);
    expect((await task('web-0-b')).status?.ip).toBe('10.1.0.3');
    expect(await drifts()).toEqual([]);
  });

  it('begins with an agent that comes later, and ends with one that is removed', async () => {
    start();
    await settle();
    await agent(1);
    await runs('web-0-b', 1, '10.1.0.1');
    await api.clock.advance(intervalMs);
    expect(asked).toHaveLength(1);
    await api.client.of(agentResource).delete({ name: 'agent1' });
    await api.clock.advance(2 * intervalMs);
    expect(asked).toHaveLength(1);
  });
});
