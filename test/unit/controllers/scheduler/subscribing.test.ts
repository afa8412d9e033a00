import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findCondition } from '../../../../api/machinery/conditions.ts';
import { healthOf } from '../../../../api/machinery/kstatus.ts';
import { leaseResource } from '../../../../api/v1/core.ts';
import { frameworkResource, type Framework } from '../../../../api/v1/framework.ts';
import { settle } from '../../../support/virtual-clock.ts';
import { until, type TestApi } from '../runtime/api.ts';
import { frameworkOf } from './harness.ts';
import { Scene } from './scene.ts';
import {
  errorEvent,
  offerOf,
  runningOf,
  subscribed,
  updateOf,
  uuid,
  type ScriptedMesos,
} from './scripted-mesos.ts';

let scene: Scene;
let api: TestApi;
let mesos: ScriptedMesos;

beforeEach(async () => {
  scene = await Scene.start();
  ({ api, mesos } = scene);
});

afterEach(() => scene.stop());

const removedText = 'Framework has been removed';

async function annotate(name: string, value: string): Promise<void> {
  await api.client
    .of(frameworkResource)
    .patch({ name: 'test' }, { metadata: { annotations: { [name]: value } } }, { type: 'merge' });
}

const framework = (): Promise<Framework | undefined> => frameworkOf(api.client);
const reason = async (): Promise<string | undefined> => (await framework())?.status?.reason;

/** Mesos refuses the id from now on. */
async function remove(): Promise<void> {
  mesos.greeting = () => [errorEvent(removedText)];
  mesos.current.lose();
  await until(api.clock, async () => (await reason()) === 'FrameworkRemoved');
}

describe('subscribing', () => {
  it('goes on under the stored id after a restart', async () => {
    await scene.run('web-0-a');
    await scene.running.stop();
    scene.startAnother('second');
    await scene.subscribed();
    expect(mesos.of('SUBSCRIBE').map((call) => call.framework_id?.value)).toEqual([
      undefined,
      'F1',
    ]);
    expect(mesos.of('SUBSCRIBE')[1]?.subscribe?.framework_info.id).toEqual({ value: 'F1' });
    expect(await scene.phase('web-0-a')).toBe('Running');
  });

  it('launches nothing before the id is stored', async () => {
    await scene.running.stop();
    await api.client.of(frameworkResource).delete({ name: 'test' });
    await scene.create('web-0-a');
    const second = scene.startAnother('second');
    second.process.api.fault = ({ method, path }) =>
      method === 'PUT' && path.includes('/frameworks/') ? 'away' : undefined;
    await until(api.clock, () => mesos.subscriptions.length === 2);
    mesos.offer(offerOf('O1'));
    await api.clock.advance(10_000);
    expect(mesos.launched).toEqual([]);
    second.process.api.fault = () => undefined;
    await until(api.clock, () => mesos.launched.length === 1);
    expect((await framework())?.status?.id).toBe('F2');
  });

  it('asks for offers at once if tasks wait', async () => {
    await scene.create('web-0-a');
    mesos.current.lose();
    await until(api.clock, () => mesos.subscriptions.length === 2);
    expect(mesos.of('SUBSCRIBE')[1]?.subscribe?.suppressed_roles).toBeUndefined();
  });

  it('tries again with growing pauses, and says so when it takes long', async () => {
    mesos.greeting = () => [errorEvent('Role "mesocosm" is not allowed')];
    const began = mesos.subscriptions.length;
    mesos.current.lose();
    await api.clock.advance(120_000);
    const tries = mesos.subscriptions.length - began;
    expect(tries).toBeGreaterThan(4);
    expect(tries).toBeLessThan(14);
    expect(scene.running.scheduler?.ready()).toEqual({
      ok: false,
      reason: 'not subscribed to Mesos: Role "mesocosm" is not allowed',
    });
    expect((await framework())?.status).toMatchObject({
      id: 'F1',
      state: 'Disconnected',
      reason: 'NotSubscribed',
    });
    mesos.greeting = () => [subscribed('F1')];
    await scene.subscribed();
    const status = (await framework())?.status;
    expect(status).toMatchObject({ state: 'Subscribed' });
    expect(status?.reason).toBeUndefined();
    expect(findCondition(status?.conditions, 'Ready')?.status).toBe('True');
  });

  it('gives up a subscription on which SUBSCRIBED does not come', async () => {
    mesos.greeting = () => [];
    mesos.current.lose();
    await until(api.clock, () => mesos.subscriptions.length === 3);
    expect(mesos.subscriptions[1]?.closed).toBe(true);
  });

  it('subscribes again when another has taken the subscription, as long as it leads', async () => {
    mesos.current.send(errorEvent('Framework failed over'));
    await until(api.clock, () => mesos.subscriptions.length === 2);
    await scene.subscribed();
    expect(mesos.of('SUBSCRIBE')[1]?.framework_id).toEqual({ value: 'F1' });
  });

  it('does not subscribe again once another leads', async () => {
    const leases = api.client.of(leaseResource);
    const { metadata, spec } = await leases.get({ namespace: 'mesocosm-system', name: 'leader' });
    await leases.delete({ namespace: 'mesocosm-system', name: 'leader' });
    await leases.create({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace: 'mesocosm-system', name: metadata.name },
      spec: { ...spec, holderIdentity: 'another' },
    });
    mesos.current.send(errorEvent('Framework failed over'));
    await api.clock.advance(10_000);
    expect(mesos.subscriptions).toHaveLength(1);
  });

  it('never tears the framework down', async () => {
    await scene.run('web-0-a');
    await scene.running.stop();
    expect(mesos.of('TEARDOWN')).toEqual([]);
    expect(mesos.current.closed).toBe(true);
  });

  it('restores its record if somebody deletes it', async () => {
    await scene.run('web-0-a');
    await api.client.of(frameworkResource).delete({ name: 'test' });
    await until(api.clock, async () => (await framework())?.status?.id === 'F1');
    expect(mesos.subscriptions).toHaveLength(1);
  });
});

