import { systemClock } from '../../../api/machinery/clock.ts';
import { systemRandom } from '../../../api/machinery/random.ts';
import type { ZooKeeperClient } from '../../../proto/zookeeper/client.ts';
import { openZooKeeper } from '../../../proto/zookeeper/network-client.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import { startZooKeeper } from '../../support/zookeeper.ts';
import { describeZooKeeperContract } from './contract.ts';
import type { ZooKeeperHarness } from './contract-subject.ts';
import { until } from './event-log.ts';

/** One proxy a client, taken from a pool, so that each can be disturbed alone. */
async function startRealHarness(): Promise<ZooKeeperHarness> {
  const server = await startZooKeeper({ tickTime: 250 });
  const proxies = await Promise.all(Array.from({ length: 100 }, () => startTcpProxy(server)));
  const unused = [...proxies];
  const proxyOf = new Map<ZooKeeperClient, TcpProxy>();
  const proxy = (client: ZooKeeperClient): TcpProxy => proxyOf.get(client)!;
  return {
    open: ({ chroot = '' } = {}) => {
      const own = unused.pop();
      if (own === undefined) throw new Error('more clients than proxies');
      const client = openZooKeeper({
        connectString: `${own.host}:${own.port}${chroot}`,
        // A server, or a process, that stands still for a moment is to end none.
        sessionTimeoutMs: 4000,
        clock: systemClock(),
        random: systemRandom(),
      });
      proxyOf.set(client, own);
      return client;
    },
    cut: (client) => proxy(client).cut(),
    keepAway: (client) => proxy(client).refuse(),
    admit: (client) => proxy(client).resume(),
    expire: async (client) => {
      const id = `0x${client.sessionId.toString(16)}`;
      proxy(client).refuse();
      await until(async () => !(await server.command('dump')).includes(id), `${id} expires`);
      proxy(client).resume();
    },
    stop: async () => {
      await Promise.all(proxies.map((each) => each.stop()));
      await server.stop();
    },
  };
}

describeZooKeeperContract('over the network', startRealHarness);
