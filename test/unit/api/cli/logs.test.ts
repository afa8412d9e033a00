import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LabelledLines } from '../../../../api/cli/logs/labelled-lines.ts';
import { jobResource, type JobStatus } from '../../../../api/v1/job.ts';
import { runAnnotation } from '../../../../api/v1/runs.ts';
import { taskResource, type TaskPhase, type TaskStatus } from '../../../../api/v1/task.ts';
import { startFileAgent, type FileAgent } from '../../../support/file-agent.ts';
import { startCosm, type Cosm } from './support/cosm.ts';
import { jobYaml, makeAgent, makeTask, setTaskStatus } from './support/objects.ts';

let cosm: Cosm;
let agent: FileAgent;
beforeAll(async () => {
  [cosm, agent] = await Promise.all([startCosm(), startFileAgent()]);
  await makeAgent(cosm.client, 'node-1', { id: 'A-1', port: agent.port });
});
afterAll(() => Promise.all([cosm.stop(), agent.stop()]));

/** The status of a task that runs on the agent of the test. */
function on(name: string, phase: TaskPhase = 'Running'): TaskStatus {
  return {
    phase,
    mesos: {
      taskId: `default.${name}`,
      frameworkId: 'F-1',
      agentId: 'A-1',
      agentHostname: 'node-1',
      state: 'TASK_RUNNING',
    },
  };
}

async function setJobStatus(name: string, status: Partial<JobStatus>): Promise<void> {
  const jobs = cosm.client.of(jobResource);
  const job = await jobs.get({ namespace: 'default', name });
  await jobs.updateStatus({ ...job, status: { ...job.status, ...status } });
}

const sandbox = (executor: string): string => `/frameworks/F-1/executors/${executor}/runs/latest`;
const put = (path: string, text: string): void => {
  agent.files.set(path, Buffer.from(text));
};

