import type {
  SchedulerCallAcknowledge,
  SchedulerCallKill,
  SchedulerCallReconcileTask,
  Task,
  TaskStatus,
} from '../../../proto/mesos/generated/messages.ts';
import type { ToMaster } from '../protocol.ts';
import {
  hasCapability,
  isTerminal,
  sameUuid,
  stateFor,
  taskKey,
  type AgentRecord,
  type FrameworkRecord,
  type MasterState,
} from './state.ts';

/** A status update of an agent: recorded, and passed on as it is. */
export function update(
  m: MasterState,
  agent: AgentRecord,
  { framework_id, status, latest_state }: Extract<ToMaster, { type: 'UPDATE' }>,
): void {
  const framework = m.frameworks.get(framework_id);
  m.count('messages_status_update');
  m.count(framework === undefined ? 'invalid_status_updates' : 'valid_status_updates');
  if (framework === undefined) return;
  m.sendStatus(framework, status);
  const record = agent.tasks.get(taskKey(framework_id, status.task_id.value));
  if (record === undefined) return;
  const { task } = record;
  if (!isTerminal(task.state)) {
    task.state = latest_state;
    if (isTerminal(latest_state)) m.recover(framework, agent, record.resources);
  }
  task.status_update_state = status.state;
  if (status.uuid !== undefined) task.status_update_uuid = status.uuid;
  recordStatus(m, task, status);
}

/** Adds the status to the task's; subscribers hear of new states and of checks. */
function recordStatus(m: MasterState, task: Task, status: TaskStatus): void {
  const isNew = task.statuses?.at(-1)?.state !== status.state;
  addStatus(task, status);
  if (!isNew && !isOfCheck(status)) return;
  const { framework_id, state } = task;
  m.publish(() => ({ type: 'TASK_UPDATED', task_updated: { framework_id, status, state } }));
}

function isOfCheck({ reason }: TaskStatus): boolean {
  return (
    reason === 'REASON_TASK_CHECK_STATUS_UPDATED' ||
    reason === 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED'
  );
}

/** A task remembers the newest status of each state it went through. */
export function addStatus(task: Task, status: TaskStatus): void {
  const statuses = (task.statuses ??= []);
  if (statuses.at(-1)?.state === status.state) statuses.pop();
  statuses.push(status);
}

export function acknowledge(
  m: MasterState,
  framework: FrameworkRecord,
  { agent_id, task_id, uuid }: SchedulerCallAcknowledge,
): void {
  const agent = m.agents.get(agent_id.value);
  // The agent will send the update again, and the framework its acknowledgement.
  if (agent?.link === undefined) return;
  const record = agent.tasks.get(taskKey(framework.id, task_id.value));
  if (record !== undefined) {
    const { status_update_state, status_update_uuid } = record.task;
    if (isTerminal(status_update_state) && sameUuid(status_update_uuid, uuid)) {
      m.removeTask(record, 'completed');
    }
  }
  agent.link.send({
    type: 'ACKNOWLEDGE',
    framework_id: framework.id,
    task_id: task_id.value,
    uuid,
  });
}

export function kill(
  m: MasterState,
  framework: FrameworkRecord,
  { task_id, agent_id, kill_policy }: SchedulerCallKill,
): void {
  const record = framework.tasks.get(task_id.value);
  if (record === undefined) {
    reconcileOne(m, framework, agent_id === undefined ? { task_id } : { task_id, agent_id });
    return;
  }
  if (agent_id !== undefined && agent_id.value !== record.task.agent_id.value) return;
  const agent = m.agents.get(record.task.agent_id.value);
  if (agent === undefined) return;
  const message = {
    type: 'KILL_TASK' as const,
    framework_id: framework.id,
    task_id: task_id.value,
    ...(kill_policy === undefined ? {} : { kill_policy }),
  };
  if (agent.link === undefined) agent.missedKills.push(message);
  else agent.link.send(message);
}

export function reconcile(
  m: MasterState,
  framework: FrameworkRecord,
  tasks: readonly SchedulerCallReconcileTask[],
): void {
  if (tasks.length === 0) {
    // Newest first, as far as Mesos' hash order can be said to be an order.
    for (const { task } of [...framework.tasks.values()].reverse()) {
      m.sendStatus(framework, latestStatus(m, task));
    }
  }
  for (const task of tasks) reconcileOne(m, framework, task);
}

