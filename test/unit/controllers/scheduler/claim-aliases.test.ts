import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findCondition } from '../../../../api/machinery/conditions.ts';
import { addressClaimResource } from '../../../../api/v1/address-claim.ts';
import { networkResource } from '../../../../api/v1/network.ts';
import { until, type TestApi } from '../runtime/api.ts';
import { Scene } from './scene.ts';
import { offerOf, updateOf, uuid, type ScriptedMesos } from './scripted-mesos.ts';

// One CNI network that two Networks offer, dev-net and alias: an address on it still has one holder.
let scene: Scene;
let api: TestApi;
let mesos: ScriptedMesos;

const spec = { cniName: 'Calico_Net', staticRanges: ['10.0.0.0/24'] };

beforeEach(async () => {
  scene = await Scene.start();
  ({ api, mesos } = scene);
  const networks = api.client.of(networkResource);
  await networks.patch({ name: 'dev-net' }, { spec }, { type: 'merge' });
  await offer('alias');
});
afterEach(() => scene.stop());

const ip = '10.0.0.20';
const asking = (name: string) => ({ networks: [{ name, ips: [ip] }] });

function offer(name: string): Promise<unknown> {
  return api.client.of(networkResource).create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Network',
    metadata: { name },
    spec,
  });
}

async function claims(): Promise<string[]> {
  const { items } = await api.client.of(addressClaimResource).list();
  return items.map(({ metadata, spec: { holder } }) => `${metadata.name} ${holder.task}`);
}

async function scheduled(name: string) {
  return findCondition((await scene.task(name)).status?.conditions, 'Scheduled');
}

async function dies(name: string): Promise<void> {
  mesos.update(updateOf(name, 'TASK_FAILED', { uuid: uuid(`${name} dies`) }));
  await scene.reaches(name, 'Failed');
}

describe('an address of a CNI network that two Networks offer', () => {
  it('goes to one task, and to the other once that is dead', async () => {
    await scene.launch('web-0-a', asking('dev-net'));
    await scene.create('db-0-a', { ...asking('alias'), job: 'db' });
    await until(api.clock, async () => (await scheduled('db-0-a'))?.reason === 'AddressTaken');
    expect((await scheduled('db-0-a'))?.message).toBe(
      '10.0.0.20 on alias (dev-net is the same CNI network) is held by Job prod/web (task web-0-a)',
    );
    mesos.offer(offerOf('O-2'));
    await api.clock.advance(600_000);
    expect(mesos.launched).toEqual(['prod.web-0-a']);
    expect(await claims()).toEqual(['dev-net-0a000014 web-0-a']);
    await dies('web-0-a');
    await until(api.clock, async () => (await claims()).join().endsWith(' db-0-a'));
    mesos.offer(offerOf('O-3'));
    await until(api.clock, () => mesos.launched.length === 2);
    expect(await claims()).toEqual(['alias-0a000014 db-0-a']);
  });

  it('goes to one of two that ask at once, though the answer of the store is lost', async () => {
    let lost = 0;
    // No cache tells what became of it either.
    const release = scene.running.process.api.holdWatches('/addressclaims');
    scene.running.process.api.fault = ({ method, path }) =>
      method === 'POST' && path.endsWith('/addressclaims') && lost++ === 0 ? 'lost' : undefined;
    await Promise.all([
      scene.create('web-0-a', asking('dev-net')),
      scene.create('db-0-a', { ...asking('alias'), job: 'db' }),
    ]);
    await api.clock.advance(3_000);
    release();
    expect(await claims()).toHaveLength(1);
    mesos.offer(offerOf('O-1'));
    await until(api.clock, () => mesos.launched.length === 1);
    mesos.offer(offerOf('O-2'));
    await api.clock.advance(60_000);
    expect(mesos.launched).toHaveLength(1);
    expect(await claims()).toHaveLength(1);
    expect(lost).toBeGreaterThan(0);
  });

  it('stays with its holder when the Network is deleted and offered anew, and a leader follows', async () => {
    await scene.launch('web-0-a', asking('dev-net'));
    await api.client.of(networkResource).delete({ name: 'dev-net' });
    scene.running.process.kill();
    scene.startAnother('second');
    await scene.subscribed();
    await offer('dev-net-2');
    await scene.create('db-0-a', { ...asking('dev-net-2'), job: 'db' });
    mesos.offer(offerOf('O-2'));
    await api.clock.advance(600_000);
    expect(mesos.launched).toEqual(['prod.web-0-a']);
    await dies('web-0-a');
    await until(api.clock, async () => (await claims()).join().endsWith(' db-0-a'));
    mesos.offer(offerOf('O-3'));
    await until(api.clock, () => mesos.launched.length === 2);
  });

  it('is another address where the CNI network is another', async () => {
    await api.client
      .of(networkResource)
      .patch({ name: 'alias' }, { spec: { cniName: 'other' } }, { type: 'merge' });
    await scene.launch('web-0-a', asking('dev-net'));
    await scene.launch('db-0-a', { ...asking('alias'), job: 'db' });
    expect((await claims()).sort()).toEqual(['alias-0a000014 db-0-a', 'dev-net-0a000014 web-0-a']);
  });
});
