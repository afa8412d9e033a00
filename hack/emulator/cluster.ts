import type { MasterInfo } from '../../proto/mesos/generated/messages.ts';
import { masterApi, type MasterNode } from './master/api.ts';
import { masterInfo } from './master/info.ts';
import { Master } from './master/master.ts';
import { memoryRegistry, type Registry } from './master/registry.ts';
import type { MasterTimings } from './master/state.ts';
import { SimulatedAgents, type SimulatedAgentsOptions } from './simulated-agents.ts';

export interface SimulatedClusterOptions extends SimulatedAgentsOptions {
  /** Address that the master advertises. */
  master?: { host: string; port: number };
  timings?: Partial<MasterTimings>;
}

/**
 * A master and simulated agents in this process, on whatever clock they are given: behind HTTP for
 * benchmarks and tests, without any I/O for simulations.
 */
export class SimulatedCluster implements MasterNode {
  readonly agents: SimulatedAgents;
  /** Answers requests as the master's HTTP endpoints do. */
  readonly handle;
  readonly #options: SimulatedClusterOptions;
  readonly #registry: Registry = memoryRegistry();
  #master: Master | undefined;
  #info: MasterInfo | undefined;

  constructor(options: SimulatedClusterOptions) {
    this.#options = options;
    this.handle = masterApi(this);
    this.agents = new SimulatedAgents(options);
  }

  /** The master that leads; undefined while there is none. */
  get leading(): Master | undefined {
    return this.#master;
  }

  get leader(): MasterInfo | undefined {
    return this.#info;
  }

  /** It has one master, which leads or is not there. */
  standbyMetrics(): Record<string, number> {
    return {};
  }

  start(): void {
    this.startMaster();
    this.agents.startAll();
  }

  stop(): void {
    this.agents.stopAll();
    this.killMaster();
  }

  startMaster(): void {
    const { clock, random, timings, master = { host: '127.0.0.1', port: 5050 } } = this.#options;
    this.#info = masterInfo(random.uuid(), master.host, master.port);
    this.#master = new Master({
      clock,
      random,
      info: this.#info,
      registry: this.#registry,
      ...(timings === undefined ? {} : { timings }),
    });
    this.#master.start();
    this.agents.follow(this.#master);
  }

  /** Ends the leader at once; agents and tasks go on. */
  killMaster(): void {
    const master = this.#master;
    this.#master = undefined;
    this.#info = undefined;
    master?.stop();
    this.agents.follow(undefined);
  }

  /** A new leader with the same registry, as after an election. */
  failover(): void {
    this.killMaster();
    this.startMaster();
  }
}
