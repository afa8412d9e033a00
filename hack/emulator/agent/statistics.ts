import type { Clock } from '../../../api/machinery/clock.ts';
import type { ResourceStatistics } from '../../../proto/mesos/generated/messages.ts';
import type { ContainerSpec, Runtime } from './runtime.ts';

/**
 * What an agent tells of a container's use. One within a container shares its groups of the kernel, so
 * that only its limit is told.
 */
export function statisticsOf(
  spec: Pick<ContainerSpec, 'id' | 'memory'>,
  { clock, runtime }: { clock: Pick<Clock, 'now'>; runtime: Pick<Runtime, 'usage'> },
): ResourceStatistics {
  const told: ResourceStatistics = {
    timestamp: clock.now() / 1000,
    ...(spec.memory === undefined
      ? {}
      : { mem_limit_bytes: spec.memory, mem_soft_limit_bytes: spec.memory }),
  };
  const usage = spec.id.parent === undefined ? runtime.usage(spec.id.value) : undefined;
  if (usage === undefined) return told;
  return {
    ...told,
    cpus_user_time_secs: usage.userSeconds,
    cpus_system_time_secs: usage.systemSeconds,
    mem_total_bytes: usage.memoryBytes,
    mem_rss_bytes: usage.memoryBytes,
    mem_anon_bytes: usage.memoryBytes,
  };
}
