import { expect, test } from 'vitest';
import { SimulatedNetworks } from '../../../../hack/emulator/agent/simulated/networks.ts';
import { SimulatedRuntime } from '../../../../hack/emulator/agent/simulated/runtime.ts';
import type { ProbeResult } from '../../../../hack/emulator/agent/runtime.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

test('a simulated server that flaps begins and stops to listen in turn', async () => {
  const clock = new VirtualClock();
  const runtime = new SimulatedRuntime({
    clock,
    networks: new SimulatedNetworks(),
    ip: '127.0.0.1',
    launchDelay: () => 0,
    probeDelay: () => 0,
  });
  const ended: string[] = [];
  runtime.launch(
    {
      id: { value: 'c' },
      frameworkId: 'f',
      executorId: 'e',
      taskId: 't',
      // As the environment of a task with networks begins.
      command: { shell: true, value: 'for n in a; do :; done; exec ./server flap(8080,1000)' },
      user: 'root',
    },
    {
      started: () => undefined,
      failed: () => ended.push('failed'),
      exited: () => ended.push('exited'),
      terminated: () => ended.push('terminated'),
    },
  );
  const results: ProbeResult[] = [];
  for (let look = 0; look < 4; look += 1) {
    await clock.advance(look === 0 ? 500 : 1000);
    runtime.probe('c', { type: 'TCP', port: 8080, ipv6: false, timeout: 1000 }, (result) =>
      results.push(result),
    );
    await clock.advance(0);
  }
  expect(results).toEqual(
    [true, false, true, false].map((succeeded) => ({ type: 'TCP', succeeded })),
  );
  expect(ended).toEqual([]);
});
