import type {
  AgentInfo,
  FrameworkInfo,
  Task,
  TaskStatus,
} from '../../../proto/mesos/generated/messages.ts';
import { hasCapability, isTerminal } from '../master/state.ts';
import type { ToMaster } from '../protocol.ts';
import type { Executor } from './command-executor.ts';
import { DefaultExecutor } from './default-executor.ts';

/** What an agent that knows its id tells a master that it meets (again). */
export function reregistration(agent: {
  info: AgentInfo;
  ip: string;
  frameworks: Iterable<FrameworkInfo>;
  executors: Iterable<Executor>;
  tasks: readonly Task[];
  /** Whether an update of the task is still to be acknowledged. */
  isPending: (frameworkId: string, taskId: string) => boolean;
}): ToMaster {
  const executors = [...agent.executors].flatMap((executor) =>
    executor instanceof DefaultExecutor
      ? [{ framework_id: executor.frameworkId, role: executor.role, info: executor.info }]
      : [],
  );
  const tasks = agent.tasks.filter(
    ({ state, framework_id, task_id }) =>
      !isTerminal(state) || agent.isPending(framework_id.value, task_id.value),
  );
  return {
    type: 'REREGISTER',
    agent: agent.info,
    ip: agent.ip,
    frameworks: [...agent.frameworks],
    // Tasks whose end is acknowledged are of no interest any more. A copy: the master's record of
    // them is its own.
    tasks: structuredClone(tasks),
    executors,
  };
}

/** Of a task that the master holds for the agent and the agent never got. */
export function droppedStatus(
  framework: FrameworkInfo,
  taskId: string,
): Pick<TaskStatus, 'task_id' | 'state' | 'reason' | 'source' | 'message'> {
  return {
    task_id: { value: taskId },
    state: hasCapability(framework, 'PARTITION_AWARE') ? 'TASK_DROPPED' : 'TASK_LOST',
    reason: 'REASON_RECONCILIATION',
    source: 'SOURCE_AGENT',
    message: 'Reconciliation: task unknown to the agent',
  };
}
