import type {
  CheckInfo,
  ExecutorInfo,
  HealthCheck,
  TaskInfo,
} from '../../../proto/mesos/generated/messages.ts';
import {
  contains,
  describeResources,
  isEmpty,
  parseResources,
  plus,
  sum,
  type Quantities,
} from '../resources.ts';

export interface LaunchContext {
  agentId: string;
  role: string;
  /** What of the accepted offers is left for this task. */
  offered: Quantities;
  taskExists(id: string): boolean;
  /** Resources of an executor that already runs count only once. */
  executorExists(id: string): boolean;
}

/** The first thing that Mesos finds wrong with a task of a LAUNCH, in its words. */
export function validateTask(task: TaskInfo, context: LaunchContext): string | undefined {
  const problem = validateTaskItself(task, context);
  if (problem !== undefined) return problem;
  if ((task.executor === undefined) === (task.command === undefined)) {
    return 'Task should have at least one (but not both) of CommandInfo or ExecutorInfo present';
  }
  let total = parseResources(task.resources);
  const { executor } = task;
  if (executor !== undefined && !context.executorExists(executor.executor_id.value)) {
    total = plus(total, parseResources(executor.resources));
  }
  if (!contains(context.offered, total)) {
    const available = describeResources(context.offered, context.role);
    return `Total resources ${describeResources(total, context.role)} required by task and its executor is more than available ${available}`;
  }
  return undefined;
}

/** The first thing wrong with a LAUNCH_GROUP; it then fails every task of the group. */
export function validateGroup(
  tasks: readonly TaskInfo[],
  executor: ExecutorInfo,
  context: LaunchContext,
): string | undefined {
  if (tasks.length === 0) return 'Task group cannot be empty';
  const seen = new Set<string>();
  for (const task of tasks) {
    const id = task.task_id.value;
    const problem = validateTaskItself(task, {
      ...context,
      taskExists: (other) => seen.has(other) || context.taskExists(other),
    });
    if (problem !== undefined) return `Task '${id}' is invalid: ${problem}`;
    seen.add(id);
    if (task.executor !== undefined)
      return `Task '${id}' is invalid: 'TaskInfo.executor' must not be set`;
    if (task.container?.type === 'DOCKER') {
      return `Task '${id}' is invalid: Docker ContainerInfo is not supported on the task`;
    }
    const hasLimits = Object.keys(task.limits ?? {}).length > 0;
    if (hasLimits && task.container?.linux_info?.share_cgroups !== false) {
      return `Task '${id}' is invalid: Resource limits may only be set for tasks within a task group when the 'share_cgroups' field is set to 'false'.`;
    }
  }
  const problem = validateExecutor(executor);
  if (problem !== undefined) return problem;
  const own = parseResources(executor.resources);
  const needed = sum(tasks.map(({ resources }) => parseResources(resources)));
  const total = context.executorExists(executor.executor_id.value) ? needed : plus(needed, own);
  if (!contains(context.offered, total)) {
    const available = describeResources(context.offered, context.role);
    return `Total resources ${describeResources(total, context.role)} required by task group and its executor are more than available ${available}`;
  }
  return undefined;
}

function validateExecutor(executor: ExecutorInfo): string | undefined {
  const id = executor.executor_id.value;
  const problem = validateId(id);
  if (problem !== undefined) return problem;
  if (executor.type === 'DEFAULT') {
    if (executor.command !== undefined) {
      return "'ExecutorInfo.command' must not be set for 'DEFAULT' executor";
    }
    const type = executor.container?.type;
    if (type !== undefined && type !== 'MESOS') {
      return "'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor";
    }
  } else if (executor.command === undefined) {
    return "'ExecutorInfo.command' must be set for 'CUSTOM' executor";
  }
  const { scalars } = parseResources(executor.resources);
  const cpus = scalars.get('cpus');
  if (cpus === undefined || cpus < 10) {
    const amount = cpus === undefined ? 'None' : String(cpus / 1000);
    return `Executor '${id}' uses less CPUs (${amount}) than the minimum required (0.01)`;
  }
  const mem = scalars.get('mem');
  if (mem === undefined || mem < 32_000) {
    const amount = mem === undefined ? 'None' : `${mem / 1000}MB`;
    return `Executor '${id}' uses less memory (${amount}) than the minimum required (32MB)`;
  }
  if (scalars.get('disk') === undefined) return `Executor '${id}' uses no disk`;
  return undefined;
}

