import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addressClaimResource, type AddressClaim } from '../../../../api/v1/address-claim.ts';
import { findCondition } from '../../../../api/machinery/conditions.ts';
import { jobResource, type Job } from '../../../../api/v1/job.ts';
import { networkResource } from '../../../../api/v1/network.ts';
import type { Task } from '../../../../api/v1/task.ts';
import { until, type TestApi } from '../runtime/api.ts';
import { draftTask } from './harness.ts';
import { Scene } from './scene.ts';
import { offerOf, updateOf, uuid, type ScriptedMesos } from './scripted-mesos.ts';

let scene: Scene;
let api: TestApi;
let mesos: ScriptedMesos;

beforeEach(async () => {
  scene = await Scene.start();
  ({ api, mesos } = scene);
  await api.client
    .of(networkResource)
    .patch({ name: 'dev-net' }, { spec: { staticRanges: ['10.0.0.0/24'] } }, { type: 'merge' });
});
afterEach(() => scene.stop());

const ip = '10.0.0.20';
const asking: Partial<Task['spec']> = { networks: [{ name: 'dev-net', ips: [ip] }] };
const sticky: Partial<Task['spec']> = { networks: [{ name: 'dev-net', sticky: true }] };

function claim(name = 'dev-net-0a000014'): Promise<AddressClaim | undefined> {
  return api.client.of(addressClaimResource).find({ name });
}

/** Addresses that Mesos was told to ask for, launch by launch. */
function asked(): (string | undefined)[] {
  return mesos
    .of('ACCEPT')
    .flatMap(({ accept }) => accept?.operations ?? [])
    .flatMap(({ launch }) => launch?.task_infos ?? [])
    .map(({ container }) => container?.network_infos?.[0]?.ip_addresses?.[0]?.ip_address);
}

function report(name: string, state: 'TASK_RUNNING' | 'TASK_FAILED', address?: string): void {
  const infos = [{ name: 'dev-net', ip_addresses: [{ ip_address: address ?? '' }] }];
  const status = address === undefined ? {} : { container_status: { network_infos: infos } };
  mesos.update(updateOf(name, state, { uuid: uuid(`${name}-${state}`), ...status }));
}

async function scheduled(name: string) {
  return findCondition((await scene.task(name)).status?.conditions, 'Scheduled');
}

describe('a task that asks for an address', () => {
  it('is launched with it, holding the claim, and Ready once it has it', async () => {
    let holderAtLaunch: string | undefined;
    mesos.answer = async (call) => {
      if (call.type === 'ACCEPT') holderAtLaunch = (await claim())?.spec.holder.task;
      return { kind: 'accepted' };
    };
    await scene.launch('web-0-a', asking);
    expect(asked()).toEqual([ip]);
    expect(holderAtLaunch).toBe('web-0-a');
    expect((await scene.task('web-0-a')).status?.networks?.[0]).toMatchObject({
      requestedIps: [ip],
      verdict: 'Pending',
      ips: [],
    });
    report('web-0-a', 'TASK_RUNNING', ip);
    await scene.reaches('web-0-a', 'Running');
    const { status } = await scene.task('web-0-a');
    expect(status?.networks?.[0]).toMatchObject({ verdict: 'Assigned', ips: [ip] });
    expect(findCondition(status?.conditions, 'Ready')?.status).toBe('True');
  });

  it('that the plugin ignores is a Mismatch, and not Ready', async () => {
    await scene.launch('web-0-a', asking);
    report('web-0-a', 'TASK_RUNNING', '10.0.0.99');
    await scene.reaches('web-0-a', 'Running');
    const { status } = await scene.task('web-0-a');
    expect(status?.networks?.[0]).toMatchObject({ verdict: 'Mismatch', ips: ['10.0.0.99'] });
    expect(status?.networks?.[0]?.message).toMatch(/asked for 10\.0\.0\.20.* gave 10\.0\.0\.99/);
    expect(findCondition(status?.conditions, 'Ready')?.status).toBe('False');
  });

  it('waits while another is alive, unreachable too, says for whom, and follows its death', async () => {
    await scene.run('web-0-a', asking);
    await scene.create('db-0-a', { ...asking, job: 'db' });
    await until(api.clock, async () => (await scheduled('db-0-a'))?.reason === 'AddressTaken');
    expect((await scheduled('db-0-a'))?.message).toMatch(/held by Job prod\/web \(task web-0-a\)/);
    mesos.update(updateOf('web-0-a', 'TASK_UNREACHABLE'));
    await scene.reaches('web-0-a', 'Unreachable');
    mesos.offer(offerOf('O-2'));
    await api.clock.advance(3_600_000);
    expect(mesos.launched).toEqual(['prod.web-0-a']);
    expect((await claim())?.status?.state).toBe('HolderUnreachable');
    report('web-0-a', 'TASK_FAILED');
    await scene.reaches('web-0-a', 'Failed');
    await until(api.clock, async () => (await claim())?.spec.holder.task === 'db-0-a');
    mesos.offer(offerOf('O-3'));
    await until(api.clock, () => mesos.launched.length === 2);
    expect(asked()).toEqual([ip, ip]);
  });

  it('whose agent is gone keeps it for the grace', async () => {
    await scene.run('web-0-a', asking);
    await scene.create('db-0-a', { ...asking, job: 'db' });
    mesos.update(updateOf('web-0-a', 'TASK_GONE_BY_OPERATOR'));
    await scene.reaches('web-0-a', 'Failed');
    await until(api.clock, async () => (await claim())?.status?.state === 'AgentLost');
    await api.clock.advance(55_000);
    expect((await claim())?.spec.holder.task).toBe('web-0-a');
    await until(api.clock, async () => (await claim())?.spec.holder.task === 'db-0-a', 10_000);
  });

  it('is decided the same by the leader that follows', async () => {
    await scene.run('web-0-a', asking);
    await scene.create('db-0-a', { ...asking, job: 'db' });
    scene.running.process.kill();
    scene.startAnother('second');
    await scene.subscribed();
    mesos.offer(offerOf('O-2'));
    await api.clock.advance(120_000);
    expect(mesos.launched).toEqual(['prod.web-0-a']);
    expect((await claim())?.spec.holder.task).toBe('web-0-a');
  });
});

