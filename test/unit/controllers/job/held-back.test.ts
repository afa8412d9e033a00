import { describe, expect, it } from 'vitest';
import type { Task } from '../../../../api/v1/task.ts';
import { isDead } from '../../../../api/v1/task.ts';
import { template, World } from './world.ts';

const minute = 60_000;

const scriptOf = (task: Task | undefined): string | undefined => task?.spec.containers[0]?.script;
const only = (world: World, instance: number): Task => {
  const [task, ...others] = world.liveOf(instance);
  if (task === undefined || others.length > 0)
    throw new Error(`${others.length} too many, or none`);
  return task;
};

/** Four instances of version 1, of which the first crashes again and again on version 2. */
function stuckRollout(): World {
  const world = new World({ replicas: 4 });
  world.settle();
  world.now += 60 * minute;
  world.edit({ template: template('2') });
  world.reconcile();
  world.obey();
  world.reconcile();
  expect(scriptOf(only(world, 0))).toBe('exec web 2');
  world.die(only(world, 0));
  return world;
}

describe('while a rollout is stuck, an instance of the older template that dies', () => {
  it('starts again on that one, and is left alone until it is ready and after', () => {
    const world = stuckRollout();
    world.die(only(world, 2));
    world.reconcile();
    const again = only(world, 2);
    expect([scriptOf(again), again.spec.restarts]).toEqual(['exec web 1', 0]);
    expect(again.spec.revision).toBe(only(world, 3).spec.revision);
    world.run(again, false);
    expect(world.reconcile().stop).toEqual([]);
    world.run(only(world, 2));
    expect(world.reconcile().stop).toEqual([]);
  });

  it('backs off, and takes the new one when it dies again and again', () => {
    const world = stuckRollout();
    const short = (): void => {
      world.now += 1000;
      world.run(only(world, 2));
      world.now += 1000;
      world.die(only(world, 2));
    };
    const next = (): Task => {
      for (let tries = 0; world.liveOf(2).length === 0 && tries < 10; tries += 1) {
        world.now += 1000;
        for (const task of world.liveOf(0)) world.die(task);
        world.reconcile();
      }
      return only(world, 2);
    };
    world.die(only(world, 2));
    expect(scriptOf(next())).toBe('exec web 1');
    short();
    expect(world.reconcile().start.map(({ instance }) => instance)).not.toContain(2);
    const second = next();
    expect([scriptOf(second), second.spec.restarts]).toEqual(['exec web 1', 1]);
    short();
    expect(scriptOf(next())).toBe('exec web 2');
  });

  it('makes way for the correction though it is not ready', () => {
    const world = stuckRollout();
    world.die(only(world, 2));
    world.now += 1000;
    world.reconcile();
    world.run(only(world, 2), false);
    world.edit({ template: template('3') });
    world.reconcile();
    expect(only(world, 2).spec.stop?.reason).toBe('Update');
    world.settle();
    expect(world.live().map(scriptOf)).toEqual(Array(4).fill('exec web 3'));
  });

  it('follows the rollout once that goes on', () => {
    const world = stuckRollout();
    world.die(only(world, 2));
    world.settle();
    expect(world.live().map(scriptOf)).toEqual(Array(4).fill('exec web 2'));
    expect(world.tasks.filter((task) => !isDead(task))).toHaveLength(4);
  });
});

it('an instance that dies before the rollout reaches it takes the new template if the budget allows', () => {
  const world = new World({ replicas: 4 });
  world.settle();
  world.now += 60 * minute;
  world.die(only(world, 3));
  world.edit({ template: template('2') });
  world.reconcile();
  expect(scriptOf(only(world, 3))).toBe('exec web 2');
});
