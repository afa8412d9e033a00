import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ApiError } from '../../../../api/machinery/errors.ts';
import { jobDriftSchema, frameworkDriftSchema } from '../../../../api/v1/drift.ts';
import { compareFramework } from '../../../../controllers/cosmd/drift/compare.ts';
import { clusterName, stamp } from '../../controllers/serverset/objects.ts';
import {
  compare,
  now,
  observedOf,
  storedOf,
  world,
  type World,
} from '../../controllers/cosmd/drift-world.ts';
import { startCosm, type Cosm } from './support/cosm.ts';

let cosm: Cosm;
/** What the server finds, by job. */
let worlds: Map<string, World>;
let framework: World;
let refusal: ApiError | undefined;

const apiVersion = 'mesocosm.dev/v1';

beforeAll(async () => {
  cosm = await startCosm({
    'jobs/drift': ({ namespace = '', name }) => {
      if (refusal !== undefined) return Promise.reject(refusal);
      const made = worlds.get(name) ?? world(1);
      const metadata = { name, namespace };
      return Promise.resolve({ apiVersion, kind: 'JobDrift', metadata, ...compare(made) });
    },
    'frameworks/drift': ({ name }) => {
      const { job, sets } = framework;
      const compared = compareFramework([job], sets, storedOf(framework), observedOf(framework), {
        clusterName,
        now,
      });
      return Promise.resolve({
        apiVersion,
        kind: 'FrameworkDrift',
        metadata: { name },
        ...compared,
      });
    },
  });
  cosm.file(
    'objects.yaml',
    ['web', 'api']
      .map(
        (name) => `apiVersion: mesocosm.dev/v1
kind: Job
metadata: {name: ${name}}
spec: {template: {spec: {containers: [{name: main, script: x, resources: {requests: {cpu: 1, memory: 1Mi}}}]}}}
---
`,
      )
      .join('')
      .concat('apiVersion: mesocosm.dev/v1\nkind: Framework\nmetadata: {name: test}\nspec: {}\n'),
  );
  expect(await cosm.run(['apply', '-f', 'objects.yaml'])).toMatchObject({ code: 0 });
});
afterAll(() => cosm.stop());
beforeEach(() => {
  worlds = new Map();
  framework = world(0);
  refusal = undefined;
});

function drifted(): World {
  const made = world(2);
  made.nodes.shift();
  return made;
}

function moving(): World {
  const made = world(1);
  made.job.metadata.generation = 2;
  return made;
}

function unreadable(): World {
  const made = world(1);
  made.unreadable.add('master');
  return made;
}

