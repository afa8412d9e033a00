import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resources } from '../../api/v1/resources.ts';
import { writeKubeconfig } from '../../hack/local/certificates.ts';
import { until } from '../../hack/local/wait.ts';
import { startServer, type RunningServer } from '../conformance/support/server.ts';

const root = resolve(import.meta.dirname, '../..');
const program = join(root, '.local/bin/cosm');

const job = (name: string, replicas = 1): string => `apiVersion: mesocosm.dev/v1
kind: Job
metadata: {name: ${name}}
spec:
  replicas: ${replicas}
  template:
    spec:
      containers:
      - name: main
        script: sleep 1000
        resources: {requests: {cpu: 100m, memory: 32Mi}}
`;

let server: RunningServer;
let directory: string;
let kubeconfig: string;
let kubectlPath: string;

beforeAll(async () => {
  await promisify(execFile)('node', [join(root, 'hack/build.mjs')]);
  kubectlPath = (await promisify(execFile)(join(root, 'hack/kubectl-1.20'))).stdout.trim();
  server = await startServer(resources);
  directory = mkdtempSync(join(tmpdir(), 'cosm-e2e-'));
  kubeconfig = join(directory, 'kubeconfig');
  writeKubeconfig(kubeconfig, `https://127.0.0.1:${server.port}`, server.certificates);
});
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

function start(file: string, args: readonly string[]): ChildProcess {
  return spawn(file, args, {
    env: { ...process.env, KUBECONFIG: kubeconfig, HOME: directory, NO_COLOR: '' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

async function finish(child: ChildProcess, stdin = ''): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin?.end(stdin);
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}

const cosm = (args: readonly string[], stdin?: string): Promise<Outcome> =>
  finish(start(program, args), stdin);
const kubectl = (args: readonly string[], stdin?: string): Promise<Outcome> =>
  finish(start(kubectlPath, args), stdin);

describe('the built cosm', () => {
  it('runs from a link, prints its version and needs nothing for it', async () => {
    expect(await cosm(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
    });
  });

  it('reads standard input and tells the shell how it went', async () => {
    expect(await cosm(['apply', '-f', '-'], job('piped'))).toEqual({
      code: 0,
      stdout: 'job.mesocosm.dev/piped created\n',
      stderr: '',
    });
    expect((await cosm(['apply', '-f', '-'], 'nonsense')).code).toBe(1);
    expect((await cosm(['bogus'])).code).toBe(2);
    expect(
      (await cosm(['wait', 'job/piped', '--for=condition=Ready', '--timeout=50ms'])).code,
    ).toBe(3);
    expect((await cosm(['get', 'jobs', '--server', 'https://127.0.0.1:1'])).code).toBe(4);
  });

  it('stops on Ctrl-C with exit code 130', async () => {
    const child = start(program, ['get', 'jobs', '-w']);
    const outcome = finish(child);
    let shown = '';
    child.stdout?.on('data', (text: string) => (shown += text));
    expect(await until(() => shown.includes('piped'), 60_000)).toBe(true);
    child.kill('SIGINT');
    expect(await outcome).toMatchObject({ code: 130, stderr: '' });
  });

  it('does not complain when its reader leaves', async () => {
    const names = Array.from({ length: 40 }, () => 'job/piped').join(' ');
    const shell = start('/bin/sh', ['-c', `${program} get ${names} job/piped -o yaml | head -n 1`]);
    expect(await finish(shell)).toMatchObject({
      stderr: '',
      stdout: expect.stringMatching(/^\S+: .*\n$/) as string,
    });
  });
});

describe('cosm and kubectl on the same objects', () => {
  it('agree that nothing is to be done after the other has applied', async () => {
    await kubectl(['apply', '-f', '-'], job('mixed'));
    expect((await cosm(['apply', '-f', '-'], job('mixed'))).stdout).toBe(
      'job.mesocosm.dev/mixed unchanged\n',
    );
    await cosm(['apply', '-f', '-'], job('ours', 3));
    expect(await kubectl(['apply', '-f', '-'], job('ours', 3))).toMatchObject({
      code: 0,
      stdout: 'job.mesocosm.dev/ours unchanged\n',
      stderr: '',
    });
    expect((await kubectl(['diff', '-f', '-'], job('ours', 3))).code).toBe(0);
  });

  it('remove what the other has applied and the file no longer has', async () => {
    const labelled = (labels: string): string =>
      job('labels').replace('{name: labels}', `{name: labels, labels: {${labels}}}`);
    const labels = async (): Promise<unknown> =>
      JSON.parse((await cosm(['get', 'job/labels', '-o', 'jsonpath={.metadata.labels}'])).stdout);
    await kubectl(['apply', '-f', '-'], labelled('a: "1", b: "2"'));
    await cosm(['apply', '-f', '-'], labelled('b: "2", c: "3"'));
    expect(await labels()).toEqual({ b: '2', c: '3' });
    await kubectl(['apply', '-f', '-'], labelled('c: "3"'));
    expect(await labels()).toEqual({ c: '3' });
  });

  it('print the same tables, names and jsonpath', async () => {
    for (const args of [
      ['get', 'jobs', '-o', 'name'],
      [
        'get',
        'jobs',
        '-o',
        'jsonpath={range .items[*]}{.metadata.name}{"\\t"}{.spec.replicas}{"\\n"}{end}',
      ],
      ['get', 'jobs', '-o', 'jsonpath={.items[?(@.spec.replicas==3)].metadata.name}'],
      ['get', 'jobs', '-o', 'jsonpath={.items[0].spec.template.spec.containers[0].resources}'],
      ['get', 'jobs', '-o', "jsonpath={.items[-1:]['kind','apiVersion']} {..cpu}"],
      ['get', 'namespaces', '-o', 'jsonpath={.items[*].metadata.name}'],
    ]) {
      const [ours, theirs] = [await cosm(args), await kubectl(args)];
      expect(ours).toEqual(theirs);
    }
    const [ours, theirs] = [await cosm(['get', 'jobs']), await kubectl(['get', 'jobs'])];
    const words = (text: string): string[][] =>
      text.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(words(ours.stdout).map((row) => row.slice(0, 4))).toEqual(
      words(theirs.stdout).map((row) => row.slice(0, 4)),
    );
  });
});
