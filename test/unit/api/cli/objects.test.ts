import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jobResource } from '../../../../api/v1/job.ts';
import { taskResource } from '../../../../api/v1/task.ts';
import { startCosm, type Cosm } from './support/cosm.ts';
import { jobYaml, makeTask, setTaskStatus } from './support/objects.ts';

let cosm: Cosm;
beforeAll(async () => {
  cosm = await startCosm();
  await cosm.run(['apply', '-f', '-'], {
    stdin: `${jobYaml('web', 'replicas: 2', '  labels: {app: web}\n')}---\n${jobYaml('api', 'replicas: 1')}`,
  });
  await makeTask(cosm.client, 'web-0-aaaa', {
    status: { phase: 'Running', ip: '10.0.0.1', ips: ['10.0.0.1'] },
  });
});
afterAll(() => cosm.stop());

describe('cosm get', () => {
  it('prints the tables of the server under aligned columns', async () => {
    const { code, stdout } = await cosm.run(['get', 'jobs']);
    const lines = stdout.split('\n');
    expect(code).toBe(0);
    expect(lines[0]).toMatch(/^NAME {3}READY {3}UP-TO-DATE {3}STATUS +AGE$/);
    expect(lines[1]).toMatch(/^api {4}0\/1 {5}0 {12}Reconciling {3}\d+s$/);
    expect(lines[2]).toMatch(/^web {4}0\/2 /);
    expect(stdout).not.toContain('\u001b');
  });

  it('shows more columns with -o wide, and namespaces with -A', async () => {
    const { stdout } = await cosm.run(['get', 'jobs', '-A', '-o', 'wide']);
    expect(stdout).toMatch(/^NAMESPACE {3}NAME .* NETWORKS {3}SERVERSET\ndefault {5}api /);
  });

  it('puts kinds before names when it shows several', async () => {
    const { stdout } = await cosm.run(['get', 'jobs,tasks']);
    expect(stdout).toMatch(
      /^NAME .*\njob\.mesocosm\.dev\/api .*\njob\.mesocosm\.dev\/web .*\n\nNAME /,
    );
    expect(stdout).toContain('\ntask.mesocosm.dev/web-0-aaaa   Running ');
  });

  it.each([
    [['get', 'job/web', '-o', 'name'], 'job.mesocosm.dev/web\n'],
    [['get', 'job', 'web', 'api', '-o', 'name'], 'job.mesocosm.dev/web\njob.mesocosm.dev/api\n'],
    [['get', 'mj', '-l', 'app=web', '-o', 'name'], 'job.mesocosm.dev/web\n'],
    [
      ['get', 'jobs', '--field-selector', 'metadata.name=api', '-o', 'name'],
      'job.mesocosm.dev/api\n',
    ],
    [['get', 'jobs', '-o', 'jsonpath={.items[*].metadata.name}'], 'api web'],
    [
      ['get', 'jobs', '--sort-by=.spec.replicas', '-o', 'jsonpath={.items[*].spec.replicas}'],
      '1 2',
    ],
    [['get', 'jobs', '-o', 'jsonpath={.items[?(@.spec.replicas==2)].metadata.name}'], 'web'],
    [['get', 'job/web', '-o', 'jsonpath={.kind}: {.spec.replicas}{"\\n"}'], 'Job: 2\n'],
    [
      ['get', 'ns', '-o', 'jsonpath={.items[?(@.metadata.name=="default")].status.phase}'],
      'Active',
    ],
  ])('%j', async (args, expected) => {
    expect(await cosm.run(args)).toEqual({ code: 0, stdout: expected, stderr: '' });
  });

  it('sorts tables by a field', async () => {
    const { stdout } = await cosm.run([
      'get',
      'jobs',
      '--sort-by',
      '{.spec.replicas}',
      '--no-headers',
    ]);
    expect(stdout.split('\n').map((line) => line.split(' ')[0])).toEqual(['api', 'web', '']);
  });

  it('prints objects as they are, as JSON and as YAML', async () => {
    const json: unknown = JSON.parse((await cosm.run(['get', 'job/web', '-o', 'json'])).stdout);
    expect(json).toMatchObject({ kind: 'Job', metadata: { name: 'web' }, spec: { replicas: 2 } });
    const yaml = (await cosm.run(['get', 'jobs', '-o', 'yaml'])).stdout;
    expect(yaml).toMatch(
      /^apiVersion: v1\nkind: List\nmetadata:\n {2}resourceVersion: ""\nitems:\n/,
    );
    expect(yaml).toContain('\n    kind: Job\n');
  });

  it('can be applied again after printing', async () => {
    const yaml = (await cosm.run(['get', 'jobs', '-o', 'yaml'])).stdout;
    const outcome = await cosm.run(['apply', '-f', '-', '--dry-run=server'], { stdin: yaml });
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
  });

  it('shows those that exist, names those that do not, and fails', async () => {
    const outcome = await cosm.run(['get', 'job', 'web', 'nope', '--no-headers']);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toMatch(/^web /);
    expect(outcome.stderr).toBe('error: NotFound (404): jobs.mesocosm.dev "nope" not found\n');
  });

  it('says that there is nothing, which is no failure', async () => {
    expect(await cosm.run(['get', 'jobs', '-n', 'kube-system'])).toEqual({
      code: 0,
      stdout: '',
      stderr: 'No jobs found in namespace kube-system.\n',
    });
  });

  it('fetches page after page', async () => {
    const names = Array.from({ length: 501 }, (_, index) => `p${index}`);
    const text = names.map(
      (name) => `---\napiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}}\n`,
    );
    const networks = text
      .join('')
      .replaceAll('v1\nkind: Namespace', 'mesocosm.dev/v1\nspec: {}\nkind: Network');
    expect((await cosm.run(['apply', '-f', '-'], { stdin: networks })).code).toBe(0);
    const { stdout, stderr } = await cosm.run(['get', 'net', '--no-headers', '-v']);
    expect(stdout.trimEnd().split('\n')).toHaveLength(501);
    expect(stderr.trimEnd().split('\n')).toHaveLength(2);
    expect(stderr).toMatch(
      /GET \/apis\/mesocosm\.dev\/v1\/networks\?limit=500&continue=\S+ 200 in \d+ ms/,
    );
  });

  it.each([
    [['get', 'job/web', '-l', 'a=b'], 'names and selectors exclude each other'],
    [['get', 'job/web', '-A'], 'use -n instead of -A'],
    [['get', 'jobs', '-o', 'xml'], '-o xml: there is wide, json, yaml, name and jsonpath=TEMPLATE'],
    [['get', 'jobs', '-o', 'jsonpath={.a'], 'a { without }'],
    [['get', 'jobs,tasks', '-w'], '--watch takes one kind'],
    [['get', 'jbos'], 'did you mean "jobs"?'],
    [['get'], "missing required argument 'kind'"],
    [['got', 'jobs'], "unknown command 'got'"],
    [['get', 'jobs', '--bogus'], "unknown option '--bogus'"],
    [['scale', 'job/web', '--replicas', 'two'], '--replicas: must be a number'],
    [['scale', 'task/x', '--replicas', '2'], 'tasks cannot be scaled; jobs can'],
    [['get', 'jobs', '--request-timeout', 'soon'], '--request-timeout: "soon" is no duration'],
    [['get', 'jobs', '--context', 'nope'], 'no context "nope"'],
  ])('%j is wrong usage', async (args, message) => {
    const outcome = await cosm.run(args);
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain(message);
  });
});

