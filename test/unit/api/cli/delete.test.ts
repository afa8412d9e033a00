import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCosm, type Cosm } from './support/cosm.ts';
import { jobYaml } from './support/objects.ts';

let cosm: Cosm;
beforeAll(async () => {
  cosm = await startCosm();
});
afterAll(() => cosm.stop());

async function apply(...documents: string[]): Promise<void> {
  expect(await cosm.run(['apply', '-f', '-'], { stdin: documents.join('---\n') })).toMatchObject({
    code: 0,
  });
}
const namesOf = async (kind: string): Promise<string> =>
  (await cosm.run(['get', kind, '-o', 'name', '-A'])).stdout;
const configMap = (name: string, namespace = 'default'): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, namespace: ${namespace}}\n`;

describe('cosm delete --all', () => {
  it('deletes every object of the kind in the namespace, and no other', async () => {
    await apply(
      'apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n',
      configMap('a'),
      configMap('b'),
      configMap('kept', 'other'),
      jobYaml('kept'),
    );
    const all = ['delete', 'configmaps', '--all'];
    expect(await cosm.run([...all, '--dry-run=server'])).toEqual({
      code: 0,
      stdout: 'configmap/a deleted (dry run)\nconfigmap/b deleted (dry run)\n',
      stderr: '',
    });
    expect(await cosm.run(all)).toEqual({
      code: 0,
      stdout: 'configmap/a deleted\nconfigmap/b deleted\n',
      stderr: '',
    });
    expect(await namesOf('configmaps')).toBe('configmap/kept\n');
    expect(await namesOf('jobs')).toBe('job.mesocosm.dev/kept\n');
    expect(await cosm.run(all)).toEqual({
      code: 0,
      stdout: '',
      stderr: 'No configmaps found in namespace default.\n',
    });
    expect((await cosm.run(['delete', 'cm,jobs', '--all'])).stdout).toBe(
      'job.mesocosm.dev/kept deleted\n',
    );
  });

  it('is refused beside anything else that says which', async () => {
    await apply(configMap('safe'));
    for (const args of [
      ['configmap/safe', '--all'],
      ['configmaps', 'safe', '--all'],
      ['configmaps', '--all', '-l', 'team=a'],
      ['-f', 'nope.yaml', '--all'],
      ['configmaps'],
      ['--all'],
    ]) {
      const { code, stdout, stderr } = await cosm.run(['delete', ...args]);
      expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' });
      expect(stderr).toMatch(/--all/);
    }
    expect(await namesOf('configmaps')).toContain('configmap/safe\n');
  });
});

describe('cosm delete --dry-run=server', () => {
  it('only says what would go, and marks nothing', async () => {
    const finalizers = '  finalizers: [mesocosm.dev/tasks]\n';
    await apply(jobYaml('held', 'replicas: 1', finalizers));
    for (const more of [[], ['--force'], ['--confirm-dead']]) {
      expect(await cosm.run(['delete', 'job/held', '--dry-run=server', ...more])).toEqual({
        code: 0,
        stdout: 'job.mesocosm.dev/held deletion started (held by mesocosm.dev/tasks) (dry run)\n',
        stderr: '',
      });
    }
    const { stdout } = await cosm.run(['get', 'job/held', '-o', 'yaml']);
    expect(stdout).not.toMatch(/deletionTimestamp|force-delete|confirm-dead/);
    expect((await cosm.run(['delete', 'job/nope', '--dry-run=server'])).code).toBe(1);
    expect(await cosm.run(['delete', 'job/held', '--dry-run=client'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--dry-run') as string,
    });
  });
});
