import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../api/machinery/clock.ts';
import { systemRandom } from '../../../api/machinery/random.ts';
import { EtcdClient } from '../../../api/storage/etcd/client.ts';
import { Keyspace } from '../../../api/storage/etcd/codec.ts';
import type { EtcdStorage } from '../../../api/storage/etcd/driver.ts';
import { watchEtcd } from '../../../api/storage/etcd/watch.ts';
import type { Revision, WatchBatch } from '../../../api/storage/storage.ts';
import { startEtcd, type EtcdServer } from '../../support/etcd.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import { openEtcd, waitUntil } from './etcd-support.ts';
import { bytes, checkWatchLaws, failure, written } from './support.ts';

/** A watch that runs while the test breaks things. */
interface Running {
  batches: WatchBatch[];
  keys(): string[];
  /** Settles when the watch ends; rejects with what ended it. */
  ended: Promise<void>;
  stop(): Promise<void>;
}

function startWatch(
  storage: EtcdStorage,
  from: Revision,
  onBatch: () => void = () => undefined,
): Running {
  const abort = new AbortController();
  const batches: WatchBatch[] = [];
  const read = async (): Promise<void> => {
    for await (const batch of storage.watch('/', from, abort.signal)) {
      batches.push(batch);
      onBatch();
    }
  };
  const ended = read();
  ended.catch(() => undefined);
  return {
    batches,
    ended,
    keys: () => batches.flatMap((batch) => batch.events.map((event) => event.key)),
    stop: () => {
      abort.abort();
      return ended;
    },
  };
}

