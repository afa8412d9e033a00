import type { MasterState } from './state.ts';

/** The flags of a real master that have a meaning here, in its words. */
export function masterFlags(m: MasterState): Record<string, string> {
  const { timings, info } = m;
  return {
    agent_ping_timeout: duration(timings.agentPingTimeout),
    agent_reregister_timeout: duration(timings.agentReregisterTimeout),
    allocation_interval: duration(timings.allocationInterval),
    allocator: 'hierarchical',
    authenticate_agents: 'false',
    authenticate_frameworks: 'false',
    authenticate_http_frameworks: 'false',
    authenticate_http_readonly: 'false',
    authenticate_http_readwrite: 'false',
    hostname: info.hostname ?? '',
    ip: info.address?.ip ?? '',
    max_agent_ping_timeouts: String(timings.maxAgentPingTimeouts),
    max_completed_tasks_per_framework: '1000',
    min_allocatable_resources: 'cpus:0.01|mem:32',
    port: String(info.port),
  };
}

const units = [
  ['weeks', 604_800_000],
  ['days', 86_400_000],
  ['hrs', 3_600_000],
  ['mins', 60_000],
  ['secs', 1000],
] as const;

/** Mesos writes durations in the largest unit that divides them. */
export function duration(milliseconds: number): string {
  const unit = units.find(([, ms]) => milliseconds >= ms && milliseconds % ms === 0);
  return unit === undefined ? `${milliseconds}ms` : `${milliseconds / unit[1]}${unit[0]}`;
}
