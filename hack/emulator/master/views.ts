import type {
  MasterResponse,
  MasterResponseGetAgentsAgent,
  MasterResponseGetFrameworksFramework,
  MasterResponseGetState,
  Resource,
  Task,
} from '../../../proto/mesos/generated/messages.ts';
import { accountedResources, plus, sum, type Quantities } from '../resources.ts';
import { drainOf } from './drain.ts';
import {
  frameworkRoles,
  isTerminal,
  type AgentRecord,
  type ExecutorRecord,
  type FrameworkRecord,
  type MasterState,
  type OfferRecord,
  type TaskRecord,
} from './state.ts';
import { version } from './version.ts';

/** GET_STATE, and what a subscriber of the operator API hears first. */
export function getState(m: MasterState): MasterResponseGetState {
  return {
    get_tasks: getTasks(m),
    get_executors: getExecutors(m),
    get_frameworks: getFrameworks(m),
    get_agents: getAgents(m),
  };
}

export function getAgents(m: MasterState): NonNullable<MasterResponse['get_agents']> {
  return {
    agents: [...m.agents.values()].map((agent) => agentView(m, agent)),
    recovered_agents: [...m.recoveredAgents.values()],
  };
}

export function agentView(m: MasterState, agent: AgentRecord): MasterResponseGetAgentsAgent {
  const { info, ip } = agent;
  return {
    // A field of the unversioned interface, which Mesos passes on.
    agent_info: { ...info, checkpoint: true },
    active: agent.link !== undefined && !m.deactivated.has(agent.id),
    deactivated: m.deactivated.has(agent.id),
    version,
    pid: `slave(1)@${ip}:${info.port ?? 5051}`,
    registered_time: nanoseconds(agent.registered),
    ...(agent.reregistered === undefined
      ? {}
      : { reregistered_time: nanoseconds(agent.reregistered) }),
    total_resources: (info.resources ?? []).map((resource) => ({ ...resource, role: '*' })),
    ...listed(
      'allocated_resources',
      byRole([...liveTasks(agent.tasks.values()), ...agent.executors.values()]),
    ),
    ...listed('offered_resources', byRole(agent.offers)),
    capabilities: agentCapabilities.map((type) => ({ type })),
    ...drainOf(m, agent),
  };
}

export const agentCapabilities = [
  'MULTI_ROLE',
  'HIERARCHICAL_ROLE',
  'RESERVATION_REFINEMENT',
  'RESOURCE_PROVIDER',
  'RESIZE_VOLUME',
  'AGENT_OPERATION_FEEDBACK',
  'AGENT_DRAINING',
  'TASK_RESOURCE_LIMITS',
] as const;

export function getFrameworks(m: MasterState): NonNullable<MasterResponse['get_frameworks']> {
  return {
    frameworks: [...m.frameworks.values()].map((framework) => frameworkView(m, framework)),
    completed_frameworks: [...m.completedFrameworks.values()].map((framework) =>
      frameworkView(m, framework),
    ),
  };
}

export function frameworkView(
  m: MasterState,
  framework: FrameworkRecord,
): MasterResponseGetFrameworksFramework {
  const connected = framework.stream !== undefined;
  return {
    framework_info: framework.info,
    active: connected,
    connected,
    recovered: framework.recovered,
    registered_time: nanoseconds(framework.registered),
    reregistered_time: nanoseconds(framework.reregistered),
    ...(framework.unregistered === undefined
      ? {}
      : { unregistered_time: nanoseconds(framework.unregistered) }),
    ...listed(
      'offers',
      [...framework.offers].map(({ offer }) => offer),
    ),
    ...listed(
      'allocated_resources',
      byRole([...liveTasks(framework.tasks.values()), ...executorsOf(m, framework)]),
    ),
    ...listed('offered_resources', byRole(framework.offers)),
    offer_constraints: {},
  };
}

/** As in events: without what is in use. */
export function frameworkEventView(
  framework: FrameworkRecord,
): MasterResponseGetFrameworksFramework {
  const { info, registered, reregistered, unregistered = 0, recovered } = framework;
  const connected = framework.stream !== undefined;
  return {
    framework_info: info,
    active: connected,
    connected,
    recovered,
    registered_time: nanoseconds(registered),
    reregistered_time: nanoseconds(reregistered),
    unregistered_time: nanoseconds(unregistered),
  };
}

function executorsOf(m: MasterState, framework: FrameworkRecord): ExecutorRecord[] {
  return [...m.agents.values()].flatMap(({ executors }) =>
    [...executors.values()].filter(({ frameworkId }) => frameworkId === framework.id),
  );
}

export function getTasks(m: MasterState): NonNullable<MasterResponse['get_tasks']> {
  const live = [...m.frameworks.values()];
  const all = [...live, ...m.completedFrameworks.values()];
  const wire = (records: Iterable<TaskRecord>): Task[] => [...records].map(({ task }) => task);
  return {
    tasks: live.flatMap(({ tasks }) => wire(tasks.values())),
    completed_tasks: all.flatMap(({ completed }) => wire(completed)),
    unreachable_tasks: live.flatMap(({ unreachable }) => wire(unreachable.values())),
  };
}

export function getExecutors(m: MasterState): NonNullable<MasterResponse['get_executors']> {
  const executors = [...m.agents.values()].flatMap((agent) =>
    [...agent.executors.values()].map(({ info }) => ({
      executor_info: info,
      agent_id: { value: agent.id },
    })),
  );
  return { executors };
}

export function getRoles(
  m: MasterState,
): NonNullable<NonNullable<MasterResponse['get_roles']>['roles']> {
  const roles = new Map<string, FrameworkRecord[]>();
  for (const framework of m.frameworks.values()) {
    for (const role of frameworkRoles(framework.info)) {
      roles.set(role, [...(roles.get(role) ?? []), framework]);
    }
  }
  return [...roles].map(([name, frameworks]) => ({
    name,
    weight: 1,
    frameworks: frameworks.map(({ id }) => ({ value: id })),
    resources: accountedResources(sum(frameworks.map(({ allocated }) => allocated)), name).flatMap(
      ({ name: resource, type, scalar }) =>
        scalar === undefined ? [] : [{ name: resource, type, scalar }],
    ),
  }));
}

function liveTasks(records: Iterable<TaskRecord>): TaskRecord[] {
  return [...records].filter(({ task }) => !isTerminal(task.state));
}

export function byRole(users: Iterable<TaskRecord | ExecutorRecord | OfferRecord>): Resource[] {
  const roles = new Map<string, Quantities>();
  for (const { role, resources } of users) {
    const before = roles.get(role);
    roles.set(role, before === undefined ? resources : plus(before, resources));
  }
  return [...roles].flatMap(([role, resources]) => accountedResources(resources, role));
}

/** Mesos leaves empty lists out. */
function listed<K extends string, T>(key: K, items: T[]): Partial<Record<K, T[]>> {
  const entry: Partial<Record<K, T[]>> = {};
  if (items.length > 0) entry[key] = items;
  return entry;
}

function nanoseconds(milliseconds: number): { nanoseconds: number } {
  return { nanoseconds: milliseconds * 1_000_000 };
}
