import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { seededRandom } from '../../../../api/machinery/random.ts';
import {
  SimulatedCluster,
  type SimulatedClusterOptions,
} from '../../../../hack/emulator/cluster.ts';
import { serveSimulated } from '../../../../hack/emulator/serve.ts';
import { inMemoryTransport } from '../../../../hack/emulator/transport.ts';
import type {
  Offer,
  SchedulerCall,
  SchedulerEvent,
  TaskInfo,
} from '../../../../proto/mesos/generated/messages.ts';
import type { Subscription } from '../../../../proto/mesos/transport.ts';
import { TestFramework, shellTask, testFrameworkInfo } from '../../../support/test-framework.ts';
import { VirtualClock, settle } from '../../../support/virtual-clock.ts';

/** A framework that reads events as they come, on a virtual clock. */
class VirtualFramework {
  readonly events: SchedulerEvent[] = [];
  failure: unknown;
  readonly #subscription: Subscription;

  constructor(subscription: Subscription) {
    this.#subscription = subscription;
    void this.#read();
  }

  get id(): string {
    const first = this.events.find(({ subscribed }) => subscribed !== undefined);
    return first?.subscribed?.framework_id.value ?? '';
  }

  get offers(): Offer[] {
    return this.events.flatMap(({ offers }) => offers?.offers ?? []);
  }

  states(taskId: string): string[] {
    return this.events.flatMap(({ update }) =>
      update?.status.task_id.value === taskId ? [update.status.state] : [],
    );
  }

  call(call: SchedulerCall) {
    return this.#subscription.call({ framework_id: { value: this.id }, ...call });
  }

  async launch(offer: Offer, ...tasks: Omit<TaskInfo, 'agent_id'>[]): Promise<void> {
    const task_infos = tasks.map((task) => ({ ...task, agent_id: offer.agent_id }));
    await this.call({
      type: 'ACCEPT',
      accept: {
        offer_ids: [offer.id],
        operations: [{ type: 'LAUNCH', launch: { task_infos } }],
      },
    });
  }

  async #read(): Promise<void> {
    try {
      for await (const event of this.#subscription.events) {
        this.events.push(event);
        const status = event.update?.status;
        if (status?.uuid === undefined || status.agent_id === undefined) continue;
        const { agent_id, task_id, uuid } = status;
        await this.call({ type: 'ACKNOWLEDGE', acknowledge: { agent_id, task_id, uuid } });
      }
    } catch (error) {
      this.failure = error;
    }
  }
}

function setUp(options: Partial<SimulatedClusterOptions> = {}) {
  const clock = new VirtualClock({ random: seededRandom(7) });
  const cluster = new SimulatedCluster({ clock, random: seededRandom(3), agents: 2, ...options });
  cluster.start();
  const subscribe = async (id?: string): Promise<VirtualFramework> => {
    const framework_info = {
      ...testFrameworkInfo,
      ...(id === undefined ? {} : { id: { value: id } }),
    };
    const subscription = await inMemoryTransport(cluster).subscribe(
      {
        type: 'SUBSCRIBE',
        ...(id === undefined ? {} : { framework_id: { value: id } }),
        subscribe: { framework_info },
      },
      new AbortController().signal,
    );
    const framework = new VirtualFramework(subscription);
    await settle();
    return framework;
  };
  return { clock, cluster, subscribe };
}

test('a task lives its life on a virtual clock', async () => {
  const { clock, subscribe } = setUp();
  const framework = await subscribe();
  await clock.advance(1000);
  const [offer] = framework.offers;
  await framework.launch(offer!, shellTask('t', 'sleep 30', ['dev-net']));
  await clock.advance(20_000);
  expect(framework.states('t')).toEqual(['TASK_STARTING', 'TASK_RUNNING']);
  await clock.advance(20_000);
  expect(framework.states('t')).toEqual(['TASK_STARTING', 'TASK_RUNNING', 'TASK_FINISHED']);
});

