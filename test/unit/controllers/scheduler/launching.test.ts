import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ResourceClient } from '../../../../api/client/client.ts';
import { findCondition } from '../../../../api/machinery/conditions.ts';
import { jobResource } from '../../../../api/v1/job.ts';
import { networkResource } from '../../../../api/v1/network.ts';
import { taskResource, type Task } from '../../../../api/v1/task.ts';
import type { CallOutcome } from '../../../../proto/mesos/transport.ts';
import { until, type TestApi } from '../runtime/api.ts';
import { settle } from '../../../support/virtual-clock.ts';
import { draftTask, frameworkOf, type RunningScheduler } from './harness.ts';
import { Scene } from './scene.ts';
import { lost, offerOf, runningOf, updateOf, uuid, type ScriptedMesos } from './scripted-mesos.ts';

let scene: Scene;
let api: TestApi;
let mesos: ScriptedMesos;
let running: RunningScheduler;

beforeEach(async () => {
  scene = await Scene.start();
  ({ api, mesos, running } = scene);
});

afterEach(() => scene.stop());

const task = (name: string): Promise<Task> => scene.task(name);
const phase = (name: string): Promise<string> => scene.phase(name);
const create = (name: string, spec?: Partial<Task['spec']>): Promise<Task> =>
  scene.create(name, spec);
const launch = (name: string): Promise<void> => scene.launch(name);
const tasks = (): ResourceClient<Task> => api.client.of(taskResource);

