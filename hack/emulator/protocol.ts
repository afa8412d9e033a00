import { z } from 'zod';
import type {
  AgentInfo,
  Base64,
  DrainConfig,
  ExecutorInfo,
  FrameworkInfo,
  KillPolicy,
  Task,
  TaskInfo,
  TaskState,
  TaskStatus,
} from '../../proto/mesos/generated/messages.ts';

/**
 * What masters and agents of the emulator say to each other. Mesos has its own libprocess messages
 * here, which no framework sees; these carry the same facts, one JSON object a line.
 */
export type ToAgent =
  | { type: 'REGISTERED'; agent_id: string }
  /** `unknown` are tasks that the master holds for the agent and the agent did not name. */
  | { type: 'REREGISTERED'; unknown: { framework: FrameworkInfo; task_id: string }[] }
  | { type: 'PING' }
  /** It has subscribed again: what it has not acknowledged is sent at once. */
  | { type: 'UPDATE_FRAMEWORK'; framework_id: string }
  | { type: 'RUN_TASK'; framework: FrameworkInfo; task: TaskInfo; role: string }
  | {
      type: 'RUN_TASK_GROUP';
      framework: FrameworkInfo;
      executor: ExecutorInfo;
      tasks: TaskInfo[];
      role: string;
    }
  | { type: 'KILL_TASK'; framework_id: string; task_id: string; kill_policy?: KillPolicy }
  | { type: 'ACKNOWLEDGE'; framework_id: string; task_id: string; uuid: Base64 }
  | { type: 'SHUTDOWN_EXECUTOR'; framework_id: string; executor_id: string }
  | { type: 'SHUTDOWN_FRAMEWORK'; framework_id: string }
  /** All tasks are to be killed, with no more grace than the configuration allows. */
  | { type: 'DRAIN'; config: DrainConfig }
  /** The agent is not wanted any more: it ends its tasks and its process. */
  | { type: 'SHUTDOWN'; message: string };

export interface AgentExecutor {
  framework_id: string;
  role: string;
  info: ExecutorInfo;
}

export type ToMaster =
  | { type: 'REGISTER'; agent: AgentInfo; ip: string }
  | {
      type: 'REREGISTER';
      agent: AgentInfo;
      ip: string;
      frameworks: FrameworkInfo[];
      tasks: Task[];
      executors: AgentExecutor[];
    }
  | { type: 'PONG' }
  | {
      type: 'UPDATE';
      framework_id: string;
      status: TaskStatus;
      /** The newest state that the agent knows, which may be ahead of the one in `status`. */
      latest_state: TaskState;
    }
  /** `status` is the raw wait status; -1 if the executor never started. */
  | { type: 'EXECUTOR_EXITED'; framework_id: string; executor_id: string; status: number }
  | { type: 'UNREGISTER' };

/** One end of a connection between a master and an agent. Messages arrive in order or not at all. */
export interface Link<Out> {
  send(message: Out): void;
  /** Drops the connection; the other end sees it close. */
  close(): void;
}

/** Both ends are this program: it is enough to know that a line is a message. */
export const toAgent = z.custom<ToAgent>(isMessage);
export const toMaster = z.custom<ToMaster>(isMessage);

function isMessage(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'type' in value;
}
