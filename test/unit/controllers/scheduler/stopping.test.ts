import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serverSetFinalizer } from '../../../../api/v1/serverset.ts';
import { mesosFinalizer, taskResource } from '../../../../api/v1/task.ts';
import { until, type TestApi } from '../runtime/api.ts';
import { Scene } from './scene.ts';
import { runningOf, updateOf, uuid, type ScriptedMesos } from './scripted-mesos.ts';

let scene: Scene;
let api: TestApi;
let mesos: ScriptedMesos;

beforeEach(async () => {
  scene = await Scene.start();
  ({ api, mesos } = scene);
});

afterEach(() => scene.stop());

describe('stopping a task', () => {
  it('asks Mesos to kill it within its grace period, and again until it is dead', async () => {
    await scene.run('web-0-a', { terminationGracePeriodSeconds: 7 });
    await scene.stopTask('web-0-a');
    await until(api.clock, () => mesos.killed.length === 1);
    expect(mesos.of('KILL')[0]?.kill).toEqual({
      task_id: { value: 'prod.web-0-a' },
      agent_id: { value: 'S0' },
      kill_policy: { grace_period: { nanoseconds: 7_000_000_000 } },
    });
    mesos.update(updateOf('web-0-a', 'TASK_KILLING', { uuid: uuid('2') }));
    await scene.reaches('web-0-a', 'Stopping');
    await until(api.clock, () => mesos.killed.length === 2);
    mesos.update(updateOf('web-0-a', 'TASK_KILLED', { uuid: uuid('3') }));
    await scene.reaches('web-0-a', 'Killed');
    await api.clock.advance(600_000);
    expect(mesos.killed).toHaveLength(2);
  });

  it('waits while a member of it may be published', async () => {
    await scene.run('web-0-a');
    await scene.setFinalizers('web-0-a', [mesosFinalizer, serverSetFinalizer]);
    await scene.stopTask('web-0-a');
    await api.clock.advance(300_000);
    expect(mesos.killed).toEqual([]);
    await scene.setFinalizers('web-0-a', [mesosFinalizer]);
    await until(api.clock, () => mesos.killed.length === 1);
  });

  it('does not wait if an operator forces it', async () => {
    await scene.run('web-0-a');
    await scene.setFinalizers('web-0-a', [mesosFinalizer, serverSetFinalizer]);
    await scene.stopTask('web-0-a');
    await scene.change('web-0-a', (task) => ({
      ...task,
      metadata: { ...task.metadata, annotations: { 'mesocosm.dev/force-delete': 'true' } },
    }));
    await until(api.clock, () => mesos.killed.length === 1);
  });

  it('kills a deleted task, and lets its object go once it is dead', async () => {
    await scene.run('web-0-a');
    const tasks = api.client.of(taskResource);
    await tasks.delete({ namespace: 'prod', name: 'web-0-a' });
    await until(api.clock, () => mesos.killed.length === 1);
    expect((await scene.task('web-0-a')).metadata.finalizers).toEqual([mesosFinalizer]);
    mesos.update(updateOf('web-0-a', 'TASK_KILLED', { uuid: uuid('2') }));
    await until(
      api.clock,
      async () => (await tasks.find({ namespace: 'prod', name: 'web-0-a' })) === undefined,
    );
    expect(mesos.acknowledged).toContain(uuid('2'));
  });

  it('lets the object of a task go that was deleted before it was bound', async () => {
    const tasks = api.client.of(taskResource);
    await scene.create('web-0-a');
    await tasks.delete({ namespace: 'prod', name: 'web-0-a' });
    await until(
      api.clock,
      async () => (await tasks.find({ namespace: 'prod', name: 'web-0-a' })) === undefined,
    );
    expect(mesos.launched).toEqual([]);
    expect(mesos.killed).toEqual([]);
  });

  it('kills a task that was unreachable as soon as it returns', async () => {
    await scene.run('web-0-a');
    mesos.update(updateOf('web-0-a', 'TASK_UNREACHABLE', { reason: 'REASON_AGENT_REMOVED' }));
    await scene.reaches('web-0-a', 'Unreachable');
    await scene.stopTask('web-0-a');
    await until(api.clock, () => mesos.killed.length === 3);
    const before = mesos.killed.length;
    mesos.update(runningOf('web-0-a', { reason: 'REASON_AGENT_REREGISTERED' }));
    await until(api.clock, () => mesos.killed.length > before, 1_000);
  });

  it('kills what Mesos still runs of a task that was taken for dead', async () => {
    await scene.run('web-0-a');
    mesos.update(updateOf('web-0-a', 'TASK_GONE_BY_OPERATOR', {}));
    await scene.reaches('web-0-a', 'Failed');
    mesos.update(runningOf('web-0-a', { reason: 'REASON_RECONCILIATION' }));
    await until(api.clock, () => mesos.killed.length === 1);
    expect(await scene.phase('web-0-a')).toBe('Failed');
  });

  it('asks again on a new subscription', async () => {
    await scene.run('web-0-a');
    await scene.stopTask('web-0-a');
    await until(api.clock, () => mesos.killed.length === 1);
    mesos.current.lose();
    await until(api.clock, () => mesos.killed.length === 2, 3_000);
    expect(mesos.subscriptions).toHaveLength(2);
  });
});

describe('an unreachable task', () => {
  it('is asked about every quarter of an hour, and is dead once Mesos says so', async () => {
    await scene.run('web-0-a');
    mesos.update(updateOf('web-0-a', 'TASK_LOST', { reason: 'REASON_AGENT_REMOVED' }));
    await scene.reaches('web-0-a', 'Unreachable');
    const asked = (): number => mesos.reconciled.filter((ids) => ids.length > 0).length;
    await until(api.clock, () => asked() === 1, 1_000_000);
    mesos.update(updateOf('web-0-a', 'TASK_UNREACHABLE', { reason: 'REASON_RECONCILIATION' }));
    await api.clock.advance(60_000);
    expect(asked()).toBe(1);
    await until(api.clock, () => asked() === 2, 1_000_000);
    mesos.update(updateOf('web-0-a', 'TASK_GONE', { reason: 'REASON_RECONCILIATION' }));
    await scene.reaches('web-0-a', 'Failed');
  });

  it('keeps its addresses out of discovery until it returns', async () => {
    await scene.run('web-0-a');
    mesos.update(updateOf('web-0-a', 'TASK_UNREACHABLE', { reason: 'REASON_AGENT_REMOVED' }));
    await scene.reaches('web-0-a', 'Unreachable');
    const away = (await scene.task('web-0-a')).status;
    expect(away?.ip).toBeUndefined();
    expect(away?.lastKnown?.ip).toBe('10.9.0.7');
    await api.clock.advance(3_600_000);
    expect(mesos.killed).toEqual([]);
    mesos.update(runningOf('web-0-a', { reason: 'REASON_AGENT_REREGISTERED' }));
    await scene.reaches('web-0-a', 'Running');
    expect((await scene.task('web-0-a')).status?.ip).toBe('10.9.0.7');
  });
});
