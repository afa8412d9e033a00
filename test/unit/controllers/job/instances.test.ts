import { describe, expect, it } from 'vitest';
import { findCondition } from '../../../../api/machinery/conditions.ts';
import type { JobStatus } from '../../../../api/v1/job.ts';
import type { Task } from '../../../../api/v1/task.ts';
import { restartDelay } from '../../../../controllers/job/backoff.ts';
import { isQuiet, iso, template, World } from './world.ts';

const second = 1000;
const minute = 60 * second;

function condition(status: JobStatus | undefined, type: string) {
  return findCondition(status?.conditions, type);
}

const instancesOf = (tasks: readonly Task[]): number[] => tasks.map(({ spec }) => spec.instance);

describe('starting and scaling', () => {
  it('creates every instance below replicas, with labels, owner, finalizer and revision', () => {
    const world = new World({ replicas: 3 });
    const plan = world.reconcile();
    expect(plan.start.map(({ instance, run, restarts }) => [instance, run, restarts])).toEqual([
      [0, 1, 0],
      [1, 1, 0],
      [2, 1, 0],
    ]);
    expect(world.tasks[1]).toMatchObject({
      metadata: {
        labels: { 'mesocosm.dev/job': 'web', 'mesocosm.dev/instance': '1' },
        finalizers: ['mesocosm.dev/mesos'],
        ownerReferences: [{ kind: 'Job', uid: 'uid-of-web', controller: true }],
      },
      spec: { job: 'web', instance: 1, revision: world.revisions[0]?.metadata.name },
    });
    expect(isQuiet(world.plan())).toBe(true);
  });

  it('takes one instance where replicas is absent', () => {
    const world = new World();
    world.job = { ...world.job, spec: { template: template('1') } };
    expect(world.plan().start).toHaveLength(1);
  });

  it('asks for its finalizer before it has Tasks', () => {
    const world = new World();
    world.job.metadata.finalizers = [];
    expect(world.plan().finalizer).toBe('add');
  });

  it('stops the highest instances first when scaled down, and only those', () => {
    const world = new World({ replicas: 4 });
    world.settle();
    world.edit({ replicas: 2 });
    const { stop, start } = world.reconcile();
    expect(instancesOf(stop.map(({ task }) => task))).toEqual([3, 2]);
    expect(stop[0]?.stop).toEqual({ reason: 'ScaleDown', message: 'scaled down to 2' });
    expect(start).toEqual([]);
    world.settle();
    expect(instancesOf(world.live())).toEqual([0, 1]);
  });

  it('does not start an instance anew while its old run still stops', () => {
    const world = new World({ replicas: 2 });
    world.settle();
    world.edit({ replicas: 1 });
    world.reconcile();
    world.edit({ replicas: 2 });
    expect(world.reconcile().start).toEqual([]);
    expect(condition(world.job.status, 'Ready')?.message).toContain('is stopping');
    world.die(world.liveOf(1)[0]!, 'Killed');
    expect(world.reconcile().start).toMatchObject([{ instance: 1, restarts: 0, cause: 'Stopped' }]);
  });

  it('stops an unreachable Task that is not wanted, so that it ends when it returns', () => {
    const world = new World({ replicas: 2 });
    world.settle();
    world.lose(world.liveOf(1)[0]!);
    world.edit({ replicas: 1 });
    expect(instancesOf(world.reconcile().stop.map(({ task }) => task))).toEqual([1]);
  });
});