describe('cosm logs', () => {
  it('prints the standard output of a task, and its standard error', async () => {
    await makeTask(cosm.client, 'web-0-a', { status: on('web-0-a') });
    put(`${sandbox('default.web-0-a')}/stdout`, 'one\ntwo\n');
    put(`${sandbox('default.web-0-a')}/stderr`, 'oops\n');
    expect(await cosm.run(['logs', 'web-0-a'])).toEqual({
      code: 0,
      stdout: 'one\ntwo\n',
      stderr: '',
    });
    expect((await cosm.run(['logs', 'task/web-0-a', '--stderr'])).stdout).toBe('oops\n');
  });

  it('prints long files whole and byte for byte', async () => {
    await makeTask(cosm.client, 'long-0-a', { job: 'long', status: on('long-0-a') });
    const text = Array.from({ length: 20_000 }, (_, line) => `${line} – ü`).join('\n');
    put(`${sandbox('default.long-0-a')}/stdout`, text);
    expect((await cosm.run(['logs', 'long-0-a'])).stdout).toBe(text);
  });

  it.each([
    [0, ''],
    [1, 'three'],
    [2, 'two\nthree'],
    [9, 'one\ntwo\nthree'],
  ])('prints the last %d lines with --tail', async (lines, expected) => {
    if (agent.files.get(`${sandbox('default.tail-0-a')}/stdout`) === undefined) {
      await makeTask(cosm.client, 'tail-0-a', { job: 'tail', status: on('tail-0-a') });
    }
    for (const end of ['', '\n']) {
      put(`${sandbox('default.tail-0-a')}/stdout`, `one\ntwo\nthree${end}`);
      const { stdout } = await cosm.run(['logs', 'tail-0-a', '--tail', String(lines)]);
      expect(stdout).toBe(expected === '' ? '' : expected + end);
    }
  });

  it('reads only the end of a long file for its last lines', async () => {
    await makeTask(cosm.client, 'end-0-a', { job: 'end', status: on('end-0-a') });
    const path = `${sandbox('default.end-0-a')}/stdout`;
    put(path, `${'x'.repeat(99)}\n`.repeat(20_000));
    agent.reads.length = 0;
    const { stdout } = await cosm.run(['logs', 'end-0-a', '--tail', '1000']);
    expect(stdout).toBe(`${'x'.repeat(99)}\n`.repeat(1000));
    expect(agent.reads.filter(({ offset }) => offset > 0 && offset < 1_800_000)).toEqual([]);
  });

  it('finds the containers of a group under their executor, and labels their lines', async () => {
    await makeTask(cosm.client, 'pair-0-a', {
      job: 'pair',
      containers: ['web', 'side'],
      status: on('pair-0-a'),
    });
    put(`${sandbox('default.pair-0-a')}/tasks/default.pair-0-a.web/stdout`, 'w1\nw2');
    put(`${sandbox('default.pair-0-a')}/tasks/default.pair-0-a.side/stdout`, 's1\n');
    expect((await cosm.run(['logs', 'pair-0-a'])).stdout).toBe(
      '[pair-0-a/web] w1\n[pair-0-a/web] w2\n[pair-0-a/side] s1\n',
    );
    expect((await cosm.run(['logs', 'pair-0-a', '-c', 'side'])).stdout).toBe('s1\n');
    expect(await cosm.run(['logs', 'pair-0-a', '-c', 'nope'])).toMatchObject({
      code: 1,
      stderr: 'error: task "pair-0-a" has no container "nope"; it has web, side\n',
    });
  });

  it('prints every live task of a job; if none lives, the last of each instance', async () => {
    await makeTask(cosm.client, 'many-0-a', { job: 'many', status: on('many-0-a', 'Failed') });
    await makeTask(cosm.client, 'many-0-b', { job: 'many', status: on('many-0-b') });
    await makeTask(cosm.client, 'many-1-c', { job: 'many', instance: 1, status: on('many-1-c') });
    for (const name of ['many-0-a', 'many-0-b', 'many-1-c']) {
      put(`${sandbox(`default.${name}`)}/stdout`, `from ${name}\n`);
    }
    expect((await cosm.run(['logs', 'job/many'])).stdout).toBe(
      '[many-0-b] from many-0-b\n[many-1-c] from many-1-c\n',
    );
    for (const name of ['many-0-b', 'many-1-c'])
      await setTaskStatus(cosm.client, name, on(name, 'Failed'));
    const { stdout } = await cosm.run(['logs', 'job/many']);
    expect(stdout).toMatch(/^\[many-0-[ab]\] .*\n\[many-1-c\] .*\n$/);
  });

  it('prints of a Batch Job what has ended too, and says whose log is gone', async () => {
    await cosm.run(['apply', '-f', '-'], {
      stdin: jobYaml('report', 'type: Batch\n  replicas: 7\n  parallelism: 2'),
    });
    const runs: [name: string, instance: number, phase: TaskPhase][] = [
      ['report-0-a', 0, 'Finished'],
      ['report-1-a', 1, 'Failed'],
      ['report-1-b', 1, 'Running'],
      ['report-2-a', 2, 'Finished'],
      ['report-2-b', 2, 'Killed'],
      ['report-3-a', 3, 'Failed'],
      ['report-6-a', 6, 'Finished'],
    ];
    for (const [run, [name, instance, phase]] of runs.entries()) {
      const spec = { job: 'report', instance };
      await makeTask(cosm.client, name, { job: 'report', spec, status: on(name, phase) });
      const metadata = { annotations: { [runAnnotation]: String(run + 1) } };
      await cosm.client
        .of(taskResource)
        .patch({ namespace: 'default', name }, { metadata }, { type: 'merge' });
      if (instance !== 6) put(`${sandbox(`default.${name}`)}/stdout`, `from ${name}\n`);
    }
    await setJobStatus('report', { completedIndexes: '0,2,4-6' });
    expect(await cosm.run(['logs', 'job/report'])).toEqual({
      code: 0,
      stdout: ['0-a', '1-b', '2-a', '3-a']
        .map((run) => `[report-${run}] from report-${run}\n`)
        .join(''),
      stderr: `instances 4-5: log gone: they have succeeded, and the Task is no longer kept
report-6-a: log gone: it is Finished, and agent node-1 no longer has its sandbox
`,
    });
    for (const [name] of runs) agent.files.delete(`${sandbox(`default.${name}`)}/stdout`);
    expect(await cosm.run(['logs', 'job/report'])).toMatchObject({ code: 1, stdout: '' });
  });

  it('prints of a Service the last run of an instance that waits to start again', async () => {
    await cosm.run(['apply', '-f', '-'], { stdin: jobYaml('loop', 'replicas: 2') });
    for (const [instance, phase] of (['Running', 'Failed', 'Failed'] as const).entries()) {
      const name = `loop-${instance}-a`;
      await makeTask(cosm.client, name, { job: 'loop', instance, status: on(name, phase) });
      put(`${sandbox(`default.${name}`)}/stdout`, `from ${name}\n`);
    }
    expect((await cosm.run(['logs', 'job/loop'])).stdout).toBe(
      '[loop-0-a] from loop-0-a\n[loop-1-a] from loop-1-a\n',
    );
  });

  it('says why there is nothing to read', async () => {
    await makeTask(cosm.client, 'new-0-a', { job: 'new' });
    expect(await cosm.run(['logs', 'new-0-a'])).toMatchObject({
      code: 1,
      stderr:
        'error: task "new-0-a" has written nothing yet: it is Pending and on no agent so far\n',
    });
    await makeTask(cosm.client, 'lost-0-a', { job: 'lost', status: on('lost-0-a') });
    expect(await cosm.run(['logs', 'lost-0-a'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('its sandbox has been collected') as string,
    });
    expect(await cosm.run(['logs', 'job/nope'])).toMatchObject({
      code: 1,
      stderr: 'error: jobs.mesocosm.dev "nope" not found\n',
    });
    await cosm.run(['apply', '-f', '-'], { stdin: jobYaml('idle') });
    expect((await cosm.run(['logs', 'job/idle'])).stderr).toContain('cosm describe job/idle');
    expect(await cosm.run(['logs', 'nope'])).toMatchObject({
      code: 1,
      stderr: 'error: tasks.mesocosm.dev "nope" not found\n',
    });
    expect(await cosm.run(['logs', 'idle'])).toMatchObject({
      code: 1,
      stderr: 'error: tasks.mesocosm.dev "idle" not found; of the job: job/idle\n',
    });
    expect((await cosm.run(['logs', 'net/x'])).code).toBe(2);
  });

  it('gives exit code 4 if the agent cannot be reached', async () => {
    const status = on('far-0-a');
    await makeAgent(cosm.client, 'node-2', { id: 'A-2', port: 1 });
    await makeTask(cosm.client, 'far-0-a', {
      job: 'far',
      status: { ...status, mesos: { ...status.mesos!, agentId: 'A-2' } },
    });
    expect(await cosm.run(['logs', 'far-0-a'])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('the agent cannot be reached: 127.0.0.1:1') as string,
    });
  });
});

