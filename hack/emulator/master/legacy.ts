import type { FrameworkInfo, InverseOffer, Task } from '../../../proto/mesos/generated/messages.ts';
import {
  accountedResources,
  minus,
  parseResources,
  plus,
  sum,
  type Quantities,
} from '../resources.ts';
import { masterFlags } from './flags.ts';
import {
  frameworkRoles,
  hasCapability,
  isTerminal,
  type AgentRecord,
  type ExecutorRecord,
  type FrameworkRecord,
  type MasterState,
  type TaskRecord,
} from './state.ts';
import { version, versionInfo } from './version.ts';
import { agentCapabilities, byRole } from './views.ts';

/** `/state`: who leads, agents, frameworks and their tasks. */
export function legacyState(m: MasterState): object {
  const agents = [...m.agents.values()];
  const { id, hostname, pid, port } = m.info;
  const deactivated = agents.filter((agent) => !isActive(m, agent)).length;
  return {
    ...versionInfo,
    start_time: m.startTime,
    elected_time: m.startTime,
    id,
    pid,
    hostname,
    capabilities: (m.info.capabilities ?? []).map(({ type }) => type),
    activated_slaves: agents.length - deactivated,
    deactivated_slaves: deactivated,
    unreachable_slaves: m.registry.read().unreachable.size,
    leader: pid,
    leader_info: { id, pid, port, hostname },
    flags: masterFlags(m),
    slaves: agents.map((agent) => legacyAgent(m, agent)),
    recovered_slaves: [],
    ...legacyFrameworks(m),
    orphan_tasks: [],
    unregistered_frameworks: [],
  };
}

/** `/frameworks`. */
export function legacyFrameworks(m: MasterState): object {
  const view = (framework: FrameworkRecord): object => legacyFramework(m, framework);
  return {
    frameworks: [...m.frameworks.values()].map(view),
    completed_frameworks: [...m.completedFrameworks.values()].map(view),
    unregistered_frameworks: [],
  };
}

/** `/slaves`. */
export function legacyAgents(m: MasterState): object {
  return {
    slaves: [...m.agents.values()].map((agent) => ({
      ...legacyAgent(m, agent),
      reserved_resources_full: {},
      unreserved_resources_full: (agent.info.resources ?? []).map((resource) => ({
        ...resource,
        role: '*',
      })),
      used_resources_full: byRole(usersOf(agent)),
      offered_resources_full: byRole(agent.offers),
    })),
    recovered_slaves: [],
  };
}

/** `/tasks`. */
export function legacyTasks(m: MasterState): object {
  return {
    tasks: [...m.frameworks.values()].flatMap(({ tasks, completed }) =>
      [...tasks.values(), ...completed].map(legacyTask),
    ),
  };
}

/** `/state-summary`: counts of tasks by state instead of tasks. */
export function legacySummary(m: MasterState): object {
  return {
    hostname: m.info.hostname,
    slaves: [...m.agents.values()].map((agent) => ({
      ...legacyAgent(m, agent),
      ...taskCounts([...agent.tasks.values()].map(({ task }) => task)),
      framework_ids: [
        ...new Set([...agent.tasks.values()].map(({ task }) => task.framework_id.value)),
      ],
    })),
    frameworks: [...m.frameworks.values()].map((framework) => ({
      ...frameworkSummary(framework),
      ...taskCounts([
        ...[...framework.tasks.values(), ...framework.completed].map(({ task }) => task),
      ]),
      TASK_UNREACHABLE: framework.unreachable.size,
      slave_ids: [...new Set([...framework.tasks.values()].map(({ task }) => task.agent_id.value))],
    })),
  };
}

/** `/roles`. */
export function legacyRoles(m: MasterState): object {
  const roles = new Set([...m.frameworks.values()].flatMap(({ info }) => frameworkRoles(info)));
  return {
    roles: [...roles].map((name) => {
      const frameworks = [...m.frameworks.values()].filter(({ info }) =>
        frameworkRoles(info).includes(name),
      );
      const offered = sum(
        frameworks.flatMap(({ offers }) =>
          [...offers].filter(({ role }) => role === name).map(({ resources }) => resources),
        ),
      );
      const total = sum(frameworks.map(({ allocated }) => allocated));
      const allocated = minus(total, offered);
      return {
        name,
        weight: 1,
        quota: { role: name, guarantee: {}, limit: {}, consumed: amounts(allocated) },
        resources: amounts(total),
        allocated: amounts(allocated),
        offered: amounts(offered),
        reserved: {},
        frameworks: frameworks.map(({ id }) => id),
      };
    }),
  };
}

function legacyAgent(m: MasterState, agent: AgentRecord): object {
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
    ...(agent.reregistered === undefined ? {} : { reregistered_time: agent.reregistered / 1000 }),
    resources: legacyResources(agent.total),
    used_resources: legacyResources(total(usersOf(agent))),
    offered_resources: legacyResources(total(agent.offers)),
    reserved_resources: {},
    unreserved_resources: legacyResources(agent.total),
    active: isActive(m, agent),
    deactivated: m.deactivated.has(id),
    version,
    capabilities: agentCapabilities,
  };
}

function isActive(m: MasterState, agent: AgentRecord): boolean {
  return agent.link !== undefined && !m.deactivated.has(agent.id);
}

