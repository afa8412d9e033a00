import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { completedOf, finishOf } from '../../../../api/v1/batch.ts';
import { isDead, phaseOf, type Task } from '../../../../api/v1/task.ts';
import { isStopping, timeOf } from '../../../../controllers/job/instances.ts';
import { isQuiet, World } from './world.ts';

const pick = fc.nat(1000);
const onOne = (weight: number, what: string) => ({
  weight,
  arbitrary: fc.record({ do: fc.constant(what), pick }),
});

/** What may happen to a Batch Job between two plans, in any order; and plans that are cut short. */
const move = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('reconcile'), pick }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('crash'), pick: fc.nat(4) }) },
  onOne(6, 'run'),
  onOne(2, 'finish'),
  onOne(3, 'fail'),
  onOne(2, 'lose'),
  onOne(2, 'gone'),
  onOne(2, 'kill'),
  onOne(2, 'delete'),
  onOne(4, 'delete dead'),
  { weight: 1, arbitrary: fc.record({ do: fc.constant('parallelism'), pick: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('backoffLimit'), pick: fc.nat(30) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait'), pick: fc.nat(3) }) },
);
type Move = typeof move extends fc.Arbitrary<infer M> ? M : never;

const setting = fc.record({
  replicas: fc.nat(8),
  parallelism: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
  backoffLimit: fc.constantFrom(0, 3, 30),
  activeDeadlineSeconds: fc.constantFrom(undefined, undefined, 500),
  unreachable: fc.record({ replaceAfterSeconds: fc.constantFrom(0, 60) }),
});
type Setting = typeof setting extends fc.Arbitrary<infer S> ? S : never;

/** A Batch Job with a witness, who forgets nothing. */
class Witnessed {
  readonly world: World;
  /** Tasks that have failed, by their names. */
  readonly failed = new Set<string>();
  /** Instances of which a task has ended well. */
  readonly succeeded = new Set<number>();
  #status: World['job']['status'];

  constructor(of: Setting) {
    this.world = new World({ type: 'Batch', ...of });
  }

  reconcile(writes = Infinity): void {
    const { world } = this;
    const before = world.tasks;
    const wasBusy = this.#busy();
    const hadEnded = finishOf(world.job);
    const plan = world.reconcile(writes);
    const old = new Set(before.map(({ metadata }) => metadata.name));
    const created = world.tasks.filter(({ metadata }) => !old.has(metadata.name));
    for (const task of created) this.#mayStart(task, before);
    if (hadEnded !== undefined) expect(created).toEqual([]);
    const { parallelism = Infinity } = world.job.spec;
    expect(this.#busy().size).toBeLessThanOrEqual(Math.max(parallelism, wasBusy.size));
    for (const { task, stop } of plan.stop) {
      expect([isDead(task), isStopping(task)]).toEqual([false, false]);
      // Nobody is stopped for being out of sight.
      if (phaseOf(task) === 'Unreachable')
        expect(['Completed', 'JobFailed']).toContain(stop.reason);
    }
    this.#nothingIsForgotten(before);
    this.#statusOnlyGrows();
  }

  /** Instances that live, but for those which have succeeded and have a run out of sight. */
  #busy(): Set<number> {
    const { tasks, job } = this.world;
    const done = completedOf(job);
    const live = tasks.filter(
      (task) =>
        !isDead(task) &&
        !(
          phaseOf(task) === 'Unreachable' &&
          (done.has(task.spec.instance) || this.succeeded.has(task.spec.instance))
        ),
    );
    return new Set(live.map(({ spec }) => spec.instance));
  }

  #mayStart({ spec: { instance } }: Task, before: readonly Task[]): void {
    expect(this.succeeded).not.toContain(instance);
    const { replaceAfterSeconds = 300 } = this.world.job.spec.unreachable ?? {};
    for (const other of before) {
      if (other.spec.instance !== instance || isDead(other)) continue;
      expect(phaseOf(other)).toBe('Unreachable');
      const since = timeOf(other.status?.unreachableTime)!;
      expect(this.world.now - since).toBeGreaterThanOrEqual(replaceAfterSeconds * 1000);
    }
  }

  #nothingIsForgotten(before: readonly Task[]): void {
    const { tasks, job } = this.world;
    const left = new Set(tasks.map(({ metadata }) => metadata.name));
    for (const task of before) {
      if (left.has(task.metadata.name)) continue;
      expect(isDead(task)).toBe(true);
      const { instance, restarts } = task.spec;
      if (phaseOf(task) === 'Finished') expect(completedOf(job)).toContain(instance);
      if (!this.failed.has(task.metadata.name)) continue;
      const counted = job.status?.failures?.find((one) => one.instance === instance)?.failed;
      expect(counted).toBeGreaterThan(restarts);
    }
    for (const index of completedOf(job)) expect(this.succeeded).toContain(index);
  }

  #statusOnlyGrows(): void {
    const { status } = this.world.job;
    const was = this.#status;
    this.#status = status;
    if (was === undefined || status === undefined) return;
    const { job } = this.world;
    for (const index of completedOf({ ...job, status: was })) {
      expect(completedOf(job)).toContain(index);
    }
    expect(status.failed).toBeGreaterThanOrEqual(was.failed ?? 0);
    expect(status.startTime).toBe(was.startTime);
    const ended = finishOf({ status: was });
    if (ended === undefined) return;
    expect(finishOf({ status })).toBe(ended);
    const types = (status.conditions ?? []).filter(({ status: value }) => value === 'True');
    const both = types.filter(({ type }) => type === 'Complete' || type === 'Failed');
    expect(both).toHaveLength(1);
  }

  play({ do: what, pick: chosen }: Move): void {
    const { world } = this;
    const live = world.live();
    const task = live[chosen % Math.max(1, live.length)];
    switch (what) {
      case 'reconcile': {
        this.reconcile();
        return;
      }
      case 'crash': {
        this.reconcile(chosen);
        return;
      }
      case 'wait':
        world.now += [1_000, 20_000, 120_000, 90_000_000][chosen] ?? 0;
        return;
      case 'parallelism': {
        world.edit({ parallelism: 1 + chosen });
        return;
      }
      case 'backoffLimit': {
        world.edit({ backoffLimit: chosen });
        return;
      }
      case 'delete dead': {
        const dead = world.tasks.filter(isDead);
        const one = dead[chosen % Math.max(1, dead.length)];
        if (one !== undefined) world.deleteTask(one);
        return;
      }
    }
    if (task !== undefined) this.#happens(what, task);
  }

  #happens(what: string, task: Task): void {
    const { world } = this;
    if (what === 'delete') world.deleteTask(task);
    if (what === 'run') world.run(task);
    if (what === 'fail') this.#fail(task);
    if (what === 'lose') world.lose(task);
    if (what === 'gone') world.end(task, 'Failed', { state: 'TASK_GONE' });
    if (what === 'kill' && isStopping(task)) world.die(task, 'Killed');
    if (what === 'finish') this.finish(task);
  }

  #fail(task: Task): void {
    if (!isStopping(task)) this.failed.add(task.metadata.name);
    this.world.die(task, 'Failed');
  }

  finish(task: Task): void {
    this.world.die(task, 'Finished');
    this.succeeded.add(task.spec.instance);
  }
}

