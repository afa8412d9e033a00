import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { confirmDeadAnnotation, taskResource } from '../../../../api/v1/task.ts';
import { until, type TestApi } from '../runtime/api.ts';
import { frameworkOf } from './harness.ts';
import { Scene } from './scene.ts';
import { runningOf, updateOf, uuid, type ScriptedMesos } from './scripted-mesos.ts';

let scene: Scene;
let api: TestApi;
let mesos: ScriptedMesos;
const name = 'web-0-a';

beforeEach(async () => {
  scene = await Scene.start();
  ({ api, mesos } = scene);
  await scene.run(name);
});

afterEach(() => scene.stop());

async function lose(): Promise<void> {
  mesos.update(updateOf(name, 'TASK_UNREACHABLE', { reason: 'REASON_AGENT_REMOVED' }));
  await scene.reaches(name, 'Unreachable');
}

const confirmDead = (value = 'true'): Promise<void> =>
  scene.change(name, (task) => ({
    ...task,
    metadata: { ...task.metadata, annotations: { [confirmDeadAnnotation]: value } },
  }));

const find = () => api.client.of(taskResource).find({ namespace: 'prod', name });
const returns = (): void => mesos.update(runningOf(name, { reason: 'REASON_AGENT_REREGISTERED' }));

describe('an unreachable task that an operator declares dead', () => {
  it('is dead, without addresses, and killed if it returns', async () => {
    await lose();
    await confirmDead();
    await scene.reaches(name, 'Failed');
    const { status } = await scene.task(name);
    expect(status?.mesos).toMatchObject({
      state: 'TASK_GONE',
      message: 'an operator has declared it dead',
    });
    expect(status?.ips).toBeUndefined();
    await until(api.clock, async () => (await scene.events('DeclaredDead')).length === 1);
    expect(mesos.killed).toEqual([]);
    returns();
    await until(api.clock, () => mesos.killed.includes(`prod.${name}`));
    expect(await scene.phase(name)).toBe('Failed');
  });

  it('is killed on its return also when its object is long gone, whatever the policy for orphans', async () => {
    await lose();
    await api.client.of(taskResource).delete({ namespace: 'prod', name });
    await until(api.clock, () => mesos.killed.length > 0);
    expect(await find()).toBeDefined();
    await confirmDead();
    await until(api.clock, async () => (await find()) === undefined);
    const asked = mesos.killed.length;
    await api.clock.advance(600_000);
    expect(mesos.killed).toHaveLength(asked);
    returns();
    await until(api.clock, () => mesos.killed.length > asked);
    mesos.update(updateOf(name, 'TASK_KILLED', { uuid: uuid('end') }));
    await until(api.clock, () => mesos.acknowledged.includes(uuid('end')));
  });

  it('is to be killed on its return before it counts as dead', async () => {
    await lose();
    const { writes } = scene.running.process.api;
    const before = writes.length;
    await confirmDead();
    await scene.reaches(name, 'Failed');
    const paths = writes.slice(before).map(({ path }) => path);
    const framework = paths.findIndex((path) => path.includes('/frameworks/'));
    const task = paths.findIndex((path) => path.endsWith(`/tasks/${name}/status`));
    expect([framework >= 0, task >= 0, framework < task]).toEqual([true, true, true]);
    expect((await frameworkOf(api.client))?.status?.buried).toEqual([`prod.${name}`]);
  });
});

describe('a task in sight that an operator declares dead', () => {
  it('lives on, and the word does not count later', async () => {
    await confirmDead();
    await until(api.clock, async () => (await scene.events('NotDeclaredDead')).length === 1);
    expect((await scene.task(name)).metadata.annotations ?? {}).toEqual({});
    await lose();
    await api.clock.advance(600_000);
    expect(await scene.phase(name)).toBe('Unreachable');
  });

  it('is not taken for dead by a word that is not "true"', async () => {
    await lose();
    await confirmDead('yes');
    await until(api.clock, async () => (await scene.events('NotDeclaredDead')).length === 1);
    expect(await scene.phase(name)).toBe('Unreachable');
  });
});
