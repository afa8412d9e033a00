import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serverSetResource, type ServerSet } from '../../../../api/v1/serverset.ts';
import { startCosm, type Cosm } from './support/cosm.ts';

let cosm: Cosm;

beforeAll(async () => {
  cosm = await startCosm();
});
afterAll(() => cosm.stop());

async function made(name: string, held: number, stalled?: string): Promise<ServerSet> {
  const sets = cosm.client.of(serverSetResource);
  const serverSet = await sets.create({
    apiVersion: 'mesocosm.dev/v1',
    kind: 'ServerSet',
    metadata: { name, namespace: 'default' },
    spec: {
      zkPath: `/mesocosm/default/${name}`,
      selector: { matchLabels: { app: name } },
      primaryPort: 'http',
    },
  });
  const condition = {
    type: 'Stalled',
    status: 'True' as const,
    reason: 'AccessDenied',
    message: stalled ?? '',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const conditions = stalled === undefined ? [] : [condition];
  return sets.updateStatus({ ...serverSet, status: { held, conditions } });
}

async function annotationsOf({ metadata }: ServerSet): Promise<Record<string, string>> {
  return (await cosm.client.of(serverSetResource).get(metadata)).metadata.annotations ?? {};
}

/** Does what the leader does once it has done what was asked. */
async function answer({ metadata }: ServerSet): Promise<void> {
  const sets = cosm.client.of(serverSetResource);
  await sets.patch(metadata, { metadata: { annotations: null } }, { type: 'merge' });
}

describe('cosm serverset release', () => {
  it('asks the leader to let go what is held', async () => {
    const web = await made('web', 2);
    const { code, stdout, stderr } = await cosm.run(['serverset', 'release', 'web']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe('serverset.mesocosm.dev/web will let go 2 members of unreachable tasks\n');
    expect(await annotationsOf(web)).toEqual({ 'mesocosm.dev/release-held': 'true' });
  });

  it('asks nothing while nothing is held: it would let go what is held one day', async () => {
    const quiet = await made('quiet', 0);
    const { code, stdout } = await cosm.run(['serverset', 'release', 'serverset/quiet', '--wait']);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: 'serverset.mesocosm.dev/quiet holds no member back\n',
    });
    expect(await annotationsOf(quiet)).toEqual({});
  });
});

describe('cosm serverset purge', () => {
  it('asks each time anew, and waits until the leader has done it', async () => {
    const api = await made('api', 0);
    expect((await cosm.run(['serverset', 'purge', 'api'])).code).toBe(0);
    const { 'mesocosm.dev/purge': first } = await annotationsOf(api);
    expect(first).toMatch(/^\d{4}-\d\d-\d\dT/);
    const running = cosm.start(['serverset', 'purge', 'ss/api', '--wait']);
    await running.shows('will be purged');
    expect((await annotationsOf(api))['mesocosm.dev/purge']).not.toBe(first);
    await answer(api);
    expect(await running.done).toMatchObject({ code: 0 });
    expect(running.stdout()).toMatch(/\/api done\n$/);
  });

  it('ends with 3 when nobody does it in time, and says why', async () => {
    await made('denied', 0, 'ZooKeeper refused at /x');
    const { code, stderr } = await cosm.run(
      ['serverset', 'purge', 'denied', '--wait', '--timeout=1s'],
      { hurry: 10 },
    );
    expect(code).toBe(3);
    expect(stderr).toContain('warning: denied is stalled (AccessDenied)');
    expect(stderr).toContain('timed out: denied: ZooKeeper refused at /x');
  });

  it('ends with 1 for a set that is not there, with 2 for what cannot be', async () => {
    expect((await cosm.run(['serverset', 'purge', 'absent'])).code).toBe(1);
    expect((await cosm.run(['serverset', 'purge'])).code).toBe(2);
    expect((await cosm.run(['serverset', 'purge', 'job/web'])).code).toBe(2);
    expect((await cosm.run(['serverset', 'purge', 'web', '--timeout=soon'])).code).toBe(2);
    expect((await cosm.run(['serverset', 'bury', 'web'])).code).toBe(2);
  });
});

describe('cosm serverset --help', () => {
  it('tells what both do, with examples', async () => {
    const { code, stdout } = await cosm.run(['serverset', '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('  cosm serverset release web');
    expect(stdout).toContain('  cosm serverset purge web');
    expect(stdout).toContain('mesocosm.dev/purge');
  });
});