describe('launching', () => {
  it('subscribes with a stored identity before anything is launched', async () => {
    const [subscribe] = mesos.of('SUBSCRIBE');
    expect(subscribe?.framework_id).toBeUndefined();
    expect(subscribe?.subscribe).toMatchObject({
      suppressed_roles: ['mesocosm'],
      framework_info: {
        name: 'mesocosm-test',
        user: 'root',
        roles: ['mesocosm'],
        checkpoint: true,
        failover_timeout: 604_800,
      },
    });
    const types = subscribe?.subscribe?.framework_info.capabilities?.map(({ type }) => type);
    expect(types).toEqual([
      'PARTITION_AWARE',
      'TASK_KILLING_STATE',
      'MULTI_ROLE',
      'RESERVATION_REFINEMENT',
      'REGION_AWARE',
    ]);
    expect((await frameworkOf(api.client))?.status).toMatchObject({
      id: 'F1',
      state: 'Subscribed',
    });
  });

  it('binds a task in the store before Mesos is asked', async () => {
    let atAccept: Task | undefined;
    mesos.answer = async (call) => {
      if (call.type === 'ACCEPT') atAccept = await task('web-0-a');
      return { kind: 'accepted' };
    };
    await launch('web-0-a');
    expect(atAccept?.status).toMatchObject({
      phase: 'Launching',
      mesos: {
        taskId: 'prod.web-0-a',
        frameworkId: 'F1',
        agentId: 'S0',
        agentHostname: 's0.test',
        agentAddress: { hostname: 's0.test', ip: '10.0.0.1', port: 5051 },
      },
      networks: [{ name: 'dev-net', interface: 'eth0', verdict: 'Pending', ips: [] }],
    });
    expect(findCondition(atAccept?.status?.conditions, 'Scheduled')?.status).toBe('True');
    expect(mesos.launched).toEqual(['prod.web-0-a']);
  });

  it('costs a task four writes until it runs', async () => {
    const created = await create('web-0-a');
    mesos.offer(offerOf('O1'));
    await until(api.clock, () => mesos.launched.length === 1);
    const writes = (): number =>
      running.process.api.writes.filter(({ path }) => path.includes('/tasks/web-0-a')).length;
    mesos.update(updateOf('web-0-a', 'TASK_STARTING', { uuid: uuid('1') }));
    mesos.update(runningOf('web-0-a', { uuid: uuid('2') }));
    await until(api.clock, () => mesos.acknowledged.length === 2);
    expect(created.status).toBeUndefined();
    expect(await phase('web-0-a')).toBe('Running');
    await api.clock.advance(1_000);
    expect(writes()).toBe(3);
  });

  it('launches all tasks of one agent in one call, and asks for more when some are left', async () => {
    for (const name of ['web-0-a', 'web-1-b', 'web-2-c']) {
      await create(name, {
        containers: [
          { name: 'web', script: 'x', resources: { requests: { cpu: 2, memory: '32Mi' } } },
        ],
      });
    }
    await until(api.clock, () => mesos.of('REVIVE').length > 0);
    mesos.offer(offerOf('O1', 'S0', 4));
    await until(api.clock, () => mesos.launched.length === 2);
    expect(mesos.of('ACCEPT')).toHaveLength(1);
    expect(mesos.of('ACCEPT')[0]?.accept?.filters).toEqual({ refuse_seconds: 0 });
    const asked = mesos.of('REVIVE').length;
    await until(api.clock, () => mesos.of('REVIVE').length > asked);
    mesos.offer(offerOf('O2', 'S1', 4));
    await until(api.clock, () => mesos.launched.length === 3);
  });

  it('asks for no offers, and refuses those in hand, while nothing waits', async () => {
    await create('web-0-a');
    await until(api.clock, () => mesos.of('REVIVE').length === 1);
    mesos.offer(offerOf('O1'));
    await until(api.clock, () => mesos.launched.length === 1);
    mesos.offer(offerOf('O2'));
    await api.clock.advance(500);
    expect(mesos.of('SUPPRESS')).toEqual([]);
    await until(api.clock, () => mesos.of('SUPPRESS').length === 1);
    const declined = mesos.of('DECLINE').flatMap(({ decline }) => decline?.offer_ids ?? []);
    expect(declined).toEqual([{ value: 'O2' }]);
    const revived = mesos.of('REVIVE').length;
    await create('web-1-b');
    await until(api.clock, () => mesos.of('REVIVE').length > revived);
  });

  it('does not use an offer that was rescinded', async () => {
    await create('web-0-a');
    mesos.current.send({
      type: 'OFFERS',
      offers: { offers: [offerOf('O1')] },
    });
    mesos.current.send({ type: 'RESCIND', rescind: { offer_id: { value: 'O1' } } });
    await api.clock.advance(1_000);
    expect(mesos.launched).toEqual([]);
    mesos.offer(offerOf('O2'));
    await until(api.clock, () => mesos.launched.length === 1);
  });

  it('takes a task whose offer was rescinded too late for dead', async () => {
    await launch('web-0-a');
    mesos.update(
      updateOf('web-0-a', 'TASK_DROPPED', {
        source: 'SOURCE_MASTER',
        reason: 'REASON_INVALID_OFFERS',
        message: 'Task launched with invalid offers: Offer O1 is no longer valid',
      }),
    );
    await until(api.clock, async () => (await phase('web-0-a')) === 'Failed');
    expect(mesos.acknowledged).toEqual([]);
  });

  it('drops a task whose launch was refused, and never launches it again', async () => {
    mesos.answer = (call): CallOutcome =>
      call.type === 'ACCEPT'
        ? { kind: 'rejected', status: 403, message: 'Framework is not subscribed' }
        : { kind: 'accepted' };
    await launch('web-0-a');
    await until(api.clock, async () => (await phase('web-0-a')) === 'Failed');
    expect((await task('web-0-a')).status?.mesos).toMatchObject({
      state: 'TASK_DROPPED',
      message: 'the launch did not reach Mesos: 403 Framework is not subscribed',
    });
    mesos.offer(offerOf('O2'));
    await api.clock.advance(120_000);
    expect(mesos.launched).toEqual(['prod.web-0-a']);
  });

  it('does not launch a task that was stopped while it waited', async () => {
    const waiting = await create('web-0-a');
    await tasks().update({ ...waiting, spec: { ...waiting.spec, stop: { reason: 'ScaleDown' } } });
    await until(api.clock, async () => (await phase('web-0-a')) === 'Killed');
    mesos.offer(offerOf('O1'));
    await api.clock.advance(5_000);
    expect(mesos.launched).toEqual([]);
    expect((await task('web-0-a')).status?.mesos).toBeUndefined();
  });

  it('does not launch a task that was stopped while it was bound', async () => {
    // The answer of the bind comes late: the stop overtakes it.
    const release = holdAnswers(running, '/tasks/web-0-a/status');
    await create('web-0-a');
    mesos.offer(offerOf('O1'));
    await until(api.clock, async () => (await phase('web-0-a')) === 'Launching');
    const bound = await task('web-0-a');
    await tasks().update({ ...bound, spec: { ...bound.spec, stop: { reason: 'Update' } } });
    await settle();
    release();
    await until(api.clock, async () => (await phase('web-0-a')) === 'Failed');
    expect(mesos.launched).toEqual([]);
    expect(mesos.killed).toEqual([]);
    expect(mesos.of('DECLINE')[0]?.decline?.offer_ids).toEqual([{ value: 'O1' }]);
  });

  it('leaves a task waiting whose bind was overtaken, and binds it again', async () => {
    await create('web-0-a');
    await until(api.clock, () => mesos.of('REVIVE').length > 0);
    const release = running.process.api.holdWatches();
    const waiting = await task('web-0-a');
    const annotations = { note: 'changed behind the back of the scheduler' };
    await tasks().update({ ...waiting, metadata: { ...waiting.metadata, annotations } });
    mesos.offer(offerOf('O1'));
    await until(api.clock, () => mesos.of('DECLINE').length > 0);
    expect(mesos.launched).toEqual([]);
    mesos.offer(offerOf('O2'));
    await until(api.clock, () => mesos.launched.length === 1);
    release();
  });

  it('lets Mesos say what became of a task whose bind was stored though its answer was lost', async () => {
    running.process.api.fault = ({ path, method }) =>
      method === 'PUT' && path.endsWith('/tasks/web-0-a/status') ? 'lost' : undefined;
    await create('web-0-a');
    mesos.offer(offerOf('O1'));
    await until(api.clock, () => mesos.reconciled.flat().includes('prod.web-0-a'));
    running.process.api.fault = () => undefined;
    expect(mesos.launched).toEqual([]);
    mesos.update(updateOf('web-0-a', 'TASK_GONE', { reason: 'REASON_RECONCILIATION' }));
    await until(api.clock, async () => (await phase('web-0-a')) === 'Failed');
    expect(mesos.launched).toEqual([]);
  });

  it('says why a task finds no agent, once', async () => {
    await create('web-0-a', {
      constraints: [{ attribute: 'rack', operator: 'Equals', values: ['r1'] }],
    });
    const condition = async () =>
      findCondition((await task('web-0-a')).status?.conditions, 'Scheduled');
    for (let second = 0; second < 60; second += 2) {
      mesos.offer(offerOf(`O${second}`));
      await api.clock.advance(2_000);
    }
    expect(await condition()).toMatchObject({
      status: 'False',
      reason: 'Unschedulable',
      message: '0 of 1 offered agents fit: 1 without attribute rack',
    });
    const writes = running.process.api.writes.filter(({ path }) => path.includes('/tasks/web-0-a'));
    expect(writes).toHaveLength(1);
  });

  it('gives back offers that no waiting task wants', async () => {
    await create('web-0-a', {
      constraints: [{ attribute: 'rack', operator: 'Equals', values: ['r1'] }],
    });
    mesos.offer(offerOf('O1'));
    await until(api.clock, () => mesos.of('DECLINE').length === 1, 10_000);
    expect(mesos.of('DECLINE')[0]?.decline).toEqual({
      offer_ids: [{ value: 'O1' }],
      filters: { refuse_seconds: 5 },
    });
  });

  it('waits with a task whose network is not there any more', async () => {
    await create('web-0-a');
    await api.client.of(networkResource).delete({ name: 'dev-net' });
    await settle();
    mesos.offer(offerOf('O1'));
    await api.clock.advance(20_000);
    expect(mesos.launched).toEqual([]);
    expect(findCondition((await task('web-0-a')).status?.conditions, 'Scheduled')?.message).toBe(
      'there is no network "dev-net"',
    );
  });

  it('replaces a task of a network that was deleted, under the name that its Job joined it by', async () => {
    const { containers } = draftTask('web-0-a').spec;
    const job = await api.client.of(jobResource).create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Job',
      metadata: { name: 'web', namespace: 'prod' },
      spec: { template: { spec: { networks: [{ name: 'dev-net' }], containers } } },
    });
    const networks = [{ name: 'dev-net', cniName: 'Calico_Net' }];
    await api.client.of(jobResource).updateStatus({ ...job, status: { networks } });
    await api.client.of(networkResource).delete({ name: 'dev-net' });
    await launch('web-0-a');
    const [accept] = mesos.of('ACCEPT');
    const info = accept?.accept?.operations?.[0]?.launch?.task_infos?.[0];
    expect(info?.container?.network_infos?.map(({ name }) => name)).toEqual(['Calico_Net']);
    expect((await task('web-0-a')).status?.networks?.[0]).toMatchObject({
      name: 'dev-net',
      cniName: 'Calico_Net',
    });
  });

  it('keeps tasks off an agent that lacks their network, for ten minutes', async () => {
    await launch('web-0-a');
    mesos.update(
      updateOf('web-0-a', 'TASK_FAILED', {
        uuid: uuid('1'),
        source: 'SOURCE_AGENT',
        reason: 'REASON_CONTAINER_LAUNCH_FAILED',
        message: "Failed to launch container: Unknown CNI network 'dev-net'",
      }),
    );
    await until(api.clock, async () => (await phase('web-0-a')) === 'Failed');
    expect((await task('web-0-a')).status?.networks?.[0]?.verdict).toBe('Rejected');
    await create('web-1-b');
    mesos.offer(offerOf('O2'));
    await api.clock.advance(60_000);
    expect(mesos.launched).toEqual(['prod.web-0-a']);
    await api.clock.advance(600_000);
    mesos.offer(offerOf('O3'));
    await until(api.clock, () => mesos.launched.length === 2);
  });
});

