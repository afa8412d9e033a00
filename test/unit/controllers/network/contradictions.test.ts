import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createClient } from '../../../../api/client/resource-client.ts';
import { findCondition } from '../../../../api/machinery/conditions.ts';
import { healthOf } from '../../../../api/machinery/kstatus.ts';
import { eventResource, namespaceResource, type Event } from '../../../../api/v1/core.ts';
import { jobResource, type Job } from '../../../../api/v1/job.ts';
import { networkResource, type Network } from '../../../../api/v1/network.ts';
import { isDead } from '../../../../api/v1/task.ts';
import { jobIndexers } from '../../../../controllers/job/caches.ts';
import { createContradictionsController } from '../../../../controllers/network/contradictions.ts';
import { Informer } from '../../../../controllers/runtime/informer.ts';
import { runAll } from '../../../../controllers/runtime/manager.ts';
import { settle } from '../../../support/virtual-clock.ts';
import { createJob, drive, ref, report, startLoop, tasksOf, type Loop } from '../job/cluster.ts';
import { template } from '../job/world.ts';
import { silent, startApi, type TestApi } from '../runtime/api.ts';

let api: TestApi;
let jobLoop: Loop;
let loops: Pick<Loop, 'stop'>[];

beforeEach(async () => {
  api = await startApi();
  jobLoop = startLoop(api);
  loops = [jobLoop, startContradictions()];
  await settle();
});
afterEach(async () => {
  for (const loop of loops) await loop.stop();
  await api.stop();
});

function startContradictions(): Pick<Loop, 'stop'> {
  const client = createClient(api.transport);
  const { clock, random } = api;
  const options = { clock, random, logger: silent };
  const caches = {
    jobs: new Informer({ client: client.of(jobResource), ...options, indexers: jobIndexers }),
    networks: new Informer({ client: client.of(networkResource), ...options }),
    namespaces: new Informer({ client: client.of(namespaceResource), ...options }),
  };
  const controller = createContradictionsController({ client, caches, ...options });
  const abort = new AbortController();
  const running = runAll([...Object.values(caches), controller], abort.signal, silent);
  return {
    stop: async () => {
      abort.abort();
      await running;
    },
  };
}

const networks = () => api.client.of(networkResource);
const jobs = () => api.client.of(jobResource);

const offer = (spec: Network['spec']): Promise<Network> =>
  networks().create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Network',
    metadata: { name: 'net' },
    spec,
  });

const change = (spec: object): Promise<Network> =>
  networks().patch({ name: 'net' }, { spec }, { type: 'merge' });

function joining(labels?: Record<string, string>): Partial<Job['spec']> {
  const { spec } = template('1');
  const attachment = { name: 'net', ...(labels === undefined ? {} : { labels }) };
  return { replicas: 1, template: { spec: { ...spec, networks: [attachment] } } };
}

const networkCondition = async () =>
  findCondition((await networks().get({ name: 'net' })).status?.conditions, 'Contradicted');
const jobCondition = async () =>
  findCondition((await jobs().get(ref)).status?.conditions, 'Contradicted');

const health = async () => healthOf({ ...(await networks().get({ name: 'net' })) });

async function warnings(): Promise<Event[]> {
  const { items } = await api.client.of(eventResource).list({ namespace: 'prod' });
  return items.filter(({ reason }) => reason?.startsWith('Network'));
}

/** The Job runs, and both loops have said what there is to say. */
async function settled(status: 'True' | 'False'): Promise<void> {
  await drive(api, async () => (await networkCondition())?.status === status);
  await drive(api, async () => (await jobs().get(ref)).status?.availableReplicas === 1);
}

describe('a Network that Jobs agree with', () => {
  it('says so, and costs the Jobs nothing but the name by which they know it', async () => {
    await offer({ cniName: 'Calico_Net' });
    expect(await health()).toMatchObject({ status: 'InProgress' });
    await createJob(api.client, joining());
    await settled('False');
    expect(await health()).toEqual({
      status: 'Current',
      message: 'Offered: Jobs may join it by its rules',
    });
    expect(await jobCondition()).toBeUndefined();
    expect((await jobs().get(ref)).status?.networks).toEqual([
      { name: 'net', cniName: 'Calico_Net' },
    ]);
    expect(await warnings()).toEqual([]);
  });
});

