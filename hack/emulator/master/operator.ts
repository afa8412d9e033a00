import type {
  MasterCall,
  MasterResponse,
  MasterResponseGetAgentsAgent,
  MasterResponseGetFrameworksFramework,
  Resource,
  Task,
} from '../../../proto/mesos/generated/messages.ts';
import { accountedResources, plus, sum, type Quantities } from '../resources.ts';
import { markGone } from './agents.ts';
import { removeFramework } from './frameworks.ts';
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
import { version, versionInfo } from './version.ts';

/** A response, nothing for an empty 200, or the text of a 400. */
export function operatorCall(
  m: MasterState,
  call: MasterCall,
): MasterResponse | string | undefined {
  switch (call.type) {
    case 'GET_HEALTH':
      return { type: 'GET_HEALTH', get_health: { healthy: true } };
    case 'GET_VERSION':
      return { type: 'GET_VERSION', get_version: { version_info: versionInfo } };
    case 'GET_AGENTS':
      return { type: 'GET_AGENTS', get_agents: getAgents(m) };
    case 'GET_FRAMEWORKS':
      return { type: 'GET_FRAMEWORKS', get_frameworks: getFrameworks(m) };
    case 'GET_TASKS':
      return { type: 'GET_TASKS', get_tasks: getTasks(m) };
    case 'GET_EXECUTORS':
      return { type: 'GET_EXECUTORS', get_executors: getExecutors(m) };
    case 'GET_STATE':
      return {
        type: 'GET_STATE',
        get_state: {
          get_tasks: getTasks(m),
          get_executors: getExecutors(m),
          get_frameworks: getFrameworks(m),
          get_agents: getAgents(m),
        },
      };
    case 'GET_MASTER':
      return {
        type: 'GET_MASTER',
        get_master: { master_info: m.info, start_time: m.startTime, elected_time: m.startTime },
      };
    case 'GET_ROLES':
      return { type: 'GET_ROLES', get_roles: { roles: getRoles(m) } };
    case 'GET_OPERATIONS':
      return { type: 'GET_OPERATIONS', get_operations: {} };
    case 'GET_MAINTENANCE_STATUS':
      return { type: 'GET_MAINTENANCE_STATUS', get_maintenance_status: { status: {} } };
    case 'GET_MAINTENANCE_SCHEDULE':
      return { type: 'GET_MAINTENANCE_SCHEDULE', get_maintenance_schedule: { schedule: {} } };
    case 'TEARDOWN': {
      const framework = m.frameworks.get(call.teardown?.framework_id.value ?? '');
      if (framework === undefined) return 'No framework found with specified ID';
      removeFramework(m, framework);
      return undefined;
    }
    case 'MARK_AGENT_GONE':
      return markGone(m, call.mark_agent_gone?.agent_id.value ?? '')
        ? undefined
        : 'Agent not found';
    default:
      // What is not emulated is answered as a call that Mesos does not know.
      return "Failed to validate master::Call: Expecting 'type' to be present";
  }
}

function getAgents(m: MasterState): NonNullable<MasterResponse['get_agents']> {
  return {
    agents: [...m.agents.values()].map(agentView),
    recovered_agents: [...m.recoveredAgents.values()],
  };
}

function agentView(agent: AgentRecord): MasterResponseGetAgentsAgent {
  const { info, ip } = agent;
  return {
    agent_info: info,
    active: agent.link !== undefined,
    deactivated: false,
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

function getFrameworks(m: MasterState): NonNullable<MasterResponse['get_frameworks']> {
  return {
    frameworks: [...m.frameworks.values()].map((framework) => frameworkView(m, framework)),
    completed_frameworks: [...m.completedFrameworks.values()].map((framework) =>
      frameworkView(m, framework),
    ),
  };
}

function frameworkView(
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
  };
}

function executorsOf(m: MasterState, framework: FrameworkRecord): ExecutorRecord[] {
  return [...m.agents.values()].flatMap(({ executors }) =>
    [...executors.values()].filter(({ frameworkId }) => frameworkId === framework.id),
  );
}

function getTasks(m: MasterState): NonNullable<MasterResponse['get_tasks']> {
  const live = [...m.frameworks.values()];
  const all = [...live, ...m.completedFrameworks.values()];
  const wire = (records: Iterable<TaskRecord>): Task[] => [...records].map(({ task }) => task);
  return {
    tasks: live.flatMap(({ tasks }) => wire(tasks.values())),
    completed_tasks: all.flatMap(({ completed }) => wire(completed)),
    unreachable_tasks: live.flatMap(({ unreachable }) => wire(unreachable.values())),
  };
}

function getExecutors(m: MasterState): NonNullable<MasterResponse['get_executors']> {
  const executors = [...m.agents.values()].flatMap((agent) =>
    [...agent.executors.values()].map(({ info }) => ({
      executor_info: info,
      agent_id: { value: agent.id },
    })),
  );
  return { executors };
}

function getRoles(m: MasterState): NonNullable<NonNullable<MasterResponse['get_roles']>['roles']> {
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
    resources: accountedResources(sum(frameworks.map(({ allocated }) => allocated)), name).map(
      ({ name: resource, type, scalar, ranges }) => ({
        name: resource,
        type,
        ...(scalar === undefined ? {} : { scalar }),
        ...(ranges === undefined ? {} : { ranges }),
      }),
    ),
  }));
}

function liveTasks(records: Iterable<TaskRecord>): TaskRecord[] {
  return [...records].filter(({ task }) => !isTerminal(task.state));
}

function byRole(users: Iterable<TaskRecord | ExecutorRecord | OfferRecord>): Resource[] {
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
