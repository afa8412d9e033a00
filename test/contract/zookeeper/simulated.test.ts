import { systemClock } from '../../../api/machinery/clock.ts';
import { seededRandom } from '../../../api/machinery/random.ts';
import type { ZooKeeperClient } from '../../../proto/zookeeper/client.ts';
import { SimulatedClient } from '../../simulation/zookeeper/client.ts';
import { Ensemble } from '../../simulation/zookeeper/ensemble.ts';
import { describeZooKeeperContract } from './contract.ts';
import type { ZooKeeperHarness } from './contract-subject.ts';
import { until } from './event-log.ts';

function simulated(client: ZooKeeperClient): SimulatedClient {
  if (client instanceof SimulatedClient) return client;
  throw new TypeError('not a simulated client');
}

/** One server, as the real one that the contract is held against. */
function startSimulation(): Promise<ZooKeeperHarness> {
  const ensemble = new Ensemble({
    clock: systemClock(),
    random: seededRandom(1),
    replicas: 1,
    // Who comes back in time is to, though this process stands still for a moment.
    sessionTimeoutMs: 2_000,
  });
  return Promise.resolve({
    open: ({ chroot = '' } = {}) => new SimulatedClient({ ensemble, chroot }),
    cut: (client) => simulated(client).cut(),
    keepAway: (client) => simulated(client).keepAway(),
    admit: (client) => simulated(client).admit(),
    expire: async (client) => {
      const id = client.sessionId;
      simulated(client).keepAway();
      await until(() => !ensemble.hasSession(id), 'the session expires');
      simulated(client).admit();
    },
    stop: () => Promise.resolve(),
  });
}

describeZooKeeperContract('simulated', startSimulation);
