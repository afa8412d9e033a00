import { describe, expect, it } from 'vitest';
import { stamp } from '../serverset/objects.ts';
import { compare, findings, taskIdOf, world } from './drift-world.ts';

describe('an instance of a Batch Job', () => {
  it('may wait for its turn, and is not wanted once it has succeeded', () => {
    const made = world(4);
    Object.assign(made.job.spec, { type: 'Batch', parallelism: 2 });
    for (const instance of [0, 3]) {
      made.tasks = made.tasks.filter(({ spec }) => spec.instance !== instance);
      made.master.delete(taskIdOf(instance));
      made.nodes = made.nodes.filter(({ ours }) => ours?.taskUid !== `uid-web-${instance}`);
    }
    made.job.status = { ...made.job.status, completedIndexes: '0' };
    expect(findings(made)).toEqual([]);
    made.job.spec.parallelism = 3;
    expect(findings(made)).toEqual(['3 Drift NoTask']);
    made.job.status = { ...made.job.status, completedIndexes: '0-1' };
    expect(findings(made)).toEqual(['1 Drift NotWanted', '3 Drift NoTask']);
  });

  it('is no more wanted once the Job has failed, and nothing of it is under way', () => {
    const made = world(2);
    Object.assign(made.job.spec, { type: 'Batch' });
    const [first] = made.tasks.splice(0, 1);
    made.master.delete(taskIdOf(0));
    made.nodes = made.nodes.filter(({ ours }) => ours?.taskUid !== first?.metadata.uid);
    const ended = { status: 'True' as const, reason: 'BackoffLimitExceeded', message: 'too many' };
    made.job.status = {
      ...made.job.status,
      conditions: ['Stalled', 'Failed'].map((type) => ({
        ...ended,
        type,
        lastTransitionTime: stamp,
      })),
    };
    const finish = { type: 'Failed', reason: 'BackoffLimitExceeded', message: 'too many' };
    expect(compare(made)).toMatchObject({ verdict: 'Drift', finish, findings: [] });
    expect(findings(made)).toEqual(['1 Drift NotWanted']);
    made.tasks = made.tasks.map((task) => ({
      ...task,
      spec: { ...task.spec, stop: { reason: 'JobFailed', message: '', deadline: stamp } },
    }));
    expect(compare(made)).toMatchObject({ verdict: 'Moving', finish });
    made.tasks = [];
    made.master.clear();
    made.nodes = [];
    expect(compare(made)).toMatchObject({ verdict: 'Agrees', finish, findings: [], instances: [] });
  });
});
