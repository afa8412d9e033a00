import { join } from 'node:path';
import { systemClock } from '../../api/machinery/clock.ts';
import { seededRandom, systemRandom } from '../../api/machinery/random.ts';
import { agentSpecs, type EmulatorConfig, type NamedAgent } from './config.ts';
import { agentInfoOf, type Emulator, type EmulatorDescription } from './emulator.ts';
import { fileRegistry } from './master/registry.ts';
import { MasterServer } from './master/server.ts';
import { SimulatedAgents } from './simulated-agents.ts';

/** Masters and simulated agents in this process, behind real HTTP and real election. */
export class SimulatedEmulator implements Emulator {
  readonly #config: EmulatorConfig;
  readonly #agents: SimulatedAgents;
  readonly #specs: readonly NamedAgent[];
  readonly #masters: { server: MasterServer | undefined; port: number }[];
  readonly #down = new Set<number>();
  readonly #clock = systemClock();
  readonly #log: (message: string) => void;

  constructor(config: EmulatorConfig, log: (message: string) => void) {
    this.#config = config;
    this.#log = log;
    const specs = agentSpecs(config);
    this.#specs = specs;
    const { updateRetryMin, updateRetryMax, agentRecovery } = config.timings;
    this.#agents = new SimulatedAgents({
      clock: this.#clock,
      random: config.seed === undefined ? systemRandom() : seededRandom(config.seed),
      agents: specs.length,
      agentTimings: { updateRetryMin, updateRetryMax, recovery: agentRecovery },
      agentInfo: (index) => {
        const spec = specs[index];
        if (spec === undefined) throw new RangeError(`there is no agent ${index}`);
        return { ...agentInfoOf(spec), port: 5051 };
      },
    });
    this.#masters = Array.from({ length: config.masters }, (_, index) => ({
      server: undefined,
      port: config.port === 0 ? 0 : config.port + index,
    }));
  }

  async start(): Promise<void> {
    this.#agents.startAll();
    for (let index = 0; index < this.#masters.length; index++) await this.startMaster(index);
  }

  describe(): EmulatorDescription {
    const { host, zk } = this.#config;
    const masters = this.#masters.map(({ server, port }) => ({
      address: `${host}:${port}`,
      pid: process.pid,
      running: server !== undefined,
    }));
    return {
      mode: 'simulated',
      master: zk ?? masters[0]?.address ?? '',
      masters,
      agents: Array.from({ length: this.#agents.size }, (_, index) => ({
        hostname: this.#agents.info(index).hostname,
        address: '',
        pid: process.pid,
        running: !this.#down.has(index),
        partitioned: this.#agents.isPartitioned(index),
        attributes: this.#specs[index]?.attributes ?? {},
      })),
      networks: [],
    };
  }

  async startMaster(index: number): Promise<void> {
    const slot = this.#masters[index];
    if (slot === undefined) throw new RangeError(`there is no master ${index}`);
    if (slot.server !== undefined) return;
    const { host, timings, workDir, zk } = this.#config;
    const { zkSessionTimeout, ...own } = timings;
    const server = new MasterServer({
      clock: this.#clock,
      random: systemRandom(),
      host,
      port: slot.port,
      registry: fileRegistry(join(workDir, 'registry.jsonl')),
      timings: own,
      ...(zk === undefined ? {} : { zk }),
      zkSessionTimeout,
      leads: (master) => {
        this.#agents.follow(master);
      },
      exit: () => {
        void this.killMaster(index);
      },
      log: (message) => {
        this.#log(`master ${index}: ${message}`);
      },
    });
    slot.server = server;
    await server.start();
    slot.port = server.port;
  }

  /** Gracefulness cannot be told from outside, but for ZooKeeper, which hears of it at once. */
  async killMaster(index: number): Promise<void> {
    const slot = this.#masters[index];
    const server = slot?.server;
    if (slot === undefined || server === undefined) return;
    slot.server = undefined;
    const led = server.leading !== undefined;
    await server.stop();
    if (led) this.#agents.follow(this.#leading());
  }

  killAgent(index: number): Promise<void> {
    this.#agents.kill(index);
    this.#down.add(index);
    return Promise.resolve();
  }

  startAgent(index: number): Promise<void> {
    this.#agents.start(index);
    this.#down.delete(index);
    return Promise.resolve();
  }

  unregisterAgent(index: number): Promise<void> {
    this.#agents.unregister(index);
    this.#down.add(index);
    return Promise.resolve();
  }

  pauseAgent(index: number): Promise<void> {
    this.#agents.partition(index);
    return Promise.resolve();
  }

  resumeAgent(index: number): Promise<void> {
    this.#agents.heal(index);
    return Promise.resolve();
  }

  killTask(taskId: string): Promise<boolean> {
    return Promise.resolve(this.#agents.finishTask(taskId, 9));
  }

  crashExecutor(taskId: string): Promise<boolean> {
    return Promise.resolve(this.#agents.crashExecutor(taskId));
  }

  async stop(): Promise<void> {
    this.#agents.stopAll();
    for (let index = 0; index < this.#masters.length; index++) await this.killMaster(index);
  }

  #leading() {
    return this.#masters.find(({ server }) => server?.leading !== undefined)?.server?.leading;
  }
}
