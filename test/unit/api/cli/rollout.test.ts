import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { progressOf } from '../../../../api/cli/rollout/progress.ts';
import { jobResource, type Job, type JobStatus } from '../../../../api/v1/job.ts';
import { jobRevisionResource } from '../../../../api/v1/job-revision.ts';
import { startCosm, type Cosm } from './support/cosm.ts';
import { jobYaml } from './support/objects.ts';

let cosm: Cosm;
beforeAll(async () => {
  cosm = await startCosm();
});
afterAll(() => cosm.stop());

const at = { namespace: 'default' };

async function jobOf(name: string): Promise<Job> {
  return cosm.client.of(jobResource).get({ ...at, name });
}

async function setStatus(name: string, status: JobStatus): Promise<void> {
  const job = await jobOf(name);
  const observedGeneration = job.metadata.generation ?? 0;
  await cosm.client.of(jobResource).updateStatus({
    ...job,
    status: { observedGeneration, ...status },
  });
}

/** As the job loop does it for the template that the Job has now. */
async function recordRevision(name: string, revision: number): Promise<void> {
  const { metadata, spec } = await jobOf(name);
  await cosm.client.of(jobRevisionResource).create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'JobRevision',
    metadata: {
      ...at,
      name: `${name}-${revision}`,
      ownerReferences: [
        { apiVersion: 'mesocosm.dev/v1', kind: 'Job', name, uid: metadata.uid, controller: true },
      ],
    },
    spec: { revision, template: spec.template },
  });
}

async function apply(name: string, script: string): Promise<void> {
  const stdin = jobYaml(name, 'replicas: 2').replace('sleep 1000', script);
  expect(await cosm.run(['apply', '-f', '-'], { stdin })).toMatchObject({ code: 0 });
}

const scriptOf = async (name: string): Promise<unknown> =>
  (await jobOf(name)).spec.template.spec.containers[0]?.script;

