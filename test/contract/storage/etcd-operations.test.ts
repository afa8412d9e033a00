import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../api/machinery/clock.ts';
import { systemRandom } from '../../../api/machinery/random.ts';
import { WatchCache } from '../../../api/storage/cache.ts';
import { startEtcd, type EtcdServer } from '../../support/etcd.ts';
import { openEtcd, waitUntil } from './etcd-support.ts';
import { bytes, collectEvents, failure, text, written } from './support.ts';

function run(command: string, ...parameters: string[]): void {
  const { status, stderr } = spawnSync(command, parameters, {
    encoding: 'utf8',
    env: { ...process.env, ETCDCTL_API: '3' },
  });
  if (status !== 0) throw new Error(`${command} ${parameters.join(' ')}: ${stderr}`);
}

describe('etcd as operators run it', () => {
  const cleanup: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const step of cleanup.splice(0).reverse()) await step();
  });
  const start = async (options?: Parameters<typeof startEtcd>[0]): Promise<EtcdServer> => {
    const server = await startEtcd(options);
    cleanup.push(() => server.stop());
    return server;
  };
  const open = (...parameters: Parameters<typeof openEtcd>): ReturnType<typeof openEtcd> => {
    const storage = openEtcd(...parameters);
    cleanup.push(() => storage.close());
    return storage;
  };

  it('lists more than the largest reply holds, by smaller pages', async () => {
    const storage = open([(await start()).endpoint], { prefix: '/r' });
    const big = new Uint8Array(1_400_000);
    for (let index = 0; index < 55; index += 1) {
      await written(storage.create(`/a/${100 + index}`, big));
    }
    const { items, remaining } = await storage.list('/a/');
    expect(items.map((item) => item.key)).toEqual(
      Array.from({ length: 55 }, (_, index) => `/a/${100 + index}`),
    );
    expect(remaining).toBe(0);
  });

  it('says so when its quota is used up, writes nothing more, and works again once disarmed', async () => {
    const quota = 32 * 1024 * 1024;
    const { endpoint } = await start({ arguments: [`--quota-backend-bytes=${quota}`] });
    const storage = open([endpoint], { prefix: '/r' });
    const big = new Uint8Array(1_000_000);
    const revisions: number[] = [];
    let refused: string | undefined;
    for (let index = 0; refused === undefined && index < 60; index += 1) {
      const create = storage.create(`/a/${index}`, big);
      try {
        revisions.push(await written(create));
      } catch {
        refused = await failure(create);
      }
    }
    expect(refused).toBe('no-space');
    const { items } = await storage.list('/a/');
    expect(new Map(items.map((item) => [item.key, item.modRevision]))).toEqual(
      new Map(revisions.map((revision, index) => [`/a/${index}`, revision])),
    );
    expect(await storage.problems()).toContainEqual(
      expect.objectContaining({ severity: 'fatal', reason: 'NoSpace' }),
    );
    for (const [index, revision] of revisions.entries()) {
      await written(storage.delete(`/a/${index}`, revision));
    }
    await storage.compact(await storage.head());
    run('etcdctl', `--endpoints=${endpoint}`, 'defrag');
    run('etcdctl', `--endpoints=${endpoint}`, 'alarm', 'disarm');
    await written(storage.create('/a/again', big));
    expect((await storage.problems()).filter(({ severity }) => severity === 'fatal')).toEqual([]);
  });

  it('warns of a version whose watches have bugs', async () => {
    const { endpoint } = await start();
    const storage = open([endpoint, 'http://127.0.0.1:1'], {
      prefix: '/r',
      requestTimeoutMs: 5_000,
    });
    const version = /etcd Version: (\S+)/.exec(
      spawnSync('etcd', ['--version'], { encoding: 'utf8' }).stdout,
    )?.[1];
    const problems = await storage.problems();
    expect(problems).toContainEqual(
      expect.objectContaining({ severity: 'warning', reason: 'Unreachable' }),
    );
    const old = problems.filter(({ reason }) => reason === 'OldVersion');
    expect(old).toHaveLength(version === '3.4.23' ? 1 : old.length);
  });

  it('takes a user and a password, and denies what the user may not', async () => {
    const { endpoint } = await start();
    const admin = [`--endpoints=${endpoint}`, '--user=root:root-password'];
    run('etcdctl', admin[0]!, 'user', 'add', 'root:root-password');
    run('etcdctl', admin[0]!, 'user', 'add', 'cosmd:secret');
    run('etcdctl', admin[0]!, 'role', 'add', 'mesocosm');
    run(
      'etcdctl',
      admin[0]!,
      'role',
      'grant-permission',
      'mesocosm',
      '--prefix=true',
      'readwrite',
      '/r/',
    );
    run('etcdctl', admin[0]!, 'user', 'grant-role', 'cosmd', 'mesocosm');
    run('etcdctl', admin[0]!, 'user', 'grant-role', 'root', 'root');
    run('etcdctl', admin[0]!, 'auth', 'enable');
    cleanup.push(() => {
      run('etcdctl', ...admin, 'auth', 'disable');
      return Promise.resolve();
    });
    const auth = { username: 'cosmd', password: 'secret' };
    const storage = open([endpoint], { prefix: '/r', auth });
    const first = await written(storage.create('/a/x', bytes('1')));
    expect(text((await storage.get('/a/x'))?.value)).toBe('1');
    expect(await collectEvents(storage, '/', first, 1)).toHaveLength(1);
    const elsewhere = open([endpoint], { prefix: '/other', auth });
    expect(await failure(elsewhere.get('/a/x'))).toBe('denied');
    expect(await failure(elsewhere.create('/a/x', bytes('1')))).toBe('denied');
    expect(await failure(collectEvents(elsewhere, '/', 1, 1))).toBe('denied');
    const wrong = open([endpoint], { prefix: '/r', auth: { ...auth, password: 'guess' } });
    expect(await failure(wrong.get('/a/x'))).toBe('denied');
    expect(await failure(open([endpoint], { prefix: '/r' }).get('/a/x'))).toBe('denied');
  });

  it('speaks TLS to a server that asks for a certificate', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'mesocosm-tls-'));
    cleanup.push(() => rm(directory, { recursive: true, force: true }));
    const file = (name: string): string => join(directory, name);
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
    const authority = (name: string): void =>
      run(
        'openssl',
        'req',
        '-x509',
        ...key,
        '-keyout',
        file(`${name}.key`),
        '-out',
        file(`${name}.crt`),
        '-subj',
        `/CN=${name}`,
      );
    authority('ca');
    authority('other-ca');
    run(
      'openssl',
      'req',
      '-x509',
      ...key,
      '-keyout',
      file('etcd.key'),
      '-out',
      file('etcd.crt'),
      '-subj',
      '/CN=etcd',
      '-CA',
      file('ca.crt'),
      '-CAkey',
      file('ca.key'),
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-addext',
      'basicConstraints=critical,CA:FALSE',
    );
    const [ca, otherCa, cert, privateKey] = await Promise.all(
      ['ca.crt', 'other-ca.crt', 'etcd.crt', 'etcd.key'].map((name) => readFile(file(name))),
    );
    const { endpoint } = await start({
      tls: { ca: file('ca.crt'), cert: file('etcd.crt'), key: file('etcd.key') },
    });
    const storage = open([endpoint], {
      prefix: '/r',
      tls: { ca: ca!, cert: cert!, key: privateKey! },
    });
    const first = await written(storage.create('/a/x', bytes('1')));
    expect(await collectEvents(storage, '/', first, 1)).toHaveLength(1);
    const options = { prefix: '/r', requestTimeoutMs: 1_000 };
    const anonymous = open([endpoint], { ...options, tls: { ca: ca! } });
    expect(await failure(anonymous.get('/a/x'))).toBe('unavailable');
    const distrustful = open([endpoint], {
      ...options,
      tls: { ca: otherCa!, cert: cert!, key: privateKey! },
    });
    expect(await failure(distrustful.get('/a/x'))).toBe('unavailable');
  });

  it('feeds a cache whose lists show every write, also when others write to the same etcd', async () => {
    const { endpoint } = await start();
    const storage = open([endpoint], { prefix: '/r' });
    const neighbour = open([endpoint], { prefix: '/neighbour' });
    const stop = new AbortController();
    const cache = new WatchCache({
      storage,
      clock: systemClock(),
      random: systemRandom(),
      decode: (_key, value) => text(value),
      onError: (error) => {
        throw error;
      },
    });
    const running = cache.run(stop.signal);
    cleanup.push(() => {
      stop.abort();
      return running;
    });
    await waitUntil(() => cache.connected);
    for (let index = 0; index < 100; index += 1) {
      const revision = await written(storage.create(`/g/jobs/${1000 + index}`, bytes(`${index}`)));
      const list = await cache.list('/g/jobs/');
      expect(list.revision).toBeGreaterThanOrEqual(revision);
      expect([...list.entries()].at(-1)?.object).toBe(`${index}`);
    }
    const foreign = await written(neighbour.create('/g/jobs/x', bytes('foreign')));
    const list = await cache.list('/g/jobs/');
    expect(list.revision).toBe(foreign);
    expect([...list.entries()]).toHaveLength(100);
    expect(cache.revision).toBe(foreign - 1);
  });
});