describe('a watch on etcd', () => {
  let server: EtcdServer;
  let proxy: TcpProxy;
  let direct: EtcdStorage;
  let proxied: EtcdStorage;
  let prefix: string;
  let from: Revision;
  let running: Running | undefined;

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
    from = (await direct.head()) + 1;
  });
  afterEach(async () => {
    proxy.resume();
    await running?.stop().catch(() => undefined);
    running = undefined;
    await proxied.close();
    await direct.close();
  });

  const write = async (first: number, count: number): Promise<string[]> => {
    const keys = Array.from({ length: count }, (_, index) => `/n/${1e6 + first + index}`);
    for (let at = 0; at < count; at += 50) {
      const some = keys.slice(at, at + 50);
      await Promise.all(some.map((key) => written(direct.create(key, bytes('x'.repeat(100))))));
    }
    return keys;
  };

  /** The watch has delivered each of these keys once, and kept the watch laws. */
  const expectDelivered = async (watch: Running, keys: string[]): Promise<void> => {
    await waitUntil(() => watch.keys().length >= keys.length);
    checkWatchLaws(watch.batches, from);
    expect(watch.keys().sort()).toEqual([...keys].sort());
  };

  it('delivers all of thousands of events though the link is cut again and again on the way', async () => {
    const keys = await write(0, 5000);
    let cuts = 0;
    running = startWatch(proxied, from, () => {
      cuts += 1;
      // By turns between two messages and within one.
      if (cuts % 2 === 0) proxy.cut();
      else proxy.cutAfter(10_000 + 777 * cuts);
    });
    await expectDelivered(running, keys);
    expect(cuts).toBeGreaterThan(4);
  });

  it('delivers all events wherever in the first bytes of the stream the link is cut', async () => {
    const keys = await write(0, 120);
    // The first points lie before, in and right after the reply "created".
    for (let bytesUntilCut = 1; bytesUntilCut < 2_500; bytesUntilCut += 83) {
      proxy.cutAfter(bytesUntilCut);
      running = startWatch(proxied, from);
      await waitUntil(() => running!.keys().length >= 120);
      checkWatchLaws(running.batches, from);
      expect(running.keys().sort()).toEqual(keys);
      await running.stop();
    }
  });

  it('goes on live after cuts while nothing happened', async () => {
    running = startWatch(proxied, from);
    const keys: string[] = [];
    for (let round = 0; round < 5; round += 1) {
      keys.push(...(await write(round * 10, 10)));
      await expectDelivered(running, keys);
      proxy.cut();
    }
    keys.push(...(await write(100, 10)));
    await expectDelivered(running, keys);
  });

  it('notices a link that has gone silent and goes on over another endpoint', async () => {
    const both = openEtcd([`http://127.0.0.1:${proxy.port}`, server.endpoint], {
      prefix,
    });
    running = startWatch(both, from);
    const keys = await write(0, 3);
    await expectDelivered(running, keys);
    proxy.blackHole();
    keys.push(...(await write(3, 40)));
    await expectDelivered(running, keys);
    await running.stop();
    await both.close();
  });

  it('is told of a compaction that overtook it while it was disconnected', async () => {
    running = startWatch(proxied, from);
    const keys = await write(0, 10);
    await expectDelivered(running, keys);
    proxy.refuse();
    await write(10, 20);
    await direct.compact(await direct.head());
    proxy.resume();
    expect(await failure(running.ended)).toBe('compacted');
    expect(running.keys()).toHaveLength(10);
  });

  it('goes on after a compaction that did not overtake it', async () => {
    running = startWatch(proxied, from);
    const keys = await write(0, 10);
    await expectDelivered(running, keys);
    await direct.compact(await direct.head());
    proxy.cut();
    keys.push(...(await write(10, 20)));
    await expectDelivered(running, keys);
  });

  it('loses nothing when the server is killed and started again', async () => {
    running = startWatch(direct, from);
    const keys = await write(0, 200);
    await server.kill();
    const restarting = server.restart();
    await restarting;
    keys.push(...(await write(200, 200)));
    await expectDelivered(running, keys);
  });

  it('gives a slow reader everything', async () => {
    const keys = await write(0, 3000);
    const abort = new AbortController();
    const batches: WatchBatch[] = [];
    let count = 0;
    for await (const batch of proxied.watch('/', from, abort.signal)) {
      batches.push(batch);
      count += batch.events.length;
      if (count >= 3000) break;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    checkWatchLaws(batches, from);
    expect(batches.flatMap((batch) => batch.events.map((event) => event.key)).sort()).toEqual(keys);
  });

  it('puts the fragments of a large revision together', async () => {
    const big = new Uint8Array(1_000_000).fill(7);
    const created: Revision[] = [];
    for (let index = 0; index < 12; index += 1) {
      created.push(await written(direct.create(`/big/${10 + index}`, big, { ttlSeconds: 1 })));
    }
    running = startWatch(proxied, from);
    // Twelve puts, then one revision that deletes what is left of them: 12 MB with what was there before.
    await waitUntil(() => running!.keys().length >= 24);
    checkWatchLaws(running.batches, from);
    const events = running.batches.flatMap((batch) => batch.events);
    // A slow etcd may end the first before the last is written.
    const puts = events.filter(({ type }) => type === 'put');
    expect(puts.map(({ modRevision }) => modRevision)).toEqual(created);
    const deleted = events.filter(({ type }) => type === 'delete');
    expect(deleted.map(({ previous }) => previous?.value.length)).toEqual(
      created.map(() => 1_000_000),
    );
  });

  it('is told when the store went back in time', async () => {
    await write(0, 10);
    running = startWatch(proxied, from);
    await waitUntil(() => running!.keys().length === 10);
    await server.restart({ wipe: true });
    expect(await failure(running.ended)).toBe('future');
  });

  it('ends though it is told to while its stream is being opened', async () => {
    const options = { endpoints: [server.endpoint], clock: systemClock(), random: systemRandom() };
    const client = new EtcdClient(options);
    const stopping = new AbortController();
    const { watchClient } = client.current;
    const open = watchClient.watch.bind(watchClient);
    watchClient.watch = (...given) => {
      stopping.abort();
      return open(...given);
    };
    const watched = { prefix: '/', from: 1, previous: true };
    const watch = watchEtcd(client, new Keyspace('/opening'), watched, stopping.signal);
    expect(await watch.next()).toEqual({ done: true, value: undefined });
    client.close();
  });
});
