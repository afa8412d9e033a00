import { describe, expect, it } from 'vitest';
import { findCondition } from '../../../../api/machinery/conditions.ts';
import type { JobStatus } from '../../../../api/v1/job.ts';
import { iso, jobOf, serverSetOf, template, World } from './world.ts';

const second = 1000;

function condition(status: JobStatus | undefined, type: string) {
  return findCondition(status?.conditions, type);
}

describe('deleting', () => {
  it('stops every Task and lets the Job go once none lives', () => {
    const world = new World({ replicas: 2 });
    world.settle();
    world.delete();
    const plan = world.reconcile();
    expect(plan.stop.map(({ stop }) => stop.reason)).toEqual(['Deleted', 'Deleted']);
    expect([plan.finalizer, plan.start]).toEqual(['keep', []]);
    world.die(world.liveOf(0)[0]!, 'Killed');
    expect(world.plan().finalizer).toBe('keep');
    world.die(world.liveOf(1)[0]!, 'Killed');
    expect(world.plan().finalizer).toBe('remove');
  });

  it('waits for an unreachable Task and says so', () => {
    const world = new World({ replicas: 1 });
    world.settle();
    world.delete();
    world.lose(world.liveOf(0)[0]!);
    expect(world.reconcile().finalizer).toBe('keep');
    expect(condition(world.job.status, 'Stalled')).toMatchObject({
      status: 'True',
      reason: 'Unreachable',
    });
  });

  it('leaves the Tasks alone while they are being orphaned', () => {
    const world = new World({ replicas: 1 });
    world.settle();
    world.delete(['orphan', 'mesocosm.dev/tasks']);
    expect(world.plan()).toMatchObject({ stop: [], finalizer: 'keep' });
    for (const task of world.tasks) task.metadata.ownerReferences = [];
    world.job.metadata.finalizers = ['mesocosm.dev/tasks'];
    expect(world.plan()).toMatchObject({ stop: [], finalizer: 'remove', adopt: { tasks: [] } });
  });

  it('adopts orphans of its name instead of starting beside them', () => {
    const world = new World({ replicas: 2 });
    world.settle();
    for (const { metadata } of [...world.tasks, ...world.revisions]) metadata.ownerReferences = [];
    world.job = { ...jobOf({ replicas: 2 }), metadata: { ...world.job.metadata, uid: 'second' } };
    const plan = world.plan();
    expect(plan.adopt.tasks).toHaveLength(2);
    expect(plan.adopt.revisions).toHaveLength(1);
    expect([plan.start, plan.stop]).toEqual([[], []]);
  });

  it('does not start where a Task of an earlier Job of its name still lives', () => {
    const world = new World({ replicas: 1 });
    world.settle();
    world.job.metadata.uid = 'second';
    const plan = world.plan();
    expect([plan.start, plan.stop, plan.adopt.tasks]).toEqual([[], [], []]);
    expect(condition(plan.status, 'Stalled')).toMatchObject({ reason: 'HeldByAnother' });
  });
});

describe('the owned ServerSet', () => {
  const serverSet = { zkPath: '/aurora/prod/live/web', primaryPort: 'http' };

  it('is created, left alone, updated and deleted with what the Job says', () => {
    const world = new World({ serverSet });
    const created = world.plan().serverSet;
    expect(created).toMatchObject({
      action: 'create',
      draft: {
        metadata: { name: 'web', ownerReferences: [{ uid: 'uid-of-web' }] },
        spec: { ...serverSet, selector: { matchLabels: { 'mesocosm.dev/job': 'web' } } },
      },
    });
    world.serverSets = [serverSetOf(world.job)];
    expect(world.plan().serverSet.action).toBe('none');
    world.edit({ serverSet: { ...serverSet, drainSeconds: 60 } });
    expect(world.plan().serverSet).toMatchObject({
      action: 'update',
      object: { spec: { drainSeconds: 60 } },
    });
    world.job = { ...jobOf(), metadata: world.job.metadata };
    expect(world.plan().serverSet.action).toBe('delete');
  });

  it('is not taken from another owner; the Job says so', () => {
    const world = new World({ serverSet, replicas: 0 });
    const foreign = serverSetOf(world.job);
    foreign.metadata.ownerReferences = [];
    world.serverSets = [foreign];
    world.reconcile();
    expect(condition(world.job.status, 'Stalled')?.reason).toBe('ServerSetBlocked');
    world.edit({ serverSet: undefined });
    expect(world.plan().serverSet.action).toBe('none');
  });

  it('gives stops a deadline, and a member that is not withdrawn by then stalls the Job', () => {
    const world = new World({ serverSet, replicas: 1 });
    world.serverSets = [serverSetOf(world.job)];
    world.settle();
    for (const task of world.live()) task.metadata.finalizers?.push('mesocosm.dev/serverset');
    world.edit({ template: template('2') });
    const { stop } = world.reconcile();
    expect(stop[0]?.stop.deadline).toBe(iso(world.now + 35 * second).replace('.000', ''));
    const plan = world.reconcile();
    expect(plan.wakeAt).toBe(world.now + 35 * second);
    world.now = plan.wakeAt!;
    world.reconcile();
    expect(condition(world.job.status, 'Stalled')).toMatchObject({
      status: 'True',
      reason: 'WithdrawBlocked',
    });
  });
});

