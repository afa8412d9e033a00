import type { Clock } from '../../api/machinery/clock.ts';
import type { Random } from '../../api/machinery/random.ts';
import type { AgentInfo, NetworkInfo, Resource } from '../../proto/mesos/generated/messages.ts';
import { Agent, type AgentOptions } from './agent/agent.ts';
import {
  checkpointContent,
  memoryCheckpoint,
  type Checkpoint,
  type CheckpointContent,
} from './agent/checkpoint.ts';
import { SimulatedNetworks, type SimulatedNetwork } from './agent/simulated/networks.ts';
import { SimulatedRuntime, type SimulatedRuntimeOptions } from './agent/simulated/runtime.ts';
import { connectInMemory } from './link.ts';
import type { Master } from './master/master.ts';

export interface SimulatedAgentsOptions {
  clock: Clock;
  random: Random;
  agents: number;
  networks?: Readonly<Record<string, SimulatedNetwork>>;
  /** Whether agent `index` was not configured with a network that others have. */
  lacks?: (index: number, network: string) => boolean;
  /** Of agent `index`, counted from 0. */
  agentInfo?: (index: number) => AgentInfo;
  /** The advertised address of agent `index`. */
  agentIp?: (index: number) => string;
  agentTimings?: NonNullable<AgentOptions['timings']>;
  runtime?: Partial<
    Pick<SimulatedRuntimeOptions, 'launchDelay' | 'signalDelay' | 'probeDelay' | 'program'>
  >;
  /** Milliseconds between a master and an agent. */
  latency?: number;
}

interface Slot {
  readonly info: AgentInfo;
  readonly ip: string;
  readonly runtime: SimulatedRuntime;
  checkpoint: Checkpoint;
  agent: Agent | undefined;
  link: { close(): void } | undefined;
  partitioned: boolean;
}

/** Agents that are states on a clock, connected in memory to the master that they follow. */
export class SimulatedAgents {
  readonly #options: SimulatedAgentsOptions;
  readonly #slots: readonly Slot[];
  #master: Master | undefined;

  constructor(options: SimulatedAgentsOptions) {
    this.#options = options;
    const networks = new SimulatedNetworks(options.networks);
    const { clock, agentInfo = defaultAgentInfo, agentIp = defaultIp } = options;
    this.#slots = Array.from({ length: options.agents }, (_, index) => {
      const ip = agentIp(index);
      return {
        info: agentInfo(index),
        ip,
        runtime: new SimulatedRuntime({
          clock,
          networks,
          ip,
          lacks: (network) => options.lacks?.(index, network) === true,
          ...options.runtime,
        }),
        checkpoint: memoryCheckpoint(),
        agent: undefined,
        link: undefined,
        partitioned: false,
      };
    });
  }

  get size(): number {
    return this.#slots.length;
  }

  /** The agent that answers at an address; undefined while none does. */
  at(hostname: string, port: number): Agent | undefined {
    return this.#slots.find(({ ip, info }) => ip === hostname && info.port === port)?.agent;
  }

  info(index: number): AgentInfo {
    return this.#slot(index).info;
  }

  /** The id that a master has given to agent `index`; undefined if none has yet. */
  id(index: number): string | undefined {
    const { agent, checkpoint } = this.#slot(index);
    return agent === undefined ? checkpoint.load()?.agentId : agent.id;
  }

  startAll(): void {
    for (let index = 0; index < this.size; index++) this.start(index);
  }

  stopAll(): void {
    for (let index = 0; index < this.size; index++) this.kill(index);
  }

  /** The leader is another one, or nobody. */
  follow(master: Master | undefined): void {
    this.#master = master;
    for (const slot of this.#slots) this.#connect(slot);
  }

  start(index: number): void {
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
      checkpoint,
      ...(agentTimings === undefined ? {} : { timings: agentTimings }),
      onShutdown: () => {
        slot.agent = undefined;
      },
    });
    this.#connect(slot);
  }

  /** kill -9: tasks go on without the agent. */
  kill(index: number): void {
    const slot = this.#slot(index);
    slot.agent?.stop();
    slot.agent = undefined;
    slot.link?.close();
    slot.link = undefined;
  }

  /** Cuts the agent off from whichever master leads, until it is healed; it lives on. */
  partition(index: number): void {
    const slot = this.#slot(index);
    slot.partitioned = true;
    slot.link?.close();
  }

  heal(index: number): void {
    const slot = this.#slot(index);
    slot.partitioned = false;
    this.#connect(slot);
  }

  isPartitioned(index: number): boolean {
    return this.#slot(index).partitioned;
  }

  /** Whether agent `index` is down and nothing runs there any more. */
  hasEnded(index: number): boolean {
    const { agent, runtime } = this.#slot(index);
    return agent === undefined && runtime.runningTasks().length === 0;
  }

  /** Empties the work directory of an agent that is down: it comes back as another one. */
  wipe(index: number): void {
    const slot = this.#slot(index);
    if (slot.agent === undefined) slot.checkpoint = memoryCheckpoint();
  }

  /** Gives the containers of an agent that is down other addresses, which it finds when it is back. */
  reattach(index: number): void {
    const { agent, runtime, checkpoint } = this.#slot(index);
    if (agent !== undefined) return;
    const moved = runtime.reattach();
    const content = checkpoint.load();
    if (content !== undefined) checkpoint.save(() => withAddresses(content, moved));
  }

  /** SIGUSR1: tasks end, the agent says good-bye. */
  unregister(index: number): void {
    const slot = this.#slot(index);
    slot.agent?.unregister(() => {
      slot.agent = undefined;
    });
  }

  /** Ids of the tasks that run on agent `index`, whatever the agent itself is up to. */
  runningTasks(index: number): string[] {
    return this.#slot(index).runtime.runningTasks();
  }

  /** What the plugins gave to the container of a running task, wherever it is. */
  networksOf(taskId: string): readonly NetworkInfo[] {
    for (const { runtime } of this.#slots) {
      const networks = runtime.networksOf(taskId);
      if (networks.length > 0) return networks;
    }
    return [];
  }

  /** Ends a task's command with a raw wait status, as if it had done so itself. */
  finishTask(taskId: string, status: number): boolean {
    return this.#slots.some(({ runtime }) => runtime.finish(taskId, status));
  }

  /** kill -9 of the executor of a task. */
  crashExecutor(taskId: string): boolean {
    return this.#slots.some(({ runtime }) => runtime.crashExecutor(taskId));
  }

  #slot(index: number): Slot {
    const slot = this.#slots[index];
    if (slot === undefined) throw new RangeError(`there is no agent ${index}`);
    return slot;
  }

  #connect(slot: Slot): void {
    const { agent } = slot;
    slot.link?.close();
    slot.link = undefined;
    if (this.#master === undefined || agent === undefined || slot.partitioned) return;
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

/** A checkpoint in which every address that has moved is the new one. */
function withAddresses(
  content: CheckpointContent,
  moved: ReadonlyMap<string, string>,
): CheckpointContent {
  const text = JSON.stringify(content, (key, value: unknown) =>
    key === 'ip_address' && typeof value === 'string' ? (moved.get(value) ?? value) : value,
  );
  return checkpointContent.parse(JSON.parse(text));
}

function defaultIp(index: number): string {
  return `10.${1 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
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
