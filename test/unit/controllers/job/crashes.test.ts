import { describe, expect, it } from 'vitest';
import { isConditionTrue } from '../../../../api/machinery/conditions.ts';
import { jobResource } from '../../../../api/v1/job.ts';
import { serverSetResource } from '../../../../api/v1/serverset.ts';
import { isDead, phaseOf, taskResource } from '../../../../api/v1/task.ts';
import type { RequestFault } from '../runtime/faulty-transport.ts';
import type { TestApi } from '../runtime/api.ts';
import { startApi } from '../runtime/api.ts';
import type { Loop } from './cluster.ts';
import {
  createJob,
  drive,
  editJob,
  isSettled,
  ref,
  report,
  startLoop,
  startMonitor,
  tasksOf,
} from './cluster.ts';
import { template } from './world.ts';

function ported(version: string) {
  const made = template(version);
  made.spec.containers[0]!.ports = [{ name: 'http', containerPort: 8080 }];
  return made;
}

const serverSet = { zkPath: '/aurora/prod/live/web', primaryPort: 'http' };

/** Everything a Job goes through: made, updated, scaled down and up, unpublished, deleted. */
async function life(api: TestApi): Promise<void> {
  const settled = () => drive(api, () => isSettled(api));
  await createJob(api.client, { replicas: 2, template: ported('1'), serverSet });
  await settled();
  await editJob(api.client, { template: ported('2') });
  await settled();
  await editJob(api.client, { replicas: 1 });
  await settled();
  await editJob(api.client, { replicas: 2, template: ported('1') });
  await settled();
  const live = (await tasksOf(api.client)).filter((task) => !isDead(task));
  expect(live.map(({ spec }) => spec.instance).sort()).toEqual([0, 1]);
  expect(await api.client.of(serverSetResource).find(ref)).toBeDefined();
  await api.client.of(jobResource).patch(ref, { spec: { serverSet: null } }, { type: 'merge' });
  await settled();
  await api.client.of(jobResource).delete(ref);
  await drive(api, async () => (await api.client.of(jobResource).find(ref)) === undefined);
  expect((await tasksOf(api.client)).filter((task) => !isDead(task))).toEqual([]);
}

/** A Job that runs to completion, some of whose tasks fail, and whose dead tasks people throw away. */
async function batchLife(api: TestApi): Promise<void> {
  const jobs = api.client.of(jobResource);
  const tasks = api.client.of(taskResource);
  const finished: number[] = [];
  await createJob(api.client, { type: 'Batch', replicas: 3, parallelism: 2 });
  const isComplete = async (): Promise<boolean> => {
    for (const task of await tasksOf(api.client)) {
      const { instance, restarts } = task.spec;
      const isDue = phaseOf(task) === 'Running' && task.spec.stop === undefined;
      if (isDue && instance === 1 && restarts === 0) await report(api, task, 'Failed');
      else if (isDue) {
        finished.push(instance);
        await report(api, task, 'Finished');
        await tasks.delete(task.metadata);
      }
    }
    return isConditionTrue((await jobs.get(ref)).status?.conditions, 'Complete');
  };
  await drive(api, isComplete);
  expect(finished.sort()).toEqual([0, 1, 2]);
  expect((await jobs.get(ref)).status).toMatchObject({ completedIndexes: '0-2', failed: 1 });
  await jobs.delete(ref);
  await drive(api, async () => (await jobs.find(ref)) === undefined);
  for (const task of await tasksOf(api.client)) await tasks.delete(task.metadata);
  await drive(api, async () => (await tasksOf(api.client)).length === 0);
}

/** Lives a life in which the loop dies at its `fatal`-th write and another takes over; false: none was. */
async function liveWithCrash(
  life: (api: TestApi) => Promise<void>,
  fatal: number,
  how: RequestFault,
): Promise<boolean> {
  const api = await startApi();
  const monitor = startMonitor(api);
  const loops: Loop[] = [];
  let writes = 0;
  let crashed = false;
  const start = (): void => {
    const loop = startLoop(api);
    loops.push(loop);
    loop.transport.fault = ({ method, path }) => {
      if (crashed && loop === loops[0]) return 'away';
      if (method === 'GET' || path.includes('/events') || ++writes !== fatal) return undefined;
      crashed = true;
      // The process is gone; another finds what it has left behind. What was on its way has arrived by
      // then: the fence of the takeover refuses whatever comes later.
      queueMicrotask(() => {
        void loop.stop();
        void loop.transport.idle().then(start);
      });
      return how;
    };
  };
  start();
  await life(api);
  for (const loop of loops) await loop.stop();
  await monitor.stop();
  await api.stop();
  expect(monitor.violations).toEqual([]);
  return crashed;
}

describe('a crash of the job loop', () => {
  it.each([
    ['Service', 'away', 20],
    ['Service', 'lost', 20],
    ['Batch Job', 'away', 15],
    ['Batch Job', 'lost', 15],
  ] as const)(
    'is harmless at any write of a %s, with that write %s',
    async (kind, how, writes) => {
      let fatal = 1;
      const lived = kind === 'Service' ? life : batchLife;
      while (await liveWithCrash(lived, fatal, how)) fatal += 1;
      // Each write of a whole life has had its crash.
      expect(fatal).toBeGreaterThan(writes);
    },
    120_000,
  );
});