describe('cosm drift', () => {
  it('shows the four truths beside each other and ends with 0 if they agree', async () => {
    const { code, stdout, stderr } = await cosm.run(['drift', 'job/web']);
    expect(stdout.split('\n').map((line) => line.split(/ {3,}/))).toEqual([
      ['NAMESPACE', 'JOB', 'INSTANCE', 'VERDICT', 'SPEC', 'ETCD', 'MESOS', 'ZOOKEEPER'],
      [
        'default',
        'web',
        '0',
        'Agrees',
        'web-1',
        'web-0-uid-web-0 Running 172.29.11.10,172.29.12.10,fd29:12::10',
        'RUNNING s0.test 172.29.11.10,172.29.12.10,fd29:12::10',
        'member_0000000000 172.29.11.10:8080 ALIVE',
      ],
      [''],
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'All truths agree.\n' });
  });

  it('ends with 1 and says what drifts, where and how', async () => {
    worlds.set('web', drifted());
    const { code, stdout } = await cosm.run(['drift', 'job', 'web']);
    expect(code).toBe(1);
    expect(stdout).toContain(
      '\n\njob/web instance 0: Drift NoMember: web-0-uid-web-0 is ready, and no member on /aurora/prod/web says 172.29.11.10:8080 for it\n',
    );
    expect(stdout).toMatch(/web +1 +Agrees/);
  });

  it('takes what is under way for no drift, unless it is strict', async () => {
    worlds.set('web', moving());
    expect(await cosm.run(['drift', 'job/web'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('job/web: Moving NotObserved:') as string,
      stderr: 'What differs is under way.\n',
    });
    expect(await cosm.run(['drift', 'job/web', '--strict'])).toMatchObject({ code: 1 });
  });

  it('says that a Batch Job has failed, which is no drift and nothing under way', async () => {
    const made = world(0);
    Object.assign(made.job.spec, { type: 'Batch' });
    const failed = {
      status: 'True' as const,
      reason: 'BackoffLimitExceeded',
      message: '7 tasks have failed, and backoffLimit is 6',
      lastTransitionTime: stamp,
    };
    made.job.status = {
      ...made.job.status,
      conditions: ['Stalled', 'Failed'].map((type) => ({ ...failed, type })),
    };
    worlds.set('web', made);
    expect(await cosm.run(['drift', 'job/web', '--strict'])).toEqual({
      code: 0,
      stdout: `job/web: Failed BackoffLimitExceeded: 7 tasks have failed, and backoffLimit is 6. It has ended: nothing more will run
`,
      stderr: 'All truths agree.\n',
    });
  });

  it('ends with 2 and says which truth could not be read, even beside drift', async () => {
    worlds.set('web', unreadable());
    worlds.set('api', drifted());
    const { code, stdout, stderr } = await cosm.run(['drift']);
    expect({ code, stderr }).toEqual({ code: 2, stderr: 'Not everything could be read.\n' });
    expect(stdout).toMatch(/web +0 +Unknown +web-1 +web-0-uid-web-0 Running \S+ +<unread>/);
    expect(stdout).toContain('job/api instance 0: Drift NoMember');
    expect(stdout).toContain('cannot read Mesos master: master does not answer\n');
  });

  it('ends with 2 whatever else goes wrong', async () => {
    refusal = new ApiError('ServiceUnavailable', 'this server does not look');
    for (const args of [
      ['drift', 'job/web'],
      ['drift', 'job/nope'],
      ['drift', 'task/web'],
      ['drift', 'job/web', '-A'],
      ['drift', 'job/web', '--server', 'https://127.0.0.1:1', '--request-timeout', '2s'],
    ]) {
      const { code, stdout, stderr } = await cosm.run(args);
      expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' });
      expect(stderr).toMatch(/^error: /);
    }
  });

  it('says how a job is named', async () => {
    expect(await cosm.run(['drift', 'web'])).toEqual({
      code: 2,
      stdout: '',
      stderr: 'error: "web" is no kind; a job is named job/web\n',
    });
  });

  it('shows with -A also what no job explains', async () => {
    framework.master.set('prod.gone-0-x', {
      taskId: 'prod.gone-0-x',
      state: 'TASK_RUNNING',
      agentId: 'S0',
    });
    expect(await cosm.run(['drift'])).toMatchObject({ code: 0 });
    expect(await cosm.run(['drift', '-A'])).toMatchObject({
      code: 1,
      stdout: expect.stringContaining(
        'of no job: Drift Orphan: prod.gone-0-x is TASK_RUNNING on agent S0, and no Task stands for it',
      ) as string,
    });
  });

  it('prints one job as an object and several as a list, as the API defines them', async () => {
    worlds.set('web', drifted());
    const one = await cosm.run(['drift', 'job/web', '-o', 'json']);
    expect(jobDriftSchema.parse(JSON.parse(one.stdout))).toEqual(JSON.parse(one.stdout));
    expect(one.code).toBe(1);
    const all = await cosm.run(['drift', '-A', '-o', 'json']);
    const { kind, items } = JSON.parse(all.stdout) as { kind: string; items: { kind: string }[] };
    expect([kind, ...items.map((item) => item.kind)]).toEqual([
      'List',
      'JobDrift',
      'JobDrift',
      'FrameworkDrift',
    ]);
    expect(frameworkDriftSchema.safeParse(items[2]).success).toBe(true);
    expect((await cosm.run(['drift', 'job/web', '-o', 'yaml'])).stdout).toMatch(
      /^apiVersion: mesocosm.dev\/v1\nkind: JobDrift\n/,
    );
    expect(await cosm.run(['drift', '-o', 'wide'])).toMatchObject({ code: 2, stdout: '' });
  });
});
