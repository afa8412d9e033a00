import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { AgentDescription, EmulatorDescription } from '../emulator/emulator.ts';
import { leaderOf } from '../emulator/link-socket.ts';
import { EmulatedMesos } from './emulated-mesos.ts';
import { zkUrl, type MesosConfig } from './mesos-config.ts';
import { Processes } from './processes.ts';
import { freePorts, until } from './wait.ts';
import { startZooKeeper } from './zookeeper.ts';

/** What `hack/mesos` tells the shell; documented in its --help. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, notRunning: 3, unknownName: 4 } as const;

export class MesosToolError extends Error {
  readonly code: keyof typeof exitCodes;

  constructor(code: keyof typeof exitCodes, message: string) {
    super(message);
    this.code = code;
  }
}

export interface MesosStatus {
  mode: EmulatorDescription['mode'];
  /** For a framework's configuration: `zk://…`, or the one master's `host:port`. */
  master: string;
  /** `host:port` of the leading master; null while there is none. */
  leader: string | null;
  masters: { address: string; pid: number | null; state: 'Leading' | 'Standby' | 'Down' }[];
  agents: {
    name: string;
    address: string;
    pid: number | null;
    state: 'Running' | 'Partitioned' | 'Down';
    attributes: AgentDescription['attributes'];
  }[];
  /** Agents that the leader counts as connected. */
  connectedAgents: number;
}

const stateSchema = z.strictObject({ config: z.unknown(), control: z.string().optional() });
type State = z.infer<typeof stateSchema>;

const description = z.custom<EmulatorDescription>(
  (value) => typeof value === 'object' && value !== null && 'masters' in value,
);
const metrics = z.looseObject({ 'master/slaves_connected': z.number() });

/** Longer than a ZooKeeper session of a master that was killed, by default 10 s. */
const electionMs = 60_000;

/** An emulated Mesos for any client, without anything of Mesocosm; all state is in one directory. */
export class MesosCluster {
  readonly #directory: string;
  readonly #processes: Processes;
  readonly #mesos: EmulatedMesos;
  readonly #say: (words: string) => void;

  constructor(directory: string, say: (words: string) => void) {
    this.#directory = directory;
    this.#processes = new Processes(directory);
    this.#mesos = new EmulatedMesos(this.#processes, directory);
    this.#say = say;
  }