function legacyFramework(m: MasterState, framework: FrameworkRecord): object {
  const { info, tasks, completed, unreachable, unregistered, registered, reregistered } = framework;
  const executors = [...m.agents.values()].flatMap((agent) =>
    [...agent.executors.values()]
      .filter(({ frameworkId }) => frameworkId === framework.id)
      .map((executor) => ({ ...legacyExecutor(executor), slave_id: agent.id })),
  );
  return {
    ...frameworkSummary(framework),
    user: info.user,
    failover_timeout: info.failover_timeout ?? 0,
    checkpoint: info.checkpoint ?? false,
    registered_time: registered / 1000,
    unregistered_time: (unregistered ?? 0) / 1000,
    ...(reregistered === registered ? {} : { reregistered_time: reregistered / 1000 }),
    resources: legacyResources(framework.allocated),
    ...legacyRole(info),
    tasks: [...tasks.values()].map(legacyTask),
    unreachable_tasks: [...unreachable.values()].map(legacyTask),
    completed_tasks: completed.map(legacyTask),
    offers: [...framework.offers].map(({ offer, role, agent, resources }) => ({
      id: offer.id.value,
      framework_id: framework.id,
      allocation_info: { role },
      slave_id: agent.id,
      resources: legacyResources(resources),
    })),
    ...inverseOffers(m, framework),
    executors,
    ...(info.labels === undefined ? {} : { labels: info.labels.labels ?? [] }),
    offer_constraints: {},
  };
}

function inverseOffers(m: MasterState, { id }: FrameworkRecord): { inverse_offers?: object[] } {
  const own = [...m.inverseOffers.values()]
    .filter(({ framework }) => framework.id === id)
    .map(({ offer }): InverseOffer => offer);
  return own.length === 0 ? {} : { inverse_offers: own };
}

function frameworkSummary(framework: FrameworkRecord): object {
  const { id, info, offers, stream, recovered } = framework;
  const offered = total(offers);
  return {
    id,
    name: info.name,
    used_resources: legacyResources(minus(framework.allocated, offered)),
    offered_resources: legacyResources(offered),
    capabilities: (info.capabilities ?? []).map(({ type }) => type),
    hostname: info.hostname ?? '',
    webui_url: info.webui_url ?? '',
    active: stream !== undefined,
    connected: stream !== undefined,
    recovered,
  };
}

function legacyRole(info: FrameworkInfo): object {
  return hasCapability(info, 'MULTI_ROLE')
    ? { roles: frameworkRoles(info) }
    : { role: info.role ?? '*' };
}

function legacyExecutor({ info, role, resources, frameworkId }: ExecutorRecord): object {
  return {
    executor_id: info.executor_id.value,
    name: info.name ?? '',
    framework_id: frameworkId,
    command: { argv: [], uris: [] },
    resources: legacyResources(resources),
    role,
    ...(info.type === undefined ? {} : { type: info.type }),
  };
}

function legacyTask({ task, role, resources }: TaskRecord): object {
  return taskView(task, role, resources);
}

/** A task as the endpoints of masters and agents show it. */
export function taskView(task: Task, role: string, resources: Quantities): object {
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
      ...(container_status === undefined ? {} : { container_status: withoutPid(container_status) }),
    })),
    ...(task.labels === undefined ? {} : { labels: task.labels.labels ?? [] }),
    ...(task.discovery === undefined ? {} : { discovery: task.discovery }),
    ...(task.container === undefined ? {} : { container: task.container }),
  };
}

/** These endpoints know nothing of the executor's pid, and label lists are bare. */
function withoutPid({
  container_id,
  network_infos,
}: NonNullable<NonNullable<Task['statuses']>[number]['container_status']>): object {
  return {
    container_id,
    ...(network_infos === undefined
      ? {}
      : {
          network_infos: network_infos.map(({ labels, ...network }) => ({
            ...network,
            ...(labels === undefined ? {} : { labels: labels.labels ?? [] }),
          })),
        }),
  };
}

export function legacyResources(quantities: Quantities): object {
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

/** By name; of ranges, how many values they hold. */
function amounts(quantities: Quantities): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { name, scalar, ranges } of accountedResources(quantities, '*')) {
    const size = (ranges?.range ?? []).reduce((n, { begin, end }) => n + end - begin + 1, 0);
    found[name] = scalar?.value ?? size;
  }
  return found;
}

const counted = [
  'STAGING',
  'STARTING',
  'RUNNING',
  'KILLING',
  'FINISHED',
  'KILLED',
  'FAILED',
  'LOST',
  'ERROR',
  'UNREACHABLE',
];

function taskCounts(tasks: readonly Task[]): Record<string, number> {
  return Object.fromEntries(
    counted.map((name) => [
      `TASK_${name}`,
      tasks.filter(({ state }) => state === `TASK_${name}`).length,
    ]),
  );
}

function usersOf(agent: AgentRecord): (TaskRecord | ExecutorRecord)[] {
  return [
    ...[...agent.tasks.values()].filter(({ task }) => !isTerminal(task.state)),
    ...agent.executors.values(),
  ];
}

function total(users: Iterable<{ readonly resources: Quantities }>): Quantities {
  return [...users].reduce((all, { resources }) => plus(all, resources), parseResources([]));
}