describe('progress of a rollout', () => {
  const job = (status: JobStatus | undefined): Job => ({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'Job',
    metadata: {
      name: 'web',
      uid: 'u',
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      generation: 2,
    },
    spec: { replicas: 3, template: { spec: { containers: [{ name: 'main', script: 'x' }] } } },
    status,
  });
  const counts = { observedGeneration: 2, replicas: 3, updatedReplicas: 3, availableReplicas: 3 };

  it.each([
    [undefined, /spec update to be observed/],
    [{ ...counts, observedGeneration: 1 }, /spec update to be observed/],
    [{ ...counts, updatedReplicas: 1 }, /1 out of 3 new instances have been updated/],
    [{ ...counts, replicas: 4 }, /1 old instances are pending termination/],
    [{ ...counts, availableReplicas: 2 }, /2 of 3 updated instances are available/],
  ])('is not done with %j', (status, message) => {
    const progress = progressOf(job(status));
    expect(progress.done).toBe(false);
    expect(progress.message).toMatch(message);
  });

  it('is done once all instances are of the template and available', () => {
    expect(progressOf(job(counts))).toEqual({
      done: true,
      message: 'job "web" successfully rolled out',
    });
  });

  it('of a Job that runs to completion is done once it is Complete, and never once it has Failed', () => {
    const condition = { type: 'Complete', status: 'True' as const, reason: 'Completed' };
    const complete = { ...condition, message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
    const batch = (status: JobStatus): Job => {
      const made = job({ observedGeneration: 2, ...status });
      return { ...made, spec: { ...made.spec, type: 'Batch' } };
    };
    expect(progressOf(batch({ ...counts, succeeded: 1 }))).toEqual({
      done: false,
      message: 'Waiting for job "web" rollout to finish: 1 of 3 instances have succeeded...',
    });
    expect(progressOf(batch({ succeeded: 3, conditions: [complete] }))).toEqual({
      done: true,
      message: 'job "web" has run to completion',
    });
    const failed = { ...complete, type: 'Failed', message: '7 tasks have failed' };
    expect(progressOf(batch({ succeeded: 1, conditions: [failed] }))).toEqual({
      done: false,
      failed: true,
      message: 'job "web" has failed: 7 tasks have failed',
    });
  });
});

describe('cosm rollout status', () => {
  it('tells each step until it is done', async () => {
    await apply('steps', 'one');
    const following = cosm.start(['rollout', 'status', 'job/steps']);
    await following.shows('spec update to be observed');
    await setStatus('steps', { replicas: 2, updatedReplicas: 1, availableReplicas: 2 });
    await following.shows('1 out of 2 new instances have been updated');
    await setStatus('steps', { replicas: 2, updatedReplicas: 2, availableReplicas: 2 });
    expect(await following.done).toMatchObject({ code: 0, stderr: '' });
    expect(following.stdout()).toMatch(/job "steps" successfully rolled out\n$/);
  });

  it('looks once with --watch=false', async () => {
    await apply('once', 'one');
    const outcome = await cosm.run(['rollout', 'status', 'job', 'once', '--watch=false']);
    expect(outcome).toEqual({
      code: 0,
      stdout: 'Waiting for job spec update to be observed...\n',
      stderr: '',
    });
  });

  it('ends with 3 when the time is up, and with 1 when the job is stuck or is not there', async () => {
    await apply('stuck', 'one');
    const late = await cosm.run(['rollout', 'status', 'job/stuck', '--timeout=50ms']);
    expect(late).toMatchObject({ code: 3 });
    // As far as it came within its time.
    expect(late.stderr).toMatch(/timed out: (Waiting for job spec update|nothing known yet)/);
    const stalled = {
      type: 'Stalled',
      status: 'True',
      reason: 'NoAgent',
      message: 'no agent has 64 cores',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    } as const;
    await setStatus('stuck', { replicas: 2, updatedReplicas: 0, conditions: [stalled] });
    const stuck = await cosm.run(['rollout', 'status', 'job/stuck'], { hurry: 100 });
    expect(stuck.code).toBe(1);
    expect(stuck.stderr).toBe('error: job "stuck" is stalled: NoAgent: no agent has 64 cores\n');
    expect(await cosm.run(['rollout', 'status', 'job/missing'])).toMatchObject({
      code: 1,
      stderr: 'error: jobs.mesocosm.dev "missing" not found\n',
    });
  });

  it('ends with 1 at once when a Batch Job has failed for good', async () => {
    const stdin = jobYaml('failed', 'type: Batch');
    expect(await cosm.run(['apply', '-f', '-'], { stdin })).toMatchObject({ code: 0 });
    const failed = {
      type: 'Failed',
      status: 'True',
      reason: 'BackoffLimitExceeded',
      message: '7 tasks have failed',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    } as const;
    await setStatus('failed', { conditions: [failed] });
    expect(await cosm.run(['rollout', 'status', 'job/failed'])).toMatchObject({
      code: 1,
      stderr: 'error: job "failed" has failed: 7 tasks have failed\n',
    });
  });

  it('is about jobs alone', async () => {
    const { code, stderr } = await cosm.run(['rollout', 'status', 'network/dev-net']);
    expect(code).toBe(2);
    expect(stderr).toContain('networks have no rollouts');
  });
});

describe('revisions of a job', () => {
  beforeAll(async () => {
    for (const [index, script] of ['one', 'two', 'three'].entries()) {
      await apply('web', script);
      await recordRevision('web', index + 1);
    }
  });

  it('are listed, and shown one by one', async () => {
    const { stdout } = await cosm.run(['rollout', 'history', 'job/web']);
    expect(stdout.split('\n').map((line) => line.replace(/ +/g, ' '))).toEqual([
      'job.mesocosm.dev/web',
      'REVISION NAME LIVE TASKS CURRENT AGE',
      expect.stringMatching(/^1 web-1 0 \d+s$/) as string,
      expect.stringMatching(/^2 web-2 0 \d+s$/) as string,
      expect.stringMatching(/^3 web-3 0 yes \d+s$/) as string,
      '',
    ]);
    const second = await cosm.run(['rollout', 'history', 'job/web', '--revision=2']);
    expect(second.stdout).toMatch(/^job\.mesocosm\.dev\/web with revision #2\nTemplate:\n/);
    expect(second.stdout).toMatch(/Script: +two\n/);
    const json = ['-o', 'jsonpath={.spec.template.spec.containers[0].script}'];
    const first = await cosm.run(['rollout', 'history', 'job/web', '--revision=1', ...json]);
    expect(first.stdout).toBe('one');
    const none = await cosm.run(['rollout', 'history', 'job/web', '--revision=7']);
    expect(none).toMatchObject({ code: 1 });
    expect(none.stderr).toContain(
      'unable to find specified revision 7 in history; there is 1, 2, 3',
    );
  });

  it('come back, the one before or any other', async () => {
    const undo = (...args: string[]): ReturnType<Cosm['run']> =>
      cosm.run(['rollout', 'undo', 'job/web', ...args]);
    expect(await undo('--dry-run=server')).toEqual({
      code: 0,
      stdout: 'job.mesocosm.dev/web rolled back (dry run)\n',
      stderr: '',
    });
    expect(await scriptOf('web')).toBe('three');
    expect((await undo()).stdout).toBe('job.mesocosm.dev/web rolled back\n');
    expect(await scriptOf('web')).toBe('two');
    expect((await jobOf('web')).spec.replicas).toBe(2);
    expect((await undo('--to-revision=1')).stdout).toBe('job.mesocosm.dev/web rolled back\n');
    expect(await scriptOf('web')).toBe('one');
    expect((await undo('--to-revision=1')).stdout).toBe(
      'job.mesocosm.dev/web skipped rollback (current template already matches revision 1)\n',
    );
    expect(await undo('--to-revision=9')).toMatchObject({ code: 1 });
    expect(await undo('--to-revision=x')).toMatchObject({ code: 2 });
  });

  it('are needed to go back', async () => {
    await apply('fresh', 'one');
    expect(await cosm.run(['rollout', 'undo', 'job/fresh'])).toMatchObject({
      code: 1,
      stderr: 'error: no rollout history found for job "fresh"\n',
    });
  });
});

describe('cosm rollout restart', () => {
  it('changes the template so that every task is replaced, and nothing else of it', async () => {
    await apply('again', 'one');
    const before = await jobOf('again');
    expect((await cosm.run(['rollout', 'restart', 'job/again'])).stdout).toBe(
      'job.mesocosm.dev/again restarted\n',
    );
    const { spec } = await jobOf('again');
    const { 'kubectl.kubernetes.io/restartedAt': mark } = spec.template.metadata?.annotations ?? {};
    expect(mark).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect(spec.template.spec).toEqual(before.spec.template.spec);
    await apply('again', 'one');
    expect((await jobOf('again')).spec.template.metadata?.annotations).toEqual(
      spec.template.metadata?.annotations,
    );
  });
});

describe('cosm rollout pause', () => {
  it('says what to do instead, as resume does, and asks nobody', async () => {
    for (const [args, instead] of [
      [['pause', 'job/web'], 'cosm rollout undo'],
      [['pause', 'job', 'web', '-o', 'yaml'], 'updateStrategy.maxUnavailable'],
      [['resume', 'job/web'], 'cosm rollout status'],
    ] as const) {
      const env = { KUBECONFIG: '/nope' };
      const { code, stdout, stderr } = await cosm.run(['rollout', ...args], { env });
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/^error: there is no pause/);
      expect(stderr).toContain(instead);
    }
    expect((await cosm.run(['rollout', '--help'])).stdout).not.toContain('pause [');
  });
});
