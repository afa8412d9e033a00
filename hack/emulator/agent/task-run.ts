import type { Clock, Timer } from '../../../api/machinery/clock.ts';
import type {
  CheckStatusInfo,
  ContainerID,
  FrameworkInfo,
  KillPolicy,
  NetworkInfo,
  Task,
  TaskInfo,
  TaskStatus,
  TaskStatusReason,
} from '../../../proto/mesos/generated/messages.ts';
import { hasCapability } from '../master/state.ts';
import { Checker, emptyCheckStatus } from './checks.ts';
import {
  describeStatus,
  type LimitExceeded,
  type Runtime,
  type StartedContainer,
} from './runtime.ts';

/** What an executor needs of its agent. */
export interface ExecutorContext {
  readonly clock: Clock;
  readonly runtime: Runtime;
  readonly timings: ExecutorTimings;
  uuid(): string;
  /** Queues a status for the framework; the agent adds id, uuid and time. */
  report(task: Task, status: Omit<TaskStatus, 'task_id'>): void;
  /** The executor is over; `status` is told to the master unless the executor is a command's. */
  executorGone(executor: { readonly key: string }, status?: number): void;
  /** Something to be remembered across a restart has changed. */
  changed(): void;
}

/** How executors behave in time; milliseconds. */
export interface ExecutorTimings {
  /** From TASK_STARTING to TASK_RUNNING. */
  running: number;
  /** From the end of a command task to the release of its container and addresses. */
  linger: number;
  /** From the last task's end to that of a default executor. */
  executorExit: number;
  /** The same after SHUTDOWN, when it does not wait for acknowledgements. */
  shutdownExit: number;
  /** From the start of an agent that had executors to its registration: it waits for them. */
  recovery: number;
  /**
   * Whether a command executor waits for an agent that is away with the news of its task's end, as
   * with Mesos' --http_command_executor; else it leaves, and the task is taken to have failed.
   */
  commandExecutorWaits: boolean;
}

export const defaultExecutorTimings: ExecutorTimings = {
  running: 12,
  linger: 1_100,
  executorExit: 250,
  shutdownExit: 130,
  recovery: 100,
  commandExecutorWaits: false,
};

/** Mesos' grace between SIGTERM and SIGKILL if no kill policy says otherwise. */
const defaultGrace = 3_000;

export interface TaskRunOptions {
  context: ExecutorContext;
  framework: FrameworkInfo;
  info: TaskInfo;
  task: Task;
  containerId: ContainerID;
  executorId: string;
  /** The default executor's statuses name addresses only while the nested container lives. */
  nested: boolean;
  ended(run: TaskRun): void;
}

/** One task under an executor: its statuses, checks, and the way it is killed. */
export class TaskRun {
  readonly info: TaskInfo;
  readonly task: Task;
  readonly containerId: ContainerID;
  started: StartedContainer | undefined;
  killed = false;
  over = false;
  /** A failed health check ends the task as unhealthy; a default executor marks all its tasks. */
  unhealthy = false;
  readonly #options: TaskRunOptions;
  #last: TaskStatus | undefined;
  #checker: Checker | undefined;
  #escalation: Timer | undefined;
  #completion: Timer | undefined;
  #completionReached = false;
  #killReason: TaskStatusReason | undefined;

  constructor(options: TaskRunOptions) {
    this.#options = options;
    this.info = options.info;
    this.task = options.task;
    this.containerId = options.containerId;
  }

  get id(): string {
    return this.info.task_id.value;
  }

  starting(): void {
    this.#report({ state: 'TASK_STARTING' });
  }