describe('colour', () => {
  it('is for terminals, and for nobody who has set NO_COLOR', async () => {
    const coloured = await cosm.run(['get', 'tasks'], { terminal: true, env: { TERM: 'xterm' } });
    expect(coloured.stdout).toContain('\u001b[32mRunning\u001b[39m');
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
      const plain = await cosm.run(['get', 'tasks'], { terminal: true, env });
      expect(plain.stdout).not.toContain('\u001b');
    }
  });
});

describe('cosm get -w', () => {
  it('shows every change until Ctrl-C', async () => {
    await makeTask(cosm.client, 'w-0-aaaa', { job: 'w' });
    const watching = cosm.start(['get', 'tasks', '-l', 'mesocosm.dev/job=w', '-w']);
    await watching.shows('w-0-aaaa   Pending');
    await setTaskStatus(cosm.client, 'w-0-aaaa', { phase: 'Starting' });
    await watching.shows('w-0-aaaa   Starting');
    await makeTask(cosm.client, 'w-1-bbbb', { job: 'w', instance: 1 });
    await watching.shows('w-1-bbbb   Pending');
    await cosm.client.of(taskResource).delete({ namespace: 'default', name: 'w-1-bbbb' });
    await watching.shows('w-1-bbbb (deleted)');
    watching.interrupt();
    const { code, stdout } = await watching.done;
    expect(code).toBe(130);
    expect(stdout.match(/^NAME/gm)).toHaveLength(1);
    expect(stdout.trimEnd().split('\n')).toHaveLength(5);
  });

  it('prints whole objects in other formats', async () => {
    const watching = cosm.start(['get', 'job/api', '-w', '-o', 'jsonpath={.spec.replicas};']);
    await watching.shows('1;');
    await cosm.client.of(jobResource).setScale({ namespace: 'default', name: 'api' }, 4);
    await watching.shows('1;4;');
    watching.interrupt();
    await watching.done;
  });

  it('fails for an object that does not exist', async () => {
    expect(await cosm.run(['get', 'job/nope', '-w'])).toMatchObject({
      code: 1,
      stderr: 'error: jobs.mesocosm.dev "nope" not found\n',
    });
  });
});

