import { afterEach, beforeEach, expect, it } from 'vitest';
import { findCondition } from '../../../../api/machinery/conditions.ts';
import { eventResource } from '../../../../api/v1/core.ts';
import { secretResource } from '../../../../api/v1/secret.ts';
import { until } from '../runtime/api.ts';
import { Scene } from './scene.ts';
import { offerOf } from './scripted-mesos.ts';

let scene: Scene;

beforeEach(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.stop());

const spec = {
  networks: [],
  containers: [
    {
      name: 'web',
      script: 'exec sleep 100000',
      resources: { requests: { cpu: '100m', memory: '32Mi' } },
      env: [{ name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'db', key: 'password' } } }],
    },
  ],
};
async function scheduled(name: string) {
  return findCondition((await scene.task(name)).status?.conditions, 'Scheduled');
}

it('keeps a task whose Secret is not there, says why, and launches it once it is', async () => {
  const { api, mesos } = scene;
  await scene.create('web-0-a', spec);
  await scene.create('web-1-b', { networks: [] });
  mesos.offer(offerOf('O-1'));
  await scene.reaches('web-1-b', 'Launching');
  await until(api.clock, async () => (await scheduled('web-0-a'))?.reason === 'ReferenceMissing');
  expect(await scheduled('web-0-a')).toMatchObject({
    status: 'False',
    message: 'Secret "db" does not exist in namespace prod',
  });
  expect(await scene.phase('web-0-a')).toBe('Pending');

  await api.client.of(secretResource).create({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'db', namespace: 'prod' },
    stringData: { password: 'hunter2' },
  });
  mesos.offer(offerOf('O-2'));
  await scene.reaches('web-0-a', 'Launching');
  const { operations = [] } = mesos.of('ACCEPT').at(-1)?.accept ?? {};
  const [info] = operations[0]?.launch?.task_infos ?? [];
  expect(info?.task_id.value).toBe('prod.web-0-a');
  expect(info?.command?.environment?.variables).toContainEqual({
    name: 'PASSWORD',
    type: 'SECRET',
    secret: { type: 'VALUE', value: { data: Buffer.from('hunter2').toString('base64') } },
  });
  expect(await scene.events('ReferenceMissing')).toEqual([
    'Secret "db" does not exist in namespace prod',
  ]);
  const told = JSON.stringify([
    await scene.task('web-0-a'),
    await api.client.of(eventResource).list(),
  ]);
  expect(told).not.toMatch(/hunter2|aHVudGVyMg/);
});

it('says what is missing now, and that nothing is any more', async () => {
  const { api } = scene;
  const secrets = api.client.of(secretResource);
  const metadata = { name: 'db', namespace: 'prod' };
  await secrets.create({ apiVersion: 'v1', kind: 'Secret', metadata, stringData: { user: 'me' } });
  await scene.create('web-0-a', spec);
  await until(api.clock, async () => (await scheduled('web-0-a'))?.reason === 'ReferenceMissing');
  expect((await scheduled('web-0-a'))?.message).toBe('Secret "db" has no key "password"');
  const whole = { stringData: { password: 'hunter2' } };
  await secrets.patch(metadata, whole, { type: 'merge' });
  await until(api.clock, async () => (await scheduled('web-0-a'))?.reason === 'Unschedulable');
});