describe('a framework that Mesos has removed', () => {
  it('is not subscribed again; who asks is told why', async () => {
    await scene.run('web-0-a');
    await remove();
    const tries = mesos.subscriptions.length;
    await api.clock.advance(3_600_000);
    expect(mesos.subscriptions).toHaveLength(tries);
    expect(scene.running.scheduler?.ready().reason).toMatch(/^FrameworkRemoved: Mesos has removed/);
    expect((await framework())?.status).toMatchObject({ id: 'F1', state: 'Blocked' });
    expect(healthOf({ ...(await framework()) })).toMatchObject({ status: 'Failed' });
    expect(await scene.phase('web-0-a')).toBe('Running');
  });

  it('stays blocked over a restart', async () => {
    await remove();
    await scene.running.stop();
    const tries = mesos.subscriptions.length;
    scene.startAnother('second');
    await until(
      api.clock,
      () => scene.running.scheduler?.ready().reason.startsWith('FrameworkRemoved') === true,
    );
    expect(mesos.subscriptions).toHaveLength(tries);
  });

  it('goes on under the id that an operator gives', async () => {
    await scene.run('web-0-a');
    await remove();
    mesos.greeting = (call) => [subscribed(call.framework_id?.value ?? 'new')];
    await annotate('mesocosm.dev/adopt-framework', 'F77');
    await scene.subscribed();
    expect(mesos.of('SUBSCRIBE').at(-1)?.framework_id).toEqual({ value: 'F77' });
    const stored = await framework();
    expect(stored?.status).toMatchObject({ id: 'F77', state: 'Subscribed' });
    expect(stored?.metadata.annotations ?? {}).toEqual({});
    await until(api.clock, () => mesos.reconciled.flat().includes('prod.web-0-a'));
  });

  it('registers anew once an operator confirms that all its tasks are dead', async () => {
    await scene.run('web-0-a');
    await scene.create('web-1-b');
    await remove();
    mesos.greeting = (call) => [subscribed(call.framework_id?.value ?? 'F88')];
    await annotate('mesocosm.dev/reset-confirm-all-dead', 'true');
    await scene.subscribed();
    expect(mesos.of('SUBSCRIBE').at(-1)?.framework_id).toBeUndefined();
    expect((await framework())?.status?.id).toBe('F88');
    expect((await framework())?.metadata.annotations ?? {}).toEqual({});
    expect((await scene.task('web-0-a')).status).toMatchObject({
      phase: 'Failed',
      mesos: { state: 'TASK_GONE' },
    });
    mesos.offer(offerOf('O9'));
    await until(api.clock, () => mesos.launched.includes('prod.web-1-b'));
  });
});

