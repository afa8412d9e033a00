import { describe, expect, it } from 'vitest';
import { findCondition, type Condition } from '../../../../api/machinery/conditions.ts';
import type { JobSpec } from '../../../../api/v1/job.ts';
import type { Task } from '../../../../api/v1/task.ts';
import type { NetworkAttachment, TemplateSpec } from '../../../../api/v1/template.ts';
import { iso, template, World } from './world.ts';

const second = 1000;

function joining(
  network: Partial<NetworkAttachment>,
  more: Partial<TemplateSpec> = {},
): JobSpec['template'] {
  const { spec } = template('1');
  return { spec: { ...spec, networks: [{ name: 'dev-net', ...network }], ...more } };
}

function only(world: World): Task {
  const [task] = world.liveOf(0);
  if (task === undefined) throw new Error('instance 0 has no live run');
  return task;
}

function stalled(world: World): Condition | undefined {
  return findCondition(world.job.status?.conditions, 'Stalled');
}

/** What the scheduler says of a task that it cannot launch, or that runs without addresses. */
function says(world: World, type: string, reason: string, message: string): Condition {
  return { type, status: 'False', reason, message, lastTransitionTime: iso(world.now) };
}

describe('the Task of an instance', () => {
  it('says the addresses of its instance plainly', () => {
    const ipsByInstance = [['10.0.0.1'], ['10.0.0.2', 'fd00::2']];
    const world = new World({ replicas: 2, template: joining({ ipsByInstance }) });
    world.reconcile();
    expect(world.tasks.map(({ spec }) => spec.networks)).toEqual([
      [{ name: 'dev-net', ips: ['10.0.0.1'] }],
      [{ name: 'dev-net', ips: ['10.0.0.2', 'fd00::2'] }],
    ]);
  });
});

describe('an instance that is unreachable', () => {
  it.each([{ ips: ['10.0.0.1'] }, { sticky: true }])(
    'with %j is not replaced until it is dead, and the Job says so',
    (network) => {
      const world = new World({
        replicas: 1,
        template: joining(network),
        unreachable: { replaceAfterSeconds: 10 },
      });
      world.settle();
      const task = only(world);
      world.lose(task);
      world.now += 3600 * second;
      expect(world.reconcile().start).toEqual([]);
      expect(stalled(world)).toMatchObject({ status: 'True', reason: 'Unreachable' });
      expect(stalled(world)?.message).toMatch(/not replaced until it is dead/);
      world.die(only(world));
      world.settle();
      expect(only(world).metadata.name).not.toBe(task.metadata.name);
    },
  );

  it('without addresses of its own is replaced as ever', () => {
    const world = new World({
      replicas: 1,
      template: joining({}),
      unreachable: { replaceAfterSeconds: 10 },
    });
    world.settle();
    world.lose(only(world));
    world.now += 11 * second;
    expect(world.reconcile().start).toHaveLength(1);
  });
});

describe('an instance whose address is taken', () => {
  it('stalls its Job at once, by whom', () => {
    const world = new World({ replicas: 1, template: joining({ ips: ['10.0.0.1'] }) });
    world.reconcile();
    const why = '10.0.0.1 on dev-net is held by Job prod/db (task db-0-a)';
    const conditions = [says(world, 'Scheduled', 'AddressTaken', why)];
    world.set(only(world), 'Pending', false, { conditions });
    world.reconcile();
    expect(stalled(world)).toMatchObject({ status: 'True', reason: 'AddressTaken' });
    expect(stalled(world)?.message).toContain(why);
    world.run(only(world));
    world.reconcile();
    expect(stalled(world)?.status).toBe('False');
  });
});

describe('an instance that runs without its addresses', () => {
  function running(more: Partial<TemplateSpec>): World {
    const world = new World({ replicas: 1, template: joining({ ips: ['10.0.0.1'] }, more) });
    world.reconcile();
    const conditions = [says(world, 'AddressesReady', 'Mismatch', 'dev-net: another')];
    world.set(only(world), 'Running', false, { startTime: iso(world.now), conditions });
    return world;
  }

  it('waits for them for ever unless told otherwise', () => {
    const world = running({});
    world.now += 3600 * second;
    const plan = world.reconcile();
    expect(plan.stop).toEqual([]);
    expect(stalled(world)?.status).toBe('False');
  });

  it('is replaced at the deadline, with a back-off that grows', () => {
    const world = running({ onMissingAddress: 'Replace', addressDeadlineSeconds: 20 });
    world.now += 19 * second;
    const early = world.reconcile();
    expect(early.stop).toEqual([]);
    expect(early.wakeAt).toBe(world.now + second);
    world.now += second;
    const [stop] = world.reconcile().stop;
    expect(stop?.stop).toMatchObject({ reason: 'Unhealthy' });
    expect(stop?.stop.message).toMatch(/dev-net: another/);
    const first = only(world);
    world.die(first, 'Killed');
    const after = world.reconcile();
    expect(after.start).toEqual([]);
    expect(after.wakeAt).toBe(world.now + second);
    world.now += second;
    expect(world.reconcile().start).toMatchObject([{ restarts: 1 }]);
  });

  it('fails its Job at the deadline, and is left as it is', () => {
    const world = running({ onMissingAddress: 'Fail' });
    world.now += 59 * second;
    world.reconcile();
    expect(stalled(world)?.status).toBe('False');
    world.now += second;
    expect(world.reconcile().stop).toEqual([]);
    expect(stalled(world)).toMatchObject({ status: 'True', reason: 'AddressMissing' });
    expect(stalled(world)?.message).toMatch(/dev-net: another/);
  });
});
