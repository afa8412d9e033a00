import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isConditionTrue } from '../../../../api/machinery/conditions.ts';
import { eventResource } from '../../../../api/v1/core.ts';
import { jobResource } from '../../../../api/v1/job.ts';
import { phaseOf, taskResource } from '../../../../api/v1/task.ts';
import type { TestApi } from '../runtime/api.ts';
import { startApi } from '../runtime/api.ts';
import type { Loop, Monitor } from './cluster.ts';
import {
  createJob,
  drive,
  editJob,
  ref,
  report,
  startLoop,
  startMonitor,
  tasksOf,
} from './cluster.ts';

let api: TestApi;
let loop: Loop;
let monitor: Monitor;

beforeEach(async () => {
  api = await startApi();
  monitor = startMonitor(api);
  loop = startLoop(api);
});

afterEach(async () => {
  await loop.stop();
  await monitor.stop();
  await api.stop();
  expect(monitor.violations).toEqual([]);
});

const getJob = () => api.client.of(jobResource).get(ref);

/** What runs ends well, until the Job is Complete. */
async function complete(): Promise<void> {
  await drive(api, async () => {
    for (const task of await tasksOf(api.client)) {
      if (phaseOf(task) === 'Running') await report(api, task, 'Finished');
    }
    return isConditionTrue((await getJob()).status?.conditions, 'Complete');
  });
}

describe('the loop of a Batch Job', () => {
  it('runs it to completion, tells so, and deletes it when its time is up', async () => {
    await createJob(api.client, {
      type: 'Batch',
      replicas: 3,
      parallelism: 1,
      ttlSecondsAfterFinished: 3600,
    });
    await complete();
    expect(monitor.created).toHaveLength(3);
    const { items } = await api.client.of(eventResource).list({ namespace: 'prod' });
    expect(items.map(({ reason }) => reason)).toContain('Completed');
    await api.clock.advance(3_590_000);
    expect((await getJob()).metadata.deletionTimestamp).toBeUndefined();
    await api.clock.advance(15_000);
    // Its tasks are the garbage collector's, which comes first.
    expect((await getJob()).metadata).toMatchObject({ finalizers: ['foregroundDeletion'] });
  });

  it('does not delete a Job of which somebody has changed its mind, unseen by the loop', async () => {
    await createJob(api.client, { type: 'Batch', replicas: 1, ttlSecondsAfterFinished: 60 });
    await complete();
    await api.clock.advance(1_000);
    const release = loop.transport.holdWatches('/jobs');
    await editJob(api.client, { ttlSecondsAfterFinished: 3600 });
    await api.clock.advance(120_000);
    expect((await getJob()).metadata.deletionTimestamp).toBeUndefined();
    release();
    await api.clock.advance(120_000);
    expect((await getJob()).metadata.deletionTimestamp).toBeUndefined();
    await api.clock.advance(3_600_000);
    expect((await getJob()).metadata.deletionTimestamp).toBeDefined();
  });

  it('lets go of the tasks of a Job that is gone, once they are to be deleted', async () => {
    await createJob(api.client, { type: 'Batch', replicas: 2 });
    await complete();
    await api.client.of(jobResource).delete(ref);
    await drive(api, async () => (await api.client.of(jobResource).find(ref)) === undefined);
    const tasks = await tasksOf(api.client);
    expect(tasks.map(({ metadata }) => metadata.finalizers)).toEqual([
      ['mesocosm.dev/mesos', 'mesocosm.dev/job-tracking'],
      ['mesocosm.dev/mesos', 'mesocosm.dev/job-tracking'],
    ]);
    for (const { metadata } of tasks) await api.client.of(taskResource).delete(metadata);
    await drive(api, async () => (await tasksOf(api.client)).length === 0);
  });

  it('cannot be scaled, and says what can be changed', async () => {
    await createJob(api.client, { type: 'Batch', replicas: 2 });
    await expect(editJob(api.client, { replicas: 5 })).rejects.toThrow(/parallelism/);
  });
});
