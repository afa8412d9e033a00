import type { EtcdClient } from '../../../api/storage/etcd/client.ts';
import { plainPuts } from '../etcd-baseline.ts';
import { load, verdict } from '../verdict.ts';
import type { ApiCluster } from './cluster.ts';
import { measureApi, type ApiBenchOptions, type ApiFigures } from './measure.ts';
import { defineJobs } from './objects.ts';

/** About what a Job takes in etcd. */
const valueBytes = 1_200;
const baselineKeys = '/bench/baseline/';

/** What the same etcd does through the same client library, a second. */
interface EtcdFigures {
  puts: number;
  gets: number;
}

/** The API's requests, beside those of etcd itself and of a kube-apiserver on the same etcd. */
export async function benchApi(
  { etcd, cosmd, kubeApiserver }: ApiCluster,
  options: ApiBenchOptions,
  say: (line: string) => void,
): Promise<void> {
  await defineJobs(cosmd);
  // The client's code is compiled by then.
  await measureEtcd(etcd, options);
  const before = await measureEtcd(etcd, options);
  const ours = await measureApi(cosmd, options, say);
  const after = await measureEtcd(etcd, options);
  const puts = (before.puts + after.puts) / 2;
  const gets = (before.gets + after.gets) / 2;
  say(`etcd alone: ${puts.toFixed(0)} puts/s, ${gets.toFixed(0)} gets/s of ${valueBytes} bytes`);
  const { rates } = ours;
  say(
    `of etcd's own: create ${(rates.create / puts).toFixed(2)}, merge patch ${(rates.patch / puts).toFixed(2)}, ` +
      `server-side apply ${(rates.apply / puts).toFixed(2)}, delete ${(rates.delete / puts).toFixed(2)}, ` +
      `get ${(rates.get / gets).toFixed(2)}`,
  );
  const blocked = Math.max(...ours.lists.map(({ blockedMs }) => blockedMs));
  say(
    `api: lists held the event loop for ${blocked.toFixed(0)} ms at most; ${load()}; ${verdict('≤ 50 ms', blocked <= 50)}`,
  );
  if (kubeApiserver === undefined) return;
  await defineJobs(kubeApiserver);
  compare(ours, await measureApi(kubeApiserver, options, say), say);
}

async function measureEtcd(
  client: EtcdClient,
  { concurrency, seconds }: ApiBenchOptions,
): Promise<EtcdFigures> {
  const { perSecond } = await plainPuts(client, { concurrency, bytes: valueBytes, seconds });
  const began = performance.now();
  const end = began + seconds * 1000;
  let count = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < end) {
      const key = Buffer.from(`${baselineKeys}${count % 1_000}`);
      count += 1;
      await client.once((etcd, options) => etcd.kv.range({ key }, options));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { puts: perSecond, gets: (count / (performance.now() - began)) * 1000 };
}

/** Ratios to a kube-apiserver, with the aims. */
function compare(ours: ApiFigures, theirs: ApiFigures, say: (line: string) => void): void {
  const tell = (what: string, ratio: number, aim: number, most = false): void => {
    const met = most ? ratio <= aim : ratio >= aim;
    say(
      `${what}: ${ratio.toFixed(2)} of kube-apiserver; ${verdict(`${most ? '≤' : '≥'} ${aim}`, met)}`,
    );
  };
  tell('create', ours.rates.create / theirs.rates.create, 1.5);
  tell('merge patch', ours.rates.patch / theirs.rates.patch, 1.5);
  tell('server-side apply', ours.rates.apply / theirs.rates.apply, 1.5);
  tell('get', ours.rates.get / theirs.rates.get, 3);
  for (const [index, list] of ours.lists.entries()) {
    const other = theirs.lists[index];
    if (other === undefined) continue;
    tell(`list of ${list.objects} ${list.form}`, list.perSecond / other.perSecond, 10);
  }
  for (const [index, fanOut] of ours.fanOuts.entries()) {
    const other = theirs.fanOuts[index];
    if (other === undefined) continue;
    const ratio = fanOut.eventsPerSecond / other.eventsPerSecond;
    tell(`events to ${fanOut.watchers} watchers`, ratio, 20);
  }
  tell('peak memory', ours.peakRssBytes / theirs.peakRssBytes, 0.5, true);
}