  /** Starts everything; what runs with the same configuration is left as it is. */
  async up(config: MesosConfig): Promise<MesosStatus> {
    if (this.#processes.isRunning('emulator')) {
      if (JSON.stringify(this.#state().config) !== JSON.stringify(config)) {
        throw new MesosToolError(
          'failed',
          'a cluster of another configuration runs; hack/mesos down ends it',
        );
      }
      this.#say('the cluster already runs');
      return this.status();
    }
    if (existsSync(this.#directory)) {
      this.#say('removing what an earlier run left');
      await this.down();
    }
    mkdirSync(this.#directory, { recursive: true });
    try {
      return await this.#start(config);
    } catch (error) {
      await this.down();
      throw error;
    }
  }

  /** Ends every process and removes all that they made, also after a crash. */
  async down(): Promise<void> {
    if (!existsSync(this.#directory)) {
      this.#say('nothing runs');
      return;
    }
    if (!this.#processes.isRunning('emulator')) await this.#mesos.sweep();
    await this.#processes.stopAll(60_000);
    rmSync(this.#directory, { recursive: true, force: true });
    this.#say('everything is stopped and removed');
  }

  async status(): Promise<MesosStatus> {
    const { mode, master, masters, agents } = await this.#describe();
    const leader = await leadingMaster(masters);
    return {
      mode,
      master,
      leader: leader ?? null,
      masters: masters.map(({ address, pid, running }) => ({
        address,
        pid: pid ?? null,
        state: !running ? 'Down' : address === leader ? 'Leading' : 'Standby',
      })),
      agents: agents.map(({ hostname, address, pid, running, partitioned, attributes }) => ({
        name: hostname,
        address,
        pid: pid ?? null,
        state: !running ? 'Down' : partitioned ? 'Partitioned' : 'Running',
        attributes,
      })),
      connectedAgents: leader === undefined ? 0 : await connectedAgents(leader),
    };
  }

  /** kill -9: its tasks go on. */
  async killAgent(name: string): Promise<void> {
    await this.#act(`agents/${await this.#agent(name)}/kill`);
    this.#say(`${name} is killed; its tasks go on`);
  }

  /** Cuts an agent off, for so many milliseconds or until it is healed. */
  async partition(name: string, ms: number | undefined): Promise<void> {
    const query = ms === undefined ? '' : `?for=${ms}`;
    await this.#act(`agents/${await this.#agent(name)}/pause${query}`);
    this.#say(`${name} is cut off ${ms === undefined ? 'until healed' : `for ${ms / 1000} s`}`);
  }

  /** Ends partitions and starts what was killed: one agent, or all agents and masters. */
  async heal(name: string | undefined): Promise<void> {
    const { agents, masters } = await this.#describe();
    const only = name === undefined ? undefined : await this.#agent(name);
    for (const [index, { running }] of masters.entries()) {
      if (only === undefined && !running) await this.#act(`masters/${index}/start`);
    }
    for (const [index, agent] of agents.entries()) {
      if (only !== undefined && only !== index) continue;
      if (!agent.running) await this.#act(`agents/${index}/start`);
      if (agent.partitioned) await this.#act(`agents/${index}/resume`);
      if (!agent.running || agent.partitioned) this.#say(`${agent.hostname} is back`);
    }
  }

  /** Kills the leading master, waits until another leads (or it again) and starts the killed one. */
  async failover(): Promise<void> {
    const { masters } = await this.#describe();
    const old = await leadingMaster(masters);
    const index = masters.findIndex(({ address }) => address === old);
    if (old === undefined || index < 0) throw new MesosToolError('failed', 'no master leads');
    this.#say(`killing ${old}`);
    await this.#act(`masters/${index}/kill`);
    if (masters.length === 1) await this.#act(`masters/${index}/start`);
    const others = masters.length === 1 ? masters : masters.filter((_, other) => other !== index);
    let leader: string | undefined;
    const elected = await until(async () => {
      leader = await leadingMaster(others);
      return leader !== undefined && (leader !== old || masters.length === 1);
    }, electionMs);
    if (!elected)
      throw new MesosToolError('failed', `no other master leads after ${electionMs} ms`);
    this.#say(`${leader ?? ''} leads`);
    if (masters.length > 1) await this.#act(`masters/${index}/start`);
  }

  async #start(config: MesosConfig): Promise<MesosStatus> {
    const { zookeeper, emulator } = config;
    this.#write({ config });
    const zk = await this.#election(zookeeper);
    const count = plural(emulator.masters, 'master');
    this.#say(`starting ${count} and ${emulator.mode} agents`);
    const started = await this.#mesos.start(zk === undefined ? emulator : { ...emulator, zk });
    const { agents, control } = started;
    this.#write({ config, ...(control === undefined ? {} : { control }) });
    let status = await this.status();
    await until(async () => {
      status = await this.status();
      return status.connectedAgents === agents.length;
    }, electionMs);
    if (status.connectedAgents < agents.length) {
      const log = this.#processes.logOf('emulator');
      const words = `only ${status.connectedAgents} of ${plural(agents.length, 'agent')} registered; see ${log}`;
      throw new MesosToolError('failed', words);
    }
    this.#say(`${plural(agents.length, 'agent')} registered`);
    return status;
  }

  async #election(zookeeper: MesosConfig['zookeeper']): Promise<string | undefined> {
    if (typeof zookeeper === 'string') return zkUrl(zookeeper);
    if (!zookeeper) return undefined;
    const [port = 0] = await freePorts(1);
    this.#say('starting ZooKeeper');
    await startZooKeeper(this.#processes, join(this.#directory, 'zookeeper'), port);
    return zkUrl(`127.0.0.1:${port}`);
  }

  async #agent(name: string): Promise<number> {
    const { agents } = await this.#describe();
    const index = agents.findIndex(({ hostname }) => hostname === name);
    if (index >= 0) return index;
    const some = agents.slice(0, 5).map(({ hostname }) => hostname);
    const names = `${some.join(', ')}${agents.length > some.length ? ', …' : ''}`;
    throw new MesosToolError('unknownName', `there is no agent ${name}; there are ${names}`);
  }

  #describe(): Promise<EmulatorDescription> {
    return this.#control('', 'GET');
  }

  async #act(path: string): Promise<void> {
    await this.#control(path, 'POST');
  }

  async #control(path: string, method: 'GET' | 'POST'): Promise<EmulatorDescription> {
    const control = this.#processes.isRunning('emulator') ? this.#state().control : undefined;
    if (control === undefined) {
      throw new MesosToolError('notRunning', 'no cluster runs; start one: hack/mesos up');
    }
    const response = await fetch(`http://${control}/${path}`, { method });
    if (!response.ok) throw new MesosToolError('failed', `${path}: ${await response.text()}`);
    return description.parse(await response.json());
  }

  #state(): State {
    const file = join(this.#directory, 'state.json');
    if (!existsSync(file)) return { config: undefined };
    return stateSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  }

  #write(state: State): void {
    writeFileSync(join(this.#directory, 'state.json'), JSON.stringify(state));
  }
}

/** As any of the masters that answer says. */
async function leadingMaster(masters: EmulatorDescription['masters']): Promise<string | undefined> {
  for (const { address, running } of masters) {
    if (!running) continue;
    try {
      return await leaderOf(address);
    } catch (error) {
      // It knows none, or does not answer: the next may.
      if (!(error instanceof Error)) throw error;
    }
  }
  return undefined;
}

async function connectedAgents(leader: string): Promise<number> {
  const response = await fetch(`http://${leader}/metrics/snapshot`);
  return metrics.parse(await response.json())['master/slaves_connected'];
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
