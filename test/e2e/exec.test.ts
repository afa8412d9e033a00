import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jobResource } from '../../api/v1/job.ts';
import type { Task } from '../../api/v1/task.ts';
import { until } from '../../hack/local/wait.ts';
import { TestCluster } from '../support/cluster.ts';
import { startCommand, type Outcome, type Running } from '../unit/api/cli/support/cosm.ts';
import { namespace } from './support/jobs.ts';
import { runSingleAndGroup } from './support/talking.ts';

// Real processes in real network namespaces: a command is run where the task is, or it fails.
let cluster: TestCluster;
/** One container on dev-net, and a group of two. */
let single: Task;
let group: Task;

beforeAll(async () => {
  cluster = await TestCluster.start({ emulator: { mode: 'process', agents: 1 } });
  ({ single, group } = await runSingleAndGroup(cluster.client));
});
afterAll(() => cluster.stop());

function start(args: readonly string[], stdin?: string): Running {
  return startCommand(args, import.meta.dirname, {
    env: { KUBECONFIG: cluster.kubeconfig },
    ...(stdin === undefined ? {} : { stdin }),
  });
}

const cosm = (args: readonly string[], stdin?: string): Promise<Outcome> => start(args, stdin).done;

describe('cosm exec', { timeout: 180_000 }, () => {
  it('prints what the command writes and ends as the command ends', async () => {
    const command = ['sh', '-c', 'echo out; echo err >&2; exit 7'];
    expect(await cosm(['exec', single.metadata.name, '--', ...command])).toEqual({
      code: 7,
      stdout: 'out\n',
      stderr: 'err\ncommand terminated with exit code 7\n',
    });
    expect(await cosm(['exec', 'job/single', '--', 'true'])).toMatchObject({ code: 0, stderr: '' });
    expect(await cosm(['exec', 'job/single', '--', 'sh', '-c', 'kill -9 $$'])).toMatchObject({
      code: 137,
    });
  });

  it('passes the words of the command on as they are', async () => {
    const words = ['a b', '$HOME', '--wait=false', '-i', ''];
    const { stdout } = await cosm(['exec', 'job/single', '--', 'printf', '[%s]', ...words]);
    expect(stdout).toBe('[a b][$HOME][--wait=false][-i][]');
  });

  it('pipes standard input with -i, and gives none without', async () => {
    const text = 'ü'.repeat(300_000);
    const piped = await cosm(['exec', 'job/single', '-i', '--', 'cat'], text);
    expect(piped.stdout === text).toBe(true);
    expect(await cosm(['exec', 'job/single', '--', 'cat'], text)).toMatchObject({
      code: 0,
      stdout: '',
    });
  });

  it('runs in the network namespace of the task', async () => {
    const { stdout } = await cosm(['exec', single.metadata.name, '--', 'hostname', '-I']);
    expect(single.status?.ip).toMatch(/^\d/);
    expect(stdout.trim().split(' ')).toContain(single.status?.ip);
  });

  it('enters the container that is named, else the first, and says which', async () => {
    const { name } = group.metadata;
    const sandbox = ['--', 'pwd'];
    const first = await cosm(['exec', name, ...sandbox]);
    expect(first.stderr).toBe('Defaulted container "main" out of: main, side\n');
    expect(first.stdout).toMatch(/\.main\n$/);
    const second = await cosm(['exec', `task/${name}`, '-c', 'side', ...sandbox]);
    expect(second).toMatchObject({ code: 0, stderr: '' });
    expect(second.stdout).toMatch(/\.side\n$/);
    expect(await cosm(['exec', name, '-c', 'other', ...sandbox])).toEqual({
      code: 1,
      stdout: '',
      stderr: `error: task "${name}" has no container "other"; it has main, side\n`,
    });
  });

  it('gives the command a terminal with -it', async () => {
    const program = resolve(import.meta.dirname, '../../api/cli/cosm.ts');
    const command = `${process.execPath} --import tsx ${program} exec job/single -it -- sh`;
    // A terminal for cosm itself; typed text is shown by the one in the container alone.
    const shell = spawn(
      '/usr/bin/script',
      ['-qec', `stty rows 33 cols 99; ${command}`, '/dev/null'],
      {
        env: { ...process.env, KUBECONFIG: cluster.kubeconfig },
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    let shown = '';
    shell.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text));
    const closed = once(shell, 'close');
    // A prompt: the shell believes that a person types.
    expect(await until(() => shown.includes('# '), 60_000), shown).toBe(true);
    shell.stdin.write('stty size; sleep 1000\r');
    expect(await until(() => /\n33 99\r+\n/.test(shown), 60_000), shown).toBe(true);
    shell.stdin.write('\u0003');
    shell.stdin.write('exit 5\r');
    expect(await closed, shown).toEqual([5, null]);
    expect(shown).toContain('command terminated with exit code 5');
  });

  it('ends the command when it is interrupted', async () => {
    const mark = `600.${Number.parseInt(randomBytes(3).toString('hex'), 16)}`;
    const command = `echo begun; exec sleep ${mark}`;
    const session = start(['exec', 'job/single', '--', 'sh', '-c', command]);
    await session.shows('begun');
    session.interrupt();
    expect((await session.done).code).toBe(130);
    const look = ['exec', 'job/single', '--', 'sh', '-c', 'cat /proc/[0-9]*/cmdline'];
    await expect.poll(async () => (await cosm(look)).stdout).not.toContain(`sleep\u0000${mark}`);
  });
});

describe('cosm attach', { timeout: 180_000 }, () => {
  it('follows both streams from now on until it is interrupted', async () => {
    const attached = start(['attach', group.metadata.name, '-c', 'side']);
    await attached.shows('tick\ntick\n');
    await attached.shows('tock\ntock\n');
    expect(attached.stdout()).not.toContain('tock');
    attached.interrupt();
    expect((await attached.done).code).toBe(130);
  });
});

it('ends sessions and attachments with the task', { timeout: 180_000 }, async () => {
  const { name } = single.metadata;
  const session = start(['exec', name, '--', 'sh', '-c', 'echo begun; exec sleep 1000']);
  const attached = start(['attach', name]);
  await Promise.all([session.shows('begun'), attached.shows('tick')]);
  await cluster.client.of(jobResource).delete({ namespace, name: 'single' });
  expect(await session.done).toEqual({
    code: 137,
    stdout: 'begun\n',
    stderr: 'command terminated with exit code 137\n',
  });
  expect((await attached.done).code).toBe(0);
  expect(await cosm(['exec', name, '--', 'true'])).toMatchObject({ code: 1 });
});
