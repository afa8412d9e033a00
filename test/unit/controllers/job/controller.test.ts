import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findCondition } from '../../../../api/machinery/conditions.ts';
import { eventResource } from '../../../../api/v1/core.ts';
import { frameworkResource } from '../../../../api/v1/framework.ts';
import { jobResource } from '../../../../api/v1/job.ts';
import { jobRevisionResource } from '../../../../api/v1/job-revision.ts';
import { serverSetResource } from '../../../../api/v1/serverset.ts';
import { isDead, taskResource } from '../../../../api/v1/task.ts';
import { settle } from '../../../support/virtual-clock.ts';
import type { TestApi } from '../runtime/api.ts';
import { startApi, until } from '../runtime/api.ts';
import type { Loop, Monitor } from './cluster.ts';
import {
  createJob,
  drive,
  editJob,
  isSettled,
  obey,
  ref,
  report,
  startLoop,
  startMonitor,
  tasksOf,
} from './cluster.ts';
import { template } from './world.ts';

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

const isReady = () => isSettled(api);

const live = async () => (await tasksOf(api.client)).filter((task) => !isDead(task));

describe('the job loop', () => {
  it('brings a Job up, scales it both ways, updates it, and deletes all of it', async () => {
    await createJob(api.client);
    await drive(api, isReady);
    expect((await live()).map(({ spec }) => spec.instance).sort()).toEqual([0, 1, 2]);

    await editJob(api.client, { replicas: 5 });
    await drive(api, isReady);
    expect(await live()).toHaveLength(5);
    expect(monitor.created).toHaveLength(5);

    await editJob(api.client, { replicas: 2 });
    await drive(api, isReady);
    expect((await live()).map(({ spec }) => spec.instance).sort()).toEqual([0, 1]);

    await editJob(api.client, { template: template('2') });
    await drive(api, isReady);
    const [newest] = (await api.client.of(jobRevisionResource).list()).items.sort(
      (a, b) => b.spec.revision - a.spec.revision,
    );
    for (const { spec } of await live()) expect(spec.revision).toBe(newest?.metadata.name);

    await api.client.of(jobResource).delete(ref);
    expect((await getJob()).metadata.finalizers).toEqual(['mesocosm.dev/tasks']);
    await drive(api, async () => (await api.client.of(jobResource).find(ref)) === undefined);
    expect(await live()).toEqual([]);
  });

  it('tells in Events what happened', async () => {
    await createJob(api.client, { replicas: 1 });
    await drive(api, isReady);
    await report(api, (await live())[0]!, 'Failed');
    await drive(api, async () => monitor.created.length === 2 && (await isReady()));
    await editJob(api.client, { replicas: 0 });
    await drive(api, isReady);
    const { items } = await api.client.of(eventResource).list({
      namespace: 'prod',
      fieldSelector: 'involvedObject.kind=Job,involvedObject.name=web',
    });
    const reasons = new Set(items.map(({ reason }) => reason));
    expect([...reasons].sort()).toEqual(['Created', 'Killing', 'Restarted', 'RolledOut']);
    const [killing] = items.filter(({ reason }) => reason === 'Killing');
    expect(killing?.message).toMatch(/^stopping web-0-\w{10}: scaled down to 0$/);
  });

  it('creates nothing twice from a cache that does not show its own writes yet', async () => {
    await createJob(api.client, { replicas: 0 });
    await drive(api, isReady);
    const release = loop.transport.holdWatches('/tasks');
    await editJob(api.client, { replicas: 3 });
    await until(api.clock, async () => (await tasksOf(api.client)).length === 3);
    for (const replicas of [4, 5, 4]) {
      await editJob(api.client, { replicas });
      await api.clock.advance(5_000);
    }
    expect(await tasksOf(api.client)).toHaveLength(3);
    release();
    await drive(api, isReady);
    expect(await live()).toHaveLength(4);
    expect(monitor.created).toHaveLength(4);
  });

  it('creates nothing twice when the answers to its creates are lost', async () => {
    let lost = 0;
    loop.transport.fault = ({ method, path }) =>
      method === 'POST' && path.endsWith('/tasks') && ++lost % 3 !== 0 ? 'lost' : undefined;
    await createJob(api.client, { replicas: 5 });
    await drive(api, isReady);
    expect(lost).toBeGreaterThan(5);
    expect(monitor.created).toHaveLength(5);
  });

  it('never gives a name twice, even to a run that takes the place of one that was deleted', async () => {
    // The answer to the create is lost; then the cache shows its Task before it is tried again.
    let creates = 0;
    loop.transport.fault = ({ method, path }) =>
      method === 'POST' && path.endsWith('/tasks')
        ? ++creates === 1
          ? 'lost'
          : 'away'
        : undefined;
    await createJob(api.client, { replicas: 1 });
    await drive(api, isReady);
    loop.transport.fault = () => undefined;
    const [first] = await live();
    // It is dead and gone before the loop looks again, so that its successor is the first run again.
    const tasks = api.client.of(taskResource);
    await tasks.delete(first!.metadata);
    await report(api, await tasks.get(first!.metadata), 'Killed');
    const dead = await tasks.get(first!.metadata);
    await tasks.update({ ...dead, metadata: { ...dead.metadata, finalizers: [] } });
    await drive(api, async () => {
      const [second] = await live();
      return second !== undefined && second.metadata.uid !== first?.metadata.uid;
    });
    expect(monitor.created).toHaveLength(2);
    expect(new Set(monitor.created).size).toBe(2);
  });

  it('judges a run anew that has changed since it was looked at', async () => {
    await createJob(api.client, { replicas: 2 });
    await drive(api, isReady);
    const [first, second] = (await live()).sort((a, b) => a.spec.instance - b.spec.instance);
    await report(api, first!, 'Running', false);
    await api.clock.advance(2000);
    // The cache shows instance 0 as not ready, so an update may stop it for free; it is ready again.
    const release = loop.transport.holdWatches('/tasks');
    await report(api, second!, 'Running', false);
    await report(api, await api.client.of(taskResource).get(first!.metadata), 'Running', true);
    await editJob(api.client, { template: template('2') });
    await api.clock.advance(300);
    const stopped = (await live()).filter(({ spec }) => spec.stop !== undefined);
    expect(stopped).toEqual([]);
    release();
    await api.clock.advance(2000);
    const after = (await live()).filter(({ spec }) => spec.stop !== undefined);
    expect(after.map(({ spec }) => spec.instance)).toEqual([1]);
  });

  it('writes the status of a Job at most twice a second, and the last one always', async () => {
    await createJob(api.client, { replicas: 20 });
    await drive(api, isReady);
    loop.transport.writes.length = 0;
    const began = api.clock.monotonic();
    for (let round = 0; round < 100; round += 1) {
      const tasks = await live();
      await report(api, tasks[round % 20]!, 'Running', round % 3 === 0);
      await api.clock.advance(50);
    }
    const seconds = (api.clock.monotonic() - began) / 1000;
    const writes = loop.transport.writes.filter(({ path }) => path.endsWith('/jobs/web/status'));
    expect(writes.length).toBeGreaterThan(4);
    expect(writes.length).toBeLessThanOrEqual(2 * seconds + 1);
    for (const task of await live()) await report(api, task, 'Running', true);
    await drive(api, isReady);
    expect((await getJob()).status?.readyReplicas).toBe(20);
  });

  it('writes nothing while nothing changes', async () => {
    await createJob(api.client, { replicas: 3 });
    await drive(api, isReady);
    await api.clock.advance(5_000);
    loop.transport.writes.length = 0;
    await api.clock.advance(12 * 3600_000);
    expect(loop.transport.writes).toEqual([]);
  });

  it('makes, keeps and removes the ServerSet that the Job says', async () => {
    const withPort = template('1');
    withPort.spec.containers[0]!.ports = [{ name: 'http', containerPort: 8080 }];
    const sets = api.client.of(serverSetResource);
    await createJob(api.client, {
      template: withPort,
      serverSet: { zkPath: '/aurora/prod/live/web', primaryPort: 'http' },
    });
    await drive(api, isReady);
    const set = await sets.get(ref);
    expect(set.spec).toMatchObject({ family: 'IPv4', drainSeconds: 5, primaryPort: 'http' });
    await sets.delete(ref);
    await drive(api, async () => {
      const found = await sets.find(ref);
      return found !== undefined && found.metadata.uid !== set.metadata.uid;
    });
    await api.client.of(jobResource).patch(ref, { spec: { serverSet: null } }, { type: 'merge' });
    await drive(api, async () => (await sets.find(ref)) === undefined);
  });

  it('says why when the API refuses a Task, once, and goes on when it no longer does', async () => {
    await createJob(api.client, { replicas: 1 });
    await drive(api, isReady);
    await api.client.of(taskResource).delete((await live())[0]!.metadata);
    const { inner } = loop.transport;
    loop.transport.inner = {
      watch: (watched, signal) => inner.watch(watched, signal),
      request: (wanted, signal) =>
        wanted.method === 'POST' && wanted.path.endsWith('/tasks')
          ? inner.request({ ...wanted, body: { ...(wanted.body as object), spec: {} } }, signal)
          : inner.request(wanted, signal),
    };
    const stalled = async () => findCondition((await getJob()).status?.conditions, 'Stalled');
    await drive(api, async () => (await stalled())?.reason === 'TaskRefused');
    expect((await stalled())?.message).toContain('spec');
    await api.clock.advance(10_000);
    loop.transport.writes.length = 0;
    await api.clock.advance(60_000);
    expect(loop.transport.writes.filter(({ path }) => path.endsWith('/status'))).toEqual([]);
    loop.transport.inner = inner;
    await drive(api, isReady, 600_000);
  });

  it('does not let a Job go while the store holds a live Task of it that the cache does not show', async () => {
    await createJob(api.client, { replicas: 1 });
    await drive(api, isReady);
    await report(api, (await live())[0]!, 'Killed');
    await settle();
    // The next run is stored, but neither the answer nor the event arrives.
    const release = loop.transport.holdWatches('/tasks');
    loop.transport.fault = ({ method, path }) =>
      method === 'POST' && path.endsWith('/tasks') ? 'lost' : undefined;
    await until(api.clock, async () => (await live()).length === 1, 10_000);
    loop.transport.fault = ({ method, path }) =>
      method === 'POST' && path.endsWith('/tasks') ? 'away' : undefined;
    await api.client.of(jobResource).delete(ref);
    await api.clock.advance(10_000);
    expect((await getJob()).metadata.finalizers).toEqual(['mesocosm.dev/tasks']);
    release();
    loop.transport.fault = () => undefined;
    await drive(api, async () => (await api.client.of(jobResource).find(ref)) === undefined);
    await obey(api);
    expect(await live()).toEqual([]);
  });

  it('replaces nothing that a reconciliation missed while that is held, also before a cache shows it', async () => {
    const frameworks = api.client.of(frameworkResource);
    const framework = await frameworks.create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Framework',
      metadata: { name: 'test' },
      spec: {},
    });
    const hold = (object: typeof framework, status: 'True' | 'False') =>
      frameworks.updateStatus({
        ...object,
        status: {
          state: 'Subscribed',
          conditions: [
            {
              type: 'ReplacingHeld',
              status,
              reason: 'Test',
              message: '',
              lastTransitionTime: '2026-01-01T00:00:00Z',
            },
          ],
        },
      });
    await createJob(api.client, { replicas: 1, unreachable: { replaceAfterSeconds: 0 } });
    await drive(api, isReady);
    const release = loop.transport.holdWatches('/frameworks');
    const held = await hold(framework, 'True');
    const [task] = await live();
    const mesos = { taskId: 'x', reason: 'REASON_RECONCILIATION' };
    await report(api, { ...task!, status: { phase: 'Running', mesos } }, 'Unreachable');
    await api.clock.advance(10_000);
    expect(await tasksOf(api.client)).toHaveLength(1);
    release();
    await api.clock.advance(60_000);
    expect(await tasksOf(api.client)).toHaveLength(1);
    await hold(held, 'False');
    await until(api.clock, async () => (await tasksOf(api.client)).length === 2, 10_000);
  });
});