describe('cosm logs -f', () => {
  it('waits for a task to start, follows it, and ends with it', async () => {
    await makeTask(cosm.client, 'slow-0-a', { job: 'slow' });
    const path = `${sandbox('default.slow-0-a')}/stdout`;
    const following = cosm.start(['logs', 'slow-0-a', '-f']);
    await setTaskStatus(cosm.client, 'slow-0-a', on('slow-0-a', 'Starting'));
    put(path, 'first\nsec');
    await following.shows('first\nsec');
    put(path, 'first\nsecond\n');
    await following.shows('second\n');
    put(path, 'first\nsecond\nlast\n');
    await setTaskStatus(cosm.client, 'slow-0-a', on('slow-0-a', 'Finished'));
    expect(await following.done).toEqual({ code: 0, stdout: 'first\nsecond\nlast\n', stderr: '' });
  });

  it('begins again in a file that has been rotated', async () => {
    await makeTask(cosm.client, 'turn-0-a', { job: 'turn', status: on('turn-0-a') });
    const path = `${sandbox('default.turn-0-a')}/stdout`;
    put(path, 'a long first file\n');
    const following = cosm.start(['logs', 'turn-0-a', '-f']);
    await following.shows('a long first file\n');
    put(path, 'new\n');
    await following.shows('a long first file\nnew\n');
    following.interrupt();
    expect((await following.done).code).toBe(130);
  });

  it('takes up the new tasks of a job', async () => {
    const f0 = `${sandbox('default.f-0-a')}/stdout`;
    const f1 = `${sandbox('default.f-1-b')}/stdout`;
    put(f0, 'old\nhello\n');
    await makeTask(cosm.client, 'f-0-a', { job: 'f', status: on('f-0-a') });
    const following = cosm.start(['logs', 'job/f', '-f', '--tail=1']);
    await following.shows('[f-0-a] hello\n');
    put(f1, 'there\n');
    await makeTask(cosm.client, 'f-1-b', { job: 'f', instance: 1, status: on('f-1-b') });
    await following.shows('[f-1-b] there\n');
    await cosm.client.of(taskResource).delete({ namespace: 'default', name: 'f-0-a' });
    put(f1, 'there\nagain\n');
    await following.shows('[f-1-b] again\n');
    following.interrupt();
    const { stdout } = await following.done;
    expect(stdout).not.toContain('old');
  });

  it('fails at once for a task that does not exist', async () => {
    expect(await cosm.run(['logs', 'nope', '-f'])).toMatchObject({ code: 1 });
  });
});

describe('labelled lines', () => {
  it('are the same however the bytes arrive', () => {
    const text = fc.stringMatching(/^[a\n]{0,30}$/);
    fc.assert(
      fc.property(fc.array(text), (parts) => {
        const written: string[] = [];
        const lines = new LabelledLines('x', (data) => written.push(Buffer.from(data).toString()));
        for (const part of parts) lines.push(Buffer.from(part));
        lines.flush();
        const whole = parts.join('');
        const ended = whole === '' || whole.endsWith('\n') ? whole : `${whole}\n`;
        expect(written.join('')).toBe(ended.replace(/^(?=[^])/gm, '[x] '));
      }),
    );
  });
});
