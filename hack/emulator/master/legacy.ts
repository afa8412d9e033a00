import type { Quantities } from '../resources.ts';
import {
  frameworkRoles,
  type AgentRecord,
  type FrameworkRecord,
  type MasterState,
  type TaskRecord,
} from './state.ts';
import { version } from './version.ts';

/** The parts of `/state` that tools read: who leads, agents, frameworks and their tasks. */
export function legacyState(m: MasterState): object {
  const agents = [...m.agents.values()];
  const { id, hostname, pid, port } = m.info;
  return {
    version,
    start_time: m.startTime,
    elected_time: m.startTime,
    id,
    pid,
    hostname,
    capabilities: (m.info.capabilities ?? []).map(({ type }) => type),
    activated_slaves: agents.filter(({ link }) => link !== undefined).length,
    deactivated_slaves: agents.filter(({ link }) => link === undefined).length,
    unreachable_slaves: Object.keys(m.registry.read().unreachable).length,
    leader: pid,
    leader_info: { id, pid, port, hostname },
    slaves: agents.map(legacyAgent),
    frameworks: [...m.frameworks.values()].map((framework) => legacyFramework(framework)),
    completed_frameworks: [...m.completedFrameworks.values()].map((framework) =>
      legacyFramework(framework),
    ),
  };
}

export function legacyTasks(m: MasterState): object {
  return {
    tasks: [...m.frameworks.values()].flatMap(({ tasks, completed }) =>
      [...tasks.values(), ...completed].map(legacyTask),
    ),
  };
}

function legacyAgent(agent: AgentRecord): object {
  const { info, ip, id } = agent;
  return {
    id,
    hostname: info.hostname,
    port: info.port,
    attributes: Object.fromEntries(
      (info.attributes ?? []).map(({ name, text, scalar }) => [name, text?.value ?? scalar?.value]),
    ),
    pid: `slave(1)@${ip}:${info.port ?? 5051}`,
    registered_time: agent.registered / 1000,
    resources: legacyResources(agent.total),
    active: agent.link !== undefined,
    version,
  };
}

function legacyFramework(framework: FrameworkRecord): object {
  const { id, info, tasks, completed, unreachable } = framework;
  return {
    id,
    name: info.name,
    user: info.user,
    failover_timeout: info.failover_timeout ?? 0,
    checkpoint: info.checkpoint ?? false,
    active: framework.stream !== undefined,
    connected: framework.stream !== undefined,
    recovered: framework.recovered,
    roles: frameworkRoles(info),
    tasks: [...tasks.values()].map(legacyTask),
    completed_tasks: completed.map(legacyTask),
    unreachable_tasks: [...unreachable.values()].map(legacyTask),
  };
}

function legacyTask({ task, role, resources }: TaskRecord): object {
  return {
    id: task.task_id.value,
    name: task.name,
    framework_id: task.framework_id.value,
    executor_id: task.executor_id?.value ?? '',
    slave_id: task.agent_id.value,
    state: task.state,
    resources: legacyResources(resources),
    role,
    statuses: (task.statuses ?? []).map(({ state, timestamp, healthy, container_status }) => ({
      state,
      timestamp,
      ...(healthy === undefined ? {} : { healthy }),
      ...(container_status === undefined ? {} : { container_status }),
    })),
    ...(task.labels === undefined ? {} : { labels: task.labels.labels ?? [] }),
    ...(task.discovery === undefined ? {} : { discovery: task.discovery }),
    ...(task.container === undefined ? {} : { container: task.container }),
  };
}

function legacyResources(quantities: Quantities): object {
  const scalar = (name: string): number => (quantities.scalars.get(name) ?? 0) / 1000;
  const ports = (quantities.ranges.get('ports') ?? []).map(({ begin, end }) => `${begin}-${end}`);
  return {
    disk: scalar('disk'),
    mem: scalar('mem'),
    gpus: scalar('gpus'),
    cpus: scalar('cpus'),
    ...(ports.length === 0 ? {} : { ports: `[${ports.join(', ')}]` }),
  };
}
