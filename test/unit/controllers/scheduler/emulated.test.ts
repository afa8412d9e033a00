import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../api/machinery/random.ts';
import { agentResource } from '../../../../api/v1/agent.ts';
import { isDead, taskResource, type Task } from '../../../../api/v1/task.ts';
import { SimulatedCluster } from '../../../../hack/emulator/cluster.ts';
import { operatorCall } from '../../../../hack/emulator/master/operator.ts';
import { inMemoryTransport } from '../../../../hack/emulator/transport.ts';
import type { SchedulerCall } from '../../../../proto/mesos/generated/messages.ts';
import type { MasterResponseGetAgents } from '../../../../proto/mesos/generated/messages.ts';
import type { SchedulerTransport } from '../../../../proto/mesos/transport.ts';
import { startApi, until, type TestApi } from '../runtime/api.ts';
import {
  draftTask,
  frameworkOf,
  offerNetworks,
  startScheduler,
  tasksOf,
  type RunningScheduler,
} from './harness.ts';

let api: TestApi;
let cluster: SimulatedCluster;
const schedulers: RunningScheduler[] = [];
/** What the law below has found broken. */
let broken: string[];
let launched: string[];

beforeEach(begin);
afterEach(end);

async function begin(): Promise<void> {
  api = await startApi();
  await offerNetworks(api.client, 'dev-net');
  cluster = new SimulatedCluster({
    clock: api.clock,
    random: seededRandom(3),
    agents: 3,
    timings: { agentPingTimeout: 1_000, maxAgentPingTimeouts: 3 },
  });
  cluster.start();
  broken = [];
  launched = [];
}

async function end(): Promise<void> {
  for (const scheduler of schedulers.splice(0)) {
    if (scheduler.process.isAlive()) await scheduler.stop();
  }
  cluster.stop();
  await api.stop();
}

function start(identity = 'first'): RunningScheduler {
  const getAgents = (): Promise<MasterResponseGetAgents> => {
    const answer = operatorCall(cluster.leading!.state, { type: 'GET_AGENTS' });
    return Promise.resolve((typeof answer === 'object' ? answer.get_agents : undefined) ?? {});
  };
  const scheduler = startScheduler({
    api,
    mesos: lawful(inMemoryTransport(cluster)),
    identity,
    getAgents,
  });
  schedulers.push(scheduler);
  return scheduler;
}

/** Holds every call, as it reaches the master, against what the store says at that moment. */
function lawful(inner: SchedulerTransport): SchedulerTransport {
  return {
    subscribe: async (call, signal) => {
      const subscription = await inner.subscribe(call, signal);
      const states = new Map<string, string>();
      return {
        streamId: subscription.streamId,
        master: subscription.master,
        close: () => subscription.close(),
        events: (async function* () {
          for await (const event of subscription.events) {
            const status = event.update?.status;
            if (status?.uuid !== undefined) states.set(status.uuid, status.state);
            yield event;
          }
        })(),
        call: async (made) => {
          await check(made, states);
          return subscription.call(made);
        },
      };
    },
  };
}

async function check(call: SchedulerCall, states: ReadonlyMap<string, string>): Promise<void> {
  for (const { launch } of call.accept?.operations ?? []) {
    for (const { task_id: id, agent_id: agent } of launch?.task_infos ?? []) {
      const mesos = (await taskOf(id.value))?.status?.mesos;
      if (mesos?.agentId !== agent.value) broken.push(`${id.value} launched before it was bound`);
      if (launched.includes(id.value)) broken.push(`${id.value} launched twice`);
      launched.push(id.value);
    }
  }
  const { acknowledge } = call;
  if (acknowledge === undefined) return;
  const told = states.get(acknowledge.uuid) ?? '';
  const task = await taskOf(acknowledge.task_id.value);
  if (task === undefined) return;
  const stored = task.status?.mesos?.state ?? '';
  const order = ['', 'TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING'];
  if (
    order.includes(stored) &&
    order.includes(told) &&
    order.indexOf(stored) >= order.indexOf(told)
  )
    return;
  if (stored !== told) broken.push(`${told} acknowledged while ${stored} was stored`);
}

async function taskOf(taskId: string): Promise<Task | undefined> {
  return (await tasksOf(api.client)).get(taskId.replace(/^prod\./, ''));
}

const names = ['web-0-a', 'web-1-b', 'web-2-c'];

async function createAll(): Promise<void> {
  for (const name of names) await api.client.of(taskResource).create(draftTask(name));
}

async function all(condition: (task: Task) => boolean): Promise<boolean> {
  return [...(await tasksOf(api.client)).values()].every(condition);
}

const isRunning = (task: Task): boolean => task.status?.phase === 'Running';
const allRun = (): Promise<void> => until(api.clock, () => all(isRunning));

/** Task ids that the master knows to live. */
function living(): string[] {
  const frameworks = [...cluster.leading!.state.frameworks.values()];
  return frameworks.flatMap(({ tasks }) => [...tasks.keys()]).sort();
}

