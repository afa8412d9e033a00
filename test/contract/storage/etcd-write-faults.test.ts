import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../api/machinery/clock.ts';
import type { EtcdStorage } from '../../../api/storage/etcd/driver.ts';
import type { WriteResult } from '../../../api/storage/storage.ts';
import { startEtcd, type EtcdServer } from '../../support/etcd.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import { openEtcd, waitUntil } from './etcd-support.ts';
import { actions, bytes, collectEvents, failure, text, written } from './support.ts';

describe('calls to etcd over a bad link', () => {
  let server: EtcdServer;
  let proxy: TcpProxy;
  let direct: EtcdStorage;
  let proxied: EtcdStorage;
  let prefix: string;
  const { create, update, remove, value } = actions(() => direct);

  beforeAll(async () => {
    server = await startEtcd();
    proxy = await startTcpProxy(server);
  });
  afterAll(async () => {
    await proxy.stop();
    await server.stop();
  });
  beforeEach(async () => {
    prefix = `/${crypto.randomUUID()}`;
    direct = openEtcd([server.endpoint], { prefix });
    proxied = openEtcd([`http://127.0.0.1:${proxy.port}`], { prefix });
    await proxied.head();
  });
  afterEach(async () => {
    proxy.resume();
    await proxied.close();
    await direct.close();
  });

  const modRevision = async (key: string): Promise<number | undefined> =>
    (await direct.get(key))?.modRevision;

  /** How many transactions etcd has answered, refused ones too. */
  const transactions = async (): Promise<number> => {
    const metrics = await (await fetch(`${server.endpoint}/metrics`)).text();
    const lines = metrics.matchAll(/^grpc_server_handled_total\{.*grpc_method="Txn".*\} (\d+)$/gm);
    return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  /** Whether etcd has answered one more than by now. */
  const nextTransaction = async (): Promise<() => Promise<boolean>> => {
    const before = await transactions();
    return async () => (await transactions()) > before;
  };

  /** Performs `write` so that etcd takes it and the answer is lost; `then` happens before it is asked. */
  const loseAnswer = async (
    write: () => Promise<WriteResult>,
    taken: () => Promise<boolean>,
    then: () => Promise<unknown> = () => Promise.resolve(),
  ): Promise<WriteResult> => {
    proxy.blackHole('toClient');
    const result = write();
    await waitUntil(taken);
    await then();
    proxy.cut();
    proxy.resume();
    return result;
  };

  /** Performs `write` so that nothing of it reaches etcd, then lets the link heal. */
  const loseRequest = async (write: () => Promise<WriteResult>): Promise<WriteResult> => {
    proxy.blackHole('toServer');
    const result = write();
    result.catch(() => undefined);
    await waitUntil(() => proxy.held > 0);
    proxy.cut();
    proxy.resume();
    return result;
  };

  describe('a transaction whose answer is lost', () => {
    it('is told as written, with its revision, when etcd has taken it', async () => {
      const created = await loseAnswer(
        () => proxied.create('/x', bytes('1')),
        async () => (await value('/x')) === '1',
      );
      const first = await modRevision('/x');
      expect(created).toEqual({ outcome: 'written', revision: first });

      const updated = await loseAnswer(
        () => proxied.update('/x', bytes('2'), first!),
        async () => (await value('/x')) === '2',
      );
      const second = await modRevision('/x');
      expect(updated).toEqual({ outcome: 'written', revision: second });

      const deleted = await loseAnswer(
        () => proxied.delete('/x', second!),
        async () => (await value('/x')) === undefined,
      );
      expect(deleted).toEqual({ outcome: 'written', revision: second! + 1 });
      expect(await direct.head()).toBe(second! + 1);
    });

    it('is told as written though others have changed or deleted the key since', async () => {
      const first = await create('/x', '1');
      const results: WriteResult[] = [];
      const overwrite = async (): Promise<void> => {
        let last = (await modRevision('/x'))!;
        for (let index = 0; index < 5; index += 1) {
          await create(`/other/${last}`, '1');
          last = await update('/x', `theirs ${index}`, last);
        }
      };
      results.push(
        await loseAnswer(
          () => proxied.update('/x', bytes('mine'), first),
          async () => (await value('/x')) === 'mine',
          overwrite,
        ),
      );
      expect(results[0]).toEqual({ outcome: 'written', revision: first + 1 });

      const last = (await modRevision('/x'))!;
      const deleted = await loseAnswer(
        () => proxied.delete('/x', last),
        async () => (await value('/x')) === undefined,
        () => create('/x', 'theirs'),
      );
      expect(deleted).toEqual({ outcome: 'written', revision: last + 1 });

      const created = await loseAnswer(
        () => proxied.create('/y', bytes('mine')),
        async () => (await value('/y')) === 'mine',
        async () => update('/y', 'theirs', (await modRevision('/y'))!),
      );
      expect(created.outcome).toBe('written');
      expect((await direct.get('/y'))?.createRevision).toBe(created.revision);
    });

    it('is told as a conflict, never as written, when it was refused', async () => {
      const first = await create('/x', '1');
      const second = await update('/x', '2', first);
      for (const write of [
        () => proxied.create('/x', bytes('mine')),
        () => proxied.update('/x', bytes('mine'), first),
        () => proxied.delete('/x', first),
        () => proxied.update('/x', bytes('2'), second + 1000),
        () => proxied.update('/x', bytes('2'), first - 1),
      ]) {
        expect(await loseAnswer(write, await nextTransaction())).toMatchObject({
          outcome: 'conflict',
          current: { modRevision: second },
        });
      }
      await remove('/x', second);
      const late = await loseAnswer(
        () => proxied.update('/x', bytes('3'), second),
        await nextTransaction(),
      );
      expect(late).toMatchObject({ outcome: 'conflict', current: undefined });
    });

    it('is told as fenced when the leader was deposed before it arrived', async () => {
      const epoch = await create('/lease', 'me');
      const first = await create('/x', '1');
      const fence = { leaseKey: '/lease', epoch };
      await remove('/lease', epoch);
      for (const write of [
        () => proxied.create('/y', bytes('1'), { fence }),
        () => proxied.update('/x', bytes('2'), first, { fence }),
        () => proxied.delete('/x', first, { fence }),
      ]) {
        expect((await loseAnswer(write, await nextTransaction())).outcome).toBe('fenced');
      }
      expect(await value('/x')).toBe('1');
    });

    it('is submitted again if it never arrived, where no copy can be applied twice', async () => {
      const first = await create('/x', '1');
      const updated = await loseRequest(() => proxied.update('/x', bytes('2'), first));
      expect(updated).toEqual({ outcome: 'written', revision: first + 1 });
      const deleted = await loseRequest(() => proxied.delete('/x', first + 1));
      expect(deleted).toEqual({ outcome: 'written', revision: first + 2 });
      const events = await collectEvents(direct, '/', first, 3);
      expect(events.map((event) => text(event.value))).toEqual(['1', '2', undefined]);
    });

    it('is unknown if it is a create that cannot be found', async () => {
      expect(await failure(loseRequest(() => proxied.create('/x', bytes('1'))))).toBe('unknown');
      expect(await direct.get('/x')).toBeUndefined();
    });

    it('is unknown once the storage is closed, which nobody asks any more', async () => {
      const real = systemClock();
      let looks = 0;
      const monotonic = (): number => {
        looks += 1;
        return real.monotonic();
      };
      const clock = { ...real, monotonic };
      const own = openEtcd([`http://127.0.0.1:${proxy.port}`], { prefix, clock });
      const first = await create('/x', '1');
      await own.head();
      proxy.blackHole('toServer');
      const told = failure(own.update('/x', bytes('2'), first));
      await waitUntil(() => proxy.held > 0);
      looks = 0;
      await own.close();
      expect(await told).toBe('unknown');
      expect(looks).toBeLessThan(100);
    });

    it('is unknown if etcd stays away', async () => {
      const first = await create('/x', '1');
      proxy.blackHole();
      expect(await failure(proxied.update('/x', bytes('2'), first, { timeoutMs: 500 }))).toBe(
        'unknown',
      );
    });
  });

  it('says that nothing was written when there was no connection to write to', async () => {
    const stopped = openEtcd(['http://127.0.0.1:1'], { prefix, requestTimeoutMs: 500 });
    expect(await failure(stopped.create('/x', bytes('1')))).toBe('unavailable');
    expect(await failure(stopped.get('/x'))).toBe('unavailable');
    expect((await stopped.problems())[0]).toMatchObject({
      severity: 'fatal',
      reason: 'Unreachable',
    });
    await stopped.close();
  });

  it('ends a call into a black hole at its deadline, and works once the link is back', async () => {
    await create('/x', '1');
    const endpoint = `http://127.0.0.1:${proxy.port}`;
    const impatient = openEtcd([endpoint], { prefix, requestTimeoutMs: 1_000 });
    proxy.blackHole();
    expect(await failure(impatient.get('/x'))).toBe('unavailable');
    expect(await failure(impatient.list('/'))).toBe('unavailable');
    proxy.resume();
    expect(text((await proxied.get('/x'))?.value)).toBe('1');
    await impatient.close();
  });

  it('reads from another endpoint when one is silent', async () => {
    await create('/x', '1');
    const both = openEtcd([`http://127.0.0.1:${proxy.port}`, server.endpoint], {
      prefix,
      requestTimeoutMs: 6_000,
    });
    await both.head();
    proxy.blackHole();
    expect(text((await both.get('/x'))?.value)).toBe('1');
    await both.close();
  });

  it('keeps every acknowledged write over kill and restart, and none is doubled', async () => {
    const from = (await direct.head()) + 1;
    const acknowledged = new Map<string, number>();
    const outcomes = { written: 0, other: 0 };
    let stop = false;
    const writer = async (name: number): Promise<void> => {
      for (let index = 0; !stop; index += 1) {
        const key = `/w/${name}/${index}`;
        try {
          acknowledged.set(key, await written(direct.create(key, bytes(key))));
          outcomes.written += 1;
        } catch {
          outcomes.other += 1;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    const writers = Promise.all(Array.from({ length: 8 }, (_, name) => writer(name)));
    for (let round = 0; round < 2; round += 1) {
      const before = outcomes.written;
      await waitUntil(() => outcomes.written > before + 100);
      await server.restart();
    }
    const before = outcomes.written;
    await waitUntil(() => outcomes.written > before + 100);
    stop = true;
    await writers;
    expect(outcomes.other).toBeGreaterThan(0);
    const stored = new Map(
      (await direct.list('/w/')).items.map((item) => [item.key, item.modRevision]),
    );
    for (const [key, revision] of acknowledged) expect(stored.get(key)).toBe(revision);
    const events = await collectEvents(direct, '/w/', from, stored.size);
    expect(events.map((event) => event.key).sort()).toEqual([...stored.keys()].sort());
  });
});
