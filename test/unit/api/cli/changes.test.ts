import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  absentees,
  labelOutcome,
  overwritten,
  parsePairs,
} from '../../../../api/cli/change/pairs.ts';
import { startCosm, type Cosm } from './support/cosm.ts';
import { jobYaml } from './support/objects.ts';

let cosm: Cosm;
beforeAll(async () => {
  cosm = await startCosm();
});
afterAll(() => cosm.stop());

const configMap = (name: string, data = '{a: "1"}'): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: ${data}\n`;
const jsonOf = async (object: string): Promise<unknown> =>
  JSON.parse((await cosm.run(['get', object, '-o', 'json'])).stdout);

describe('cosm create', () => {
  it('makes what is not there, and nothing if one of them is', async () => {
    const made = await cosm.run(['create', '-f', '-'], { stdin: jobYaml('made') });
    expect(made).toEqual({ code: 0, stdout: 'job.mesocosm.dev/made created\n', stderr: '' });
    const again = await cosm.run(['create', '-f', '-'], {
      stdin: `${configMap('beside')}---\n${jobYaml('made')}`,
    });
    expect(again).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'stdin:6:1: jobs.mesocosm.dev "made" already exists\nerror: 1 mistake; nothing was changed\n',
    });
    expect((await cosm.run(['get', 'cm/beside'])).code).toBe(1);
    expect(await jsonOf('job/made')).not.toHaveProperty('metadata.annotations');
  });

  it('lets the server make names', async () => {
    const document = configMap('x').replace('name: x', 'generateName: gen-');
    const { code, stdout } = await cosm.run(['create', '-f', '-'], {
      stdin: `${document}---\n${document}`,
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^configmap\/gen-\w{5} created\nconfigmap\/gen-\w{5} created\n$/);
    const applied = await cosm.run(['apply', '-f', '-'], { stdin: document });
    expect(applied.stderr).toContain('metadata.name: Required value');
  });

  it('makes a namespace before what is in it', async () => {
    const stdin = `${configMap('inner').replace('}', ', namespace: made}')}---\napiVersion: v1\nkind: Namespace\nmetadata: {name: made}\n`;
    const { stdout } = await cosm.run(['create', '-f', '-'], { stdin });
    expect(stdout).toBe('namespace/made created\nconfigmap/inner created\n');
  });

  it.each(['server', 'client'])('only tries with --dry-run=%s', async (where) => {
    const args = ['create', '-f', '-', `--dry-run=${where}`];
    const stdin = jobYaml('tried');
    expect(await cosm.run(args, { stdin })).toMatchObject({
      code: 0,
      stdout: 'job.mesocosm.dev/tried created (dry run)\n',
    });
    expect((await cosm.run([...args, '-o', 'yaml'], { stdin })).stdout).toContain('name: tried');
    expect((await cosm.run([...args, '-o', 'name'], { stdin })).stdout).toBe(
      'job.mesocosm.dev/tried\n',
    );
    expect((await cosm.run(['get', 'job/tried'])).code).toBe(1);
  });

  it('names the place of a mistake', async () => {
    const stdin = jobYaml('wrong', 'replicas: -1');
    const { code, stderr } = await cosm.run(['create', '-f', '-'], { stdin });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^stdin:6:13: spec\.replicas: /);
  });

  it('wants to know what', async () => {
    expect(await cosm.run(['create'])).toMatchObject({ code: 2 });
    expect(await cosm.run(['create', '-f', '-', '-o', 'wide'], { stdin: configMap('x') })).toEqual({
      code: 2,
      stdout: '',
      stderr: 'error: -o wide: there is name, json, yaml and jsonpath=TEMPLATE\n',
    });
  });
});

describe('cosm replace', () => {
  it('takes away what the file does not say', async () => {
    await cosm.run(['create', '-f', '-'], { stdin: configMap('whole', '{a: "1", b: "2"}') });
    const args = ['replace', '-f', '-'];
    const stdin = configMap('whole', '{b: "3"}');
    const tried = await cosm.run([...args, '--dry-run=server'], { stdin });
    expect(tried.stdout).toBe('configmap/whole replaced (dry run)\n');
    expect(await jsonOf('cm/whole')).toMatchObject({ data: { a: '1' } });
    expect(await cosm.run(args, { stdin })).toMatchObject({
      code: 0,
      stdout: 'configmap/whole replaced\n',
    });
    expect(await jsonOf('cm/whole')).toHaveProperty('data', { b: '3' });
  });

  it('replaces the version that the file names, and no other', async () => {
    await cosm.run(['create', '-f', '-'], { stdin: configMap('versioned') });
    const { stdout: read } = await cosm.run(['get', 'cm/versioned', '-o', 'json']);
    const args = ['replace', '-f', '-'];
    const stdin = read.replace('"1"', '"2"');
    expect(await cosm.run(args, { stdin })).toMatchObject({ code: 0 });
    const late = await cosm.run(args, { stdin: read.replace('"1"', '"3"') });
    expect(late.code).toBe(1);
    expect(late.stderr).toContain('the object has been modified');
  });

  it('refuses what does not exist', async () => {
    const { code, stderr } = await cosm.run(['replace', '-f', '-'], { stdin: configMap('none') });
    expect(code).toBe(1);
    expect(stderr).toContain('configmaps "none" not found');
    const stdin = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: none}\n';
    const namespace = await cosm.run(['replace', '-f', '-'], { stdin });
    expect(namespace.stderr).toContain('stdin:1:1: namespaces "none" not found\n');
  });
});

describe('cosm patch', () => {
  const patch = (...args: string[]): ReturnType<Cosm['run']> => cosm.run(['patch', ...args]);

  it('merges, in JSON or YAML', async () => {
    await cosm.run(['create', '-f', '-'], { stdin: jobYaml('patched') });
    expect(await patch('job/patched', '-p', '{"spec":{"replicas":3}}')).toEqual({
      code: 0,
      stdout: 'job.mesocosm.dev/patched patched\n',
      stderr: '',
    });
    expect((await patch('job', 'patched', '-p', 'spec: {replicas: 3}')).stdout).toBe(
      'job.mesocosm.dev/patched patched (no change)\n',
    );
    const { stdout } = await patch(
      ...['job/patched', '-p', 'spec: {replicas: 4}', '--dry-run=server'],
      ...['-o', 'jsonpath={.spec.replicas}'],
    );
    expect(stdout).toBe('4');
    expect(await jsonOf('job/patched')).toMatchObject({ spec: { replicas: 3 } });
  });

  it('names an option as it is typed', async () => {
    const { code, stderr } = await patch('job/patched', '-p', '{}', '--dry-run=srv');
    expect(code).toBe(2);
    expect(stderr).toContain('error: --dry-run: there is ');
  });

  it('takes a list for operations, and merges the kinds of Kubernetes by their keys', async () => {
    const operations = '[{"op":"replace","path":"/spec/replicas","value":2}]';
    expect(await patch('job/patched', '-p', operations)).toMatchObject({ code: 0 });
    expect(await jsonOf('job/patched')).toMatchObject({ spec: { replicas: 2 } });
    const wrong = operations.replace('/spec/replicas', '/spec/replica');
    expect(await patch('job/patched', '-p', wrong)).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'error: Invalid (422): the server rejected our request due to an error in our request: operation 0 (replace): path "/spec/replica" does not exist: "/spec" has no "replica"\n',
    });
    const role =
      '{apiVersion: v1, kind: ServiceAccount, metadata: {name: sa}, secrets: [{name: a}]}';
    await cosm.run(['create', '-f', '-'], { stdin: role });
    await patch('serviceaccount/sa', '-p', 'secrets: [{name: b}]');
    const merged = (await jsonOf('sa/sa')) as { secrets: { name: string }[] };
    expect(merged.secrets.map(({ name }) => name).sort()).toEqual(['a', 'b']);
    await patch('serviceaccount/sa', '--type=merge', '-p', 'secrets: [{name: c}]');
    expect(await jsonOf('sa/sa')).toMatchObject({ secrets: [{ name: 'c' }] });
  });

  it('reads a file, and changes a subresource', async () => {
    const patchFile = cosm.file('replicas.yaml', 'spec:\n  replicas: 6\n');
    const args = ['job/patched', '--subresource=scale', '--patch-file', patchFile];
    expect(await patch(...args)).toMatchObject({
      code: 0,
      stdout: 'job.mesocosm.dev/patched patched\n',
    });
    expect(await jsonOf('job/patched')).toMatchObject({ spec: { replicas: 6 } });
  });

  it.each([
    [['job/patched'], 2, 'give the patch with -p'],
    [['job/patched', '-p', '{'], 2, '-p: '],
    [['job/patched', '-p', '7'], 2, 'a patch is an object'],
    [['job/patched', '--patch-file', 'missing.yaml'], 2, 'cannot read missing.yaml'],
    [['job/patched', '--type=strategic', '-p', '{}'], 1, 'UnsupportedMediaType'],
    [['job/patched', '-p', '{"spec":{"replicaz":3}}'], 1, 'replicaz'],
    [['job/missing', '-p', '{}'], 1, 'not found'],
    [['jobs', '-p', '{}'], 2, 'say which job'],
  ])('refuses %j', async (args, code, message) => {
    const outcome = await patch(...args);
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr).toContain(message);
  });
});

describe('cosm label and annotate', () => {
  it('set, keep, overwrite and remove', async () => {
    await cosm.run(['create', '-f', '-'], { stdin: configMap('marked') });
    const label = (...args: string[]): ReturnType<Cosm['run']> =>
      cosm.run(['label', 'cm', 'marked', ...args]);
    const said = (what: string): object => ({
      code: 0,
      stdout: `configmap/marked ${what}\n`,
      stderr: '',
    });
    expect(await label('tier=front', 'app.test/x=')).toEqual(said('labeled'));
    expect(await label('tier=front')).toEqual(said('not labeled'));
    expect(await label('tier=back')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error: configmap/marked: tier is front; --overwrite gives another value\n',
    });
    expect(await label('tier=back', '--overwrite')).toEqual(said('labeled'));
    expect((await label('--list')).stdout).toBe('configmap/marked:\n  app.test/x=\n  tier=back\n');
    expect(await label('tier-', '--dry-run=server')).toEqual(said('unlabeled (dry run)'));
    expect(await label('tier-')).toEqual(said('unlabeled'));
    expect(await label('tier-')).toMatchObject({
      stdout: 'configmap/marked not labeled\n',
      stderr: 'Warning: configmap/marked has no label tier\n',
    });
    const annotated = await cosm.run(['annotate', 'cm/marked', 'why=because=so', '-o', 'json']);
    expect(JSON.parse(annotated.stdout)).toMatchObject({
      metadata: { annotations: { why: 'because=so' }, labels: { 'app.test/x': '' } },
    });
    const again = await cosm.run(['annotate', 'cm/marked', 'why=not', '--overwrite']);
    expect(again.stdout).toBe('configmap/marked annotated\n');
  });

  it('reach all objects that a selector finds', async () => {
    for (const name of ['many-a', 'many-b']) {
      await cosm.run(['create', '-f', '-'], { stdin: configMap(name) });
      await cosm.run(['label', 'cm', name, 'many=yes']);
    }
    const { stdout } = await cosm.run(['label', 'cm', '-l', 'many=yes', 'found=1']);
    expect(stdout).toBe('configmap/many-a labeled\nconfigmap/many-b labeled\n');
    const all = await cosm.run(['annotate', 'cm', '--all', 'seen=1']);
    expect(all.stdout).toContain('configmap/many-b annotated\n');
    const none = await cosm.run(['label', 'cm', '-l', 'many=no', 'found=1']);
    expect(none).toMatchObject({ code: 1, stderr: 'error: nothing matches\n' });
  });

  it.each([
    [['cm', 'marked'], 'say what to label'],
    [['cm', 'a=b'], 'say which configmaps'],
    [['cm', 'marked', 'a=b', '--all'], 'names exclude'],
    [['cm', 'marked', 'a=b', 'other'], 'before what is to be changed'],
    [['cm', 'marked', 'a=b', 'a-'], '"a" is given twice'],
    [['cm', 'marked', '=b'], 'has no key'],
    [['cm', 'marked', 'a=b', '--list'], '--list changes nothing'],
  ])('take %j for wrong usage', async (args, message) => {
    const { code, stderr } = await cosm.run(['label', ...args]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it('know objects from changes', () => {
    const { objects, changes } = parsePairs(['job/web', 'task/a-0-x', 'k8s.io/a=b=c', 'd-', 'e=']);
    expect(objects).toEqual(['job/web', 'task/a-0-x']);
    expect([...changes]).toEqual([
      ['k8s.io/a', 'b=c'],
      ['d', null],
      ['e', ''],
    ]);
    const present = { d: 'x', 'k8s.io/a': 'other' };
    expect(overwritten(present, changes)).toEqual(['k8s.io/a']);
    expect(absentees({}, changes)).toEqual(['d']);
    expect(labelOutcome(present, new Map([['d', null]]))).toBe('unlabeled');
    expect(labelOutcome(present, new Map([['d', 'x']]))).toBe('not labeled');
  });
});
