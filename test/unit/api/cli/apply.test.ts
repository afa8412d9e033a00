import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lastAppliedAnnotation } from '../../../../api/cli/apply/last-applied.ts';
import { namespaceResource } from '../../../../api/v1/core.ts';
import { jobResource } from '../../../../api/v1/job.ts';
import { limitRangeResource } from '../../../../api/v1/limit-range.ts';
import { networkResource } from '../../../../api/v1/network.ts';
import { startTcpProxy } from '../../../support/tcp-proxy.ts';
import { startCosm, type Cosm } from './support/cosm.ts';
import { jobYaml } from './support/objects.ts';

let cosm: Cosm;
beforeAll(async () => {
  cosm = await startCosm();
});
afterAll(() => cosm.stop());

const apply = (text: string, ...flags: string[]): ReturnType<Cosm['run']> =>
  cosm.run(['apply', '-f', '-', ...flags], { stdin: text });
const job = (name: string, namespace = 'default') =>
  cosm.client.of(jobResource).find({ namespace, name });

describe('cosm apply', () => {
  it('creates, changes, and then has nothing to do', async () => {
    const created = await apply(jobYaml('web', 'replicas: 2'));
    expect(created).toEqual({ code: 0, stdout: 'job.mesocosm.dev/web created\n', stderr: '' });
    expect(await apply(jobYaml('web', 'replicas: 2'))).toMatchObject({
      code: 0,
      stdout: 'job.mesocosm.dev/web unchanged\n',
    });
    const version = (await job('web'))?.metadata.resourceVersion;
    expect(await apply(jobYaml('web', 'replicas: 3'))).toMatchObject({
      stdout: 'job.mesocosm.dev/web configured\n',
    });
    const now = await job('web');
    expect(now?.spec.replicas).toBe(3);
    expect(now?.metadata.resourceVersion).not.toBe(version);
  });

  it('keeps what others have set and removes what the file no longer says', async () => {
    await apply(jobYaml('owned', 'replicas: 2', '  labels: {a: "1", b: "2"}\n'));
    await cosm.run(['scale', 'job/owned', '--replicas', '7']);
    const labels = { metadata: { labels: { c: '3' } } };
    await cosm.client
      .of(jobResource)
      .patch({ namespace: 'default', name: 'owned' }, labels, { type: 'merge' });
    await apply(jobYaml('owned', 'type: Service', '  labels: {a: "1"}\n'));
    const now = await job('owned');
    expect(now?.metadata.labels).toEqual({ a: '1', c: '3' });
    // The file no longer has replicas: the default stands.
    expect(now?.spec.replicas).toBe(1);
  });

  it('leaves replicas to an autoscaler if the file never named them', async () => {
    await apply(jobYaml('auto', 'type: Service'));
    await cosm.run(['scale', 'job/auto', '--replicas', '7']);
    expect((await apply(jobYaml('auto', 'type: Service'))).stdout).toContain('unchanged');
    expect((await job('auto'))?.spec.replicas).toBe(7);
  });

  it.each(['v1', 'v2'])(
    'applies an autoscaler of autoscaling/%s, and shows it',
    async (version) => {
      const spec = version === 'v1' ? 'targetCPUUtilizationPercentage: 60' : 'minReplicas: 1';
      const file = `apiVersion: autoscaling/${version}
kind: HorizontalPodAutoscaler
metadata: {name: auto-${version}}
spec:
  scaleTargetRef: {apiVersion: mesocosm.dev/v1, kind: Job, name: auto}
  maxReplicas: 4
  ${spec}
`;
      expect(await apply(file)).toMatchObject({ code: 0, stderr: '' });
      expect((await apply(file)).stdout).toBe(
        `horizontalpodautoscaler.autoscaling/auto-${version} unchanged\n`,
      );
      const bad = await apply(file.replace('maxReplicas: 4', 'maxReplicas: 0'));
      expect(bad.code).toBe(1);
      expect(bad.stderr).toContain('spec.maxReplicas');
      const shown = await cosm.run(['get', 'hpa', `auto-${version}`]);
      expect(shown.stdout).toMatch(/Job\/auto +cpu: <unknown>\/(60|80)% +1 +4 +0/);
    },
  );

  it('leaves requests that are open to a LimitRange of the namespace', async () => {
    await cosm.client.of(namespaceResource).create({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'bounded' },
    });
    const open = jobYaml('open').replace('cpu: 100m, ', '');
    expect(open).not.toContain('cpu');
    const missing = await apply(open, '-n', 'bounded');
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('containers[0].resources.requests.cpu: Required value');
    await cosm.client.of(limitRangeResource).create({
      apiVersion: 'v1',
      kind: 'LimitRange',
      metadata: { name: 'small', namespace: 'bounded' },
      spec: { limits: [{ type: 'Container', defaultRequest: { cpu: '30m' } }] },
    });
    expect(await apply(open, '-n', 'bounded')).toMatchObject({ code: 0, stderr: '' });
    expect((await job('open', 'bounded'))?.spec.template.spec.containers).toMatchObject([
      { resources: { requests: { cpu: '30m' } } },
    ]);
  });

  it('warns of an object that was not applied before, and takes it on', async () => {
    const { metadata, spec } = (await job('web'))!;
    await cosm.client.of(jobResource).create({
      apiVersion: 'mesocosm.dev/v1',
      kind: 'Job',
      metadata: { name: 'made', namespace: metadata.namespace },
      spec,
    });
    const outcome = await apply(jobYaml('made'));
    expect(outcome).toMatchObject({ code: 0, stdout: 'job.mesocosm.dev/made configured\n' });
    expect(outcome.stderr).toBe(
      'Warning: job.mesocosm.dev/made: not made with apply: fields that the file does not have stay as they are\n',
    );
    expect((await job('made'))?.metadata.annotations).toHaveProperty([lastAppliedAnnotation]);
  });

  it('changes nothing if one of two documents is wrong, and says where', async () => {
    cosm.file('two.yaml', `${jobYaml('good')}---\n${jobYaml('bad', 'replicas: three')}`);
    const outcome = await cosm.run(['apply', '-f', 'two.yaml']);
    expect(outcome).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'two.yaml:20:13: spec.replicas: Invalid value: "three": must be a number\n' +
        'error: 1 mistake; nothing was changed\n',
    });
    expect(await job('good')).toBeUndefined();
  });

  it('changes nothing if the server alone can tell that one is wrong, and says where', async () => {
    const networks = jobYaml('lost').replace(
      '    spec:\n',
      '    spec:\n      networks: [{name: nowhere}]\n',
    );
    cosm.file('server.yaml', `${jobYaml('good')}---\n${networks}`);
    const outcome = await cosm.run(['apply', '-f', 'server.yaml']);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(
      /^server\.yaml:\d+:\d+: spec\.template\.spec\.networks\[0\]\.name: .*nowhere/,
    );
    expect(outcome.stdout).toBe('');
    expect(await job('good')).toBeUndefined();
  });

  it.each([
    ['an unknown field', jobYaml('x', 'replica: 3'), 'stdin:6:12: spec.replica: unknown field'],
    ['a wrong type', jobYaml('x', 'replicas: "3"'), 'stdin:6:13: spec.replicas: Invalid value'],
    ['a name that is too long', jobYaml('n'.repeat(60)), 'stdin:4:9: metadata.name: Invalid value'],
    ['no name', jobYaml('""'), 'stdin:4:9: metadata.name: Required value'],
    [
      'an unknown kind',
      jobYaml('x').replace('kind: Job', 'kind: Jbo'),
      'stdin:2:7: kind: Unsupported value: no kind "Jbo" in mesocosm.dev/v1; did you mean Job?',
    ],
    [
      'a kind that nobody serves',
      jobYaml('x').replace('kind: Job', 'kind: Deployment'),
      'no kind "Deployment" in mesocosm.dev/v1; there is Job, JobRevision, Task, Network, AddressClaim, ServerSet, Agent, Framework\n',
    ],
    [
      'a kind of another group',
      jobYaml('x').replace('mesocosm.dev/v1', 'batch/v1'),
      'stdin:1:13: apiVersion: Invalid value: "batch/v1" has no Job; it is in mesocosm.dev/v1',
    ],
    ['no kind', 'apiVersion: v1\n', 'stdin:1:1: kind: Required value'],
    ['invalid YAML', 'kind: [Job\n', 'stdin:2:1: invalid YAML'],
    ['no object', 'just text', 'stdin:1:1: a document must be an object'],
    [
      'the same object twice',
      `${jobYaml('x')}---\n${jobYaml('x')}`,
      'stdin:18:9: metadata.name: Duplicate value: Job "x" is given in stdin:4 too',
    ],
    [
      'a cluster object in a namespace',
      'apiVersion: mesocosm.dev/v1\nkind: Network\nmetadata: {name: n, namespace: x}\nspec: {}\n',
      'stdin:3:32: metadata.namespace: Forbidden',
    ],
    [
      'too large a template',
      jobYaml('x').replace('sleep 1000', `"${'x'.repeat(200_000)}"`),
      'stdin:7:3: spec.template: Too long',
    ],
    [
      'impossible resources',
      jobYaml('x').replace('100m', 'lots'),
      'stdin:13:27: spec.template.spec.containers[0].resources.requests.cpu',
    ],
  ])('refuses %s', async (_what, text, message) => {
    const outcome = await apply(text);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain(message);
    expect(outcome.stderr).toContain('nothing was changed');
    expect(outcome.stdout).toBe('');
  });

  it('refuses a namespace other than that of -n', async () => {
    const outcome = await apply(jobYaml('x', 'replicas: 1', '  namespace: prod\n'), '-n', 'dev');
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('stdin:5:14: metadata.namespace: Invalid value: "prod"');
  });

  it('writes namespaces and networks first, wherever they stand', async () => {
    const joined = jobYaml('joined', 'replicas: 1', '  namespace: fresh\n').replace(
      '    spec:\n',
      '    spec:\n      networks: [{name: fresh-net}]\n',
    );
    const text = `${joined}---
apiVersion: mesocosm.dev/v1
kind: Network
metadata: {name: fresh-net}
spec: {namespaces: [fresh]}
---
apiVersion: v1
kind: Namespace
metadata: {name: fresh}
`;
    const dry = await apply(text, '--dry-run=server');
    expect(dry).toMatchObject({ code: 0 });
    expect(await cosm.client.of(namespaceResource).find({ name: 'fresh' })).toBeUndefined();
    expect(await apply(text)).toEqual({
      code: 0,
      stdout:
        'namespace/fresh created\nnetwork.mesocosm.dev/fresh-net created\njob.mesocosm.dev/joined created\n',
      stderr: '',
    });
  });

  it('takes back a new network and a changed one if a job that needs them is refused after all', async () => {
    const networks = cosm.client.of(networkResource);
    await apply(
      'apiVersion: mesocosm.dev/v1\nkind: Network\nmetadata: {name: old-net}\nspec: {namespaces: [other]}\n',
    );
    const before = await networks.get({ name: 'old-net' });
    const wrong = jobYaml('late').replace(
      '    spec:\n',
      '    spec:\n      networks: [{name: new-net}, {name: old-net}, {name: nowhere}]\n',
    );
    cosm.file(
      'late.yaml',
      `apiVersion: mesocosm.dev/v1
kind: Network
metadata: {name: new-net}
spec: {}
---
apiVersion: mesocosm.dev/v1
kind: Network
metadata: {name: old-net}
spec: {namespaces: [other, default]}
---
${wrong}`,
    );
    const outcome = await cosm.run(['apply', '-f', 'late.yaml']);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/^late\.yaml:19:\d+: .*networks\[2\]\.name: .*nowhere/);
    expect(outcome.stderr).toContain('nothing was changed');
    expect(await networks.find({ name: 'new-net' })).toBeUndefined();
    expect((await networks.get({ name: 'old-net' })).spec).toEqual(before.spec);
    expect(await job('late')).toBeUndefined();
  });

  it('reads directories by name, with -R the ones below too', async () => {
    cosm.file('tree/b.yaml', jobYaml('tree-b'));
    cosm.file('tree/a.yml', jobYaml('tree-a'));
    cosm.file('tree/notes.txt', 'not: [yaml');
    cosm.file(
      'tree/deep/c.json',
      JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tree-c' } }),
    );
    const flat = await cosm.run(['apply', '-f', 'tree']);
    expect(flat.stdout).toBe('job.mesocosm.dev/tree-a created\njob.mesocosm.dev/tree-b created\n');
    const deep = await cosm.run(['apply', '-R', '-f', 'tree']);
    expect(deep.stdout).toBe(
      'namespace/tree-c created\njob.mesocosm.dev/tree-a unchanged\njob.mesocosm.dev/tree-b unchanged\n',
    );
  });

  it('names a file that is not there, and a directory without any', async () => {
    expect(await cosm.run(['apply', '-f', 'nope.yaml'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('cannot read nope.yaml: ENOENT') as string,
    });
    cosm.file('empty/sub/x.yaml', jobYaml('x'));
    expect((await cosm.run(['apply', '-f', 'empty'])).stderr).toContain('-R looks into');
    expect(await apply('# nothing\n')).toMatchObject({ code: 1 });
  });

  it('checks without a server with --dry-run=client', async () => {
    const env = { KUBECONFIG: '/nonexistent' };
    const good = await cosm.run(['apply', '-f', '-', '--dry-run=client'], {
      stdin: jobYaml('x'),
      env,
    });
    expect(good).toMatchObject({ code: 0 });
    const bad = await cosm.run(['apply', '-f', '-', '--dry-run=client'], {
      stdin: jobYaml('x', 'a: 1'),
      env,
    });
    expect(bad).toMatchObject({ code: 1 });
  });

  it('only asks with --dry-run=server', async () => {
    const outcome = await apply(jobYaml('dry'), '--dry-run=server');
    expect(outcome).toEqual({
      code: 0,
      stdout: 'job.mesocosm.dev/dry created (dry run)\n',
      stderr: '',
    });
    expect(await job('dry')).toBeUndefined();
  });
});

describe('cosm apply that fails on the way', () => {
  it('says what it has applied and what it has not', async () => {
    const proxy = await startTcpProxy({ host: '127.0.0.1', port: cosm.server.port });
    try {
      const text = ['a', 'b', 'c'].map((name) => jobYaml(`way-${name}`)).join('---\n');
      const server = `https://127.0.0.1:${proxy.port}`;
      const outcome = await cosm.run(['apply', '-f', '-', '--server', server], {
        stdin: text,
        onOutput: (shown) => {
          if (shown.includes('way-a created')) proxy.refuse();
        },
      });
      expect(outcome.code).toBe(4);
      expect(outcome.stdout).toBe('job.mesocosm.dev/way-a created\n');
      expect(outcome.stderr).toMatch(
        /^not applied: job\.mesocosm\.dev\/way-c\nerror: job\.mesocosm\.dev\/way-b: cannot reach the server: .*; 1 of 3 objects applied before it\n$/,
      );
    } finally {
      await proxy.stop();
    }
  });
});