describe('a control plane that has lost the id of its framework', () => {
  it('does not subscribe while tasks live, and says under which id they were launched', async () => {
    await scene.run('web-0-a');
    await scene.running.stop();
    await api.client.of(frameworkResource).delete({ name: 'test' });
    scene.startAnother('second');
    await until(api.clock, async () => (await reason()) === 'FrameworkIdMissing');
    expect(mesos.subscriptions).toHaveLength(1);
    expect((await framework())?.status?.message).toMatch(
      /^1 tasks live \(launched under framework F1\)/,
    );
    await annotate('mesocosm.dev/adopt-framework', 'F1');
    await scene.subscribed();
    expect(mesos.of('SUBSCRIBE').at(-1)?.framework_id).toEqual({ value: 'F1' });
  });
});

describe('reconciliation', () => {
  it('asks about every live task after a subscription until each is answered', async () => {
    for (const name of ['web-0-a', 'web-1-b']) await scene.run(name);
    await scene.launch('web-2-c');
    mesos.update(updateOf('web-2-c', 'TASK_FINISHED', { uuid: uuid('c') }));
    await scene.reaches('web-2-c', 'Finished');
    await scene.launch('web-3-d');
    mesos.calls.length = 0;
    mesos.current.lose();
    await until(api.clock, () => mesos.reconciled.length === 1);
    expect(mesos.reconciled[0]?.sort()).toEqual(['prod.web-0-a', 'prod.web-1-b', 'prod.web-3-d']);
    expect(mesos.of('RECONCILE')[0]?.reconcile?.tasks?.[0]?.agent_id).toEqual({ value: 'S0' });
    mesos.update(runningOf('web-0-a', { reason: 'REASON_RECONCILIATION' }));
    mesos.update(updateOf('web-3-d', 'TASK_STAGING', { reason: 'REASON_RECONCILIATION' }));
    await until(api.clock, () => mesos.reconciled.length === 2, 10_000);
    expect(mesos.reconciled[1]).toEqual(['prod.web-1-b']);
    mesos.update(runningOf('web-1-b', { reason: 'REASON_RECONCILIATION' }));
    await api.clock.advance(600_000);
    expect(mesos.reconciled.slice(2).filter((ids) => ids.length > 0)).toEqual([]);
  });

  it('changes nothing that is known already', async () => {
    await scene.run('web-0-a');
    const written = scene.writes('web-0-a');
    mesos.update(runningOf('web-0-a', { reason: 'REASON_RECONCILIATION', message: 'again' }));
    await settle();
    expect(scene.writes('web-0-a')).toBe(written);
  });

  it('asks for everything every quarter of an hour', async () => {
    await api.clock.advance(3_600_000);
    const implicit = mesos.reconciled.filter((ids) => ids.length === 0);
    expect(implicit.length).toBeGreaterThanOrEqual(4);
    expect(implicit.length).toBeLessThanOrEqual(5);
  });

  it('asks about a running task without addresses before it calls them missing', async () => {
    await scene.launch('web-0-a');
    mesos.update(updateOf('web-0-a', 'TASK_RUNNING', { uuid: uuid('1') }));
    await scene.reaches('web-0-a', 'Running');
    const verdict = async (): Promise<string | undefined> =>
      (await scene.task('web-0-a')).status?.networks?.[0]?.verdict;
    expect(await verdict()).toBe('Pending');
    await until(api.clock, () => mesos.reconciled.flat().includes('prod.web-0-a'), 10_000);
    mesos.update(updateOf('web-0-a', 'TASK_RUNNING', { reason: 'REASON_RECONCILIATION' }));
    await until(api.clock, async () => (await verdict()) === 'Missing');
    await api.clock.advance(60_000);
    expect(mesos.reconciled.flat()).toEqual(['prod.web-0-a']);
  });
});

