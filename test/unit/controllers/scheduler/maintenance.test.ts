import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentResource, type Agent } from '../../../../api/v1/agent.ts';
import { until, type TestApi } from '../runtime/api.ts';
import { Scene } from './scene.ts';
import { offerOf, type ScriptedMesos } from './scripted-mesos.ts';

let scene: Scene;
let api: TestApi;
let mesos: ScriptedMesos;

beforeEach(async () => {
  scene = await Scene.start();
  ({ api, mesos } = scene);
});

afterEach(() => scene.stop());

describe('announced maintenance', () => {
  const agent = async (): Promise<Agent | undefined> =>
    api.client.of(agentResource).find({ name: 's0.test' });
  const startIn = (ms: number): { start: { nanoseconds: number } } => ({
    start: { nanoseconds: (api.clock.now() + ms) * 1e6 },
  });

  it('is accepted and stored with the agent, and nothing is placed there when it is near', async () => {
    await scene.launch('web-0-a');
    const unavailability = startIn(60_000);
    mesos.current.send({
      type: 'INVERSE_OFFERS',
      inverse_offers: {
        inverse_offers: [
          {
            id: { value: 'I1' },
            framework_id: { value: 'F1' },
            agent_id: { value: 'S0' },
            unavailability,
          },
        ],
      },
    });
    await until(api.clock, () => mesos.of('ACCEPT_INVERSE_OFFERS').length === 1);
    expect(mesos.of('ACCEPT_INVERSE_OFFERS')[0]?.accept_inverse_offers).toEqual({
      inverse_offer_ids: [{ value: 'I1' }],
    });
    await until(
      api.clock,
      async () => (await agent())?.status?.unavailability !== undefined,
      130_000,
    );
    await scene.create('web-1-a');
    mesos.offer({ ...offerOf('O-near'), unavailability });
    await until(api.clock, () =>
      mesos
        .of('DECLINE')
        .some(({ decline }) => decline?.offer_ids?.some(({ value }) => value === 'O-near')),
    );
    expect(await scene.phase('web-1-a')).toBe('Pending');
    mesos.offer(offerOf('O-over'));
    await until(api.clock, async () => (await scene.phase('web-1-a')) === 'Launching');
    await until(
      api.clock,
      async () => (await agent())?.status?.unavailability === undefined,
      130_000,
    );
  });

  it('that is far off keeps nobody away', async () => {
    await scene.create('web-0-a');
    mesos.offer({ ...offerOf('O-far'), unavailability: startIn(24 * 3600_000) });
    await until(api.clock, async () => (await scene.phase('web-0-a')) === 'Launching');
  });
});
