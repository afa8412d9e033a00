import type { EtcdClient } from '../../../api/storage/etcd/client.ts';
import { plainPuts } from '../etcd-baseline.ts';
import { load, verdict } from '../verdict.ts';
import type { ApiCluster } from './cluster.ts';
import { measureApi, type ApiBenchOptions, type ApiFigures, type Speed } from './measure.ts';
import { defineJobs } from './objects.ts';
import type { Target } from './target.ts';

/** About what a Job takes in etcd. */
const valueBytes = 1_200;
const baselineKeys = '/bench/baseline/';

/** What the same etcd does through the same client library, a second. */
interface EtcdFigures {
  puts: number;
  gets: number;
}

/** The requests of the API, beside those of etcd itself and of a kube-apiserver on the same etcd. */
export async function benchApi(
  { etcd, cosmd, kubeApiserver }: ApiCluster,
  options: ApiBenchOptions,
  say: (line: string) => void,
): Promise<void> {
  const measured = async (target: Target): Promise<ApiFigures> => {
    await defineJobs(target);
    return measureApi(target, options, say);
  };
  // The client's code is compiled by then.
  await measureEtcd(etcd, options);
  const before = await measureEtcd(etcd, options);
  const ours = await cosmd(measured);
  const after = await measureEtcd(etcd, options);
  const puts = (before.puts + after.puts) / 2;
  const gets = (before.gets + after.gets) / 2;
  say(`etcd alone: ${puts.toFixed(0)} puts/s, ${gets.toFixed(0)} gets/s of ${valueBytes} bytes`);
  const { speeds } = ours;
  const share = ({ perSecond }: Speed, of: number): string => (perSecond / of).toFixed(2);
  say(
    `of etcd's own: create ${share(speeds.create, puts)}, merge patch ${share(speeds.patch, puts)}, ` +
      `server-side apply ${share(speeds.apply, puts)}, delete ${share(speeds.delete, puts)}, ` +
      `get ${share(speeds.get, gets)}`,
  );
  const blocked = Math.max(...ours.lists.map(({ blockedMs }) => blockedMs));
  say(
    `api: lists held the event loop for ${blocked.toFixed(0)} ms at most; ${load()}; ${verdict('≤ 50 ms', blocked <= 50)}`,
  );
  if (kubeApiserver !== undefined) compare(ours, await kubeApiserver(measured), say);
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
  const tellSpeed = (what: string, our: Speed, their: Speed, aim: number): void => {
    tell(what, our.perSecond / their.perSecond, aim);
    say(`${what}: ${(our.cpuMicroseconds / their.cpuMicroseconds).toFixed(2)} of its CPU`);
  };
  tellSpeed('create', ours.speeds.create, theirs.speeds.create, 1.5);
  tellSpeed('merge patch', ours.speeds.patch, theirs.speeds.patch, 1.5);
  tellSpeed('server-side apply', ours.speeds.apply, theirs.speeds.apply, 1.5);
  tellSpeed('get', ours.speeds.get, theirs.speeds.get, 3);
  for (const [index, list] of ours.lists.entries()) {
    const other = theirs.lists[index];
    if (other === undefined) continue;
    tell(`list of ${list.objects} ${list.form}`, list.perSecond / other.perSecond, 10);
  }
  for (const [index, fanOut] of ours.fanOuts.entries()) {
    const other = theirs.fanOuts[index];
    if (other === undefined) continue;
    tellSpeed(`events to ${fanOut.watchers} watchers`, fanOut, other, 20);
  }
  tell('peak memory', ours.peakRssBytes / theirs.peakRssBytes, 0.5, true);
}
