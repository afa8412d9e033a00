import { systemClock } from '../../api/machinery/clock.ts';
import { systemRandom } from '../../api/machinery/random.ts';
import { SimulatedCluster, type SimulatedClusterOptions } from './cluster.ts';
import { serve } from './http/server.ts';

export interface ServedCluster {
  readonly cluster: SimulatedCluster;
  /** Where the master answers, `127.0.0.1:<port>`. */
  readonly address: string;
  stop(): Promise<void>;
}

/** A master with simulated agents behind real HTTP, all in this process. */
export async function serveSimulated(
  options: Omit<SimulatedClusterOptions, 'clock' | 'random' | 'master'> &
    Partial<Pick<SimulatedClusterOptions, 'clock' | 'random'>> & { port?: number },
): Promise<ServedCluster> {
  const host = '127.0.0.1';
  const master = { host, port: options.port ?? 0 };
  const cluster = new SimulatedCluster({
    clock: systemClock(),
    random: systemRandom(),
    ...options,
    master,
  });
  const server = await serve(cluster.handle, master);
  master.port = server.port;
  cluster.start();
  return {
    cluster,
    address: `${host}:${server.port}`,
    stop: async () => {
      cluster.stop();
      await server.close();
    },
  };
}
