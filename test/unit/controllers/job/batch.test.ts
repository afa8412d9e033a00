import { describe, expect, it } from 'vitest';
import { findCondition } from '../../../../api/machinery/conditions.ts';
import { healthOf } from '../../../../api/machinery/kstatus.ts';
import { jobState, type JobSpec } from '../../../../api/v1/job.ts';
import type { Task } from '../../../../api/v1/task.ts';
import { wantsAddresses } from '../../../../controllers/network/claims.ts';
import { iso, start, template, World } from './world.ts';

const second = 1000;
const day = 24 * 3600 * second;

function batch(spec: Partial<JobSpec> = {}): World {
  const world = new World({ type: 'Batch', ...spec });
  world.reconcile();
  return world;
}

const only = (world: World, instance: number): Task => world.liveOf(instance)[0]!;
const instances = (world: World): number[] => world.live().map(({ spec }) => spec.instance);
const condition = (world: World, type: string) => findCondition(world.job.status?.conditions, type);
const health = (world: World) => healthOf({ ...world.job }).status;

describe('a Batch Job', () => {
  it('runs every instance until it has succeeded once, and is Complete then', () => {
    const world = batch({ replicas: 2 });
    expect(instances(world)).toEqual([0, 1]);
    expect(health(world)).toBe('InProgress');
    for (const task of world.live()) world.run(task, false);
    world.reconcile();
    expect([health(world), jobState(world.job)]).toEqual(['Current', 'Ready']);
    expect(world.job.status).toMatchObject({ active: 2, succeeded: 0, failed: 0 });
    world.die(only(world, 1), 'Finished');
    expect(world.reconcile().start).toEqual([]);
    expect(world.job.status).toMatchObject({ active: 1, succeeded: 1, completedIndexes: '1' });
    world.now += 5 * second;
    world.die(only(world, 0), 'Finished');
    world.reconcile();
    expect(world.job.status).toMatchObject({
      active: 0,
      succeeded: 2,
      completedIndexes: '0-1',
      startTime: iso(start).replace('.000', ''),
      completionTime: iso(world.now).replace('.000', ''),
    });
    expect(condition(world, 'Complete')).toMatchObject({ status: 'True', reason: 'Completed' });
    expect([health(world), jobState(world.job)]).toEqual(['Current', 'Complete']);
    expect(world.plan()).toMatchObject({
      start: [],
      stop: [],
      wakeAt: start + 5 * second + day - 5000,
    });
  });

  it('of no instance is Complete at once', () => {
    expect(jobState(batch({ replicas: 0 }).job)).toBe('Complete');
  });

  it('starts as many at a time as parallelism says, the lowest first, and kills none when it is lowered', () => {
    const world = batch({ replicas: 4, parallelism: 2 });
    expect(instances(world)).toEqual([0, 1]);
    for (const task of world.live()) world.run(task);
    world.reconcile();
    expect(health(world)).toBe('Current');
    world.die(only(world, 0), 'Finished');
    world.reconcile();
    expect(instances(world)).toEqual([1, 2]);
    world.edit({ parallelism: 1 });
    expect(world.reconcile()).toMatchObject({ start: [], stop: [] });
    world.die(only(world, 1), 'Finished');
    expect(world.reconcile().start).toEqual([]);
    world.die(only(world, 2), 'Finished');
    world.reconcile();
    expect(instances(world)).toEqual([3]);
  });

  it('lets another instance go first while one waits for its next run', () => {
    const world = batch({ replicas: 2, parallelism: 1 });
    world.die(only(world, 0));
    world.reconcile();
    expect(instances(world)).toEqual([1]);
  });

  it('tries again later and later what has failed, and counts it', () => {
    const world = batch({ replicas: 1 });
    const waits: number[] = [];
    for (let run = 1; run <= 4; run += 1) {
      expect(only(world, 0).spec.restarts).toBe(run - 1);
      world.die(only(world, 0));
      const plan = world.reconcile();
      expect([plan.start, health(world)]).toEqual([[], 'InProgress']);
      waits.push((plan.wakeAt! - world.now) / second);
      world.now = plan.wakeAt!;
      world.reconcile();
    }
    expect(waits).toEqual([1, 2, 4, 8]);
    expect(world.job.status).toMatchObject({ failed: 4, failures: [{ instance: 0, failed: 4 }] });
  });

  it('has Failed with one failed task more than backoffLimit, stops the others and starts none', () => {
    const world = batch({ replicas: 3, backoffLimit: 1 });
    world.die(only(world, 0));
    expect(world.reconcile().stop).toEqual([]);
    world.die(only(world, 1));
    const plan = world.reconcile();
    expect(plan.stop.map(({ stop }) => stop.reason)).toEqual(['JobFailed']);
    expect(condition(world, 'Failed')).toMatchObject({
      status: 'True',
      reason: 'BackoffLimitExceeded',
      message: '2 tasks have failed, and backoffLimit is 1',
    });
    expect([health(world), jobState(world.job)]).toEqual(['Failed', 'Failed:BackoffLimitExceeded']);
    world.edit({ backoffLimit: 10 });
    world.now += day;
    expect(world.reconcile().start).toEqual([]);
    expect(jobState(world.job)).toBe('Failed:BackoffLimitExceeded');
  });

  it('has Failed when its deadline passes, and plans for that moment', () => {
    const world = batch({ replicas: 1, activeDeadlineSeconds: 60 });
    world.run(only(world, 0));
    expect(world.reconcile().wakeAt).toBe(start + 60 * second);
    world.now = start + 60 * second;
    expect(world.reconcile().stop).toHaveLength(1);
    expect(jobState(world.job)).toBe('Failed:DeadlineExceeded');
  });

  it.each([
    ['the agent is gone', 'Failed', { state: 'TASK_GONE' }],
    ['the agent is given up', 'Failed', { state: 'TASK_GONE_BY_OPERATOR' }],
    ['the launch never arrived', 'Failed', { state: 'TASK_DROPPED' }],
    ['the agent is drained', 'Killed', { state: 'TASK_KILLED', reason: 'REASON_AGENT_DRAINING' }],
  ] as const)('runs an instance again without counting it when %s', (_, phase, said) => {
    const world = batch({ replicas: 1, backoffLimit: 0 });
    world.end(only(world, 0), phase, said);
    const { wakeAt } = world.reconcile();
    expect(world.job.status?.failed).toBe(0);
    world.now = wakeAt!;
    world.reconcile();
    expect(instances(world)).toEqual([0]);
  });

  it.each([
    ['exits with another code than 0', 'Failed', { state: 'TASK_FAILED' }],
    [
      'ended with 0 while its agent was down, of which Mesos knows no better',
      'Failed',
      { state: 'TASK_FAILED', reason: 'REASON_EXECUTOR_TERMINATED' },
    ],
    ['is killed by nobody that we know', 'Killed', { state: 'TASK_KILLED' }],
  ] as const)('counts a task that %s', (_, phase, said) => {
    const world = batch({ replicas: 1, backoffLimit: 0 });
    world.end(only(world, 0), phase, said);
    world.reconcile();
    expect(jobState(world.job)).toBe('Failed:BackoffLimitExceeded');
  });

  it('does not count a task that somebody deletes, and runs its instance again', () => {
    const world = batch({ replicas: 1, backoffLimit: 0 });
    world.deleteTask(only(world, 0));
    world.die(only(world, 0), 'Killed');
    world.reconcile();
    expect([world.job.status?.failed, instances(world)]).toEqual([0, [0]]);
  });

  it('waits for a run that is out of sight, and takes its success for the instance when it is back', () => {
    const world = batch({ replicas: 1, unreachable: { replaceAfterSeconds: 60 } });
    const first = only(world, 0);
    world.lose(first);
    expect(world.reconcile().start).toEqual([]);
    world.now += 60 * second;
    world.reconcile();
    expect(world.live()).toHaveLength(2);
    world.die(first, 'Finished');
    const { stop } = world.reconcile();
    expect(stop.map(({ stop: { reason } }) => reason)).toEqual(['Completed']);
    expect(jobState(world.job)).toBe('Complete');
  });

  it('waits longer and longer also beside a run that is out of sight', () => {
    const world = batch({ replicas: 1, unreachable: { replaceAfterSeconds: 60 } });
    world.lose(only(world, 0));
    world.now += 60 * second;
    world.reconcile();
    const next = world.live().find(({ status }) => status?.phase === undefined)!;
    world.die(next);
    const { start: starts, wakeAt } = world.reconcile();
    expect([starts, wakeAt]).toEqual([[], world.now + 2 * second]);
    world.now = wakeAt!;
    expect(world.reconcile().start).toMatchObject([{ cause: 'Unreachable', restarts: 1 }]);
  });

  it('gives the place of a run that is out of sight to no other instance', () => {
    const world = batch({ replicas: 2, parallelism: 1 });
    world.lose(only(world, 0));
    expect(world.reconcile().start).toEqual([]);
  });

  it('never replaces a run that holds addresses until it is dead', () => {
    const { spec } = template('1');
    const networks = [{ name: 'static', ips: ['10.0.0.7'] }];
    const world = batch({ replicas: 1, template: { spec: { ...spec, networks } } });
    expect(wantsAddresses(only(world, 0))).toBe(true);
    world.lose(only(world, 0));
    world.now += day;
    expect(world.reconcile().start).toEqual([]);
    expect(health(world)).toBe('Failed');
  });

  it('knows what has succeeded after its tasks are long gone', () => {
    const world = batch({ replicas: 2 });
    world.die(only(world, 0), 'Finished');
    world.run(only(world, 1));
    world.reconcile();
    world.now += 2 * day;
    world.reconcile();
    world.reconcile();
    expect(world.of(0)).toEqual([]);
    expect(world.reconcile().start).toEqual([]);
    expect(world.job.status).toMatchObject({ succeeded: 1, completedIndexes: '0' });
  });

  it.each([
    ['succeeded', 'Finished', { completedIndexes: '0' }],
    ['failed', 'Failed', { failures: [{ instance: 0, failed: 1 }] }],
  ] as const)('keeps a task that has %s until that is in its status', (_, phase, told) => {
    const world = batch({ replicas: 1 });
    world.die(only(world, 0), phase);
    world.deleteTask(world.of(0)[0]!);
    expect(world.plan().release).toEqual([]);
    world.reconcile();
    expect(world.job.status).toMatchObject(told);
    world.reconcile();
    expect(world.of(0)).toEqual([]);
    expect(world.job.status).toMatchObject(told);
  });

  it('lets its tasks go when it is deleted itself', () => {
    const world = batch({ replicas: 1 });
    world.die(only(world, 0), 'Finished');
    world.deleteTask(world.of(0)[0]!);
    world.delete();
    expect(world.plan()).toMatchObject({
      finalizer: 'remove',
      release: [{ spec: { instance: 0 } }],
    });
  });

  it('takes over no task of an earlier Job of its name, and waits for one that lives', () => {
    const world = batch({ replicas: 2 });
    world.die(only(world, 0), 'Finished');
    for (const { metadata } of world.tasks) metadata.ownerReferences = [];
    world.job = { ...world.job, status: {}, metadata: { ...world.job.metadata, uid: 'second' } };
    world.reconcile();
    expect(world.job.status?.succeeded).toBe(0);
    expect(
      world.live().map(({ spec, metadata }) => [spec.instance, metadata.ownerReferences?.length]),
    ).toEqual([
      [1, 0],
      [0, 1],
    ]);
    expect(condition(world, 'Stalled')).toMatchObject({ status: 'True', reason: 'HeldByAnother' });
  });

  it.each([
    ['Complete', 'Finished'],
    ['Failed', 'Failed'],
  ] as const)('is deleted ttlSecondsAfterFinished after it is %s', (type, phase) => {
    const world = batch({ replicas: 1, backoffLimit: 0, ttlSecondsAfterFinished: 100 });
    world.die(only(world, 0), phase);
    world.now += 10 * second;
    expect(world.reconcile().expire).toBe(false);
    expect(condition(world, type)?.status).toBe('True');
    const { expire, wakeAt } = world.plan();
    expect([expire, wakeAt]).toEqual([false, world.now + 100 * second]);
    world.now += 100 * second;
    expect(world.plan().expire).toBe(true);
    world.edit({ ttlSecondsAfterFinished: 200 });
    expect(world.plan().expire).toBe(false);
    world.edit({ ttlSecondsAfterFinished: undefined });
    expect(world.plan()).toMatchObject({ expire: false });
  });
});

describe('a Service', () => {
  it('starts a task that has finished anew, as ever', () => {
    const world = new World({ replicas: 1 });
    world.settle();
    world.die(world.liveOf(0)[0]!, 'Finished');
    const { wakeAt } = world.reconcile();
    world.now = wakeAt!;
    world.reconcile();
    expect(instances(world)).toEqual([0]);
    expect(world.job.status).not.toHaveProperty('succeeded');
  });
});
