import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jobResource, type JobStatus } from '../../../../api/v1/job.ts';
import { startCosm, type Cosm, type Outcome } from './support/cosm.ts';
import { jobYaml } from './support/objects.ts';

let cosm: Cosm;
beforeAll(async () => {
  cosm = await startCosm();
});
afterAll(() => cosm.stop());

const jobs = () => cosm.client.of(jobResource);
const get = (name: string) => jobs().get({ namespace: 'default', name });
const configMap = (name: string, data: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: ${data}\n`;

/** What a controller would say of the Job. */
async function says(name: string, type: string, status: 'True' | 'False'): Promise<void> {
  const job = await get(name);
  const now = new Date().toISOString();
  const condition = { type, status, reason: 'Said', message: 'so', lastTransitionTime: now };
  const said: JobStatus = {
    observedGeneration: job.metadata.generation ?? 0,
    conditions: [condition],
  };
  await jobs().updateStatus({ ...job, status: said });
}

/** A program that is run in place of an editor or a diff tool. */
function tool(name: string, script: string): string {
  cosm.file(name, `#!/bin/sh\n${script}\n`);
  const path = join(cosm.directory, name);
  chmodSync(path, 0o755);
  return path;
}

describe('cosm diff', () => {
  const diff = (text: string, env: Record<string, string> = {}): Promise<Outcome> =>
    cosm.run(['diff', '-f', '-'], { stdin: text, env });

  it('shows what would change, changes nothing, and says by its code whether', async () => {
    const created = await diff(jobYaml('web', 'replicas: 2'));
    expect(created.code).toBe(1);
    expect(created.stdout).toContain('--- /dev/null\n+++ merged mesocosm.dev/v1 Job default/web\n');
    await cosm.run(['apply', '-f', '-'], { stdin: jobYaml('web', 'replicas: 2') });
    expect(await diff(jobYaml('web', 'replicas: 2'))).toEqual({ code: 0, stdout: '', stderr: '' });
    const changed = await diff(jobYaml('web', 'replicas: 3'));
    expect(changed.code).toBe(1);
    expect(changed.stdout).toMatch(/^-  replicas: 2\n\+  replicas: 3$/m);
    expect((await get('web')).spec.replicas).toBe(2);
  });

  it('fails with 2, at the place in the file', async () => {
    const refused = await diff(jobYaml('web', 'replicas: many'));
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/^stdin:\d+:\d+: spec\.replicas/m);
    expect((await cosm.run(['diff', '-f', 'missing.yaml'])).code).toBe(2);
  });

  it('never shows what a Secret holds', async () => {
    const secret = (value: string): string =>
      `apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: "${value}", b: same}\n`;
    await cosm.run(['apply', '-f', '-'], { stdin: secret('hunter2') });
    const { code, stdout } = await diff(secret('hunter3'));
    expect(code).toBe(1);
    expect(stdout).toMatch(/^-  a: "?\*\*\* \(before\)"?\n\+  a: "?\*\*\* \(after\)"?$/m);
    expect(stdout).not.toMatch(/hunter|aHVudGVy/);
  });

  it('leaves it to the tool of the user, run without a shell', async () => {
    const log = join(cosm.directory, 'words');
    const env = {
      KUBECTL_EXTERNAL_DIFF: `${tool('differ', `echo "$1" > ${log}; ls "$2" "$3"; exit 1`)} $(x);y`,
    };
    const { code, stdout } = await diff(jobYaml('web', 'replicas: 3'), env);
    expect(code).toBe(1);
    expect(readFileSync(log, 'utf8')).toBe('$(x);y\n');
    expect(stdout).toContain('mesocosm.dev.v1.Job.default.web');
    expect(
      (await diff(jobYaml('web', 'replicas: 3'), { KUBECTL_EXTERNAL_DIFF: tool('bad', 'exit 7') }))
        .code,
    ).toBe(2);
  });
});

