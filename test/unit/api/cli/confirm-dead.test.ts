import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { confirmDeadAnnotation, taskResource } from '../../../../api/v1/task.ts';
import { startCosm, type Cosm } from './support/cosm.ts';
import { jobYaml, makeTask } from './support/objects.ts';

let cosm: Cosm;
beforeAll(async () => {
  cosm = await startCosm();
  await cosm.run(['apply', '-f', '-'], {
    stdin: jobYaml('web', 'replicas: 2', '  finalizers: [mesocosm.dev/tasks]\n'),
  });
  await makeTask(cosm.client, 'web-0-lost', { job: 'web', status: { phase: 'Unreachable' } });
  await makeTask(cosm.client, 'web-1-runs', { job: 'web', status: { phase: 'Running' } });
});
afterAll(() => cosm.stop());

async function isConfirmed(name: string): Promise<boolean> {
  const task = await cosm.client.of(taskResource).get({ namespace: 'default', name });
  return task.metadata.annotations?.[confirmDeadAnnotation] === 'true';
}

describe('cosm delete --confirm-dead', () => {
  it('is refused for a task that is in sight, which stays', async () => {
    const { code, stderr } = await cosm.run(['delete', 'task/web-1-runs', '--confirm-dead']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/web-1-runs is Running, not Unreachable: leave out --confirm-dead/);
    const task = await cosm.client
      .of(taskResource)
      .get({ namespace: 'default', name: 'web-1-runs' });
    expect(task.metadata.deletionTimestamp).toBeUndefined();
  });

  it('says of the unreachable tasks of a Job that they are dead, and of no other', async () => {
    const confirm = ['delete', 'job/web', '--confirm-dead', '--wait=false'];
    expect((await cosm.run(confirm)).code).toBe(0);
    expect([await isConfirmed('web-0-lost'), await isConfirmed('web-1-runs')]).toEqual([
      true,
      false,
    ]);
  });
});