describe('a server that cannot be reached', () => {
  it('gives exit code 4', async () => {
    const outcome = await cosm.run(['get', 'jobs', '--server', 'https://127.0.0.1:1']);
    expect(outcome.code).toBe(4);
    expect(outcome.stderr).toMatch(
      /^error: cannot reach the server: GET https:\/\/127\.0\.0\.1:1\/.*ECONNREFUSED/,
    );
  });

  it('without a kubeconfig is wrong usage', async () => {
    const outcome = await cosm.run(['get', 'jobs'], { env: { KUBECONFIG: '' } });
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain('no kubeconfig found');
  });
});

describe('cosm wait', () => {
  it('returns once the condition is true of the present generation', async () => {
    const waiting = cosm.start(['wait', 'job/web', '--for=condition=Ready', '--timeout=20s'], {
      terminal: true,
    });
    await waiting.shows('waiting for job.mesocosm.dev/web: no condition Ready yet');
    const jobs = cosm.client.of(jobResource);
    const ref = { namespace: 'default', name: 'web' };
    const condition = {
      type: 'Ready',
      status: 'True' as const,
      reason: 'AllReady',
      message: 'all ready',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    const job = await jobs.get(ref);
    const generation = job.metadata.generation ?? 0;
    await jobs.updateStatus({
      ...job,
      status: { conditions: [condition], observedGeneration: generation - 1 },
    });
    await waiting.shows(`generation ${generation} has not been acted on yet`);
    const stale = await jobs.get(ref);
    await jobs.updateStatus({
      ...stale,
      status: { conditions: [condition], observedGeneration: generation },
    });
    expect(await waiting.done).toMatchObject({
      code: 0,
      stdout: 'job.mesocosm.dev/web condition met\n',
    });
  });

  it('gives exit code 3 when time is up, and says how things stand', async () => {
    const outcome = await cosm.run([
      'wait',
      'job/web',
      '--for=condition=Stalled',
      '--timeout=100ms',
    ]);
    expect(outcome).toMatchObject({
      code: 3,
      stderr: 'error: timed out: job.mesocosm.dev/web: no condition Stalled yet\n',
    });
    expect((await cosm.run(['wait', 'job/web', '--for=delete', '--timeout=0'])).code).toBe(3);
  });

  it('compares a field', async () => {
    const args = ['wait', 'task/web-0-aaaa', '--timeout=5s'];
    expect((await cosm.run([...args, '--for=jsonpath={.status.phase}=Running'])).code).toBe(0);
    expect((await cosm.run([...args, '--for=jsonpath={.status.ip}'])).code).toBe(0);
    const ended = await cosm.run([
      'wait',
      'task/web-0-aaaa',
      '--timeout=0',
      '--for=jsonpath={.status.phase}=Failed',
    ]);
    expect(ended).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('{.status.phase} is Running') as string,
    });
  });

  it('waits for an object to come and to go', async () => {
    const coming = cosm.start(['wait', 'task/late-0-a', '--for=create', '--timeout=20s']);
    await makeTask(cosm.client, 'late-0-a', { job: 'late' });
    expect((await coming.done).code).toBe(0);
    const going = cosm.start([
      'wait',
      'task',
      '-l',
      'mesocosm.dev/job=late',
      '--for=delete',
      '--timeout=20s',
    ]);
    await cosm.client.of(taskResource).delete({ namespace: 'default', name: 'late-0-a' });
    expect(await going.done).toMatchObject({ code: 0 });
  });

  it('fails at once for what does not exist or is deleted meanwhile', async () => {
    const ready = '--for=condition=Ready';
    expect((await cosm.run(['wait', 'job/nope', ready])).code).toBe(1);
    await makeTask(cosm.client, 'gone-0-a', { job: 'gone' });
    const waiting = cosm.start(['wait', 'task/gone-0-a', ready, '--timeout=20s'], {
      terminal: true,
    });
    await waiting.shows('no condition Ready yet');
    await cosm.client.of(taskResource).delete({ namespace: 'default', name: 'gone-0-a' });
    expect(await waiting.done).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('was deleted while it was waited for') as string,
    });
  });
});