describe('two rivals', () => {
  it('of which the one is launched that the store took first, also after a lost answer', async () => {
    let lost = 0;
    scene.running.process.api.fault = ({ method, path }) =>
      method === 'POST' && path.endsWith('/addressclaims') && lost++ === 0 ? 'lost' : undefined;
    await scene.create('web-0-a', asking);
    await scene.create('db-0-a', { ...asking, job: 'db' });
    mesos.offer(offerOf('O-1'));
    await until(api.clock, () => mesos.launched.length === 1);
    await api.clock.advance(60_000);
    expect(mesos.launched).toHaveLength(1);
    expect(lost).toBeGreaterThan(0);
    expect(mesos.launched[0]).toBe(`prod.${(await claim())?.spec.holder.task ?? ''}`);
  });
});

describe('a claim', () => {
  it('that somebody deletes stays until its holder is dead', async () => {
    await scene.run('web-0-a', asking);
    await api.client.of(addressClaimResource).delete({ name: 'dev-net-0a000014' });
    await api.clock.advance(60_000);
    expect((await claim())?.metadata.deletionTimestamp).toBeDefined();
    report('web-0-a', 'TASK_FAILED');
    await until(api.clock, async () => (await claim()) === undefined);
  });

  it('is gone when its holder is dead and no Job wants it', async () => {
    await scene.run('web-0-a', asking);
    report('web-0-a', 'TASK_FAILED');
    await until(api.clock, async () => (await claim()) === undefined);
  });
});

describe('a sticky task', () => {
  it('is given an address once, and its Job’s next run asks for that one', async () => {
    const job = await createJob(sticky);
    await scene.createFor(job, 'web-0-a', sticky);
    mesos.offer(offerOf('O-1'));
    await until(api.clock, () => mesos.launched.length === 1);
    report('web-0-a', 'TASK_RUNNING', '10.0.0.77');
    await until(api.clock, async () => (await claim('dev-net-0a00004d')) !== undefined);
    report('web-0-a', 'TASK_FAILED');
    await scene.reaches('web-0-a', 'Failed');
    await api.clock.advance(30_000);
    await scene.createFor(job, 'web-0-b', sticky);
    mesos.offer(offerOf('O-2'));
    await until(api.clock, () => mesos.launched.length === 2);
    expect(asked()).toEqual([undefined, '10.0.0.77']);
    expect((await claim('dev-net-0a00004d'))?.spec.holder.task).toBe('web-0-b');
    await api.client.of(jobResource).delete({ namespace: 'prod', name: 'web' });
    await api.clock.advance(60_000);
    expect(await claim('dev-net-0a00004d')).toBeDefined();
    report('web-0-b', 'TASK_FAILED');
    await until(api.clock, async () => (await claim('dev-net-0a00004d')) === undefined);
  });
});

function createJob({ networks }: Partial<Task['spec']>): Promise<Job> {
  const { containers } = draftTask('web-0-a').spec;
  return api.client.of(jobResource).create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: { name: 'web', namespace: 'prod' },
    spec: { template: { spec: { containers, networks } } },
  });
}
