import { expect, test } from 'vitest';
import { seededRandom } from '../../../../api/machinery/random.ts';
import {
  SimulatedCluster,
  type SimulatedClusterOptions,
} from '../../../../hack/emulator/cluster.ts';
import { inMemoryTransport } from '../../../../hack/emulator/transport.ts';
import type { SchedulerEvent } from '../../../../proto/mesos/generated/messages.ts';
import { testFrameworkInfo } from '../../../support/test-framework.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

/** A framework that notes when events came, in milliseconds since it subscribed. */
async function subscribed(timings: NonNullable<SimulatedClusterOptions['timings']>) {
  const clock = new VirtualClock({ random: seededRandom(7) });
  const cluster = new SimulatedCluster({ clock, random: seededRandom(3), agents: 1, timings });
  cluster.start();
  await clock.advance(100);
  const start = clock.monotonic();
  const subscription = await inMemoryTransport(cluster).subscribe(
    {
      type: 'SUBSCRIBE',
      subscribe: { framework_info: { ...testFrameworkInfo, failover_timeout: 30 } },
    },
    new AbortController().signal,
  );
  const events: { at: number; event: SchedulerEvent }[] = [];
  void (async () => {
    for await (const event of subscription.events) {
      events.push({ at: clock.monotonic() - start, event });
    }
  })();
  await settle();
  const times = (type: SchedulerEvent['type']): number[] =>
    events.filter(({ event }) => event.type === type).map(({ at }) => at);
  /** In steps, so that the time at which an event is read is the time at which it came. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100) await clock.advance(100);
  };
  return { cluster, subscription, events, times, pass };
}

test.each([
  [{}, 15_000],
  [{ heartbeatInterval: 4_000 }, 4_000],
])('heartbeats come as often as they are announced to: %j', async (timings, interval) => {
  const { times, events, pass } = await subscribed(timings);
  await pass(2 * interval);
  expect(times('HEARTBEAT')).toEqual([0, interval, 2 * interval]);
  expect(events[0]?.event.subscribed?.heartbeat_interval_seconds).toBe(interval / 1000);
});

test.each([
  // Declined for the default of 5 s, and then at the next allocation.
  [{}, undefined, 6_000],
  [{}, 20, 21_000],
  [{ allocationInterval: 4_000 }, undefined, 8_000],
])(
  'what is declined is offered again when its filter is over: %j %j',
  async (timings, seconds, latest) => {
    const { subscription, events, times, pass } = await subscribed(timings);
    await pass(4_000);
    const [first] = events.flatMap(({ event }) => event.offers?.offers ?? []);
    const declined = 4_000;
    await subscription.call({
      type: 'DECLINE',
      framework_id: first!.framework_id,
      decline: {
        offer_ids: [first!.id],
        ...(seconds === undefined ? {} : { filters: { refuse_seconds: seconds } }),
      },
    });
    await pass(latest + 1_000);
    const [, again = 0] = times('OFFERS');
    expect(again - declined).toBeGreaterThanOrEqual((seconds ?? 5) * 1000);
    expect(again - declined).toBeLessThanOrEqual(latest);
  },
);

test.each([
  [{}, 75_000, 15_000],
  [{ agentPingTimeout: 2_000, maxAgentPingTimeouts: 3 }, 6_000, 2_000],
])('an agent is given up after so many pings: %j', async (timings, limit, ping) => {
  const { cluster, times, pass } = await subscribed(timings);
  cluster.agents.partition(0);
  await pass(limit);
  const [lost = 0] = times('FAILURE');
  expect(lost).toBeGreaterThan(limit - ping - 200);
  expect(lost).toBeLessThanOrEqual(limit);
});

test('a framework that is away is forgotten after the failover_timeout that it gave', async () => {
  const { cluster, subscription, pass } = await subscribed({});
  subscription.close();
  await pass(29_900);
  expect(cluster.leading?.state.frameworks.size).toBe(1);
  await pass(200);
  expect(cluster.leading?.state.frameworks.size).toBe(0);
  expect(cluster.leading?.state.completedFrameworks.size).toBe(1);
});
