import { expect, test } from 'vitest';
import { usageOf } from '../../../../hack/emulator/agent/process/proc.ts';
import type { ContainerSpec } from '../../../../hack/emulator/agent/runtime.ts';
import { SimulatedNetworks } from '../../../../hack/emulator/agent/simulated/networks.ts';
import { SimulatedRuntime } from '../../../../hack/emulator/agent/simulated/runtime.ts';
import { statisticsOf } from '../../../../hack/emulator/agent/statistics.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

test('a process is told to use what it uses', () => {
  const before = usageOf([process.pid]);
  const end = process.cpuUsage().user + 60_000;
  while (process.cpuUsage().user < end);
  const after = usageOf([process.pid]);
  const used = after.userSeconds - before.userSeconds;
  expect(used).toBeGreaterThanOrEqual(0.04);
  expect(used).toBeLessThan(5);
  expect(after.memoryBytes).toBeGreaterThan(2 ** 20);
  // The highest number that Linux gives a process is below this one.
  expect(usageOf([2 ** 23])).toEqual({ userSeconds: 0, systemSeconds: 0, memoryBytes: 0 });
});

test('a simulated container uses more and more cpu, and one within it tells its limit alone', async () => {
  const clock = new VirtualClock();
  const networks = new SimulatedNetworks();
  const runtime = new SimulatedRuntime({ clock, networks, ip: '127.0.0.1', launchDelay: () => 0 });
  const spec: ContainerSpec = {
    id: { value: 'c' },
    frameworkId: 'f',
    executorId: 'e',
    user: 'root',
    memory: 64 * 2 ** 20,
  };
  const ignore = (): void => undefined;
  const events = { started: ignore, failed: ignore, exited: ignore, terminated: ignore };
  runtime.launch(spec, events);
  await clock.advance(10);
  const first = statisticsOf(spec, { clock, runtime });
  await clock.advance(10_000);
  const second = statisticsOf(spec, { clock, runtime });
  expect(second.timestamp - first.timestamp).toBeCloseTo(10);
  expect((second.cpus_user_time_secs ?? 0) - (first.cpus_user_time_secs ?? 0)).toBeCloseTo(0.4);
  expect(second.mem_rss_bytes).toBe(32 * 2 ** 20);
  const within = { id: { value: 'd', parent: { value: 'c' } }, memory: 2 ** 20 };
  expect(statisticsOf(within, { clock, runtime })).toEqual({
    timestamp: clock.now() / 1000,
    mem_limit_bytes: 2 ** 20,
    mem_soft_limit_bytes: 2 ** 20,
  });
});
