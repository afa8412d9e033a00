import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resources } from '../../api/v1/resources.ts';
import { kubectlVersions, type Kubectl } from './support/kubectl.ts';
import { administrator } from './support/people.ts';
import { startServer, type RunningServer } from './support/server.ts';

const versions = await kubectlVersions();
/** The oldest, which speaks JSON and asks OpenAPI v2, and the newest, which sends protobuf. */
const extremes = [versions[0], versions.at(-1)].filter((version) => version !== undefined);

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe.each(extremes)('core kinds with kubectl 1.$minor', ({ file }) => {
  let running: RunningServer;
  let kubectl: Kubectl;

  beforeAll(async () => {
    running = await startServer(resources);
    kubectl = administrator(file, running);
  });
  afterAll(async () => {
    await running.stop();
    expect(running.complaints).toEqual([]);
  });

  async function written(name: string, text: string): Promise<string> {
    const path = join(running.directory, name);
    await writeFile(path, text);
    return path;
  }

  const field = async (object: string, path: string): Promise<string> =>
    kubectl.run('get', object, '-o', `jsonpath={${path}}`);

  it('creates namespaces, configmaps, secrets and serviceaccounts', async () => {
    const binary = join(running.directory, 'binary');
    await writeFile(binary, Buffer.from([0, 255, 254]));
    await kubectl.run('create', 'namespace', 'made');
    await kubectl.run('create', 'cm', 'c', '--from-literal=a=1', `--from-file=b=${binary}`);
    await kubectl.run('create', 'secret', 'generic', 's', '--from-literal=password=hunter2');
    await kubectl.run('create', 'sa', 'robot');
    expect(await field('ns/made', '.status.phase')).toBe('Active');
    expect(await field('cm/c', '.data.a')).toBe('1');
    expect(await field('cm/c', '.binaryData.b')).toBe('AP/+');
    expect(await field('secret/s', '.data.password')).toBe(base64('hunter2'));
    expect(await kubectl.run('get', 'cm,secret,sa')).toMatch(
      /configmap\/c +2 .*secret\/s +Opaque +1 .*serviceaccount\/robot +0 /s,
    );
  });

  it('shows the events of events.k8s.io, which are those of the core group', async () => {
    const event = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: 'launched' },
      eventTime: '2026-01-01T00:00:00.000001Z',
      reportingController: 'example.dev/ctl',
      reportingInstance: 'ctl-1',
      action: 'Launching',
      reason: 'Launched',
      regarding: { kind: 'Job', name: 'web', namespace: 'default' },
      note: 'did launch',
      type: 'Normal',
    };
    await kubectl.run('create', '-f', await written('event.json', JSON.stringify(event)));
    const row = / +Normal +Launched +job\/web +did launch/;
    expect(await kubectl.run('get', 'events.events.k8s.io')).toMatch(row);
    expect(await kubectl.run('get', 'events')).toMatch(row);
    expect(await field('events.v1.events.k8s.io/launched', '.note')).toBe('did launch');
    expect(await field('events/launched', '.message')).toBe('did launch');
  });

  it('creates secrets of types, and refuses one that lacks what its type needs', async () => {
    await kubectl.run(
      ...['create', 'secret', 'docker-registry', 'pull', '--docker-server=r.example'],
      ...['--docker-username=u', '--docker-password=p'],
    );
    const types = await kubectl.run(
      ...['get', 'secrets', '--field-selector=type=kubernetes.io/dockerconfigjson', '-o', 'name'],
    );
    expect(types).toBe('secret/pull\n');
    const outcome = await kubectl.try([
      'create',
      'secret',
      'generic',
      'half',
      '--type=kubernetes.io/tls',
      '--from-literal=tls.crt=x',
    ]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('data[tls.key]: Required value');
  });

  it('applies a configmap again: keys come, change and go', async () => {
    const configMap = (data: string): string =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\ndata: ${data}\n`;
    const first = await written('applied.yaml', configMap('{a: "1", b: "2"}'));
    expect(await kubectl.run('apply', '-f', first)).toContain('created');
    expect(await kubectl.run('apply', '-f', first)).toContain('unchanged');
    await kubectl.run('patch', 'cm', 'applied', '-p', '{"data":{"theirs":"x"}}');
    const second = await written('applied.yaml', configMap('{b: "3", c: "4"}'));
    expect(await kubectl.run('apply', '-f', second)).toContain('configured');
    expect(JSON.parse(await field('cm/applied', '.data'))).toEqual({ b: '3', c: '4', theirs: 'x' });
    const { code, stdout } = await kubectl.try(['diff', '-f', first], {
      KUBECTL_EXTERNAL_DIFF: 'diff -u',
    });
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  });

  it('applies a secret given as texts, on either side', async () => {
    const path = await written(
      'texts.yaml',
      'apiVersion: v1\nkind: Secret\nmetadata: {name: texts}\nstringData: {user: me}\n',
    );
    await kubectl.run('apply', '-f', path);
    expect(await kubectl.run('apply', '-f', path)).toMatch(/unchanged|configured/);
    expect(await field('secret/texts', '.data.user')).toBe(base64('me'));
    expect(await field('secret/texts', '.stringData')).toBe('');
    const version = await field('secret/texts', '.metadata.resourceVersion');
    await kubectl.run('apply', '--server-side', '--force-conflicts', '-f', path);
    const after = await field('secret/texts', '.metadata.resourceVersion');
    await kubectl.run('apply', '--server-side', '-f', path);
    expect(await field('secret/texts', '.metadata.resourceVersion')).toBe(after);
    expect(Number(after)).toBeGreaterThanOrEqual(Number(version));
  });

  it('edits by strategic merge', async () => {
    await kubectl.run('create', 'cm', 'edited', '--from-literal=a=old');
    const { code, stderr } = await kubectl.try(['edit', 'cm', 'edited'], {
      KUBE_EDITOR: 'sed -i s/old/new/',
    });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(await field('cm/edited', '.data.a')).toBe('new');
  });

  it('merges lists by their keys', async () => {
    await kubectl.run('patch', 'sa', 'robot', '-p', '{"secrets":[{"name":"one"}]}');
    await kubectl.run('patch', 'sa', 'robot', '-p', '{"secrets":[{"name":"two"}]}');
    expect(await field('sa/robot', '.secrets[*].name')).toBe('two one');
    await kubectl.run(
      ...['patch', 'sa', 'robot', '-p', '{"secrets":[{"name":"one","$patch":"delete"}]}'],
    );
    expect(await field('sa/robot', '.secrets[*].name')).toBe('two');
    const path = await written(
      'robot.yaml',
      'apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot}\nsecrets: [{name: mine}]\n',
    );
    await kubectl.run('apply', '-f', path);
    expect(await field('sa/robot', '.secrets[*].name')).toBe('mine two');
  });

  it('keeps what is immutable', async () => {
    await kubectl.run('patch', 'cm', 'edited', '-p', '{"immutable":true}');
    const outcome = await kubectl.try(['patch', 'cm', 'edited', '-p', '{"data":{"a":"newer"}}']);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('data: Forbidden: field is immutable when `immutable` is set');
    await kubectl.run('label', 'cm', 'edited', 'still=changeable');
  });

  it('labels, annotates and describes, without the contents of secrets', async () => {
    await kubectl.run('label', 'ns', 'made', 'team=a');
    await kubectl.run('annotate', 'secret', 's', 'note=1');
    const described = await kubectl.run('describe', 'secret', 's');
    expect(described).toContain('password:  7 bytes');
    expect(described).not.toContain('hunter2');
    expect(await kubectl.run('describe', 'cm', 'c')).toMatch(/a:\n-+\n1\n/);
    expect(await kubectl.run('describe', 'sa', 'robot')).toContain('two');
  });

  it('replaces and deletes', async () => {
    const path = await written(
      'replaced.yaml',
      'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {k: dg==}\n',
    );
    await kubectl.run('replace', '-f', path);
    expect(JSON.parse(await field('secret/s', '.data'))).toEqual({ k: 'dg==' });
    await kubectl.run('delete', 'secret/s', 'cm/c', 'sa/robot');
    expect((await kubectl.try(['get', 'secret', 's'])).stderr).toContain('NotFound');
  });
});