function played(of: Setting, moves: readonly Move[]): Witnessed {
  const witnessed = new Witnessed(of);
  for (const step of moves) witnessed.play(step);
  return witnessed;
}

describe('the laws of a Batch Job', () => {
  it('hold through every order of events, crashes between two writes included, and it ends', () => {
    const ends = new Set<string>();
    fc.assert(
      fc.property(setting, fc.array(move, { maxLength: 80 }), (of, moves) => {
        const witnessed = played(of, moves);
        const { world } = witnessed;
        for (let round = 0; finishOf(world.job) === undefined; round += 1) {
          expect(round).toBeLessThan(100);
          witnessed.reconcile();
          for (const task of world.live()) {
            if (isStopping(task)) world.die(task, 'Killed');
            else witnessed.finish(task);
          }
          world.now += 301_000;
        }
        witnessed.reconcile();
        const end = finishOf(world.job)!;
        ends.add(end);
        if (end === 'Complete') {
          expect(witnessed.succeeded.size).toBe(of.replicas);
          expect(world.job.status).toMatchObject({ succeeded: of.replicas });
        }
        expect(world.live().every(isStopping)).toBe(true);
      }),
      { numRuns: 500 },
    );
    expect([...ends].sort()).toEqual(['Complete', 'Failed']);
  });

  it('include that a plan, once carried out, is not made again', () => {
    fc.assert(
      fc.property(setting, fc.array(move, { maxLength: 60 }), (of, moves) => {
        const { world } = played(of, moves);
        // Of a Task that is deleted it is taken down what became of it, then it goes, then the next starts.
        for (let round = 0; round < 4; round += 1) world.reconcile();
        expect(isQuiet(world.plan())).toBe(true);
        expect(world.plan().status).toEqual(world.job.status);
      }),
      { numRuns: 300 },
    );
  });

  it('include that the same state gives the same plan, whatever the order of its Tasks', () => {
    fc.assert(
      fc.property(setting, fc.array(move, { maxLength: 40 }), (of, moves) => {
        const { world } = played(of, moves);
        const frozen = JSON.stringify(world.state());
        const plan = world.plan();
        expect(JSON.stringify(world.state())).toBe(frozen);
        world.tasks = [...world.tasks].reverse();
        const other = world.plan();
        expect(other.start).toEqual(plan.start);
        expect(other.status).toEqual(plan.status);
      }),
      { numRuns: 200 },
    );
  });
});
