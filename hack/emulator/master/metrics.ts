import { sum, type Quantities } from '../resources.ts';
import type { MasterState } from './state.ts';

/** `/metrics/snapshot` of a leading master: what the emulator counts, under Mesos' names. */
export function masterMetrics(m: MasterState): Record<string, number> {
  const agents = [...m.agents.values()];
  const frameworks = [...m.frameworks.values()];
  const active = frameworks.filter(({ stream }) => stream !== undefined).length;
  const connected = agents.filter(({ link }) => link !== undefined);
  const inactive = connected.filter(({ id }) => m.deactivated.has(id)).length;
  const metrics = {
    ...counters(m),
    ...resources(m),
    ...tasks(m),
    elected: 1,
    frameworks_active: active,
    frameworks_connected: active,
    frameworks_disconnected: frameworks.length - active,
    frameworks_inactive: frameworks.length - active,
    operator_event_stream_subscribers: m.subscribers.size,
    outstanding_offers: m.offers.size,
    slaves_active: connected.length - inactive,
    slaves_connected: connected.length,
    slaves_disconnected: agents.length - connected.length,
    slaves_inactive: agents.length - connected.length + inactive,
    slaves_unreachable: m.registry.read().unreachable.size,
    uptime_secs: m.clock.now() / 1000 - m.startTime,
  };
  return Object.fromEntries(
    Object.entries(metrics)
      .map(([name, value]) => [`master/${name}`, value] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** Of a master that does not lead: it knows of nothing, but says so under every name. */
export function standbyMetrics(standby: MasterState): Record<string, number> {
  return { ...masterMetrics(standby), 'master/elected': 0 };
}

const counted = [
  'invalid_status_updates',
  'messages_decline_offers',
  'messages_exited_executor',
  'messages_kill_task',
  'messages_launch_tasks',
  'messages_reconcile_tasks',
  'messages_register_framework',
  'messages_register_slave',
  'messages_reregister_framework',
  'messages_reregister_slave',
  'messages_revive_offers',
  'messages_status_update',
  'messages_status_update_acknowledgement',
  'messages_suppress_offers',
  'messages_unregister_slave',
  'valid_status_updates',
];

function counters(m: MasterState): Record<string, number> {
  return Object.fromEntries(counted.map((name) => [name, m.counters.get(name) ?? 0]));
}

function resources(m: MasterState): Record<string, number> {
  const agents = [...m.agents.values()];
  const total = sum(agents.map((agent) => agent.total));
  const used = sum(
    agents
      .flatMap((agent) => [
        ...[...agent.tasks.values()].filter(({ task }) => isActive(task.state)),
        ...agent.executors.values(),
      ])
      .map((user) => user.resources),
  );
  const amount = (quantities: Quantities, name: string): number =>
    (quantities.scalars.get(name) ?? 0) / 1000;
  return Object.fromEntries(
    ['cpus', 'mem', 'disk', 'gpus'].flatMap((name) => {
      const all = amount(total, name);
      const taken = amount(used, name);
      return [
        [`${name}_total`, all],
        [`${name}_used`, taken],
        [`${name}_percent`, all === 0 ? 0 : taken / all],
      ];
    }),
  );
}

const activeStates = ['STAGING', 'STARTING', 'RUNNING', 'KILLING'];
const endStates = [
  'FINISHED',
  'FAILED',
  'KILLED',
  'ERROR',
  'LOST',
  'DROPPED',
  'GONE',
  'GONE_BY_OPERATOR',
];

function tasks(m: MasterState): Record<string, number> {
  const metrics: Record<string, number> = { tasks_unreachable: 0 };
  for (const state of [...activeStates, ...endStates]) metrics[`tasks_${state.toLowerCase()}`] = 0;
  const add = (name: string): void => {
    metrics[name] = (metrics[name] ?? 0) + 1;
  };
  for (const { tasks: live, completed, unreachable } of [
    ...m.frameworks.values(),
    ...m.completedFrameworks.values(),
  ]) {
    for (const { task } of [...live.values(), ...completed]) {
      add(task.state.replace('TASK_', 'tasks_').toLowerCase());
    }
    metrics['tasks_unreachable'] = (metrics['tasks_unreachable'] ?? 0) + unreachable.size;
  }
  return metrics;
}

function isActive(state: string): boolean {
  return activeStates.includes(state.replace('TASK_', ''));
}