describe('cosm delete', () => {
  it('deletes by name, by label and by file', async () => {
    await makeTask(cosm.client, 'd-0-a', { job: 'd' });
    await makeTask(cosm.client, 'd-1-b', { job: 'd', instance: 1 });
    await makeTask(cosm.client, 'd-2-c', { job: 'd', instance: 2 });
    expect(await cosm.run(['delete', 'task/d-0-a'])).toMatchObject({
      code: 0,
      stdout: 'task.mesocosm.dev/d-0-a deleted\n',
    });
    expect((await cosm.run(['delete', 'tasks', '-l', 'mesocosm.dev/job=d'])).stdout).toBe(
      'task.mesocosm.dev/d-1-b deleted\ntask.mesocosm.dev/d-2-c deleted\n',
    );
    await cosm.run(['apply', '-f', '-'], { stdin: jobYaml('filed') });
    const outcome = await cosm.run(['delete', '-f', '-'], { stdin: jobYaml('filed') });
    expect(outcome).toMatchObject({ code: 0, stdout: 'job.mesocosm.dev/filed deleted\n' });
  });

  it('fails for what is not there, unless told not to', async () => {
    const missing = ['delete', 'job/nope'];
    expect((await cosm.run(missing)).code).toBe(1);
    expect((await cosm.run([...missing, '--ignore-not-found'])).code).toBe(0);
    expect((await cosm.run(['delete', 'jobs'])).code).toBe(2);
    expect((await cosm.run(['delete'])).code).toBe(2);
  });

  it('waits for finalizers, and says who holds the object', async () => {
    const jobs = cosm.client.of(jobResource);
    await cosm.run(['apply', '-f', '-'], {
      stdin: jobYaml('held', 'replicas: 1', '  finalizers: [mesocosm.dev/tasks]\n'),
    });
    const deleting = cosm.start(['delete', 'job/held', '--timeout=20s'], {
      terminal: true,
    });
    await deleting.shows('held deletion started (held by mesocosm.dev/tasks)');
    await deleting.shows('waiting for job.mesocosm.dev/held: held by mesocosm.dev/tasks');
    const none = { metadata: { finalizers: null } };
    await jobs.patch({ namespace: 'default', name: 'held' }, none, { type: 'merge' });
    const { code, stdout } = await deleting.done;
    expect(code).toBe(0);
    expect(stdout).toContain('job.mesocosm.dev/held gone\n');
    expect(await jobs.find({ namespace: 'default', name: 'held' })).toBeUndefined();
  });

  it('only asks for it with --wait=false, and gives up when the time is over', async () => {
    await cosm.run(['apply', '-f', '-'], {
      stdin: jobYaml('slow', 'replicas: 1', '  finalizers: [mesocosm.dev/tasks]\n'),
    });
    const late = await cosm.run(['delete', 'job/slow', '--timeout=50ms']);
    expect(late).toMatchObject({ code: 3, stderr: expect.stringContaining('timed out') as string });
    for (const flag of ['--wait=false', '--no-wait']) {
      expect(await cosm.run(['delete', flag, 'job/slow'])).toEqual({
        code: 0,
        stdout: 'job.mesocosm.dev/slow deletion started (held by mesocosm.dev/tasks)\n',
        stderr: '',
      });
    }
    expect((await cosm.run(['delete', '--wait=true', 'job/slow', '--timeout=50ms'])).code).toBe(3);
  });

  it('marks a job and its tasks with --force', async () => {
    await cosm.run(['apply', '-f', '-'], {
      stdin: jobYaml('stuck', 'replicas: 1', '  finalizers: [mesocosm.dev/tasks]\n'),
    });
    await makeTask(cosm.client, 'stuck-0-a', { job: 'stuck' });
    expect((await cosm.run(['delete', 'job/stuck', '--force', '--wait=false'])).code).toBe(0);
    const task = await cosm.client
      .of(taskResource)
      .get({ namespace: 'default', name: 'stuck-0-a' });
    const job = await cosm.client.of(jobResource).get({ namespace: 'default', name: 'stuck' });
    for (const { metadata } of [task, job]) {
      expect(metadata.annotations).toHaveProperty(['mesocosm.dev/force-delete'], 'true');
    }
    expect(job.metadata.deletionTimestamp).toBeDefined();
  });
});

describe('cosm version', () => {
  it('tells both versions, and its own without a server', async () => {
    const { stdout } = await cosm.run(['version']);
    expect(stdout).toMatch(/^cosm: v\d+\.\d+\.\d+ \(\S+\/\S+\)\nserver: v\S+ \(.*\)\n$/);
    const alone = await cosm.run(['version', '--client', '-o', 'json'], {
      env: { KUBECONFIG: '/nope' },
    });
    expect(JSON.parse(alone.stdout)).toMatchObject({
      clientVersion: { gitVersion: expect.any(String) as string },
    });
  });
});

describe('cosm --help', () => {
  it('tells the exit codes and shows examples', async () => {
    const { code, stdout } = await cosm.run(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('3  what was waited for did not happen in time');
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) (?=.*\s{2}[A-Z])/gm)].map(
      ([, name = '']) => name,
    );
    expect(commands).toEqual(expect.arrayContaining(['apply', 'get', 'logs', 'wait', 'framework']));
    for (const command of [
      'apply',
      'get',
      'describe',
      'delete',
      'scale',
      'wait',
      'logs',
      'events',
    ]) {
      expect((await cosm.run([command, '--help'])).stdout).toContain(`  cosm ${command} `);
    }
  });
});