describe('a reconciliation that would lose many tasks', () => {
  const names = Array.from({ length: 12 }, (_, index) => `web-${index}-x`);

  beforeEach(async () => {
    for (const name of names) await scene.create(name);
    mesos.offer(offerOf('O1', 'S0', 16));
    await until(api.clock, () => mesos.launched.length === names.length);
    for (const name of names) mesos.update(runningOf(name, { uuid: uuid(name) }));
    for (const name of names) await scene.reaches(name, 'Running');
  });

  const held = async (): Promise<string | undefined> =>
    findCondition((await framework())?.status?.conditions, 'ReplacingHeld')?.status;

  function lose(count: number, state: 'TASK_UNREACHABLE' | 'TASK_GONE'): void {
    for (const name of names.slice(0, count)) {
      mesos.update(updateOf(name, state, { reason: 'REASON_RECONCILIATION' }));
    }
  }

  it('holds replacing before the first of them is stored, and releases it when they return', async () => {
    const release = holdTaskWrites();
    lose(12, 'TASK_UNREACHABLE');
    await until(api.clock, async () => (await held()) === 'True');
    const phases = await Promise.all(names.map((name) => scene.phase(name)));
    expect(new Set(phases)).toEqual(new Set(['Running']));
    release();
    for (const name of names) await scene.reaches(name, 'Unreachable');
    expect(await scene.events('ReplacingHeld')).toHaveLength(1);
    for (const name of names) mesos.update(runningOf(name, {}));
    await until(api.clock, async () => (await held()) === 'False');
  });

  it('holds the replacing of dead ones until an operator releases it', async () => {
    lose(12, 'TASK_GONE');
    for (const name of names) await scene.reaches(name, 'Failed');
    expect(await held()).toBe('True');
    await api.clock.advance(600_000);
    expect(await held()).toBe('True');
    await annotate('mesocosm.dev/release-replacing', 'true');
    await until(api.clock, async () => (await held()) === 'False');
    expect((await framework())?.metadata.annotations ?? {}).toEqual({});
  });

  it('is not held for a few', async () => {
    lose(3, 'TASK_UNREACHABLE');
    await scene.reaches(names[0] ?? '', 'Unreachable');
    expect(await held()).toBeUndefined();
  });

  it('counts only tasks about which nothing newer was said', async () => {
    lose(12, 'TASK_UNREACHABLE');
    for (const name of names) mesos.update(runningOf(name, {}));
    await api.clock.advance(30_000);
    expect(await held()).toBeUndefined();
    expect(await scene.phase(names[0] ?? '')).toBe('Running');
  });

  /** Holds back writes of Tasks. */
  function holdTaskWrites(): () => void {
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const { api: transport } = scene.running.process;
    const { inner } = transport;
    transport.inner = {
      watch: (request, signal) => inner.watch(request, signal),
      request: async (request, signal) => {
        if (request.method === 'PUT' && request.path.includes('/tasks/')) await gate;
        return inner.request(request, signal);
      },
    };
    return open;
  }
});
