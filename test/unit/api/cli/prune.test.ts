import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jobResource } from '../../../../api/v1/job.ts';
import { startCosm, type Cosm } from './support/cosm.ts';
import { jobYaml } from './support/objects.ts';

let cosm: Cosm;
beforeAll(async () => {
  cosm = await startCosm();
});
afterAll(() => cosm.stop());

const apply = (text: string, ...flags: string[]): ReturnType<Cosm['run']> =>
  cosm.run(['apply', '-f', '-', ...flags], { stdin: text });
const setTo = (name: string, ...documents: string[]): ReturnType<Cosm['run']> =>
  apply(documents.join('\n---\n'), '--prune', '--applyset', name);

async function jobs(): Promise<string[]> {
  const { items } = await cosm.client.of(jobResource).list({ namespace: 'default' });
  return items
    .filter(({ metadata }) => !metadata.deletionTimestamp)
    .map((job) => job.metadata.name);
}

const configMap = (name: string, more = ''): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}${more}}\ndata: {a: "1"}\n`;

async function parentOf(kind: string, name: string): Promise<{ annotations?: object }> {
  const { stdout } = await cosm.run(['get', `${kind}/${name}`, '-o', 'json']);
  return (JSON.parse(stdout) as { metadata: { annotations?: object } }).metadata;
}

describe('cosm apply --prune --applyset', () => {
  it('deletes what the set had and the files have no more, and nothing else', async () => {
    await apply(jobYaml('bystander', 'replicas: 1'));
    expect(await setTo('team', jobYaml('web', 'replicas: 1'), configMap('old'))).toMatchObject({
      code: 0,
      stdout: 'configmap/old created\njob.mesocosm.dev/web created\n',
    });
    const again = await setTo('team', jobYaml('web', 'replicas: 1'));
    expect(again.stdout).toBe('job.mesocosm.dev/web unchanged\nconfigmap/old pruned\n');
    expect(await jobs()).toEqual(['bystander', 'web']);
    expect(await setTo('team', configMap('new'))).toMatchObject({
      stdout: 'configmap/new created\njob.mesocosm.dev/web pruned\n',
    });
    expect(await jobs()).toEqual(['bystander']);
    expect((await parentOf('secret', 'team')).annotations).toMatchObject({
      'applyset.kubernetes.io/contains-group-kinds': 'ConfigMap',
      'applyset.kubernetes.io/additional-namespaces': '',
    });
  });

  it('shows in a dry run what would go', async () => {
    await setTo('rehearsed', configMap('one'), configMap('two'));
    const { stdout } = await apply(
      configMap('one'),
      ...['--prune', '--applyset', 'rehearsed', '--dry-run', 'server'],
    );
    expect(stdout).toBe('configmap/one unchanged (dry run)\nconfigmap/two pruned (dry run)\n');
    expect((await cosm.run(['get', 'cm/two'])).code).toBe(0);
  });

  it('prunes nothing when a document is refused or cannot be read', async () => {
    await setTo('careful', configMap('kept'), configMap('other'));
    const broken = await setTo('careful', configMap('other'), jobYaml('bad', 'replicas: many'));
    expect(broken.code).toBe(1);
    const refused = await setTo(
      'careful',
      configMap('other'),
      jobYaml('bad', 'serverSet: {zkPath: /elsewhere, primaryPort: http}'),
    );
    expect(refused.code).toBe(1);
    expect((await setTo('careful', configMap('other'), '{')).code).toBe(1);
    cosm.file('set/a.yaml', configMap('other'));
    const args = ['apply', '-f', 'set', '-f', 'missing.yaml', '--prune', '--applyset', 'careful'];
    expect((await cosm.run(args)).code).toBe(2);
    expect((await cosm.run(['get', 'cm/kept'])).code).toBe(0);
  });

  it('takes nothing that is of another set, and marks nothing that files mark themselves', async () => {
    await setTo('first', configMap('shared'));
    const { code, stderr } = await setTo('second', configMap('shared'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/metadata\.name: Forbidden: the object is of another ApplySet/);
    const marked = configMap('m', ', labels: {applyset.kubernetes.io/part-of: x}');
    expect((await setTo('second', marked)).stderr).toMatch(/remove it from the file/);
  });

  it('finds members in the namespaces where the set was', async () => {
    const namespace = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: far}\n';
    const there = configMap('there', ', namespace: far');
    await setTo('configmap/wide', namespace, there, configMap('here'));
    const { stdout } = await setTo('configmap/wide', namespace, configMap('here'));
    expect(stdout).toContain('configmap/there pruned');
    expect((await parentOf('cm', 'wide')).annotations).toMatchObject({
      'applyset.kubernetes.io/contains-group-kinds': 'ConfigMap,Namespace',
    });
  });

  it('leaves alone a parent that is none, or that of another tool', async () => {
    await apply(configMap('plain'));
    const refused = await setTo('configmap/plain', configMap('x'));
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toMatch(/exists and is no ApplySet/);
    await apply(configMap('helm', ', annotations: {applyset.kubernetes.io/tooling: helm/v3}'));
    expect((await setTo('configmap/helm', configMap('x'))).stderr).toMatch(
      /of another tool, helm\/v3/,
    );
    expect((await apply(configMap('x'), '--prune')).code).toBe(2);
  });
});
