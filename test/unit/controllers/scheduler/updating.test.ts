import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leaseResource } from '../../../../api/v1/core.ts';
import { taskResource } from '../../../../api/v1/task.ts';
import { until, type TestApi } from '../runtime/api.ts';
import { settle } from '../../../support/virtual-clock.ts';
import type { RunningScheduler } from './harness.ts';
import { Scene } from './scene.ts';
import { offerOf, runningOf, updateOf, uuid, type ScriptedMesos } from './scripted-mesos.ts';

let scene: Scene;
let api: TestApi;
let mesos: ScriptedMesos;
let running: RunningScheduler;

beforeEach(async () => {
  scene = await Scene.start();
  ({ api, mesos, running } = scene);
});

afterEach(() => scene.stop());

/** Another leader takes over behind the back of this one, as while it is frozen. */
async function depose(): Promise<void> {
  const leases = api.client.of(leaseResource);
  const { metadata, spec } = await leases.get({ namespace: 'mesocosm-system', name: 'leader' });
  const { namespace = '', name } = metadata;
  await leases.delete({ namespace, name });
  const apiVersion = 'coordination.k8s.io/v1' as const;
  const taken = { ...spec, holderIdentity: 'another' };
  await leases.create({ apiVersion, kind: 'Lease', metadata: { namespace, name }, spec: taken });
}