  /** The command runs. `resumed`: it did already before the agent restarted. */
  running(started: StartedContainer, resumed = false): void {
    this.started = started;
    if (!resumed) this.#report({ state: 'TASK_RUNNING' });
    const { check, health_check: healthCheck, max_completion_time } = this.info;
    const { clock, runtime } = this.#options.context;
    if (check !== undefined || healthCheck !== undefined) {
      this.#checker = new Checker({
        clock,
        check,
        healthCheck,
        probe: (probe, done) => {
          runtime.probe(this.containerId.value, probe, done);
        },
        checkChanged: (status) => {
          this.#checkChanged(status);
        },
        healthChanged: (healthy, kill) => {
          this.#healthChanged(healthy, kill);
        },
      });
    }
    if (max_completion_time !== undefined) {
      this.#completion = clock.after(max_completion_time.nanoseconds / 1e6, () => {
        this.#completionReached = true;
        this.#terminate(undefined);
      });
    }
  }

  kill(policy: KillPolicy | undefined, reason?: TaskStatusReason): void {
    if (this.over || this.killed) return;
    this.killed = true;
    this.#killReason = reason;
    this.#checker?.stop();
    if (hasCapability(this.#options.framework, 'TASK_KILLING_STATE')) {
      this.#report({ state: 'TASK_KILLING', ...(reason === undefined ? {} : { reason }) });
    }
    this.#terminate(policy);
  }

  /** Not yet started: there is nothing to signal. */
  killedBeforeStart(): void {
    this.failed({
      state: 'TASK_KILLED',
      reason: 'REASON_TASK_KILLED_DURING_LAUNCH',
      message: 'Killed before delivery to the executor',
    });
  }

  exited(status: number): void {
    if (this.over) return;
    this.stop();
    const state = this.#completionReached
      ? 'TASK_FAILED'
      : this.killed
        ? 'TASK_KILLED'
        : status === 0
          ? 'TASK_FINISHED'
          : 'TASK_FAILED';
    this.#report({
      state,
      message: describeStatus(status),
      ...(this.#killReason === undefined ? {} : { reason: this.#killReason }),
      ...(this.#completionReached ? { reason: 'REASON_MAX_COMPLETION_TIME_REACHED' } : {}),
      ...(this.unhealthy ? { healthy: false } : {}),
    });
    this.#options.ended(this);
  }

  /** The agent itself says how the task ended; the executor cannot. */
  failed(status: Pick<TaskStatus, 'state' | 'reason' | 'message'> & Partial<TaskStatus>): void {
    if (this.over) return;
    this.stop();
    this.#options.context.report(this.task, {
      ...status,
      source: 'SOURCE_AGENT',
      executor_id: { value: this.#options.executorId },
    });
    this.#options.ended(this);
  }

  /** Ends timers and checks without a word. */
  stop(): void {
    this.over = true;
    this.#checker?.stop();
    this.#escalation?.cancel();
    this.#completion?.cancel();
  }

  /** After a restart of the agent: the executor is still killing it. */
  resumeKill(): void {
    this.killed = true;
    this.#terminate(undefined);
  }

  #terminate(policy: KillPolicy | undefined): void {
    const { context } = this.#options;
    const grace = policy?.grace_period ?? this.info.kill_policy?.grace_period;
    context.runtime.kill(this.containerId.value, 'SIGTERM');
    this.#escalation?.cancel();
    this.#escalation = context.clock.after(
      grace === undefined ? defaultGrace : grace.nanoseconds / 1e6,
      () => {
        context.runtime.kill(this.containerId.value, 'SIGKILL');
      },
    );
  }

  #checkChanged(status: CheckStatusInfo): void {
    this.#report({
      ...this.#preserved(),
      state: 'TASK_RUNNING',
      reason: 'REASON_TASK_CHECK_STATUS_UPDATED',
      check_status: status,
    });
  }

  #healthChanged(healthy: boolean, kill: boolean): void {
    this.#report({
      ...this.#preserved(),
      state: 'TASK_RUNNING',
      reason: 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED',
      healthy,
    });
    if (!kill) return;
    this.unhealthy = true;
    this.kill(undefined);
  }

  /** Updates of checks repeat what the last status said of the other check. */
  #preserved(): Partial<TaskStatus> {
    const { healthy, check_status } = this.#last ?? {};
    return {
      ...(healthy === undefined ? {} : { healthy }),
      ...(check_status === undefined ? {} : { check_status }),
    };
  }

  #report(fields: Omit<TaskStatus, 'task_id'>): void {
    const { context, executorId } = this.#options;
    const { check } = this.info;
    const status: Omit<TaskStatus, 'task_id'> = {
      ...(check === undefined ? {} : { check_status: emptyCheckStatus(check) }),
      ...fields,
      source: 'SOURCE_EXECUTOR',
      executor_id: { value: executorId },
      container_status: {
        container_id: this.containerId,
        ...this.#containerDetails(fields.state),
      },
    };
    this.#last = { ...status, task_id: this.info.task_id };
    context.report(this.task, status);
  }

  #containerDetails(state: TaskStatus['state']): {
    network_infos?: NetworkInfo[];
    executor_pid?: number;
  } {
    const live = state === 'TASK_RUNNING' || state === 'TASK_KILLING';
    if (this.started === undefined || (this.#options.nested && !live)) return {};
    return {
      network_infos: [...this.started.networks],
      executor_pid: this.started.pid,
    };
  }
}

/** What an agent says of tasks whose executor ended by itself or by a limit. */
export function terminationStatus(
  limit: LimitExceeded | undefined,
): Pick<TaskStatus, 'state' | 'reason' | 'message' | 'limitation'> {
  return limit === undefined
    ? {
        state: 'TASK_FAILED',
        reason: 'REASON_EXECUTOR_TERMINATED',
        message: 'Executor terminated',
      }
    : {
        state: 'TASK_FAILED',
        reason: 'REASON_CONTAINER_LIMITATION_MEMORY',
        message: limit.message,
        limitation: {
          resources: [{ name: 'mem', type: 'SCALAR', scalar: { value: limit.memory } }],
        },
      };
}
