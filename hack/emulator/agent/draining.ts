import type { DrainConfig, KillPolicy, TaskInfo } from '../../../proto/mesos/generated/messages.ts';

/** What the master said when it told the agent to drain, and when (milliseconds since the epoch). */
export interface Draining {
  readonly config: DrainConfig;
  readonly since: number;
}

/** How a draining agent kills a task: its own grace, but no more than the operator allows. */
export function drainPolicy(
  info: TaskInfo,
  { max_grace_period }: DrainConfig,
): KillPolicy | undefined {
  const own = info.kill_policy?.grace_period;
  if (max_grace_period === undefined) return info.kill_policy;
  return own !== undefined && own.nanoseconds < max_grace_period.nanoseconds
    ? info.kill_policy
    : { grace_period: max_grace_period };
}
