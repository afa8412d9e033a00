/** Who leads: from ZooKeeper, where masters elect each other, or by asking a list of masters. */
import type { Random } from '../../api/machinery/random.ts';
import { codec } from './codec.ts';
import type { HttpClient } from './http.ts';
import { MesosRequestError } from './transport.ts';
import type { MesosAddress } from './transport.ts';

export interface MasterDetector {
  /**
   * Where the leading master answers, as far as is known: it may be gone by the time it is asked.
   * Rejects with MesosRequestError NoLeader, or with what the source of the knowledge rejects with.
   */
  detect(signal: AbortSignal): Promise<MesosAddress>;
}

/** What is read of ZooKeeper; proto/zookeeper's client satisfies it. */
export interface ElectionReader {
  getChildren(path: string): Promise<{ readonly children: readonly string[] }>;
  getData(path: string): Promise<{ readonly data: Uint8Array }>;
}

const candidate = /^json\.info_(\d+)$/;
const masterInfo = codec('mesos.v1.MasterInfo', 'json');

/**
 * Reads Mesos' election: the leader is the candidate `json.info_<number>` with the smallest number,
 * its data is a MasterInfo in JSON. `path` is that of `zk://…/<path>`.
 */
export function zookeeperDetector(zookeeper: ElectionReader, path: string): MasterDetector {
  return {
    detect: async () => {
      const { children } = await zookeeper.getChildren(path);
      const leader = smallestCandidate(children);
      if (leader === undefined) {
        throw new MesosRequestError('NoLeader', `no master stands for election under ${path}`);
      }
      const { data } = await zookeeper.getData(`${path === '/' ? '' : path}/${leader}`);
      const { address, hostname, port } = masterInfo.decode(data);
      const host = address?.hostname ?? address?.ip ?? hostname;
      if (host === undefined) {
        throw new MesosRequestError('BadAnswer', `${path}/${leader} names no host`);
      }
      return { hostname: host, port: address?.port ?? port };
    },
  };
}

function smallestCandidate(children: readonly string[]): string | undefined {
  let leader: { name: string; number: number } | undefined;
  for (const name of children) {
    const number = Number(candidate.exec(name)?.[1] ?? NaN);
    if (number < (leader?.number ?? Infinity)) leader = { name, number };
  }
  return leader?.name;
}

/**
 * Asks the masters of a list, in random order, until one names the leader; /master/redirect is
 * answered by every master, by the leader with its own address.
 */
export function listDetector(
  masters: readonly MesosAddress[],
  http: HttpClient,
  random: Random,
): MasterDetector {
  return {
    detect: async (signal) => {
      const failures: unknown[] = [];
      for (const master of shuffled(masters, random)) {
        signal.throwIfAborted();
        try {
          return await http.redirectOf(master, '/master/redirect', signal);
        } catch (error) {
          failures.push(error);
        }
      }
      signal.throwIfAborted();
      throw new MesosRequestError('NoLeader', 'no master of the list names a leader', {
        cause: new AggregateError(failures),
      });
    },
  };
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, key: random.next() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}
