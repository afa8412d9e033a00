import type { FrameworkInfo } from '../../../proto/mesos/generated/messages.ts';
import { legacyResources, taskView } from '../master/legacy.ts';
import { frameworkRoles, isTerminal } from '../master/state.ts';
import { versionInfo } from '../master/version.ts';
import { agentCapabilities } from '../master/views.ts';
import { parseResources, plus, sum, type Quantities } from '../resources.ts';
import type { Agent } from './agent.ts';
import type { Executor } from './command-executor.ts';
import { DefaultExecutor } from './default-executor.ts';
import { sandboxOf, type AgentPaths } from './process/paths.ts';
import { containersOf, executorInfo } from './views.ts';

/** The agent's `/state`. */
export function legacyState(agent: Agent, paths: AgentPaths | undefined): object {
  const { info, ip, id } = agent;
  const total = parseResources(info.resources);
  const whole = (info.resources ?? []).map((resource) => ({ ...resource, role: '*' }));
  return {
    ...versionInfo,
    start_time: agent.started / 1000,
    id: id ?? '',
    pid: `slave(1)@${ip}:${info.port ?? 5051}`,
    hostname: info.hostname,
    capabilities: agentCapabilities,
    resources: legacyResources(total),
    reserved_resources: {},
    unreserved_resources: legacyResources(total),
    reserved_resources_full: {},
    unreserved_resources_full: whole,
    reserved_resources_allocated: {},
    unreserved_resources_allocated: legacyResources(used(agent)),
    resource_providers: [],
    attributes: Object.fromEntries(
      (info.attributes ?? []).map(({ name, text, scalar }) => [name, text?.value ?? scalar?.value]),
    ),
    frameworks: [...agent.frameworks].flatMap(([frameworkId, framework]) => {
      const executors = [...agent.executors.values()].filter(
        (executor) => executor.frameworkId === frameworkId,
      );
      return executors.length === 0 ? [] : [frameworkView(agent, framework, executors, paths)];
    }),
    completed_frameworks: [],
  };
}

/** `/containers`: those of executors. */
export function legacyContainers(agent: Agent): object {
  return [...agent.executors.values()].flatMap((executor) =>
    containersOf(executor, false).map(({ container_id, container_status }) => ({
      container_id: container_id.value,
      executor_id: executor.executorId,
      executor_name: executorInfo(executor).name ?? '',
      framework_id: executor.frameworkId,
      source: executorInfo(executor).source ?? '',
      status: container_status,
    })),
  );
}

/** The agent's `/metrics/snapshot`: what the emulator counts, under Mesos' names. */
export function agentMetrics(agent: Agent): Record<string, number> {
  const total = parseResources(agent.info.resources);
  const taken = used(agent);
  const states = agent.tasks().map(({ state }) => state.replace('TASK_', 'tasks_').toLowerCase());
  const metrics: Record<string, number> = {
    executors_running: agent.executors.size,
    frameworks_active: new Set([...agent.executors.values()].map((one) => one.frameworkId)).size,
    registered: agent.isRegistered ? 1 : 0,
    uptime_secs: agent.uptime,
  };
  for (const name of ['cpus', 'mem', 'disk', 'gpus']) {
    const all = (total.scalars.get(name) ?? 0) / 1000;
    const some = (taken.scalars.get(name) ?? 0) / 1000;
    metrics[`${name}_total`] = all;
    metrics[`${name}_used`] = some;
    metrics[`${name}_percent`] = all === 0 ? 0 : some / all;
  }
  for (const state of ['staging', 'starting', 'running', 'killing']) {
    metrics[`tasks_${state}`] = states.filter((other) => other === `tasks_${state}`).length;
  }
  return Object.fromEntries(
    Object.entries(metrics)
      .map(([name, value]) => [`slave/${name}`, value] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function frameworkView(
  agent: Agent,
  info: FrameworkInfo,
  executors: readonly Executor[],
  paths: AgentPaths | undefined,
): object {
  return {
    id: info.id?.value ?? '',
    name: info.name,
    user: info.user,
    failover_timeout: info.failover_timeout ?? 0,
    checkpoint: info.checkpoint ?? false,
    hostname: info.hostname ?? '',
    roles: frameworkRoles(info),
    executors: executors.map((executor) => executorView(agent, executor, paths)),
    completed_executors: [],
  };
}

function executorView(agent: Agent, executor: Executor, paths: AgentPaths | undefined): object {
  const info = executorInfo(executor);
  const role = info.resources?.[0]?.allocation_info?.role ?? '*';
  return {
    id: executor.executorId,
    name: info.name ?? '',
    source: info.source ?? '',
    container: executor.spec().id.value,
    directory: paths === undefined ? '' : sandboxOf(paths, agent.id ?? '', executor.spec()),
    resources: legacyResources(usedBy(executor)),
    role,
    ...(executor instanceof DefaultExecutor ? { type: 'DEFAULT' } : {}),
    tasks: executor.runs
      .filter(({ task }) => !isTerminal(task.state))
      .map(({ task }) => taskView(task, role, parseResources(task.resources))),
    queued_tasks: [],
    completed_tasks: [],
  };
}

function used(agent: Agent): Quantities {
  return sum([...agent.executors.values()].map(usedBy));
}

function usedBy(executor: Executor): Quantities {
  const tasks = executor.runs.filter(({ task }) => !isTerminal(task.state));
  return plus(
    parseResources(executorInfo(executor).resources),
    sum(tasks.map(({ task }) => parseResources(task.resources))),
  );
}
