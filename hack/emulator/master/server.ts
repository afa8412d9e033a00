import type { Clock } from '../../../api/machinery/clock.ts';
import type { Random } from '../../../api/machinery/random.ts';
import { openZooKeeper } from '../../../proto/zookeeper/network-client.ts';
import { serve, type ListeningServer } from '../http/server.ts';
import { acceptAgents } from '../link-socket.ts';
import { masterApi, type MasterNode } from './api.ts';
import { ElectedMaster, type ElectedMasterOptions } from './elected-master.ts';
import { parseZkUrl } from './election.ts';
import { masterInfo } from './info.ts';

export interface MasterServerOptions extends Omit<ElectedMasterOptions, 'info' | 'zooKeeper'> {
  clock: Clock;
  random: Random;
  host: string;
  port: number;
  /** `zk://host:port,…/path`. Without it this is the only master and leads at once. */
  zk?: string;
  zkSessionTimeout?: number;
}

/** One master process: HTTP, agents' connections, and leadership. */
export class MasterServer implements MasterNode {
  readonly #options: MasterServerOptions;
  #server: ListeningServer | undefined;
  #master: ElectedMaster | undefined;

  constructor(options: MasterServerOptions) {
    this.#options = options;
  }

  get leading(): MasterNode['leading'] {
    return this.#master?.leading;
  }

  get leader(): MasterNode['leader'] {
    return this.#master?.leader;
  }

  standbyMetrics(): Record<string, number> {
    return this.#master?.standbyMetrics() ?? {};
  }

  get port(): number {
    return this.#server?.port ?? this.#options.port;
  }

  async start(): Promise<void> {
    const { random, host, port } = this.#options;
    this.#server = await serve(masterApi(this), { host, port });
    acceptAgents(this.#server.server, this);
    this.#master = new ElectedMaster({
      ...this.#options,
      info: masterInfo(random.uuid(), host, this.#server.port),
      ...this.#zooKeeper(),
    });
    this.#master.start();
  }

  async stop(): Promise<void> {
    await this.#master?.stop();
    await this.#server?.close();
  }

  #zooKeeper(): Pick<ElectedMasterOptions, 'zooKeeper'> {
    const { clock, random, zk, zkSessionTimeout = 10_000 } = this.#options;
    if (zk === undefined) return {};
    const { hosts, path } = parseZkUrl(zk);
    const client = openZooKeeper({
      connectString: hosts,
      clock,
      random,
      sessionTimeoutMs: zkSessionTimeout,
    });
    return { zooKeeper: { client, path, sessionTimeout: zkSessionTimeout } };
  }
}
