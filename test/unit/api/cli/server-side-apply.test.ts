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
const onServer = (text: string, ...flags: string[]): ReturnType<Cosm['run']> =>
  apply(text, '--server-side', ...flags);
const job = (name: string) => cosm.client.of(jobResource).find({ namespace: 'default', name });

async function managers(name: string): Promise<string[]> {
  const entries = (await job(name))?.metadata.managedFields ?? [];
  return entries.map(({ manager, operation }) => `${manager ?? ''} ${operation ?? ''}`);
}

describe('cosm apply --server-side', () => {
  it('creates, changes, and then has nothing to do', async () => {
    expect(await onServer(jobYaml('web', 'replicas: 2'))).toEqual({
      code: 0,
      stdout: 'job.mesocosm.dev/web created\n',
      stderr: '',
    });
    const before = await job('web');
    expect(await onServer(jobYaml('web', 'replicas: 2'))).toMatchObject({
      stdout: 'job.mesocosm.dev/web unchanged\n',
    });
    expect(await job('web')).toEqual(before);
    const rehearsed = await onServer(jobYaml('web', 'replicas: 3'), '--dry-run=server');
    expect(rehearsed.stdout).toBe('job.mesocosm.dev/web configured (dry run)\n');
    expect((await onServer(jobYaml('web', 'replicas: 3'))).stdout).toBe(
      'job.mesocosm.dev/web configured\n',
    );
    expect((await job('web'))?.spec.replicas).toBe(3);
    expect(await managers('web')).toEqual(['cosm Apply']);
  });

  it('shows at the place in the file who owns a field, and takes it when told to', async () => {
    await onServer(jobYaml('owned', 'replicas: 2'));
    await cosm.run(['scale', 'job/owned', '--replicas', '7']);
    const refused = await onServer(jobYaml('owned', 'replicas: 3'));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /^stdin:\d+:\d+: spec\.replicas: conflict with "cosm" with subresource "scale" using mesocosm\.dev\/v1: .*--force-conflicts/m,
    );
    expect((await job('owned'))?.spec.replicas).toBe(7);
    await onServer(jobYaml('owned', 'replicas: 3'), '--force-conflicts');
    expect((await job('owned'))?.spec.replicas).toBe(3);
  });

  it('keeps the fields of several managers apart', async () => {
    await onServer(jobYaml('shared', 'replicas: 2', '  labels: {a: "1"}\n'));
    await onServer(
      jobYaml('shared', 'type: Service', '  labels: {b: "2"}\n'),
      '--field-manager=ci',
    );
    await onServer(jobYaml('shared', 'replicas: 2'));
    expect((await job('shared'))?.metadata.labels).toEqual({ b: '2' });
    expect(await managers('shared')).toEqual(['ci Apply', 'cosm Apply']);
  });

  it('takes over what was applied on this side, and gives it back', async () => {
    await apply(jobYaml('moved', 'replicas: 2', '  labels: {a: "1", b: "2"}\n'));
    await onServer(jobYaml('moved', 'replicas: 4', '  labels: {a: "1"}\n'));
    const moved = await job('moved');
    expect(moved).toMatchObject({ spec: { replicas: 4 }, metadata: { labels: { a: '1' } } });
    expect(await managers('moved')).toEqual(['cosm Apply']);
    const back = await apply(jobYaml('moved', 'replicas: 5', '  labels: {c: "3"}\n'));
    expect(back).toMatchObject({ code: 0, stderr: '' });
    expect(await job('moved')).toMatchObject({
      spec: { replicas: 5 },
      metadata: { labels: { c: '3' } },
    });
    await onServer(jobYaml('moved', 'type: Service'));
    expect((await job('moved'))?.metadata.labels).toBeUndefined();
    expect((await job('moved'))?.spec.replicas).toBe(1);
  });

  it.each([['--force-conflicts'], ['--field-manager=ci']])(
    'alone gives %s a sense',
    async (flag) => {
      const outcome = await apply(jobYaml('web'), flag);
      expect([outcome.code, outcome.stderr]).toEqual([
        2,
        expect.stringContaining('goes with --server-side'),
      ]);
    },
  );
});