describe('a status update', () => {
  it('is stored before it is acknowledged', async () => {
    await scene.launch('web-0-a');
    let stored: string | undefined;
    mesos.answer = async (call) => {
      if (call.type === 'ACKNOWLEDGE') stored = (await scene.task('web-0-a')).status?.mesos?.state;
      return { kind: 'accepted' };
    };
    mesos.update(updateOf('web-0-a', 'TASK_STARTING', { uuid: uuid('1') }));
    await until(api.clock, () => mesos.acknowledged.length === 1);
    expect(stored).toBe('TASK_STARTING');
    expect(mesos.of('ACKNOWLEDGE')[0]?.acknowledge).toEqual({
      agent_id: { value: 'S0' },
      task_id: { value: 'prod.web-0-a' },
      uuid: uuid('1'),
    });
  });

  it('that comes twice is written once and acknowledged twice', async () => {
    await scene.launch('web-0-a');
    const written = scene.writes('web-0-a');
    const update = runningOf('web-0-a', { uuid: uuid('1') });
    mesos.update(update);
    mesos.update(update);
    await until(api.clock, () => mesos.acknowledged.length === 2);
    expect(scene.writes('web-0-a')).toBe(written + 1);
  });

  it('without uuid is not acknowledged', async () => {
    await scene.launch('web-0-a');
    mesos.update(runningOf('web-0-a', { reason: 'REASON_RECONCILIATION' }));
    await scene.reaches('web-0-a', 'Running');
    await settle();
    expect(mesos.acknowledged).toEqual([]);
  });

  it('may come before the launch is answered', async () => {
    await scene.create('web-0-a');
    let answer = (): void => undefined;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    mesos.answer = async (call) => {
      if (call.type === 'ACCEPT') await answered;
      return { kind: 'accepted' };
    };
    mesos.offer(offerOf('O1'));
    await until(api.clock, () => mesos.launched.length === 1);
    mesos.update(runningOf('web-0-a', { uuid: uuid('1') }));
    await scene.reaches('web-0-a', 'Running');
    answer();
    await api.clock.advance(120_000);
    expect(await scene.phase('web-0-a')).toBe('Running');
    expect(mesos.acknowledged).toEqual([uuid('1')]);
    expect(mesos.reconciled.filter((ids) => ids.length > 0)).toEqual([]);
  });

  it('is kept in the order in which it came, whatever the store takes', async () => {
    await scene.launch('web-0-a');
    mesos.update(updateOf('web-0-a', 'TASK_STARTING', { uuid: uuid('1') }));
    mesos.update(runningOf('web-0-a', { uuid: uuid('2') }));
    mesos.update(updateOf('web-0-a', 'TASK_FINISHED', { uuid: uuid('3') }));
    await scene.reaches('web-0-a', 'Finished');
    await settle();
    expect(mesos.acknowledged).toEqual([uuid('1'), uuid('2'), uuid('3')]);
  });

  it('whose write has an unknown outcome is read back, and acknowledged once it is stored', async () => {
    await scene.launch('web-0-a');
    let failures = 0;
    running.process.api.fault = ({ method }) => {
      if (method !== 'PUT' || failures === 3) return undefined;
      failures += 1;
      return failures === 2 ? 'lost' : 'away';
    };
    mesos.update(runningOf('web-0-a', { uuid: uuid('1') }));
    await until(api.clock, () => mesos.acknowledged.length === 1);
    expect(await scene.phase('web-0-a')).toBe('Running');
    expect(failures).toBe(2);
  });

  it('is stored upon what others wrote to the Task meanwhile', async () => {
    await scene.launch('web-0-a');
    const release = running.process.api.holdWatches();
    await scene.setFinalizers('web-0-a', ['mesocosm.dev/mesos', 'mesocosm.dev/serverset']);
    mesos.update(runningOf('web-0-a', { uuid: uuid('1') }));
    await until(api.clock, () => mesos.acknowledged.length === 1);
    release();
    const { metadata, status } = await scene.task('web-0-a');
    expect(metadata.finalizers).toHaveLength(2);
    expect(status?.phase).toBe('Running');
  });

  it('is neither stored nor acknowledged by a leader that was deposed, which then stops', async () => {
    await scene.launch('web-0-a');
    await depose();
    mesos.update(runningOf('web-0-a', { uuid: uuid('1') }));
    // The refusal itself stops it: no renewal of the Lease has found out.
    await until(api.clock, () => mesos.current.closed, 100);
    expect(await scene.phase('web-0-a')).toBe('Launching');
    expect(mesos.acknowledged).toEqual([]);
    await api.clock.advance(5_000);
    expect(mesos.of('SUBSCRIBE')).toHaveLength(1);
  });

  it('lets a deposed leader launch nothing', async () => {
    await depose();
    await scene.create('web-0-a');
    mesos.offer(offerOf('O1'));
    await until(api.clock, () => mesos.current.closed);
    expect(mesos.launched).toEqual([]);
    expect(await scene.phase('web-0-a')).toBe('Pending');
  });

  it('that the store refuses is said with its field, never acknowledged, and stored once it can be', async () => {
    await scene.launch('web-0-a');
    // A double that JSON cannot carry.
    mesos.update(runningOf('web-0-a', { uuid: uuid('1'), timestamp: Number.NaN }));
    await until(api.clock, async () => (await scene.events('StatusRefused')).length === 1);
    const [message] = await scene.events('StatusRefused');
    expect(message).toMatch(/^TASK_RUNNING could not be stored.*status\.mesos\.timestamp: Invalid/);
    await api.clock.advance(60_000);
    expect(mesos.acknowledged).toEqual([]);
    expect(await scene.phase('web-0-a')).toBe('Launching');
    mesos.update(runningOf('web-0-a', { uuid: uuid('1'), timestamp: 7 }));
    await until(api.clock, () => mesos.acknowledged.length === 1);
    expect(await scene.phase('web-0-a')).toBe('Running');
  });

  it('that the store refuses and Mesos does not repeat is asked for again', async () => {
    await scene.run('web-0-a');
    const asked = mesos.reconciled.length;
    mesos.update(updateOf('web-0-a', 'TASK_UNREACHABLE', { timestamp: Number.NaN }));
    await until(
      api.clock,
      () => mesos.reconciled.slice(asked).some((ids) => ids.includes('prod.web-0-a')),
      30_000,
    );
  });

  it('about a container that its Task does not have is an orphan, not the Task', async () => {
    await scene.run('web-0-a');
    const update = { task_id: { value: 'prod.web-0-a.ghost' }, uuid: uuid('2') };
    mesos.update(updateOf('web-0-a', 'TASK_RUNNING', update));
    await until(api.clock, () => mesos.acknowledged.includes(uuid('2')));
    await until(api.clock, async () => (await scene.events('Orphan')).length === 1);
    expect(await scene.events('Orphan')).toEqual([
      'task prod.web-0-a.ghost runs on agent S0 (TASK_RUNNING), and no Task stands for it: it is left alone',
    ]);
    expect(await scene.phase('web-0-a')).toBe('Running');
  });

  it('says when a task died without being asked to', async () => {
    await scene.run('web-0-a');
    mesos.update(
      updateOf('web-0-a', 'TASK_FAILED', {
        uuid: uuid('2'),
        reason: 'REASON_COMMAND_EXECUTOR_FAILED',
        message: 'Command exited with status 1',
      }),
    );
    await scene.reaches('web-0-a', 'Failed');
    await settle();
    expect(await scene.events('Failed')).toEqual([
      'TASK_FAILED: REASON_COMMAND_EXECUTOR_FAILED: Command exited with status 1',
    ]);
  });

  it('about a task that the store has as waiting adopts it instead of launching it again', async () => {
    await scene.create('web-0-a');
    mesos.update(runningOf('web-0-a', { reason: 'REASON_RECONCILIATION' }));
    await scene.reaches('web-0-a', 'Running');
    mesos.offer(offerOf('O1'));
    await api.clock.advance(5_000);
    expect(mesos.launched).toEqual([]);
    expect((await scene.task('web-0-a')).status).toMatchObject({
      mesos: { taskId: 'prod.web-0-a', agentId: 'S0' },
      ip: '10.9.0.7',
    });
  });
});