describe('a Network that was changed against a Job', () => {
  it('tells it on both, with one Event, again and again only if it changes', async () => {
    await offer({});
    await createJob(api.client, joining());
    await settled('False');
    await change({ namespaces: ['other'] });
    await settled('True');
    await drive(api, async () => (await jobCondition())?.status === 'True');
    expect((await networkCondition())?.message).toMatch(/^1 Job contradicts it: prod\/web;/);
    expect(await health()).toMatchObject({ status: 'Current' });
    expect(await jobCondition()).toMatchObject({ reason: 'NetworkChanged' });
    await drive(api, async () => (await warnings()).length === 1);
    expect((await warnings())[0]).toMatchObject({
      type: 'Warning',
      involvedObject: { kind: 'Job', name: 'web' },
      count: 1,
    });

    // Another leader begins with nothing but what is stored.
    for (const loop of loops) await loop.stop();
    loops = [startLoop(api), startContradictions()];
    await jobs().patch(ref, { spec: { replicas: 2 } }, { type: 'merge' });
    await drive(api, async () => (await jobs().get(ref)).status?.availableReplicas === 2);
    await api.clock.advance(5_000);
    expect((await warnings()).map(({ count }) => count)).toEqual([1]);

    await change({ namespaces: ['prod'] });
    await drive(api, async () => (await networkCondition())?.status === 'False');
    await drive(api, async () => (await jobCondition())?.status === 'False');
  });

  it('stops nothing: what dies is replaced', async () => {
    await offer({});
    await createJob(api.client, joining({ tier: 'web' }));
    await settled('False');
    await change({ forbiddenLabels: ['tier'] });
    await drive(api, async () => (await jobCondition())?.status === 'True');
    const [task] = await tasksOf(api.client);
    if (task === undefined) throw new Error('there is no task');
    expect(task.spec.stop).toBeUndefined();
    await report(api, task, 'Failed');
    await drive(api, async () => {
      const live = (await tasksOf(api.client)).filter((one) => !isDead(one));
      return live.length === 1 && live[0]?.metadata.uid !== task.metadata.uid;
    });
    expect(findCondition((await jobs().get(ref)).status?.conditions, 'Stalled')?.status).not.toBe(
      'True',
    );
  });

  it('is so by the labels of a namespace, too', async () => {
    const labels = (value: string | null) =>
      api.client
        .of(namespaceResource)
        .patch({ name: 'prod' }, { metadata: { labels: { zone: value } } }, { type: 'merge' });
    await labels('trusted');
    await offer({ namespaceSelector: { matchLabels: { zone: 'trusted' } } });
    await createJob(api.client, joining());
    await settled('False');
    await labels(null);
    await settled('True');
    await drive(api, async () => (await jobCondition())?.status === 'True');
  });
});

describe('a Network that was deleted', () => {
  it('is missed by its Jobs, which keep the name under which they joined it', async () => {
    await offer({ cniName: 'Calico_Net' });
    await createJob(api.client, joining());
    await settled('False');
    await networks().delete({ name: 'net' });
    await drive(api, async () => (await jobCondition())?.status === 'True');
    const { status } = await jobs().get(ref);
    expect(await jobCondition()).toMatchObject({ reason: 'NetworkDeleted' });
    expect(status?.networks).toEqual([{ name: 'net', cniName: 'Calico_Net' }]);
    await drive(api, async () => (await warnings()).length === 1);

    await offer({ cniName: 'Other_Net' });
    await drive(api, async () => (await jobCondition())?.status === 'False');
    expect((await jobs().get(ref)).status?.networks?.[0]?.cniName).toBe('Other_Net');
  });
});

it('a Job whose Network a cache does not show yet contradicts nothing', async () => {
  const release = jobLoop.transport.holdWatches('/networks');
  await offer({ cniName: 'Calico_Net' });
  await createJob(api.client, joining());
  await drive(api, async () => (await jobs().get(ref)).status?.availableReplicas === 1);
  expect(await jobCondition()).toBeUndefined();
  expect((await jobs().get(ref)).status?.networks?.[0]?.cniName).toBe('Calico_Net');
  release();
  await settled('False');
  expect(await warnings()).toEqual([]);
});
