import type { AgentInfo, Attribute } from '../../proto/mesos/generated/messages.ts';
import type { NamedAgent } from './config.ts';
import { agentResources } from './simulated-agents.ts';

/** What is said once everything answers, and what the control endpoint shows. */
export interface EmulatorDescription {
  mode: 'process' | 'simulated';
  /** As for a framework's configuration: `zk://…` or the one master's `host:port`. */
  master: string;
  masters: { address: string; pid: number | undefined; running: boolean }[];
  agents: AgentDescription[];
  networks: readonly string[];
  /** `host:port` of the control endpoint. */
  control?: string;
}

export interface AgentDescription {
  hostname: string;
  /** `host:port`; empty for simulated agents, which have no endpoint of their own. */
  address: string;
  pid: number | undefined;
  running: boolean;
  /** Alive but cut off from the masters. */
  partitioned: boolean;
  attributes: Readonly<Record<string, string | number>>;
}

/** A running emulated cluster, and what may be done to it from outside. */
export interface Emulator {
  describe(): EmulatorDescription;
  /** kill -9. */
  killMaster(index: number): Promise<void>;
  startMaster(index: number): Promise<void>;
  /** kill -9: its tasks go on. */
  killAgent(index: number): Promise<void>;
  startAgent(index: number): Promise<void>;
  /** Tasks end, the master is told. */
  unregisterAgent(index: number): Promise<void>;
  /** Silent but alive: SIGSTOP, or cut off from the master. */
  pauseAgent(index: number): Promise<void>;
  resumeAgent(index: number): Promise<void>;
  /** Signals a task's command from outside; false if there is no such task. */
  killTask(taskId: string): Promise<boolean>;
  /** kill -9 of the executor of a task; false if there is no such task. */
  crashExecutor(taskId: string): Promise<boolean>;
  /** Ends everything and removes what was made. */
  stop(): Promise<void>;
}

export function agentInfoOf(spec: NamedAgent): Omit<AgentInfo, 'port'> {
  const { hostname, attributes, cpus, mem, disk } = spec;
  return {
    hostname,
    resources: agentResources({ cpus, mem, disk, ports: [31000, 32000] }),
    attributes: Object.entries(attributes ?? {}).map(attribute),
  };
}

function attribute([name, value]: [string, string | number]): Attribute {
  return typeof value === 'number'
    ? { name, type: 'SCALAR', scalar: { value } }
    : { name, type: 'TEXT', text: { value } };
}