describe('an update about a task that no object stands for', () => {
  it('is an orphan: said, acknowledged, and left alone', async () => {
    mesos.update(runningOf('gone-0-a', { uuid: uuid('1') }));
    mesos.update(updateOf('foreign', 'TASK_RUNNING', { task_id: { value: 'foreign' } }));
    await until(api.clock, async () => (await scene.events('Orphan')).length === 2);
    expect(await scene.events('Orphan')).toContainEqual(
      expect.stringMatching(
        /^task prod\.gone-0-a runs on agent S0 \(TASK_RUNNING\), and no Task stands for it/,
      ),
    );
    expect(mesos.acknowledged).toEqual([uuid('1')]);
    await api.clock.advance(60_000);
    expect(mesos.killed).toEqual([]);
  });

  it('is none if only the informer lags behind', async () => {
    const release = running.process.api.holdWatches();
    await scene.create('web-0-a');
    mesos.update(runningOf('web-0-a', { uuid: uuid('1') }));
    await scene.reaches('web-0-a', 'Running');
    release();
    await settle();
    expect(await scene.events('Orphan')).toEqual([]);
  });

  it('is none if the task has ended', async () => {
    mesos.update(updateOf('gone-0-a', 'TASK_KILLED', { uuid: uuid('1') }));
    await until(api.clock, () => mesos.acknowledged.length === 1);
    await settle();
    expect(await scene.events('Orphan')).toEqual([]);
  });
});

describe('an orphan, where orphans are to be killed', () => {
  beforeEach(async () => {
    await scene.stop();
    scene = await Scene.start({ orphans: 'Kill' });
    ({ api, mesos, running } = scene);
  });

  it('is killed until it is dead', async () => {
    mesos.update(runningOf('gone-0-a', { uuid: uuid('1') }));
    await until(api.clock, () => mesos.killed.length === 2);
    expect(mesos.of('KILL')[0]?.kill).toEqual({
      task_id: { value: 'prod.gone-0-a' },
      agent_id: { value: 'S0' },
    });
    mesos.update(updateOf('gone-0-a', 'TASK_KILLED', { uuid: uuid('2') }));
    await until(api.clock, () => mesos.acknowledged.length === 2);
    await api.clock.advance(600_000);
    expect(mesos.killed).toHaveLength(2);
  });
});

describe('tasks with several containers', () => {
  const containers = ['web', 'log'].map((name) => ({
    name,
    script: 'x',
    resources: { requests: { cpu: '100m', memory: '32Mi' } },
  }));

  it('are one Task with a Mesos task for each', async () => {
    await scene.launch('web-0-a', { containers });
    expect(mesos.launched).toEqual(['prod.web-0-a.web', 'prod.web-0-a.log']);
    for (const name of ['web', 'log']) {
      mesos.update(runningOf(`web-0-a.${name}`, { uuid: uuid(name) }));
    }
    await scene.reaches('web-0-a', 'Running');
    await scene.stopTask('web-0-a');
    await until(api.clock, () => mesos.killed.length === 2);
    expect(mesos.killed).toEqual(['prod.web-0-a.web', 'prod.web-0-a.log']);
    mesos.update(updateOf('web-0-a.web', 'TASK_KILLED', { uuid: uuid('w2') }));
    await until(api.clock, () => mesos.acknowledged.length === 3);
    await until(api.clock, () => mesos.killed.length === 3);
    expect(mesos.killed[2]).toBe('prod.web-0-a.log');
    mesos.update(updateOf('web-0-a.log', 'TASK_KILLED', { uuid: uuid('l2') }));
    await scene.reaches('web-0-a', 'Killed');
    expect(await api.client.of(taskResource).list({ namespace: 'prod' })).toMatchObject({
      items: [{ metadata: { name: 'web-0-a' } }],
    });
  });
});
