import { Readable } from 'node:stream';
import type { IWatchResponse } from 'etcd3';
import type { EtcdClient } from '../../api/storage/etcd/client.ts';

/** What the same etcd does for the same client library without anything of ours between. */

const prefix = '/bench/baseline/';

export function put(client: EtcdClient, key: string, value: Buffer): Promise<unknown> {
  return client.once((etcd, options) => etcd.kv.put({ key: Buffer.from(key), value }, options));
}

export interface Puts {
  perSecond: number;
  /** CPU milliseconds of this process for one. */
  cpuMs: number;
}

/** Plain puts of values of `bytes`, `concurrency` under way at a time, for `seconds`. */
export async function plainPuts(
  client: EtcdClient,
  { concurrency, bytes, seconds }: { concurrency: number; bytes: number; seconds: number },
): Promise<Puts> {
  const value = Buffer.alloc(bytes, 'x');
  const cpu = process.cpuUsage();
  const began = performance.now();
  const end = began + seconds * 1000;
  let count = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < end) {
      const key = `${prefix}${count % 5_000}`;
      count += 1;
      await put(client, key, value);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  const { user, system } = process.cpuUsage(cpu);
  return {
    perSecond: (count / (performance.now() - began)) * 1000,
    cpuMs: (user + system) / 1000 / count,
  };
}

/** Milliseconds from the sending of a put to its event at a watcher, for `perSecond` puts a second. */
export async function putToWatch(
  client: EtcdClient,
  { perSecond, bytes, seconds }: { perSecond: number; bytes: number; seconds: number },
): Promise<number[]> {
  const stream = await client.current.watchClient.watch();
  if (!(stream instanceof Readable)) throw new Error('the watch stream is not a Readable');
  const sent = new Map<string, number>();
  const latencies: number[] = [];
  let created = (): void => undefined;
  const open = new Promise<void>((resolve) => (created = resolve));
  stream.on('data', (response: IWatchResponse) => {
    const now = performance.now();
    if (response.created) created();
    for (const { kv } of response.events) {
      const at = sent.get(kv.key.toString());
      if (at !== undefined) latencies.push(now - at);
    }
  });
  // Cancelling at the end is reported as an error.
  stream.on('error', () => undefined);
  const key = Buffer.from(`${prefix}watch/`);
  const rangeEnd = Buffer.from(`${prefix}watch0`);
  stream.write({ create_request: { key, range_end: rangeEnd } });
  await open;
  await paced(perSecond, seconds, async (index) => {
    const name = `${key.toString()}${index}`;
    sent.set(name, performance.now());
    await put(client, name, Buffer.alloc(bytes, 'x'));
  });
  const began = performance.now();
  while (latencies.length < sent.size && performance.now() - began < 5_000) await pause(10);
  stream.cancel();
  return latencies;
}

/** Begins `perSecond` works a second for `seconds`; resolves when all have ended. */
export async function paced(
  perSecond: number,
  seconds: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  const began = performance.now();
  const works: Promise<void>[] = [];
  for (let index = 0; index < perSecond * seconds; index += 1) {
    const due = began + (index * 1000) / perSecond - performance.now();
    if (due > 1) await pause(due);
    works.push(work(index));
  }
  await Promise.all(works);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
