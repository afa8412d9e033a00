import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Exec, KubeConfig, Log, type V1Status } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jobResource } from '../../api/v1/job.ts';
import type { Task } from '../../api/v1/task.ts';
import { until } from '../../hack/local/wait.ts';
import { Kubectl, kubectlVersions } from '../conformance/support/kubectl.ts';
import { TestCluster } from '../support/cluster.ts';
import { namespace, running, service } from './support/jobs.ts';
import { runSingleAndGroup } from './support/talking.ts';

// Real processes on an emulated agent, entered by the kubectl of others through the API server.
const versions = (await kubectlVersions()).filter(({ minor }) => minor >= 30);
const newest = versions.at(-1);

/** Seconds that a command is to sleep: told from every other process by them. */
const mark = `600.${Number.parseInt(randomBytes(3).toString('hex'), 16)}`;

let cluster: TestCluster;
let directory: string;
let single: Task;
let group: Task;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mesocosm-pods-'));
  cluster = await TestCluster.start({ emulator: { mode: 'process', agents: 1 } });
  await startBusy();
  ({ single, group } = await runSingleAndGroup(cluster.client));
});
afterAll(async () => {
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Uses more than it asks for: what it uses counts once it has been ready for a while. */
async function startBusy(): Promise<void> {
  const job = service('busy', { template: { networks: [] } });
  job.spec.template.spec.containers = [
    {
      name: 'main',
      script: 'while :; do i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; sleep 0.1; done',
      resources: { requests: { cpu: '10m', memory: '32Mi' } },
    },
  ];
  await cluster.client.of(jobResource).create(job);
}

function kubectlOf({ file, minor }: { file: string; minor: number }): Kubectl {
  return new Kubectl(file, join(directory, `home-${minor}`), cluster.kubeconfig);
}

it('finds a kubectl that speaks WebSocket', () => {
  expect(newest).toBeDefined();
});

describe.each(versions)('kubectl 1.$minor', { timeout: 180_000 }, (version) => {
  it('runs commands, with their output and exit code', async () => {
    const kubectl = kubectlOf(version);
    const { name } = single.metadata;
    const command = ['sh', '-c', 'echo out; echo err >&2; exit 7'];
    const ended = await kubectl.try(['exec', name, '--', ...command]);
    expect(ended).toMatchObject({ code: 7, stdout: 'out\n' });
    expect(ended.stderr).toContain('err\n');
    expect(await kubectl.run('exec', name, '--', 'hostname', '-I')).toContain(single.status?.ip);
  });

  it('copies files in and out, byte for byte', async () => {
    const kubectl = kubectlOf(version);
    const { name } = single.metadata;
    const bytes = Buffer.alloc(3_000_000, 'some bytes of no length that is a power of two, ü\n');
    const [there, back] = ['there', 'back'].map((each) =>
      join(directory, `${each}-${version.minor}`),
    );
    await writeFile(there ?? '', bytes);
    const target = `${namespace}/${name}:copy-${version.minor}`;
    await kubectl.run('cp', there ?? '', target);
    await kubectl.run('cp', target, back ?? '');
    expect((await readFile(back ?? '')).equals(bytes)).toBe(true);
  });
});

describe("Kubernetes' JavaScript client", { timeout: 180_000 }, () => {
  const config = (): KubeConfig => {
    const loaded = new KubeConfig();
    loaded.loadFromFile(cluster.kubeconfig);
    return loaded;
  };

  it('runs a command that reads its input to the end', async () => {
    const output = new PassThrough();
    const written = text(output);
    const status = await new Promise<V1Status>((resolve, reject) => {
      const command = ['sh', '-c', 'wc -c; exit 4'];
      const input = Readable.from([Buffer.alloc(100_000)]);
      const { name } = single.metadata;
      new Exec(config())
        .exec(namespace, name, 'main', command, output, null, input, false, resolve)
        .catch(reject);
    });
    expect(status.details?.causes).toEqual([{ reason: 'ExitCode', message: '4' }]);
    output.end();
    expect((await written).trim()).toBe('100000');
  });

  it('follows logs', async () => {
    const output = new PassThrough();
    let read = '';
    output.on('data', (chunk: Buffer) => (read += chunk.toString()));
    const log = new Log(config());
    const options = { follow: true, tailLines: 1 };
    const abort = await log.log(namespace, single.metadata.name, 'main', output, options);
    expect(await until(() => /tick\n[^]*tick\n/.test(read), 60_000)).toBe(true);
    abort.abort();
  });
});

describe('the newest kubectl', { timeout: 180_000 }, () => {
  const kubectl = (): Kubectl => {
    if (newest === undefined) throw new Error('there is no kubectl');
    return kubectlOf(newest);
  };

  it('follows logs', async () => {
    const following = kubectl().start('logs', '-f', '--tail=2', single.metadata.name);
    await following.until(/tick\n(.*\n)*tick\n(.*\n)*tick\n/);
    await following.until(/tock\n/);
    await following.stop();
  });

  it('attaches to the container that is named', async () => {
    const attached = kubectl().start('attach', group.metadata.name, '-c', 'side');
    await attached.until(/tick\ntick\n/);
    await attached.untilLogged(/tock\ntock\n/);
    await attached.stop();
  });

  it('pipes input to a command, through to its end', async () => {
    const typed = 'ü'.repeat(300_000);
    const command = `'${newest?.file ?? ''}' exec -i ${single.metadata.name} -- wc -c`;
    const shell = spawn('/bin/sh', ['-c', command], {
      env: { ...process.env, HOME: directory, KUBECONFIG: cluster.kubeconfig },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let shown = '';
    shell.stdout.setEncoding('utf8').on('data', (chunk: string) => (shown += chunk));
    const closed = once(shell, 'close');
    shell.stdin.end(typed);
    expect(await closed).toEqual([0, null]);
    expect(shown.trim()).toBe(String(Buffer.byteLength(typed)));
  });

  it('gives a command a terminal, and tells it its size', async () => {
    const { name } = single.metadata;
    const command = `stty rows 33 cols 99; '${newest?.file ?? ''}' exec -it ${name} -- sh`;
    const shell = spawn('/usr/bin/script', ['-qec', command, '/dev/null'], {
      env: { ...process.env, HOME: directory, KUBECONFIG: cluster.kubeconfig },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let shown = '';
    shell.stdout.setEncoding('utf8').on('data', (chunk: string) => (shown += chunk));
    const closed = once(shell, 'close');
    expect(await until(() => shown.includes('# '), 60_000), shown).toBe(true);
    shell.stdin.write('stty size; exit 5\r');
    expect(await closed, shown).toEqual([5, null]);
    expect(shown).toMatch(/\n33 99\r+\n/);
  });

  it('ends the command when it is interrupted', async () => {
    const { name } = single.metadata;
    const session = kubectl().start('exec', name, '--', 'sh', '-c', `echo on; exec sleep ${mark}`);
    await session.until(/on/);
    await session.stop();
    // Others come and go while it looks.
    const all = 'cat /proc/[0-9]*/cmdline 2>/dev/null; true';
    const look = ['exec', name, '--', 'sh', '-c', all];
    await expect.poll(() => kubectl().run(...look)).not.toContain(`sleep\u0000${mark}`);
  });

  it('stops a task by deleting its pod, and the job starts another', async () => {
    const { name } = group.metadata;
    const attached = kubectl().start('attach', name, '-c', 'main');
    await attached.until(/tick/);
    await kubectl().run('delete', 'pod', name, '--timeout=60s');
    expect(await attached.ended()).toBe(0);
    const [next] = await running(cluster.client, 'group', 1);
    expect(next?.metadata.name).not.toBe(name);
    expect(await kubectl().run('get', 'pods')).toContain(next?.metadata.name);
  });
});

describe('a Job that runs to completion', { timeout: 180_000 }, () => {
  const manifest = (name: string, script: string, spec: string): string => `
apiVersion: mesocosm.dev/v1
kind: Job
metadata: {name: ${name}}
spec:
  type: Batch
  ${spec}
  template:
    spec:
      containers:
      - name: main
        script: ${JSON.stringify(script)}
        resources: {requests: {cpu: 10m, memory: 32Mi}}
`;
  const job = (name: string): string => `jobs.mesocosm.dev/${name}`;
  const create = async (name: string, script: string, spec: string): Promise<Kubectl> => {
    if (newest === undefined) throw new Error('there is no kubectl');
    const kubectl = kubectlOf(newest);
    const file = join(directory, `${name}.yaml`);
    await writeFile(file, manifest(name, script, spec));
    await kubectl.run('apply', '-f', file);
    return kubectl;
  };

  it('runs each instance until it has succeeded, and goes when its time is up', async () => {
    const tried = join(directory, 'tried');
    // Instance 1 fails the first time.
    const fails = `test "$COSM_INSTANCE" = 1 && mkdir ${tried}-once`;
    const script = `echo "$COSM_INSTANCE" >>${tried}; ! { ${fails}; } 2>/dev/null`;
    const spec = 'replicas: 3\n  parallelism: 2\n  ttlSecondsAfterFinished: 3600';
    const kubectl = await create('report', script, spec);
    await kubectl.run('wait', '--for=condition=Complete', '--timeout=60s', job('report'));
    const path = '{.status.succeeded} {.status.failed} {.status.completedIndexes}';
    const told = await kubectl.run('get', job('report'), '-o', `jsonpath=${path}`);
    expect(told).toBe('3 1 0-2');
    const runs = (await readFile(tried, 'utf8')).trim().split('\n').sort();
    expect(runs).toEqual(['0', '1', '1', '2']);
    expect(await kubectl.run('get', 'pods')).toMatch(/report-0-\w+ .*Completed/);
    const soon = JSON.stringify({ spec: { ttlSecondsAfterFinished: 1 } });
    await kubectl.run('patch', job('report'), '--type=merge', '-p', soon);
    await kubectl.run('wait', '--for=delete', '--timeout=60s', job('report'));
    expect(await kubectl.run('get', 'pods')).not.toContain('report-');
  });

  it('fails with more failed tasks than backoffLimit', async () => {
    const kubectl = await create('broken', 'exit 3', 'backoffLimit: 0');
    await kubectl.run('wait', '--for=condition=Failed', '--timeout=60s', job('broken'));
    const path = '{.status.conditions[?(@.type=="Stalled")].reason}';
    const why = await kubectl.run('get', job('broken'), '-o', `jsonpath=${path}`);
    expect(why).toBe('BackoffLimitExceeded');
  });
});

describe('a Job that is busy', { timeout: 180_000 }, () => {
  it('gets a second instance from its autoscaler, by what its process uses', async () => {
    if (newest === undefined) throw new Error('there is no kubectl');
    const kubectl = kubectlOf(newest);
    await running(cluster.client, 'busy', 1);
    await kubectl.run('autoscale', 'job.mesocosm.dev/busy', '--max=2', '--cpu-percent=100');
    await running(cluster.client, 'busy', 2);
    // Measured anew again and again, and by a busy machine less.
    await expect
      .poll(() => kubectl.run('top', 'pods', '-l', 'mesocosm.dev/job=busy', '--no-headers'))
      .toMatch(/^busy-0-\S+ +\d{2,}m +\d+Mi/);
    await expect
      .poll(() => kubectl.run('get', 'hpa', 'busy', '--no-headers'))
      .toMatch(/Job\/busy +cpu: \d{3,}%\/100% +1 +2/);
  });
});
