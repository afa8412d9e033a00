import { describe, expect, it } from 'vitest';
import { findCondition } from '../../../../api/machinery/conditions.ts';
import type { JobStatus } from '../../../../api/v1/job.ts';
import type { Task } from '../../../../api/v1/task.ts';
import { isQuiet, template, World } from './world.ts';

const second = 1000;
const minute = 60 * second;

function condition(status: JobStatus | undefined, type: string) {
  return findCondition(status?.conditions, type);
}

const instancesOf = (tasks: readonly Task[]): number[] => tasks.map(({ spec }) => spec.instance);

describe('updates', () => {
  it('replaces the lowest instance first, one at a time, and only when the last one is available', () => {
    const world = new World({ replicas: 3 });
    world.settle();
    world.edit({ template: template('2') });
    expect(instancesOf(world.reconcile().stop.map(({ task }) => task))).toEqual([0]);
    expect(world.reconcile().stop).toEqual([]);
    world.obey();
    expect(world.reconcile()).toMatchObject({ stop: [], start: [{ instance: 0, restarts: 0 }] });
    world.run(world.liveOf(0)[0]!, false);
    expect(world.reconcile().stop).toEqual([]);
    world.run(world.liveOf(0)[0]!);
    expect(instancesOf(world.reconcile().stop.map(({ task }) => task))).toEqual([1]);
    world.settle();
    expect(world.job.status?.updatedReplicas).toBe(3);
    expect(new Set(world.live().map(({ spec }) => spec.revision)).size).toBe(1);
  });

  it('waits for minReadySeconds before the next, and wakes for it', () => {
    const world = new World({
      replicas: 2,
      updateStrategy: { maxUnavailable: 1, minReadySeconds: 30 },
    });
    world.settle();
    world.now += minute;
    world.edit({ template: template('2') });
    world.reconcile();
    world.obey();
    world.reconcile();
    world.run(world.liveOf(0)[0]!);
    const plan = world.reconcile();
    expect(plan.stop).toEqual([]);
    expect(plan.wakeAt).toBe(world.now + 30 * second);
    world.now += 30 * second;
    expect(instancesOf(world.reconcile().stop.map(({ task }) => task))).toEqual([1]);
  });

  it('counts instances that are down anyway against the budget', () => {
    const world = new World({ replicas: 4, updateStrategy: { maxUnavailable: 2 } });
    world.settle();
    world.run(world.liveOf(3)[0]!, false);
    world.edit({ template: template('2') });
    // Instance 3 serves nobody, so its stop is free; one more may go.
    expect(instancesOf(world.reconcile().stop.map(({ task }) => task))).toEqual([0, 3]);
  });

  it('lets a correction in though every instance is down', () => {
    const world = new World({ replicas: 3 });
    world.reconcile();
    for (const task of world.live()) world.run(task, false);
    world.edit({ template: template('2') });
    expect(world.reconcile().stop).toHaveLength(3);
  });

  it('stops at the first instance that does not come up, and says which and why', () => {
    const world = new World({ replicas: 3 });
    world.settle();
    world.edit({ template: template('broken') });
    for (let round = 0; round < 12; round += 1) {
      const plan = world.reconcile();
      for (const task of world.live()) {
        if (task.spec.stop !== undefined) world.die(task, 'Killed');
        else if (task.status?.phase !== 'Running') world.die(task, 'Failed', 'no such file');
      }
      world.now = Math.max(world.now + 1, plan.wakeAt ?? 0);
    }
    expect(world.live().filter((task) => task.status?.phase === 'Running')).toHaveLength(2);
    world.reconcile();
    const stalled = condition(world.job.status, 'Stalled');
    expect(stalled?.reason).toBe('CrashLoop');
    expect(stalled?.message).toMatch(/^revision 2 is not in 2 of 3 instances; instance 0 died/);
    expect(stalled?.message).toContain('no such file');
  });

  it('takes an outdated instance that died to the new template', () => {
    const world = new World({ replicas: 2 });
    world.settle();
    world.edit({ template: template('2') });
    world.die(world.liveOf(1)[0]!);
    const plan = world.reconcile();
    expect(plan.start).toMatchObject([{ instance: 1, restarts: 0 }]);
    expect(plan.stop).toEqual([]);
    expect(world.liveOf(1)[0]?.spec.revision).toBe(plan.revision?.current.name);
  });

  it('replaces nothing when only what is not the template changes', () => {
    const world = new World({ replicas: 2 });
    world.settle();
    world.edit({ updateStrategy: { maxUnavailable: 2 }, unreachable: { replaceAfterSeconds: 1 } });
    expect(isQuiet(world.reconcile())).toBe(true);
  });
});

describe('revisions', () => {
  it('numbers templates, and gives one that is returned to the newest number', () => {
    const world = new World({ replicas: 1 });
    for (const version of ['1', '2', '1']) {
      world.edit({ template: template(version) });
      world.settle();
    }
    const found = world.revisions.map(({ spec }) => [
      spec.revision,
      spec.template.spec.containers[0]?.script,
    ]);
    expect(found).toEqual([
      [3, 'exec web 1'],
      [2, 'exec web 2'],
    ]);
  });

  it('compares templates as submitted, whatever the order of their keys', () => {
    const world = new World({ replicas: 1 });
    world.settle();
    const [container] = template('1').spec.containers;
    const { name, script, resources } = container!;
    const turned = { resources: resources!, script: script!, name };
    world.edit({ template: { spec: { containers: [turned] } } });
    expect(isQuiet(world.reconcile())).toBe(true);
  });

  it('keeps the last ten that nobody uses', () => {
    const world = new World({ replicas: 1 });
    for (let version = 1; version <= 15; version += 1) {
      world.edit({ template: template(String(version)) });
      world.settle();
      world.tasks = world.live();
    }
    world.settle();
    expect(world.revisions.map(({ spec }) => spec.revision)).toEqual([
      5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    ]);
  });

  it('names them by Job and content, so that creating one twice creates one', () => {
    const one = new World();
    const two = new World();
    expect(one.plan().revision?.current).toEqual(two.plan().revision?.current);
    two.job.metadata.uid = 'another';
    expect(one.plan().revision?.current.name).not.toBe(two.plan().revision?.current.name);
  });
});

describe('maintenance of an agent', () => {
  it('moves its tasks away within the budget of updates, and no others', () => {
    const world = new World({ replicas: 4, updateStrategy: { maxUnavailable: 1 } });
    world.settle();
    for (const index of [0, 1]) {
      const [task] = world.liveOf(index);
      world.set(task!, 'Running', true, { mesos: { taskId: 't', agentId: 'S-leaving' } });
    }
    world.leaving.add('S-leaving');
    const { stop } = world.reconcile();
    expect(stop.map(({ task, stop: { reason } }) => [task.spec.instance, reason])).toEqual([
      [0, 'Maintenance'],
    ]);
    expect(world.reconcile().stop).toEqual([]);
    world.settle();
    expect(
      world
        .live()
        .map(({ spec: { instance } }) => instance)
        .sort(),
    ).toEqual([0, 1, 2, 3]);
    expect(world.live().every(({ status }) => status?.mesos?.agentId !== 'S-leaving')).toBe(true);
  });
});
