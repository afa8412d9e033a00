import type { AgentInfo } from '../../proto/mesos/generated/messages.ts';
import type { AgentSpec } from './config.ts';
import { agentResources } from './simulated-agents.ts';

/** What is said once everything answers, and what the control endpoint shows. */
export interface EmulatorDescription {
  mode: 'process' | 'simulated';
  /** As for a framework's configuration: `zk://…` or the one master's `host:port`. */
  master: string;
  masters: { address: string; pid: number | undefined; running: boolean }[];
  agents: { hostname: string; address: string; pid: number | undefined; running: boolean }[];
  networks: readonly string[];
  /** `host:port` of the control endpoint. */
  control?: string;
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

export function agentInfoOf(spec: AgentSpec & { hostname: string }): Omit<AgentInfo, 'port'> {
  const { hostname, attributes, cpus, mem, disk } = spec;
  return {
    hostname,
    resources: agentResources({ cpus, mem, disk, ports: [31000, 32000] }),
    attributes: Object.entries(attributes ?? {}).map(([name, value]) => ({
      name,
      type: 'TEXT',
      text: { value },
    })),
  };
}
