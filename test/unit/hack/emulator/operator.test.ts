import { expect, test } from 'vitest';
import { seededRandom } from '../../../../api/machinery/random.ts';
import { SimulatedCluster } from '../../../../hack/emulator/cluster.ts';
import type { ApiAnswer } from '../../../../hack/emulator/http/messages.ts';
import { codec } from '../../../../proto/mesos/codec.ts';
import type {
  MachineID,
  MasterCall,
  MasterResponse,
  SchedulerCall,
  SchedulerEvent,
} from '../../../../proto/mesos/generated/messages.ts';
import { RecordDecoder } from '../../../../proto/mesos/recordio.ts';
import { shellTask, testFrameworkInfo } from '../../../support/test-framework.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

const event = codec('mesos.v1.scheduler.Event', 'json');
const machine: MachineID = { hostname: 'agent1.test', ip: '10.1.0.0' };

/** Two agents, a framework with a task on the first, and an operator. */
async function setUp() {
  const clock = new VirtualClock();
  const cluster = new SimulatedCluster({ clock, random: seededRandom(5), agents: 2 });
  cluster.start();
  await clock.advance(10);
  const events: SchedulerEvent[] = [];
  let streamId = '';
  let frameworkId: string | undefined;
  const post = (path: string, body: Uint8Array, headers: Record<string, string> = {}): ApiAnswer =>
    cluster.handle({
      method: 'POST',
      target: path,
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
  const scheduler = (call: SchedulerCall): { status: number; text: string } => {
    const body = codec('mesos.v1.scheduler.Call', 'json').encode({
      ...call,
      ...(frameworkId === undefined ? {} : { framework_id: { value: frameworkId } }),
    });
    const headers = call.type === 'SUBSCRIBE' ? {} : { 'mesos-stream-id': streamId };
    const answer = post('/api/v1/scheduler', body, headers);
    if (answer.kind === 'response') {
      return { status: answer.status, text: Buffer.from(answer.body).toString() };
    }
    streamId = answer.headers['Mesos-Stream-Id'] ?? '';
    const decoder = new RecordDecoder();
    answer.open({
      write: (chunk) => events.push(...decoder.push(chunk).map((record) => event.decode(record))),
      end: () => undefined,
    });
    return { status: 200, text: '' };
  };
  const subscribe = (): void => {
    const id = frameworkId === undefined ? {} : { id: { value: frameworkId } };
    const framework_info = { ...testFrameworkInfo, ...id };
    expect(scheduler({ type: 'SUBSCRIBE', subscribe: { framework_info } }).status).toBe(200);
    frameworkId ??= events[0]?.subscribed?.framework_id.value;
  };
  const operator = (call: MasterCall): { status: number; text: string } => {
    const answer = post('/api/v1', codec('mesos.v1.master.Call', 'json').encode(call));
    if (answer.kind !== 'response') throw new Error('a stream');
    return { status: answer.status, text: Buffer.from(answer.body).toString() };
  };
  const ask = (type: 'GET_AGENTS' | 'GET_MAINTENANCE_STATUS'): MasterResponse =>
    codec('mesos.v1.master.Response', 'json').decode(Buffer.from(operator({ type }).text));
  subscribe();
  await clock.advance(10);
  const offer = events
    .flatMap(({ offers }) => offers?.offers ?? [])
    .find(({ hostname }) => hostname === 'agent1.test');
  if (offer === undefined) throw new Error('the first agent was not offered');
  const task = { ...shellTask('web', 'sleep 1000'), agent_id: offer.agent_id };
  scheduler({
    type: 'ACCEPT',
    accept: {
      offer_ids: [offer.id],
      operations: [{ type: 'LAUNCH', launch: { task_infos: [task] } }],
    },
  });
  await clock.advance(500);
  const acknowledge = (): void => {
    for (const { update } of events) {
      const { uuid, task_id, agent_id } = update?.status ?? {};
      if (uuid === undefined || task_id === undefined || agent_id === undefined) continue;
      scheduler({ type: 'ACKNOWLEDGE', acknowledge: { agent_id, task_id, uuid } });
    }
  };
  acknowledge();
  return { clock, cluster, events, scheduler, operator, ask, subscribe, acknowledge, offer };
}

type Fixture = Awaited<ReturnType<typeof setUp>>;

/** Every update is acknowledged as it comes. */
async function settle({ clock, acknowledge }: Fixture, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    await clock.advance(100);
    acknowledge();
  }
}

const last = (events: readonly SchedulerEvent[]) =>
  events.findLast(({ update }) => update !== undefined)?.update?.status;

const unavailability = { start: { nanoseconds: 3_600_000_000_000 } };

test('a machine goes down only while it is scheduled, and its tasks are lost with it', async () => {
  const fixture = await setUp();
  const { clock, cluster, events, operator, ask } = fixture;
  const refused = (type: 'START_MAINTENANCE' | 'STOP_MAINTENANCE') =>
    operator(
      type === 'START_MAINTENANCE'
        ? { type, start_maintenance: { machines: [machine] } }
        : { type, stop_maintenance: { machines: [machine] } },
    );
  const name = `Machine '${JSON.stringify(machine)}'`;
  expect(refused('START_MAINTENANCE')).toEqual({
    status: 400,
    text: `${name} is not part of a maintenance schedule`,
  });
  const windows = [{ machine_ids: [machine], unavailability }];
  expect(
    operator({
      type: 'UPDATE_MAINTENANCE_SCHEDULE',
      update_maintenance_schedule: { schedule: { windows } },
    }).status,
  ).toBe(200);
  expect(refused('STOP_MAINTENANCE')).toEqual({
    status: 400,
    text: `${name} is not in DOWN mode and cannot be brought up`,
  });
  expect(refused('START_MAINTENANCE').status).toBe(200);
  await settle(fixture, 500);
  expect(last(events)).toMatchObject({ state: 'TASK_LOST', reason: 'REASON_AGENT_REMOVED' });
  expect(last(events)?.message).toBe(
    "Agent agent1.test removed: Operator initiated 'Machine DOWN'",
  );
  expect(cluster.agents.runningTasks(0)).toEqual([]);
  expect(ask('GET_MAINTENANCE_STATUS').get_maintenance_status?.status).toEqual({
    down_machines: [machine],
  });

  // Its agent is not let in before the machine is up again.
  cluster.agents.start(0);
  await clock.advance(500);
  expect(ask('GET_AGENTS').get_agents?.agents).toHaveLength(1);
  expect(
    operator({
      type: 'UPDATE_MAINTENANCE_SCHEDULE',
      update_maintenance_schedule: { schedule: {} },
    }),
  ).toEqual({
    status: 400,
    text: `${name} is deactivated and cannot be removed from the schedule`,
  });
  expect(refused('STOP_MAINTENANCE').status).toBe(200);
  cluster.agents.start(0);
  await clock.advance(500);
  expect(ask('GET_AGENTS').get_agents?.agents).toHaveLength(2);
  expect(ask('GET_MAINTENANCE_STATUS').get_maintenance_status?.status).toEqual({});
});

test('a schedule is refused with what is wrong with it', async () => {
  const { operator } = await setUp();
  const update = (...machines: (readonly MachineID[])[]) =>
    operator({
      type: 'UPDATE_MAINTENANCE_SCHEDULE',
      update_maintenance_schedule: {
        schedule: {
          windows: machines.map((machine_ids) => ({
            machine_ids: [...machine_ids],
            unavailability,
          })),
        },
      },
    }).text;
  expect(update([])).toBe('List of machines in the maintenance window is empty');
  expect(update([{}])).toBe("Both 'hostname' and 'ip' for a machine are empty");
  expect(update([machine], [machine])).toBe(
    `Machine '${JSON.stringify(machine)}' appears more than once in the schedule`,
  );
});

test('an inverse offer that is declined is made again when its filter is over', async () => {
  const { clock, events, operator, scheduler } = await setUp();
  const windows = [{ machine_ids: [machine], unavailability }];
  operator({
    type: 'UPDATE_MAINTENANCE_SCHEDULE',
    update_maintenance_schedule: { schedule: { windows } },
  });
  await clock.advance(10);
  const inverse = () =>
    events.flatMap(({ inverse_offers }) => inverse_offers?.inverse_offers ?? []);
  expect(inverse()).toHaveLength(1);
  scheduler({
    type: 'DECLINE_INVERSE_OFFERS',
    decline_inverse_offers: {
      inverse_offer_ids: inverse().map(({ id }) => id),
      filters: { refuse_seconds: 3 },
    },
  });
  await clock.advance(2900);
  expect(inverse()).toHaveLength(1);
  await clock.advance(1200);
  expect(inverse()).toHaveLength(2);
});

test('an agent drains under the next leader too, and is then gone if that was asked for', async () => {
  const fixture = await setUp();
  const { clock, cluster, events, operator, ask, subscribe, offer } = fixture;
  const drain = (id: string) =>
    operator({ type: 'DRAIN_AGENT', drain_agent: { agent_id: { value: id }, mark_gone: true } });
  expect(drain('nobody')).toEqual({ status: 400, text: 'Unknown agent' });
  // The agent is away when the master is told, and only the next master meets it.
  cluster.agents.kill(0);
  expect(drain(offer.agent_id.value).status).toBe(200);
  cluster.failover();
  subscribe();
  cluster.agents.start(0);
  await clock.advance(200);
  const draining = ask('GET_AGENTS').get_agents?.agents?.find(
    ({ agent_info }) => agent_info.id?.value === offer.agent_id.value,
  );
  expect(draining).toMatchObject({
    active: false,
    deactivated: true,
    drain_info: { state: 'DRAINING', config: { mark_gone: true } },
  });
  await settle(fixture, 1500);
  const killed = events.find(({ update }) => update?.status.state === 'TASK_KILLED');
  expect(killed?.update?.status.reason).toBe('REASON_AGENT_DRAINING');
  expect(
    ask('GET_AGENTS').get_agents?.agents?.map(({ agent_info }) => agent_info.hostname),
  ).toEqual(['agent2.test']);
  expect(events.at(-1)?.failure?.agent_id?.value ?? '').toBe(offer.agent_id.value);
});

test('a deactivated agent keeps its tasks and is offered again once it is reactivated', async () => {
  const fixture = await setUp();
  const { clock, cluster, events, operator, offer } = fixture;
  const { agent_id } = offer;
  expect(operator({ type: 'REACTIVATE_AGENT', reactivate_agent: { agent_id } })).toEqual({
    status: 400,
    text: 'Agent is not deactivated',
  });
  operator({ type: 'DEACTIVATE_AGENT', deactivate_agent: { agent_id } });
  const offered = () =>
    events
      .flatMap(({ offers }) => offers?.offers ?? [])
      .filter((one) => one.agent_id.value === agent_id.value).length;
  const before = offered();
  await settle(fixture, 8000);
  expect(offered()).toBe(before);
  expect(cluster.agents.runningTasks(0)).toEqual(['web']);
  operator({ type: 'REACTIVATE_AGENT', reactivate_agent: { agent_id } });
  await clock.advance(1100);
  expect(offered()).toBe(before + 1);
});

test.each(['RESERVE_RESOURCES', 'SET_QUOTA', 'UPDATE_WEIGHTS', 'GROW_VOLUME'] as const)(
  'the operator call %s, which is not emulated, is refused as an unknown one',
  async (type) => {
    const { operator } = await setUp();
    expect(operator({ type })).toEqual({
      status: 400,
      text: "Failed to validate master::Call: Expecting 'type' to be present",
    });
  },
);

test.each(['DRAIN_AGENT', 'START_MAINTENANCE', 'GET_METRICS', 'TEARDOWN'] as const)(
  'the operator call %s without its member is refused by the name of the member',
  async (type) => {
    const { operator } = await setUp();
    expect(operator({ type })).toEqual({
      status: 400,
      text: `Failed to validate master::Call: Expecting '${type.toLowerCase()}' to be present`,
    });
  },
);

test.each(['MESSAGE', 'RECONCILE_OPERATIONS', 'ACKNOWLEDGE_OPERATION_STATUS'] as const)(
  'the scheduler call %s, which is not emulated, is refused instead of dropped',
  async (type) => {
    const { scheduler } = await setUp();
    expect(scheduler({ type })).toEqual({
      status: 400,
      text: "Failed to validate scheduler::Call: Expecting 'type' to be present",
    });
  },
);