describe('dead Tasks', () => {
  it('are kept, the last two of an instance, for a day', () => {
    const world = new World({ replicas: 1 });
    world.settle();
    for (let death = 1; death <= 4; death += 1) {
      world.die(world.liveOf(0)[0]!);
      world.now = world.reconcile().wakeAt!;
      world.reconcile();
      world.run(world.liveOf(0)[0]!);
    }
    world.reconcile();
    expect(world.tasks.map(({ metadata }) => metadata.name)).toEqual([
      'web-0-3',
      'web-0-4',
      'web-0-5',
    ]);
    const { wakeAt } = world.plan();
    world.now = wakeAt!;
    world.reconcile();
    expect(world.tasks).toHaveLength(2);
    world.now += 24 * 3600 * second;
    world.reconcile();
    expect(world.tasks).toEqual(world.live());
    expect(world.plan().wakeAt).toBeUndefined();
  });

  it('never include one that is unreachable', () => {
    const world = new World({ replicas: 1 });
    world.settle();
    world.lose(world.liveOf(0)[0]!);
    world.now += 30 * 24 * 3600 * second;
    expect(world.plan().prune.tasks).toEqual([]);
  });
});

describe('status', () => {
  it('counts, and follows the contract of kstatus', () => {
    const world = new World({ replicas: 3 });
    world.reconcile();
    expect(world.job.status).toMatchObject({
      observedGeneration: 1,
      replicas: 0,
      readyReplicas: 0,
    });
    expect(condition(world.job.status, 'Ready')?.status).toBe('False');
    expect(condition(world.job.status, 'Reconciling')?.status).toBe('True');
    world.settle();
    expect(world.job.status).toMatchObject({
      observedGeneration: 1,
      replicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      updatedReplicas: 3,
      unreachableReplicas: 0,
      selector: 'mesocosm.dev/job=web',
    });
    expect(condition(world.job.status, 'Ready')?.status).toBe('True');
    expect(condition(world.job.status, 'Reconciling')?.status).toBe('False');
    expect(condition(world.job.status, 'Stalled')?.status).toBe('False');
  });

  it('does not change while nothing does, however much time passes', () => {
    const world = new World({ replicas: 3 });
    world.settle();
    const before = world.job.status;
    world.now += 3600 * second;
    expect(world.plan().status).toEqual(before);
  });

  it('names an instance that finds no agent, and stalls after a minute of it', () => {
    const world = new World({ replicas: 1 });
    world.reconcile();
    const [task] = world.live();
    const scheduled = {
      type: 'Scheduled',
      status: 'False' as const,
      reason: 'NoOffer',
      message: 'no agent offers 400 cpus',
      lastTransitionTime: iso(world.now),
    };
    world.set(task!, 'Pending', false, { conditions: [scheduled] });
    const plan = world.reconcile();
    expect(condition(world.job.status, 'Ready')?.message).toContain('no agent offers 400 cpus');
    expect(condition(world.job.status, 'Stalled')?.status).toBe('False');
    world.now = plan.wakeAt!;
    world.reconcile();
    expect(condition(world.job.status, 'Stalled')).toMatchObject({
      status: 'True',
      reason: 'Unschedulable',
    });
  });

  it('is ready with nothing when nothing is wanted', () => {
    const world = new World({ replicas: 0 });
    world.settle();
    expect(condition(world.job.status, 'Ready')?.status).toBe('True');
  });
});
