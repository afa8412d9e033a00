import type { AgentResponseGetContainersContainer } from '../../../proto/mesos/generated/messages.ts';

/** What an agent has told of one container: totals that only grow, and what is in use. */
export interface Reading {
  id: string;
  /** Container that it is in, of a task of several containers. */
  parent: string | undefined;
  frameworkId: string | undefined;
  executorId: string | undefined;
  /** The agent's own time, in seconds since the epoch. */
  at: number;
  /** Seconds of one core that it has used so far. */
  cpuSeconds: number;
  memoryBytes: number;
}

/** What a container used between two readings. */
export interface Usage {
  id: string;
  parent: string | undefined;
  frameworkId: string | undefined;
  executorId: string | undefined;
  /** Cores. */
  cpu: number;
  /** Bytes. */
  memory: number;
  windowSeconds: number;
}

/**
 * Readings by container. One that is not measured is not among them: containers within a container
 * share its groups of the kernel, and Mesos tells of them only what they are allowed.
 */
export function readingsOf(
  containers: readonly AgentResponseGetContainersContainer[],
): Map<string, Reading> {
  return new Map(
    containers.flatMap((container): [string, Reading][] => {
      const { resource_statistics: statistics, container_status: status } = container;
      const {
        timestamp,
        cpus_user_time_secs: user,
        cpus_system_time_secs: system,
        mem_rss_bytes: memory = statistics?.mem_total_bytes,
      } = statistics ?? {};
      if (timestamp === undefined || user === undefined || system === undefined) return [];
      if (memory === undefined) return [];
      const id = container.container_id.value;
      const reading: Reading = {
        id,
        parent: (container.container_id.parent ?? status?.container_id?.parent)?.value,
        frameworkId: container.framework_id?.value,
        executorId: container.executor_id?.value,
        at: timestamp,
        cpuSeconds: user + system,
        memoryBytes: memory,
      };
      return [[id, reading]];
    }),
  );
}

/**
 * What a container used from one reading to the next; undefined if the two do not say: time stood still
 * or the totals went back.
 */
export function usageBetween(earlier: Reading | undefined, later: Reading): Usage | undefined {
  if (earlier === undefined) return undefined;
  const windowSeconds = later.at - earlier.at;
  const used = later.cpuSeconds - earlier.cpuSeconds;
  if (!(windowSeconds > 0) || !(used >= 0)) return undefined;
  const { id, parent, frameworkId, executorId, memoryBytes } = later;
  const cpu = used / windowSeconds;
  return { id, parent, frameworkId, executorId, cpu, memory: memoryBytes, windowSeconds };
}