describe('cosm edit', () => {
  const edit = (editor: string, what = 'job/edited'): Promise<Outcome> =>
    cosm.run(['edit', what], { env: { EDITOR: editor } });
  const keptFile = ({ stderr }: Outcome): string => /kept in (\S+)/.exec(stderr)?.[1] ?? '';

  beforeAll(async () => {
    await cosm.run(['apply', '-f', '-'], { stdin: jobYaml('edited', 'replicas: 2') });
  });

  it('writes what was changed in the editor, and nothing if nothing was', async () => {
    expect(await edit('/nowhere/vi')).toMatchObject({ code: 2 });
    const sed = tool('three', `sed -i 's/replicas: 2/replicas: 3/' "$1"`);
    expect(await edit(sed)).toMatchObject({ code: 0, stdout: 'job.mesocosm.dev/edited edited\n' });
    expect((await get('edited')).spec.replicas).toBe(3);
    expect(await edit('true')).toMatchObject({ stdout: 'job.mesocosm.dev/edited not changed\n' });
    expect(await edit(tool('empty', ': > "$1"'))).toMatchObject({ code: 0 });
    expect((await get('edited')).spec.replicas).toBe(3);
  });

  it('opens again with what is wrong, and writes once it is right', async () => {
    const seen = join(cosm.directory, 'seen');
    const editor = tool(
      'mender',
      `cp "$1" ${seen}; if grep -q 'replicas: many' "$1"; then sed -i 's/replicas: many/replicas: 4/' "$1"; else sed -i 's/replicas: 3/replicas: many/' "$1"; fi`,
    );
    expect(await edit(editor)).toMatchObject({ code: 0 });
    expect(readFileSync(seen, 'utf8')).toMatch(/^# .*spec\.replicas/m);
    expect((await get('edited')).spec.replicas).toBe(4);
  });

  it('keeps the text that is refused and comes back unchanged', async () => {
    const outcome = await edit(tool('wrong', `sed -i 's/replicas: .*/replicas: -1/' "$1"`));
    expect(outcome.code).toBe(1);
    expect(readFileSync(keptFile(outcome), 'utf8')).toContain('replicas: -1');
    rmSync(join(keptFile(outcome), '..'), { recursive: true });
    expect((await get('edited')).spec.replicas).toBe(4);
  });

  it('refuses to make another object of it', async () => {
    const outcome = await edit(tool('renamer', `sed -i 's/name: edited/name: other/' "$1"`));
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('metadata.name cannot be changed');
    rmSync(join(keptFile(outcome), '..'), { recursive: true });
  });

  it('leaves to others what they change meanwhile, and never overwrites it', async () => {
    const flag = join(cosm.directory, 'go');
    const wait = `touch ${flag}; while [ -e ${flag} ]; do sleep 0.02; done`;
    const other = async (patch: object): Promise<void> => {
      while (!existsSync(flag)) await new Promise((resolve) => setTimeout(resolve, 10));
      await jobs().patch({ namespace: 'default', name: 'edited' }, patch, { type: 'merge' });
      rmSync(flag);
    };
    const five = tool('five', `${wait}; sed -i 's/replicas: 4/replicas: 5/' "$1"`);
    const [fine] = await Promise.all([edit(five), other({ metadata: { labels: { a: 'b' } } })]);
    expect(fine).toMatchObject({ code: 0 });
    expect(await get('edited')).toMatchObject({
      metadata: { labels: { a: 'b' } },
      spec: { replicas: 5 },
    });
    const six = tool('six', `${wait}; sed -i 's/replicas: 5/replicas: 6/' "$1"`);
    const [refused] = await Promise.all([edit(six), other({ spec: { replicas: 9 } })]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('somebody has changed spec.replicas meanwhile');
    expect((await get('edited')).spec.replicas).toBe(9);
    rmSync(join(keptFile(refused), '..'), { recursive: true });
  });
});

describe('cosm sync', () => {
  const sync = (...flags: string[]): Promise<Outcome> =>
    cosm.run(['sync', 'deploy', '--applyset', 'deploy', ...flags], { hurry: 20 });
  const report = ({ stdout }: Outcome): unknown => JSON.parse(stdout);

  it('says in a dry run what it would do, does it, and waits until all is healthy', async () => {
    cosm.file('deploy/a/settings.yaml', configMap('settings', '{a: "1"}'));
    cosm.file('deploy/job.yaml', jobYaml('synced', 'replicas: 1'));
    cosm.file('deploy/README.md', 'not an object');
    const rehearsal = await sync('--dry-run', '-o', 'json');
    expect(rehearsal.code).toBe(1);
    expect(report(rehearsal)).toMatchObject({
      verdict: 'Different',
      objects: [
        { kind: 'ConfigMap', action: 'Created' },
        { kind: 'Job', action: 'Created' },
      ],
    });
    const running = cosm.start(['sync', 'deploy', '--applyset', 'deploy', '-o', 'json']);
    await running.shows('job.mesocosm.dev/synced is InProgress');
    await says('synced', 'Ready', 'True');
    const done = await running.done;
    expect(done.code).toBe(0);
    expect(report(done)).toEqual({
      verdict: 'Healthy',
      objects: [
        {
          ...{ apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default', name: 'settings' },
          ...{ action: 'Created', health: 'Current', message: '' },
        },
        {
          ...{ apiVersion: 'mesocosm.dev/v1', kind: 'Job', namespace: 'default', name: 'synced' },
          ...{ action: 'Created', health: 'Current', message: 'Said: so' },
        },
      ],
    });
    expect(await sync('--dry-run')).toMatchObject({ code: 0, stdout: '' });
  });

  it('says what to do about a namespace that is not there', async () => {
    const mend =
      'namespaces "nowhere" not found: add it to the files (kind: Namespace, name: nowhere), or choose another with -n\n';
    const inside = await sync('-n', 'nowhere');
    expect(inside.code).toBe(2);
    expect(inside.stderr).toContain(`deploy/a/settings.yaml:3:1: metadata.namespace: ${mend}`);
    cosm.file(
      'nets/net.yaml',
      'apiVersion: mesocosm.dev/v1\nkind: Network\nmetadata: {name: n}\nspec: {}\n',
    );
    const set = await cosm.run(['sync', 'nets', '--applyset', 'nets', '-n', 'nowhere']);
    expect(set).toMatchObject({ code: 2, stderr: `error: the set cannot be kept: ${mend}` });
  });

  it('leaves objects to apply, which warns once of all of them', async () => {
    for (const name of ['one', 'two']) cosm.file(`left/${name}.yaml`, configMap(name, '{a: "1"}'));
    await cosm.run(['sync', 'left', '--applyset', 'left']);
    const taken = await cosm.run(['apply', '-f', 'left', '--prune', '--applyset', 'left']);
    expect(taken).toMatchObject({
      code: 0,
      stderr:
        'Warning: configmap/one, configmap/two: not made with apply: fields that the file does not have stay as they are\n',
    });
  });

  it('prunes what the directory has no more, and waits until it is gone', async () => {
    rmSync(join(cosm.directory, 'deploy/a'), { recursive: true });
    const outcome = await sync('-o', 'json');
    expect(outcome.code).toBe(0);
    expect(report(outcome)).toMatchObject({
      objects: [
        { kind: 'Job', action: 'Unchanged', health: 'Current' },
        { kind: 'ConfigMap', action: 'Pruned', health: 'Absent' },
      ],
    });
  });

  it('ends with 1 when time is up, and when an object has failed', async () => {
    cosm.file('deploy/job.yaml', jobYaml('synced', 'replicas: 2'));
    const late = await sync('--timeout', '2s');
    expect(late).toMatchObject({ code: 1 });
    expect(late.stderr).toContain('Unhealthy: 1 configured');
    await says('synced', 'Stalled', 'True');
    const failed = await sync('--timeout', '1h', '-o', 'json');
    expect(failed.code).toBe(1);
    expect(report(failed)).toMatchObject({ objects: [{ health: 'Failed', message: 'Said: so' }] });
  });

  it('ends with 2, and prunes nothing, when anything is wrong', async () => {
    cosm.file('deploy/more.yaml', configMap('more', '{a: "1"}'));
    await sync('--no-wait');
    rmSync(join(cosm.directory, 'deploy/more.yaml'));
    cosm.file('deploy/broken.yaml', 'kind: [');
    expect(await sync('--no-wait')).toMatchObject({ code: 2 });
    cosm.file('deploy/broken.yaml', jobYaml('broken', 'replicas: many'));
    expect(await sync('--no-wait')).toMatchObject({ code: 2 });
    expect((await cosm.run(['get', 'cm/more'])).code).toBe(0);
    rmSync(join(cosm.directory, 'deploy/broken.yaml'));
    expect((await cosm.run(['sync', 'deploy'])).code).toBe(2);
    expect((await cosm.run(['sync', 'nowhere', '--no-prune'])).code).toBe(2);
  });
});

describe('what the server serves', () => {
  it('is listed by kind and by version', async () => {
    const { stdout } = await cosm.run(['api-resources']);
    expect(stdout).toMatch(/^NAME +SHORTNAMES +APIVERSION +NAMESPACED +KIND$/m);
    expect(stdout).toMatch(/^jobs +mj +mesocosm\.dev\/v1 +true +Job$/m);
    const names = await cosm.run([
      'api-resources',
      '-o',
      'name',
      '--api-group',
      'mesocosm.dev',
      '--namespaced',
      'false',
    ]);
    expect(names.stdout.split('\n')).toContain('networks.mesocosm.dev');
    expect(names.stdout).not.toContain('jobs');
    expect((await cosm.run(['api-versions'])).stdout.split('\n')).toEqual(
      expect.arrayContaining(['mesocosm.dev/v1', 'v1']),
    );
  });
});