describe('the scheduler on an emulated cluster', () => {
  it('launches tasks, spread over the agents, and stores their addresses', async () => {
    const running = start();
    await createAll();
    await allRun();
    expect(running.scheduler?.ready()).toEqual({ ok: true, reason: 'subscribed' });
    const tasks = [...(await tasksOf(api.client)).values()];
    for (const { status } of tasks) {
      expect(status?.networks).toMatchObject([{ name: 'dev-net', verdict: 'Assigned' }]);
      expect(status?.ip).toBe(status?.networks?.[0]?.ips[0]);
    }
    expect(new Set(tasks.map(({ status }) => status?.mesos?.agentId)).size).toBe(3);
    expect(await frameworkOf(api.client)).toMatchObject({
      status: { state: 'Subscribed', masterAddress: '127.0.0.1:5050' },
    });
    expect(broken).toEqual([]);
  });

  it('shows the agents, and that one is lost and has returned', async () => {
    start();
    await createAll();
    await allRun();
    const agents = api.client.of(agentResource);
    const lost = (): Promise<boolean | undefined> =>
      agents.get({ name: 'agent1.test' }).then(({ status }) => status?.active);
    expect(await agents.get({ name: 'agent1.test' })).toMatchObject({
      status: {
        hostname: 'agent1.test',
        active: true,
        attributes: { rack: 'r0', zone: 'z0' },
        address: { port: 5051 },
      },
    });
    await until(
      api.clock,
      async () => (await agents.get({ name: 'agent1.test' })).status?.resources?.cpus === 8,
      120_000,
    );
    cluster.agents.kill(0);
    await until(api.clock, async () => (await lost()) === false, 180_000);
    cluster.agents.start(0);
    await until(api.clock, async () => (await lost()) === true, 180_000);
  });

  it('follows tasks through the loss of their agent and its return', async () => {
    start();
    await createAll();
    await allRun();
    const before = living();
    cluster.agents.kill(0);
    await until(api.clock, async () => !(await all(isRunning)));
    const away = [...(await tasksOf(api.client)).values()].filter((task) => !isRunning(task));
    expect(away.map(({ status }) => status?.phase)).toContain('Unreachable');
    cluster.agents.start(0);
    await allRun();
    expect(living()).toEqual(before);
    expect(launched).toHaveLength(names.length);
  });

  it('finds out that tasks ended with their agent, which then returned', async () => {
    start();
    await createAll();
    await allRun();
    cluster.agents.unregister(0);
    await until(api.clock, async () => !(await all(isRunning)));
    await api.clock.advance(70_000);
    cluster.agents.start(0);
    await until(api.clock, () => all((task) => isRunning(task) || isDead(task)), 1_000_000);
    const live = [...(await tasksOf(api.client)).values()].filter(isRunning);
    expect(live.length).toBeLessThan(names.length);
    expect(living()).toEqual(live.map(({ metadata }) => `prod.${metadata.name}`).sort());
  });

  it('follows tasks through a failover of the master', async () => {
    const running = start();
    await createAll();
    await allRun();
    const before = living();
    cluster.failover();
    await until(api.clock, () => running.scheduler?.ready().ok === false);
    await until(api.clock, () => running.scheduler?.ready().ok === true);
    await until(api.clock, () => living().length === before.length);
    await api.clock.advance(60_000);
    expect(await all(isRunning)).toBe(true);
    expect(living()).toEqual(before);
    expect(broken).toEqual([]);
  });

  it('stops tasks', async () => {
    start();
    await createAll();
    await allRun();
    const tasks = api.client.of(taskResource);
    for (const name of names) await tasks.delete({ namespace: 'prod', name });
    await until(api.clock, async () => (await tasksOf(api.client)).size === 0);
    expect(living()).toEqual([]);
    expect(broken).toEqual([]);
  });
});

describe('a scheduler that is killed at any moment', () => {
  /** Launches, stops one of the tasks, and dies at its `fatal`th action; another takes over. */
  async function story(fatal: number): Promise<{ died: boolean }> {
    const first = start('first');
    let actions = 0;
    first.process.onAction = () => {
      actions += 1;
      if (actions !== fatal) return;
      first.process.kill();
      start('second');
    };
    await createAll();
    await until(api.clock, () => all((task) => isDead(task) || isRunning(task)), 300_000);
    const tasks = api.client.of(taskResource);
    const stopped = await tasks.get({ namespace: 'prod', name: names[0] ?? '' });
    await tasks.update({ ...stopped, spec: { ...stopped.spec, stop: { reason: 'ScaleDown' } } });
    const quiet = (task: Task): boolean =>
      isDead(task) || (isRunning(task) && task.spec.stop === undefined);
    await until(api.clock, () => all(quiet), 300_000);
    first.process.onAction = () => undefined;
    await api.clock.advance(120_000);
    return { died: !first.process.isAlive() };
  }

  it('has launched nothing twice, and leaves nothing that the store does not know', async () => {
    let died = 0;
    for (let fatal = 1; ; fatal += 1) {
      if (fatal > 1) {
        await end();
        await begin();
      }
      const outcome = await story(fatal);
      expect(broken, `dead at action ${fatal}`).toEqual([]);
      const live = [...(await tasksOf(api.client)).values()].filter((task) => !isDead(task));
      const known = live.map(({ metadata }) => `prod.${metadata.name}`).sort();
      expect(living(), `dead at action ${fatal}`).toEqual(known);
      if (!outcome.died) break;
      died += 1;
    }
    expect(died).toBeGreaterThan(40);
  }, 120_000);
});