function reconcileOne(
  m: MasterState,
  framework: FrameworkRecord,
  { task_id, agent_id }: SchedulerCallReconcileTask,
): void {
  const known = framework.tasks.get(task_id.value);
  if (known !== undefined) {
    m.sendStatus(framework, latestStatus(m, known.task));
    return;
  }
  const answer = (state: Task['state'], message: string, more: Partial<TaskStatus> = {}): void => {
    m.sendStatus(
      framework,
      m.masterStatus({
        task_id,
        state: stateFor(framework, state),
        reason: 'REASON_RECONCILIATION',
        message: `Reconciliation: ${message}`,
        ...(agent_id === undefined ? {} : { agent_id }),
        ...more,
      }),
    );
  };
  const unreachable = framework.unreachable.get(task_id.value);
  const id = agent_id?.value ?? unreachable?.task.agent_id.value;
  const { unreachable: unreachableAgents, gone } = m.registry.read();
  const since = id === undefined ? undefined : unreachableAgents.get(id);
  if (id !== undefined && m.agents.has(id)) {
    answer('TASK_GONE', 'Task is unknown to the agent');
  } else if (id === undefined ? m.recoveredAgents.size > 0 : m.recoveredAgents.has(id)) {
    // The agent may still come back to the new leader and say: no answer yet.
  } else if (id !== undefined && since !== undefined) {
    answer('TASK_UNREACHABLE', 'Task is unreachable', {
      agent_id: { value: id },
      unreachable_time: { nanoseconds: since },
    });
  } else if (id !== undefined && gone.includes(id)) {
    answer('TASK_GONE_BY_OPERATOR', 'Task is gone');
  } else {
    answer('TASK_UNKNOWN', 'Task is unknown');
  }
}

function latestStatus(m: MasterState, task: Task): TaskStatus {
  return m.masterStatus({
    ...knownOf(task),
    state: task.status_update_state ?? task.state,
    reason: 'REASON_RECONCILIATION',
    message: 'Reconciliation: Latest task state',
  });
}

/** The parts of a task's last statuses that the master repeats in its own. */
export function knownOf(task: Task): Pick<TaskStatus, 'task_id'> & Partial<TaskStatus> {
  const statuses = task.statuses ?? [];
  const last = statuses.at(-1);
  const container = statuses.findLast(({ container_status }) => container_status !== undefined);
  return {
    task_id: task.task_id,
    agent_id: task.agent_id,
    ...(task.executor_id === undefined ? {} : { executor_id: task.executor_id }),
    ...(last?.healthy === undefined ? {} : { healthy: last.healthy }),
    ...(last?.check_status === undefined ? {} : { check_status: last.check_status }),
    ...(container?.container_status === undefined
      ? {}
      : { container_status: container.container_status }),
  };
}

export function shutdownExecutor(
  m: MasterState,
  framework: FrameworkRecord,
  agentId: string,
  executorId: string,
): void {
  m.agents.get(agentId)?.link?.send({
    type: 'SHUTDOWN_EXECUTOR',
    framework_id: framework.id,
    executor_id: executorId,
  });
}

/** Tells the framework and forgets the executor; command executors have no record here. */
export function executorExited(
  m: MasterState,
  agent: AgentRecord,
  { framework_id, executor_id, status }: Extract<ToMaster, { type: 'EXECUTOR_EXITED' }>,
): void {
  const key = taskKey(framework_id, executor_id);
  const executor = agent.executors.get(key);
  const framework = m.frameworks.get(framework_id);
  if (executor === undefined) return;
  agent.executors.delete(key);
  if (framework === undefined) return;
  m.recover(framework, agent, executor.resources);
  framework.stream?.send({
    type: 'FAILURE',
    failure: { agent_id: { value: agent.id }, executor_id: { value: executor_id }, status },
  });
}

/** Ends every task of `framework` on `agent` with a state that only the master can know. */
export function loseTasks(
  m: MasterState,
  framework: FrameworkRecord,
  agent: AgentRecord,
  status: Pick<TaskStatus, 'state' | 'reason' | 'message'> & Partial<TaskStatus>,
): void {
  const records = [...agent.tasks.values()]
    .filter(({ task }) => task.framework_id.value === framework.id)
    .reverse();
  for (const record of records) {
    const { task } = record;
    const { task_id, agent_id, executor_id } = task;
    const lost = m.masterStatus({ task_id, agent_id, ...status });
    const unreachable = status.state === 'TASK_UNREACHABLE' || lost.unreachable_time !== undefined;
    m.removeTask(record, unreachable ? 'unreachable' : 'completed');
    if (!isTerminal(task.state)) task.state = status.state;
    recordStatus(m, task, lost);
    m.sendStatus(framework, executor_id === undefined ? lost : { ...lost, executor_id });
  }
  for (const [key, executor] of agent.executors) {
    if (executor.frameworkId !== framework.id) continue;
    agent.executors.delete(key);
    m.recover(framework, agent, executor.resources);
  }
}

export function isPartitionAware(framework: FrameworkRecord): boolean {
  return hasCapability(framework.info, 'PARTITION_AWARE');
}