test('tasks of an agent that is cut off become unreachable and come back with it', async () => {
  const { clock, cluster, subscribe } = setUp({ agents: 1 });
  const framework = await subscribe();
  await clock.advance(1000);
  await framework.launch(framework.offers[0]!, shellTask('t', 'sleep 9999'));
  await clock.advance(1000);
  cluster.agents.partition(0);
  await clock.advance(75_000);
  expect(framework.states('t').at(-1)).toBe('TASK_UNREACHABLE');
  expect(framework.events.some(({ failure }) => failure !== undefined)).toBe(true);
  cluster.agents.heal(0);
  await clock.advance(1000);
  expect(framework.states('t').at(-1)).toBe('TASK_RUNNING');
});

test('a restarted agent within the timeout is no news to the framework', async () => {
  const { clock, cluster, subscribe } = setUp({ agents: 1 });
  const framework = await subscribe();
  await clock.advance(1000);
  await framework.launch(framework.offers[0]!, shellTask('t', 'sleep 9999'));
  await clock.advance(1000);
  const before = framework.states('t');
  cluster.agents.kill(0);
  await clock.advance(5000);
  cluster.agents.start(0);
  await clock.advance(60_000);
  expect(framework.states('t')).toEqual(before);
  await framework.call({ type: 'KILL', kill: { task_id: { value: 't' } } });
  await clock.advance(1000);
  expect(framework.states('t').slice(-2)).toEqual(['TASK_KILLING', 'TASK_KILLED']);
});

test('a new leader takes over agents, tasks and framework ids', async () => {
  const { clock, cluster, subscribe } = setUp({ agents: 1 });
  const first = await subscribe();
  await clock.advance(1000);
  await first.launch(first.offers[0]!, shellTask('t', 'sleep 9999'));
  await clock.advance(1000);
  cluster.failover();
  await clock.advance(1000);
  expect(first.failure).toMatchObject({ code: 'Ended' });
  const second = await subscribe(first.id);
  await clock.advance(1000);
  expect(second.id).toBe(first.id);
  await second.call({ type: 'RECONCILE', reconcile: { tasks: [{ task_id: { value: 't' } }] } });
  await settle();
  expect(second.states('t')).toEqual(['TASK_RUNNING']);
  expect(second.offers[0]?.id.value).toMatch(/-O0$/);
});

test('no task is unknown to a new leader while its agent may still come back', async () => {
  const { clock, cluster, subscribe } = setUp({ agents: 1 });
  const first = await subscribe();
  await clock.advance(1000);
  const [offer] = first.offers;
  await first.launch(offer!, shellTask('t', 'sleep 9999'));
  await clock.advance(1000);
  cluster.agents.kill(0);
  cluster.failover();
  const second = await subscribe(first.id);
  const reconcile = async (): Promise<void> => {
    await second.call({
      type: 'RECONCILE',
      reconcile: { tasks: [{ task_id: { value: 't' }, agent_id: offer!.agent_id }] },
    });
    await settle();
  };
  await reconcile();
  expect(second.states('t')).toEqual([]);
  await clock.advance(600_000);
  await reconcile();
  expect(second.states('t')).toEqual(['TASK_UNREACHABLE']);
});

test('two frameworks get the agents in turn', async () => {
  const { clock, subscribe } = setUp({ agents: 10 });
  const one = await subscribe();
  const two = await subscribe();
  await clock.advance(3000);
  expect(one.offers.length + two.offers.length).toBe(10);
  expect(Math.abs(one.offers.length - two.offers.length)).toBeLessThanOrEqual(1);
});

test.each(['json', 'protobuf'] as const)(
  'over HTTP in %s a task starts and ends, with gzipped calls',
  async (format) => {
    const served = await serveSimulated({ agents: 1 });
    try {
      const framework = await TestFramework.subscribe(served.address, {}, format);
      await framework.launch(shellTask('t', 'true', ['dev-net', 'data-net']));
      const finished = await framework.status('t', 'TASK_FINISHED');
      expect(finished.container_status?.network_infos?.map(({ name }) => name)).toEqual([
        'data-net',
        'dev-net',
      ]);
      const state = await fetch(`http://${served.address}/api/v1`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
        body: gzipSync('{"type":"GET_TASKS"}'),
      });
      expect(await state.text()).toContain('"TASK_FINISHED"');
      framework.close();
    } finally {
      await served.stop();
    }
  },
);