describe('a launch whose answer was lost', () => {
  async function loseAccept(): Promise<void> {
    mesos.answer = (call): CallOutcome => (call.type === 'ACCEPT' ? lost() : { kind: 'accepted' });
    await launch('web-0-a');
    await until(api.clock, () => mesos.subscriptions.length === 2);
    mesos.answer = () => ({ kind: 'accepted' });
    await until(api.clock, () => mesos.reconciled.flat().length > 0);
  }

  it('is asked about on the next subscription, and stays as it is until then', async () => {
    await loseAccept();
    expect(await phase('web-0-a')).toBe('Launching');
    expect(mesos.of('SUBSCRIBE')[1]?.framework_id).toEqual({ value: 'F1' });
    expect(mesos.reconciled).toEqual([['prod.web-0-a']]);
  });

  it('goes on if Mesos has taken it', async () => {
    await loseAccept();
    mesos.update(updateOf('web-0-a', 'TASK_STAGING', { reason: 'REASON_RECONCILIATION' }));
    mesos.update(runningOf('web-0-a', { uuid: uuid('1') }));
    await until(api.clock, async () => (await phase('web-0-a')) === 'Running');
  });

  it('is dead if Mesos has not, and never launched again', async () => {
    await loseAccept();
    mesos.update(updateOf('web-0-a', 'TASK_GONE', { reason: 'REASON_RECONCILIATION' }));
    await until(api.clock, async () => (await phase('web-0-a')) === 'Failed');
    mesos.offer(offerOf('O2'));
    await api.clock.advance(30_000);
    expect(mesos.launched).toEqual(['prod.web-0-a']);
  });
});

describe('a launch about which Mesos is silent', () => {
  it('is asked about after a minute; absence means nothing before, and death from then on', async () => {
    await launch('web-0-a');
    const gone = updateOf('web-0-a', 'TASK_GONE', { reason: 'REASON_RECONCILIATION' });
    for (let second = 0; second < 50; second += 10) {
      mesos.update(gone);
      await api.clock.advance(10_000);
    }
    expect(await phase('web-0-a')).toBe('Launching');
    await until(api.clock, () => mesos.reconciled.flat().includes('prod.web-0-a'));
    mesos.update(gone);
    await until(api.clock, async () => (await phase('web-0-a')) === 'Failed');
  });
});

/** Holds back the answers of writes to paths that end so; the writes happen. */
function holdAnswers({ process }: RunningScheduler, path: string): () => void {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const { inner } = process.api;
  process.api.inner = {
    watch: (request, signal) => inner.watch(request, signal),
    request: async (request, signal) => {
      const answer = await inner.request(request, signal);
      if (request.method !== 'GET' && request.path.endsWith(path)) await held;
      return answer;
    },
  };
  return release;
}
