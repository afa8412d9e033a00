import type { Clock } from '../../api/machinery/clock.ts';
import type { Random } from '../../api/machinery/random.ts';
import type { AgentInfo, MasterInfo, Resource } from '../../proto/mesos/generated/messages.ts';
import { Agent, type AgentOptions } from './agent/agent.ts';
import { memoryCheckpoint, type Checkpoint } from './agent/checkpoint.ts';
import { SimulatedNetworks, type SimulatedNetwork } from './agent/simulated/networks.ts';
import { SimulatedRuntime, type SimulatedRuntimeOptions } from './agent/simulated/runtime.ts';
import { connectInMemory } from './link.ts';
import { masterApi, type MasterNode } from './master/api.ts';
import { Master } from './master/master.ts';
import { memoryRegistry, type Registry } from './master/registry.ts';
import type { MasterTimings } from './master/state.ts';
import { version } from './master/version.ts';

export interface SimulatedClusterOptions {
  clock: Clock;
  random: Random;
  agents: number;
  /** Address that the master advertises. */
  master?: { host: string; port: number };
  timings?: Partial<MasterTimings>;
  networks?: Readonly<Record<string, SimulatedNetwork>>;
  /** Of agent `index`, counted from 0. */
  agentInfo?: (index: number) => AgentInfo;
  agentTimings?: NonNullable<AgentOptions['timings']>;
  runtime?: Partial<Pick<SimulatedRuntimeOptions, 'launchDelay' | 'program'>>;
  /** Milliseconds between a master and an agent. */
  latency?: number;
}

interface SimulatedAgent {
  readonly info: AgentInfo;
  readonly ip: string;
  readonly runtime: SimulatedRuntime;
  readonly checkpoint: Checkpoint | undefined;
  agent: Agent | undefined;
  link: { close(): void } | undefined;
}

/**
 * A master and simulated agents in this process, on whatever clock they are given: behind HTTP for
 * benchmarks and tests, without any I/O for simulations.
 */
export class SimulatedCluster implements MasterNode {
  readonly handle;
  readonly #options: SimulatedClusterOptions;
  readonly #registry: Registry = memoryRegistry();
  readonly #agents: SimulatedAgent[] = [];
  #master: Master | undefined;
  #info: MasterInfo | undefined;

  constructor(options: SimulatedClusterOptions) {
    this.#options = options;
    this.handle = masterApi(this);
    const networks = new SimulatedNetworks(options.networks);
    const { clock } = options;
    for (let index = 0; index < options.agents; index++) {
      const ip = `10.${1 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
      const info = options.agentInfo?.(index) ?? defaultAgentInfo(index);
      const runtime = new SimulatedRuntime({ clock, networks, ip, ...options.runtime });
      const checkpoint = memoryCheckpoint();
      this.#agents.push({ info, ip, runtime, checkpoint, agent: undefined, link: undefined });
    }
  }

  /** The master that leads; undefined while there is none. */
  get leading(): Master | undefined {
    return this.#master;
  }

  get leader(): MasterInfo | undefined {
    return this.#info;
  }

  get size(): number {
    return this.#agents.length;
  }

  start(): void {
    this.startMaster();
    for (let index = 0; index < this.#agents.length; index++) this.startAgent(index);
  }

  stop(): void {
    for (let index = 0; index < this.#agents.length; index++) this.killAgent(index);
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
    for (const slot of this.#agents) this.#connect(slot);
  }

  /** Ends the leader at once; agents and tasks go on. */
  killMaster(): void {
    const master = this.#master;
    this.#master = undefined;
    this.#info = undefined;
    master?.stop();
  }

  /** A new leader with the same registry, as after an election. */
  failover(): void {
    this.killMaster();
    this.startMaster();
  }

  startAgent(index: number): void {
    const slot = this.#slot(index);
    if (slot.agent !== undefined) return;
    const { clock, random, agentTimings } = this.#options;
    const { info, ip, runtime, checkpoint } = slot;
    slot.agent = new Agent({
      clock,
      random,
      info,
      ip,
      runtime,
      ...(checkpoint === undefined ? {} : { checkpoint }),
      ...(agentTimings === undefined ? {} : { timings: agentTimings }),
      onShutdown: () => {
        slot.agent = undefined;
      },
    });
    this.#connect(slot);
  }

  /** kill -9: tasks go on without the agent. */
  killAgent(index: number): void {
    const slot = this.#slot(index);
    slot.agent?.stop();
    slot.agent = undefined;
    slot.link?.close();
    slot.link = undefined;
  }

  /** SIGUSR1: tasks end, the agent says good-bye. */
  unregisterAgent(index: number): void {
    const slot = this.#slot(index);
    slot.agent?.unregister(() => {
      slot.agent = undefined;
    });
  }

  /** Ends a task's command with a raw wait status, as if it had done so itself. */
  finishTask(taskId: string, status: number): boolean {
    return this.#agents.some(({ runtime }) => runtime.finish(taskId, status));
  }

  /** kill -9 of the executor of a task. */
  crashExecutor(taskId: string): boolean {
    return this.#agents.some(({ runtime }) => runtime.crashExecutor(taskId));
  }

  #slot(index: number): SimulatedAgent {
    const slot = this.#agents[index];
    if (slot === undefined) throw new RangeError(`there is no agent ${index}`);
    return slot;
  }

  #connect(slot: SimulatedAgent): void {
    const { agent } = slot;
    if (this.#master === undefined || agent === undefined) return;
    const { clock, latency = 0 } = this.#options;
    const link = connectInMemory(clock, this.#master, agent, {
      latency,
      onClose: () => {
        if (slot.link === link) slot.link = undefined;
      },
    });
    slot.link = link;
  }
}

export function masterInfo(id: string, host: string, port: number): MasterInfo {
  const [a = 0, b = 0, c = 0, d = 0] = host.split('.').map(Number);
  return {
    id,
    // Mesos writes the address in network order into a native integer.
    ip: (d * 2 ** 24 + c * 2 ** 16 + b * 2 ** 8 + a) >>> 0,
    port,
    pid: `master@${host}:${port}`,
    hostname: host,
    version,
    address: { hostname: host, ip: host, port },
    capabilities: [{ type: 'AGENT_UPDATE' }, { type: 'AGENT_DRAINING' }, { type: 'QUOTA_V2' }],
  };
}

function defaultAgentInfo(index: number): AgentInfo {
  return {
    hostname: `agent${index + 1}.test`,
    port: 5051,
    resources: agentResources({ cpus: 8, mem: 8192, disk: 20000, ports: [31000, 32000] }),
    attributes: [
      { name: 'rack', type: 'TEXT', text: { value: `r${index % 8}` } },
      { name: 'zone', type: 'TEXT', text: { value: `z${index % 3}` } },
    ],
  };
}

export function agentResources(amounts: {
  cpus: number;
  mem: number;
  disk: number;
  ports: readonly [number, number];
}): Resource[] {
  const { cpus, mem, disk, ports } = amounts;
  return [
    { name: 'cpus', type: 'SCALAR', scalar: { value: cpus } },
    { name: 'mem', type: 'SCALAR', scalar: { value: mem } },
    { name: 'disk', type: 'SCALAR', scalar: { value: disk } },
    { name: 'ports', type: 'RANGES', ranges: { range: [{ begin: ports[0], end: ports[1] }] } },
  ];
}
