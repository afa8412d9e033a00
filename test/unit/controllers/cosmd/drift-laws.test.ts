import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mesosTaskIds } from '../../../../api/v1/task.ts';
import { bodyOf, compare, node, path, run, world, type World } from './drift-world.ts';

/** Somebody's hand in the truths about an instance; undefined if it shows elsewhere than there. */
type Damage = (made: World, instance: number) => void;

const damages: Record<string, Damage> = {
  'a task killed behind our back': (made, instance) => {
    for (const taskId of idsOf(made, instance)) {
      made.master.set(taskId, { taskId, state: 'TASK_KILLED', agentId: `S${instance % 2}` });
    }
  },
  'a task that Mesos forgot': (made, instance) => {
    for (const taskId of idsOf(made, instance)) made.master.delete(taskId);
  },
  'a container that is gone': (made, instance) => {
    for (const [id, containers] of made.agents) {
      const kept = containers.filter(
        ({ container_id: { value } }) => !value.startsWith(`C-web-${instance}-`),
      );
      made.agents.set(id, kept);
    }
  },
  'another address': (made, instance) => {
    for (const { container_id: id, container_status: status } of [...made.agents.values()].flat()) {
      if (!id.value.startsWith(`C-web-${instance}-`)) continue;
      for (const info of status?.network_infos ?? [])
        info.ip_addresses = [{ ip_address: '9.9.9.9' }];
    }
  },
  'a member deleted': (made, instance) => {
    made.nodes = made.nodes.filter(({ ours }) => ours?.taskUid !== `uid-web-${instance}`);
  },
  'a member edited': (made, instance) => {
    made.nodes = made.nodes.map((each) =>
      each.ours?.taskUid === `uid-web-${instance}`
        ? { ...each, body: each.body.replace(':8080', ':81') }
        : each,
    );
  },
  'a Task deleted': (made, instance) => {
    made.tasks = made.tasks.filter(({ spec }) => spec.instance !== instance);
  },
};

function idsOf(made: World, instance: number): string[] {
  const tasks = made.tasks.filter(({ spec }) => spec.instance === instance);
  return tasks.flatMap((task) => mesosTaskIds(task).map(({ taskId }) => taskId));
}

const scenes = fc.record({
  replicas: fc.integer({ min: 1, max: 6 }),
  at: fc.nat(),
  damage: fc.constantFrom(...Object.keys(damages)),
});

function damaged({ replicas, at, damage }: { replicas: number; at: number; damage: string }): {
  made: World;
  instance: number;
} {
  const made = world(replicas);
  const instance = at % replicas;
  damages[damage]?.(made, instance);
  return { made, instance };
}

describe('drift', () => {
  it('is none where nobody has touched anything', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), (replicas) => {
        const report = compare(world(replicas));
        expect(report.verdict).toBe('Agrees');
        expect(report.instances.map(({ instance }) => instance)).toEqual(
          Array.from({ length: replicas }, (_, index) => index),
        );
      }),
    );
  });

  it('is found wherever it is made, and nowhere else', () => {
    fc.assert(
      fc.property(scenes, (scene) => {
        const { made, instance } = damaged(scene);
        const report = compare(made);
        expect(report.verdict).toBe('Drift');
        const drifted = report.instances.filter(({ verdict }) => verdict === 'Drift');
        expect(drifted.map((each) => each.instance)).toEqual([instance]);
      }),
    );
  });

  it('is not told of a Task that changed while it was looked at', () => {
    fc.assert(
      fc.property(scenes, (scene) => {
        const { made, instance } = damaged(scene);
        fc.pre(made.tasks.some(({ spec }) => spec.instance === instance));
        made.changed.add(`uid-web-${instance}`);
        expect(compare(made).verdict).toBe('Moving');
      }),
    );
  });

  it('is neither made nor agreed away by what cannot be read', () => {
    const unreadable = fc.subarray(['master', 'S0', 'S1', path], { minLength: 1 });
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 6 }), unreadable, (replicas, names) => {
        const made = world(replicas);
        for (const name of names) made.unreadable.add(name);
        const report = compare(made);
        expect(report.verdict).toBe('Unknown');
        expect(report.instances.flatMap(({ findings }) => findings)).toEqual([]);
        expect(report.unexplained).toEqual([]);
        expect(report.instances.some(({ verdict }) => verdict === 'Unknown')).toBe(true);
      }),
    );
  });

  it('never names what is not ours', () => {
    const foreign = fc.constantFrom(
      '',
      'x',
      '{"status":"ALIVE"}',
      bodyOf(run({ uid: 'gone' })).replace('"east"', '"west"'),
    );
    fc.assert(
      fc.property(fc.array(foreign, { maxLength: 5 }), (bodies) => {
        const made = world(2);
        made.nodes.push(...bodies.map((body, index) => node(20 + index, body)));
        expect(compare(made).verdict).toBe('Agrees');
      }),
    );
  });
});