describe('replacing the dead', () => {
  function crashing(): World {
    const world = new World({ replicas: 1 });
    world.settle();
    return world;
  }

  it('waits longer after each death in a row, up to five minutes', () => {
    const world = crashing();
    const waits: number[] = [];
    for (let death = 1; death <= 12; death += 1) {
      world.die(world.liveOf(0)[0]!, 'Failed', 'exit 1');
      const died = world.now;
      const plan = world.reconcile();
      expect(plan.start).toEqual([]);
      world.now = plan.wakeAt!;
      waits.push((world.now - died) / second);
      expect(world.reconcile().start).toMatchObject([{ restarts: death, cause: 'Died' }]);
      world.run(world.liveOf(0)[0]!);
      world.now += second;
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    expect(restartDelay(1000)).toBe(300_000);
  });

  it('forgets the deaths after a run of ten minutes', () => {
    const world = crashing();
    world.die(world.liveOf(0)[0]!);
    world.now += second;
    world.reconcile();
    world.run(world.liveOf(0)[0]!);
    world.now += 10 * minute;
    world.die(world.liveOf(0)[0]!);
    expect(world.reconcile().start).toMatchObject([{ restarts: 0, cause: 'Died' }]);
  });

  it('counts a run that never started as a death', () => {
    const world = new World({ replicas: 1 });
    world.reconcile();
    world.die(world.liveOf(0)[0]!, 'Failed', 'Unknown CNI network');
    world.now += second;
    expect(world.reconcile().start).toMatchObject([{ restarts: 1 }]);
  });

  it('restarts a service that ended by itself', () => {
    const world = crashing();
    world.die(world.liveOf(0)[0]!, 'Finished');
    world.now += second;
    expect(world.reconcile().start).toHaveLength(1);
  });

  it('does not wait after a death of another template: a correction comes at once', () => {
    const world = crashing();
    for (let death = 1; death <= 8; death += 1) {
      world.die(world.liveOf(0)[0]!);
      world.now = world.reconcile().wakeAt!;
      world.reconcile();
    }
    world.die(world.liveOf(0)[0]!);
    world.edit({ template: template('2') });
    expect(world.reconcile().start).toMatchObject([{ restarts: 0 }]);
  });

  it('says that it loops, with the last words and the time of the next run, until it is available', () => {
    const world = crashing();
    for (let death = 1; death <= 2; death += 1) {
      world.die(world.liveOf(0)[0]!);
      world.now = world.reconcile().wakeAt!;
      world.reconcile();
    }
    world.die(world.liveOf(0)[0]!, 'Failed', 'exit status 7');
    const plan = world.reconcile();
    expect(condition(world.job.status, 'Stalled')).toMatchObject({
      status: 'True',
      reason: 'CrashLoop',
      message: `instance 0 died 3 times in a row (exit status 7); next run at ${iso(plan.wakeAt!).replace('.000', '')}`,
    });
    expect(condition(world.job.status, 'Reconciling')?.status).toBe('False');
    world.now = plan.wakeAt!;
    world.reconcile();
    world.run(world.liveOf(0)[0]!, false);
    world.reconcile();
    expect(condition(world.job.status, 'Stalled')?.status).toBe('True');
    world.run(world.liveOf(0)[0]!);
    world.reconcile();
    expect(condition(world.job.status, 'Stalled')?.status).toBe('False');
    expect(condition(world.job.status, 'Ready')?.status).toBe('True');
  });

  it('does not wait for hours when the clock was set back', () => {
    const world = crashing();
    world.die(world.liveOf(0)[0]!);
    world.now -= 3600 * second;
    expect(world.reconcile().start).toMatchObject([{ restarts: 1 }]);
    world.run(world.liveOf(0)[0]!);
    world.now -= 3600 * second;
    world.edit({ updateStrategy: { minReadySeconds: 10 } });
    world.reconcile();
    expect(condition(world.job.status, 'Ready')?.status).toBe('True');
  });

  it('waits out the difference between the clocks of two machines', () => {
    const world = crashing();
    world.now += 30 * second;
    world.die(world.liveOf(0)[0]!);
    world.now -= 30 * second;
    const plan = world.reconcile();
    expect(plan.start).toEqual([]);
    expect(plan.wakeAt! - world.now).toBe(31 * second);
  });

  it('knows the order of runs that were created within one second', () => {
    const world = new World({ replicas: 1 });
    world.reconcile();
    world.die(world.liveOf(0)[0]!, 'Killed');
    // By name web-0-9 would come after web-0-10.
    for (let round = 0; round < 9; round += 1) {
      world.edit({ template: template(`t${round}`) });
      world.reconcile();
      world.die(world.liveOf(0)[0]!, 'Killed');
    }
    world.edit({ template: template('last') });
    expect(world.plan().start).toMatchObject([{ run: 11 }]);
  });
});

describe('unreachable Tasks', () => {
  function lost(): World {
    const world = new World({ replicas: 2, unreachable: { replaceAfterSeconds: 300 } });
    world.settle();
    world.lose(world.liveOf(0)[0]!);
    return world;
  }

  it('replaces one only after replaceAfterSeconds, and stops nobody meanwhile', () => {
    const world = lost();
    const plan = world.reconcile();
    expect([plan.start, plan.stop]).toEqual([[], []]);
    expect(plan.wakeAt).toBe(world.now + 300 * second);
    expect(world.job.status?.unreachableReplicas).toBe(1);
    world.now += 299 * second;
    expect(world.reconcile().start).toEqual([]);
    world.now += second;
    expect(world.reconcile().start).toMatchObject([{ instance: 0, run: 2, cause: 'Unreachable' }]);
    expect(world.reconcile().start).toEqual([]);
  });

  it('stops the original when it returns; the replacement stays', () => {
    const world = lost();
    const [original] = world.liveOf(0);
    world.now += 300 * second;
    world.reconcile();
    const replacement = world.liveOf(0)[1]!;
    world.run(replacement);
    expect(world.reconcile().stop).toEqual([]);
    world.run(original!);
    const { stop } = world.reconcile();
    expect(stop.map(({ task }) => task.metadata.name)).toEqual([original?.metadata.name]);
    expect(stop[0]?.stop.reason).toBe('Replaced');
    world.settle();
    expect(world.liveOf(0).map(({ metadata }) => metadata.name)).toEqual([
      replacement.metadata.name,
    ]);
  });

  it('waits on its own clock where the time of the loss lies in the future', () => {
    const world = lost();
    const [task] = world.liveOf(0);
    world.now -= 3600 * second;
    expect(world.reconcile().start).toEqual([]);
    world.outOfSight.set(task!.metadata.uid, 299 * second);
    expect(world.reconcile().start).toEqual([]);
    world.outOfSight.set(task!.metadata.uid, 300 * second);
    expect(world.reconcile().start).toMatchObject([{ instance: 0, cause: 'Unreachable' }]);
  });

  it('starts nothing on a silence of unknown length', () => {
    const world = lost();
    const [task] = world.liveOf(0);
    world.set(task!, 'Unreachable', false, { unreachableTime: undefined });
    world.now += 24 * 3600 * second;
    const plan = world.reconcile();
    expect(plan.start).toEqual([]);
    expect(condition(world.job.status, 'Ready')?.message).toContain('unreachable');
  });

  it('keeps the run in sight when the replacement is lost in its turn', () => {
    const world = lost();
    const [original] = world.liveOf(0);
    world.now += 300 * second;
    world.reconcile();
    world.lose(world.liveOf(0)[1]!);
    world.run(original!);
    const plan = world.reconcile();
    expect([plan.start, plan.stop]).toEqual([[], []]);
  });

  it('gives the replacement as long as the original before it is replaced in its turn', () => {
    const world = lost();
    world.now += 300 * second;
    world.reconcile();
    world.now += 10 * second;
    world.lose(world.liveOf(0)[1]!);
    const plan = world.reconcile();
    expect([plan.start, plan.wakeAt]).toEqual([[], world.now + 300 * second]);
    world.now += 300 * second;
    expect(world.reconcile().start).toMatchObject([{ instance: 0, run: 3 }]);
  });

  it('does not replace a run that is to stop and went out of sight before its time', () => {
    const world = new World({ replicas: 1, unreachable: { replaceAfterSeconds: 60 } });
    world.settle();
    world.edit({ template: template('2') });
    world.reconcile();
    world.lose(world.liveOf(0)[0]!);
    world.now += 59 * second;
    expect(world.reconcile().start).toEqual([]);
    world.now += second;
    expect(world.reconcile().start).toHaveLength(1);
  });

  it('backs off when what stands in for a run out of sight dies, too', () => {
    const world = new World({ replicas: 1, unreachable: { replaceAfterSeconds: 60 } });
    world.settle();
    world.lose(world.liveOf(0)[0]!);
    world.now += 60 * second;
    world.reconcile();
    for (const [deaths, delay] of [1, 2, 4].entries()) {
      const substitute = world.liveOf(0).find(({ status }) => status?.phase !== 'Unreachable')!;
      world.die(substitute);
      const { start, wakeAt } = world.reconcile();
      expect([start, wakeAt]).toEqual([[], world.now + delay * second]);
      world.now = wakeAt!;
      const again = world.reconcile().start;
      expect(again).toMatchObject([{ cause: 'Unreachable', restarts: deaths + 1 }]);
    }
    expect(world.liveOf(0)).toHaveLength(2);
  });
});

describe('a Task of several containers of which one has ended', () => {
  it('is stopped and started anew as a whole, with the back-off of a death', () => {
    const world = new World({ replicas: 1 });
    world.settle();
    const [task] = world.liveOf(0);
    world.set(task!, 'Running', false, {
      containers: [
        { name: 'web', taskId: 'a.web', state: 'TASK_RUNNING' },
        { name: 'side', taskId: 'a.side', state: 'TASK_FINISHED' },
      ],
    });
    const { stop } = world.reconcile();
    expect(stop.map(({ stop: { reason } }) => reason)).toEqual(['Unhealthy']);
    expect(stop[0]?.stop.message).toContain('container side ended (TASK_FINISHED)');
    expect(world.reconcile().stop).toEqual([]);
    world.die(world.liveOf(0)[0]!, 'Killed');
    const plan = world.reconcile();
    expect([plan.start, plan.wakeAt]).toEqual([[], world.now + second]);
    world.now += second;
    expect(world.reconcile().start).toMatchObject([{ instance: 0, restarts: 1 }]);
  });
});

describe('while replacing is held', () => {
  const mesos = (task: Task, reason: string) => ({
    mesos: { taskId: `prod.${task.metadata.name}`, reason },
  });

  it.each(['Unreachable', 'Failed'] as const)(
    'does not replace a run that a reconciliation reports %s, and says so',
    (phase) => {
      const world = new World({ replicas: 1, unreachable: { replaceAfterSeconds: 0 } });
      world.settle();
      const [task] = world.liveOf(0);
      const times = { unreachableTime: iso(world.now), finishTime: iso(world.now) };
      world.set(task!, phase, false, { ...times, ...mesos(task!, 'REASON_RECONCILIATION') });
      world.replacingHeld = true;
      world.now += 600 * second;
      expect(world.reconcile().start).toEqual([]);
      expect(condition(world.job.status, 'Stalled')).toMatchObject({
        status: 'True',
        reason: 'ReplacingHeld',
      });
      world.replacingHeld = false;
      expect(instanceOfStarts(world)).toEqual([0]);
    },
  );

  it('replaces what has died by itself, and starts what is new', () => {
    const world = new World({ replicas: 2 });
    world.settle();
    world.replacingHeld = true;
    const [task] = world.liveOf(0);
    world.set(task!, 'Failed', false, {
      finishTime: iso(world.now),
      ...mesos(task!, 'REASON_COMMAND_EXECUTOR_FAILED'),
    });
    world.now += 10 * second;
    world.edit({ replicas: 3 });
    expect(instanceOfStarts(world)).toEqual([0, 2]);
  });

  const instanceOfStarts = (world: World): number[] =>
    world.reconcile().start.map(({ instance }) => instance);
});
