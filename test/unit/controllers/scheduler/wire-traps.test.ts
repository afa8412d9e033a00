import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isDead, isReady, type Task } from '../../../../api/v1/task.ts';
import { applyUpdate } from '../../../../controllers/scheduler/status.ts';
import type { TaskStatus as MesosTaskStatus } from '../../../../proto/mesos/generated/messages.ts';
import { settle } from '../../../support/virtual-clock.ts';
import { boundTask, mesosUpdate } from '../../../support/tasks.ts';
import { until } from '../runtime/api.ts';
import { Scene } from './scene.ts';
import { runningOf, updateOf, uuid } from './scripted-mesos.ts';

// What a real Mesos does, and who expects something else falls over.

const context = { now: '2026-11-21T12:05:00Z', trustAbsence: true, reconciled: false };

function after(task: Task, ...updates: MesosTaskStatus[]): Task {
  return updates.reduce((current, update) => {
    const status = applyUpdate(current, update, context);
    return status === undefined ? current : { ...current, status };
  }, task);
}

const dualStack = (): Task =>
  boundTask({ spec: { networks: [{ name: 'data-net', ipFamilies: ['IPv4', 'IPv6'] }] } });

describe('Mesos', () => {
  it('gives IPv6 addresses with a prefix length: it is not part of the address', () => {
    const { status } = after(
      dualStack(),
      mesosUpdate('TASK_RUNNING', { 'data-net': ['10.1.2.3', 'fd29:12::7/64'] }),
    );
    expect(status?.ips).toEqual(['10.1.2.3', 'fd29:12::7']);
    expect(status?.networks?.[0]?.ips).toEqual(['10.1.2.3', 'fd29:12::7']);
  });

  it('may order network_infos otherwise in every status: nothing changes', () => {
    const addresses = { 'dev-net': ['10.1.1.1'], 'data-net': ['10.1.2.3', 'fd29:12::7/64'] };
    const task = after(boundTask(), mesosUpdate('TASK_RUNNING', addresses));
    const reversed = Object.fromEntries(
      Object.entries(addresses)
        .reverse()
        .map(([name, ips]) => [name, [...ips].reverse()]),
    );
    expect(isReady(task)).toBe(true);
    expect(applyUpdate(task, mesosUpdate('TASK_RUNNING', reversed), context)).toBeUndefined();
  });

  it('may say RUNNING without a container_status: neither ready before, nor less ready after', () => {
    const first = after(boundTask(), mesosUpdate('TASK_RUNNING'));
    expect(first.status?.phase).toBe('Running');
    expect(isReady(first)).toBe(false);
    const both = { 'dev-net': ['10.1.1.1'], 'data-net': ['10.1.2.3'] };
    const known = after(first, mesosUpdate('TASK_RUNNING', both));
    expect(isReady(known)).toBe(true);
    expect(applyUpdate(known, mesosUpdate('TASK_RUNNING'), context)).toBeUndefined();
  });

  it('may say RUNNING with the address of the agent and no name: it is no address of the task', () => {
    const task = after(boundTask(), mesosUpdate('TASK_RUNNING', { '': ['172.29.0.1'] }));
    expect([task.status?.ips, isReady(task)]).toEqual([undefined, false]);
  });

  it('says TASK_LOST instead of TASK_UNREACHABLE to a framework that is not partition-aware: not dead', () => {
    const both = { 'dev-net': ['10.1.1.1'], 'data-net': ['10.1.2.3'] };
    const lost = after(
      boundTask(),
      mesosUpdate('TASK_RUNNING', both),
      mesosUpdate('TASK_LOST', undefined, { reason: 'REASON_AGENT_REMOVED' }),
    );
    expect(lost.status?.phase).toBe('Unreachable');
    expect(isDead(lost)).toBe(false);
    expect(after(lost, mesosUpdate('TASK_RUNNING', both)).status?.phase).toBe('Running');
  });

  it('says only that the executor terminated when a plugin answers in CNI 0.3 form: networks are Rejected', () => {
    const failed = mesosUpdate('TASK_FAILED', undefined, {
      reason: 'REASON_EXECUTOR_TERMINATED',
      message: 'Executor terminated',
    });
    const { status } = after(dualStack(), failed);
    expect(status?.networks?.[0]).toMatchObject({ verdict: 'Rejected' });
    expect(status?.networks?.[0]?.message).toContain('configure cniVersion 0.2.0');
    // A task that has run died of something else.
    const both = { 'data-net': ['10.1.2.3', 'fd29:12::7/64'] };
    const later = after(dualStack(), mesosUpdate('TASK_RUNNING', both), failed);
    expect(later.status?.networks?.map(({ verdict }) => verdict)).not.toContain('Rejected');
  });
});

describe('Mesos, over a subscription,', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.start();
  });
  afterEach(() => scene.stop());

  it('repeats the same status after UNREACHABLE: the task is back, and it is acknowledged again', async () => {
    const { api, mesos } = scene;
    await scene.launch('web-0-a');
    const update = runningOf('web-0-a', { uuid: uuid('1') });
    mesos.update(update);
    await scene.reaches('web-0-a', 'Running');
    mesos.update(updateOf('web-0-a', 'TASK_UNREACHABLE', { reason: 'REASON_AGENT_DISCONNECTED' }));
    await scene.reaches('web-0-a', 'Unreachable');
    mesos.update(update);
    await scene.reaches('web-0-a', 'Running');
    await until(api.clock, () => mesos.acknowledged.length === 2);
    expect(mesos.acknowledged).toEqual([uuid('1'), uuid('1')]);
    expect((await scene.task('web-0-a')).status).toMatchObject({ ip: '10.9.0.7' });
    expect(mesos.killed).toEqual([]);
  });

  it('answers an implicit reconciliation with a task that nobody knows: it is said and left alone', async () => {
    const { api, mesos } = scene;
    mesos.update(runningOf('gone-0-a', { reason: 'REASON_RECONCILIATION' }));
    await until(api.clock, async () => (await scene.events('Orphan')).length === 1);
    await settle();
    expect(mesos.acknowledged).toEqual([]);
    expect(mesos.killed).toEqual([]);
    expect(mesos.launched).toEqual([]);
  });
});
