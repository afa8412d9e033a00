import type {
  AgentResponse,
  AgentResponseGetContainersContainer,
  ExecutorInfo,
} from '../../../proto/mesos/generated/messages.ts';
import { isTerminal } from '../master/state.ts';
import { allocatedResources, parseResources } from '../resources.ts';
import type { Agent } from './agent.ts';
import { commandExecutorMemory, type Executor } from './command-executor.ts';
import { DefaultExecutor } from './default-executor.ts';
import type { NestedContainers } from './nested/containers.ts';

const commandExecutorResources = parseResources([
  { name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } },
  { name: 'mem', type: 'SCALAR', scalar: { value: commandExecutorMemory } },
]);

export function getTasks(agent: Agent): NonNullable<AgentResponse['get_tasks']> {
  const tasks = agent.tasks();
  return {
    launched_tasks: tasks.filter(({ state }) => !isTerminal(state)),
    terminated_tasks: tasks.filter(({ state }) => isTerminal(state)),
  };
}

export function getFrameworks(agent: Agent): NonNullable<AgentResponse['get_frameworks']> {
  return { frameworks: [...agent.frameworks.values()].map((info) => ({ framework_info: info })) };
}

export function getExecutors(
  executors: readonly Executor[],
): NonNullable<AgentResponse['get_executors']> {
  return { executors: executors.map((executor) => ({ executor_info: executorInfo(executor) })) };
}

/** Of a command executor what the agent makes up for it, but for a command: it is no program here. */
export function executorInfo(executor: Executor): ExecutorInfo {
  if (executor instanceof DefaultExecutor) return executor.info;
  const { container } = executor.spec();
  const role = executor.runs[0]?.task.resources?.[0]?.allocation_info?.role ?? '*';
  return {
    executor_id: { value: executor.executorId },
    framework_id: { value: executor.frameworkId },
    ...(container === undefined ? {} : { container }),
    resources: allocatedResources(commandExecutorResources, role),
    name: executorName(executor),
    source: executor.executorId,
  };
}

export function containersOf(
  executor: Executor,
  nested: boolean,
  operators?: NestedContainers,
): AgentResponseGetContainersContainer[] {
  const started = executor.started();
  if (started === undefined) return [];
  const spec = executor.spec();
  const { id } = spec;
  const own: AgentResponseGetContainersContainer = {
    framework_id: { value: executor.frameworkId },
    executor_id: { value: executor.executorId },
    executor_name: executorName(executor),
    container_id: id,
    container_status: {
      container_id: id,
      network_infos: [...started.networks],
      executor_pid: started.pid,
    },
    resource_statistics: executor.statistics(spec),
  };
  if (!nested) return [own];
  const launched = (operators?.running(id.value) ?? []).map((container) => ({
    container_id: { value: container.id.value },
    container_status: {
      container_id: container.id,
      network_infos: [...container.networks],
      executor_pid: container.process.pid,
    },
    resource_statistics: executor.statistics({ id: container.id }),
  }));
  if (!(executor instanceof DefaultExecutor)) return [own, ...launched];
  const inner = executor.runs.flatMap(({ containerId, started: container, over }) =>
    container === undefined || over
      ? []
      : [
          {
            // The parent is named in the status only.
            container_id: { value: containerId.value },
            container_status: {
              container_id: containerId,
              network_infos: [...container.networks],
              executor_pid: container.pid,
            },
            resource_statistics: executor.statistics({ id: containerId }),
          },
        ],
  );
  return [own, ...inner, ...launched];
}

export function executorName(executor: Executor): string {
  if (executor instanceof DefaultExecutor) return executor.info.name ?? '';
  const value = executor.spec().command?.value ?? '';
  const shown = value.length > 15 ? `${value.slice(0, 12)}...` : value;
  return `Command Executor (Task: ${executor.executorId}) (Command: sh -c '${shown}')`;
}
