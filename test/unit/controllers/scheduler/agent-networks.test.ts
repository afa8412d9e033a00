import { afterEach, beforeEach, expect, it } from 'vitest';
import { findCondition } from '../../../../api/machinery/conditions.ts';
import { agentResource, type AgentStatus } from '../../../../api/v1/agent.ts';
import type { Offer } from '../../../../proto/mesos/generated/messages.ts';
import { until } from '../runtime/api.ts';
import { Scene } from './scene.ts';
import { offerOf, updateOf, uuid } from './scripted-mesos.ts';

let scene: Scene;

beforeEach(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.stop());

const agent = async (): Promise<AgentStatus | undefined> =>
  (await scene.api.client.of(agentResource).find({ name: 's0.test' }))?.status;

const networks = (known: AgentStatus['networks']): Promise<void> =>
  until(
    scene.api.clock,
    async () => JSON.stringify((await agent())?.networks) === JSON.stringify(known),
    130_000,
  );

function having(offer: Offer, attributes: Record<string, string>): Offer {
  const list = Object.entries(attributes).map(([name, value]) => ({
    name,
    type: 'TEXT' as const,
    text: { value },
  }));
  return { ...offer, attributes: list };
}

const complete = { cni_networks: 'data-net', cni_networks_complete: 'true' };

it('an agent shows the networks that its attribute lists, and those that tasks have joined', async () => {
  await scene.run('web-0-a');
  await networks([{ cniName: 'dev-net', source: 'Launch' }]);
  scene.mesos.offer(having(offerOf('O2'), { cni_networks: 'data-net' }));
  const both = [
    { cniName: 'data-net', source: 'Attribute' as const },
    { cniName: 'dev-net', source: 'Launch' as const },
  ];
  await networks(both);
  await scene.running.stop();
  scene.startAnother('second');
  await scene.subscribed();
  await scene.api.clock.advance(130_000);
  expect((await agent())?.networks).toEqual(both);
});

it('a launch that finds the network missing takes it back', async () => {
  await scene.run('web-0-a');
  await networks([{ cniName: 'dev-net', source: 'Launch' }]);
  await scene.launch('web-1-b');
  scene.mesos.update(
    updateOf('web-1-b', 'TASK_FAILED', {
      uuid: uuid('1'),
      source: 'SOURCE_AGENT',
      reason: 'REASON_CONTAINER_LAUNCH_FAILED',
      message: "Failed to launch container: Unknown CNI network 'dev-net'",
    }),
  );
  await until(
    scene.api.clock,
    async () => (await agent())?.unknownNetworks?.[0]?.cniName === 'dev-net',
    130_000,
  );
  expect((await agent())?.networks).toBeUndefined();
});

it('a task waits rather than go where its network is not, and says where that is', async () => {
  await scene.create('web-0-a');
  scene.mesos.offer(having(offerOf('O1'), complete), having(offerOf('O2', 'S1'), complete));
  const said = async (): Promise<string | undefined> =>
    findCondition((await scene.task('web-0-a')).status?.conditions, 'Scheduled')?.message;
  for (let round = 0; round < 3; round += 1) {
    scene.mesos.offer(having(offerOf(`O${round}`), complete));
    scene.mesos.offer(having(offerOf(`P${round}`, 'S1'), complete));
    await scene.api.clock.advance(6_000);
  }
  expect(await said()).toBe(
    '0 of 2 offered agents fit: 2 without network dev-net (s0.test, s1.test)',
  );
  scene.mesos.offer(offerOf('Q', 'S2'));
  await until(scene.api.clock, () => scene.mesos.launched.length === 1);
  expect((await scene.task('web-0-a')).status?.mesos?.agentId).toBe('S2');
});