function validateTaskItself(task: TaskInfo, context: LaunchContext): string | undefined {
  const id = task.task_id.value;
  const grace = task.kill_policy?.grace_period?.nanoseconds ?? 0;
  const completion = task.max_completion_time?.nanoseconds ?? 0;
  return (
    validateId(id) ??
    (context.taskExists(id) ? `Task has duplicate ID: ${id}` : undefined) ??
    (task.agent_id.value === context.agentId
      ? undefined
      : `Task uses invalid agent ${task.agent_id.value} while agent ${context.agentId} is expected`) ??
    (grace < 0 ? "Task's 'kill_policy.grace_period' must be non-negative" : undefined) ??
    (completion < 0 ? "Task's 'max_completion_time' must be non-negative" : undefined) ??
    prefixed('Task uses invalid check: ', task.check && validateCheck(task.check)) ??
    prefixed(
      'Task uses invalid health check: ',
      task.health_check && validateHealthCheck(task.health_check),
    ) ??
    (noResources(task) ? 'Task uses no resources' : undefined)
  );
}

/** Asking for 0 cpus beside some memory is allowed; asking for nothing is not. */
function noResources(task: TaskInfo): boolean {
  return isEmpty(parseResources(task.resources));
}

function prefixed(prefix: string, problem: string | undefined): string | undefined {
  return problem === undefined ? undefined : prefix + problem;
}

export function validateId(id: string): string | undefined {
  if (id === '') return 'ID must not be empty';
  if (id.length > 255) return 'ID must not be greater than 255 characters';
  if (id === '.' || id === '..') return `'${id}' is disallowed`;
  return breaksPaths(id) ? `'${id}' contains invalid characters` : undefined;
}

/** Ids are parts of sandbox paths: no control character, slash or backslash. */
function breaksPaths(id: string): boolean {
  for (let at = 0; at < id.length; at++) {
    const code = id.charCodeAt(at);
    if (code < 32 || code === 127 || code === 47 || code === 92) return true;
  }
  return false;
}

function validateCheck(check: CheckInfo): string | undefined {
  switch (check.type) {
    case undefined:
      return "CheckInfo must specify 'type'";
    case 'UNKNOWN':
      return "'UNKNOWN' is not a valid check type";
    case 'COMMAND':
      if (check.command === undefined) return "Expecting 'command' to be set for COMMAND check";
      break;
    case 'HTTP':
      if (check.http === undefined) return "Expecting 'http' to be set for HTTP check";
      if (check.http.path?.startsWith('/') === false) {
        return `The path '${check.http.path}' of HTTP check must start with '/'`;
      }
      break;
    case 'TCP':
      if (check.tcp === undefined) return "Expecting 'tcp' to be set for TCP check";
  }
  return validateTimes(check);
}

function validateHealthCheck(check: HealthCheck): string | undefined {
  switch (check.type) {
    case undefined:
      return "HealthCheck must specify 'type'";
    case 'UNKNOWN':
      return "'UNKNOWN' is not a valid health check type";
    case 'COMMAND':
      if (check.command === undefined) {
        return "Expecting 'command' to be set for COMMAND health check";
      }
      break;
    case 'HTTP': {
      const { http } = check;
      if (http === undefined) return "Expecting 'http' to be set for HTTP health check";
      if (http.scheme !== undefined && http.scheme !== 'http' && http.scheme !== 'https') {
        return `Unsupported HTTP health check scheme: '${http.scheme}'`;
      }
      if (http.path?.startsWith('/') === false) {
        return `The path '${http.path}' of HTTP health check must start with '/'`;
      }
      break;
    }
    case 'TCP':
      if (check.tcp === undefined) return "Expecting 'tcp' to be set for TCP health check";
  }
  if ((check.grace_period_seconds ?? 0) < 0) {
    return "Expecting 'grace_period_seconds' to be non-negative";
  }
  return validateTimes(check);
}

function validateTimes(check: CheckInfo | HealthCheck): string | undefined {
  if ((check.delay_seconds ?? 0) < 0) return "Expecting 'delay_seconds' to be non-negative";
  if ((check.interval_seconds ?? 0) < 0) return "Expecting 'interval_seconds' to be non-negative";
  if ((check.timeout_seconds ?? 0) < 0) return "Expecting 'timeout_seconds' to be non-negative";
  return undefined;
}
