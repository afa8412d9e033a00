import type { Timer } from '../../../api/machinery/clock.ts';
import type {
  FrameworkInfo,
  KillPolicy,
  ResourceStatistics,
  Task,
  TaskInfo,
  TaskStatus,
  TaskStatusReason,
} from '../../../proto/mesos/generated/messages.ts';
import { isTerminal } from '../master/state.ts';
import { parseResources } from '../resources.ts';
import type { ContainerSpec, LaunchFailure, LimitExceeded, StartedContainer } from './runtime.ts';
import { statisticsOf } from './statistics.ts';
import { TaskRun, terminationStatus, type ExecutorContext } from './task-run.ts';

/** An executor as its agent sees it. */
export interface Executor {
  readonly key: string;
  readonly frameworkId: string;
  readonly executorId: string;
  readonly runs: readonly TaskRun[];
  /** `reason` is repeated in the statuses that follow. */
  kill(taskId: string, policy: KillPolicy | undefined, reason?: TaskStatusReason): void;
  /** SHUTDOWN of the executor: its tasks are killed and reported. */
  shutdown(): void;
  /** Ends everything at once without reporting. */
  discard(done: () => void): void;
  acknowledged(taskId: string, status: TaskStatus): void;
  /** Stops timers only: the agent's process ends, the containers stay. */
  detach(): void;
  spec(): ContainerSpec;
  started(): StartedContainer | undefined;
  /** What is used of its container, or of one within. */
  statistics(spec: Pick<ContainerSpec, 'id' | 'memory'>): ResourceStatistics;
}

/** Mebibytes: Mesos runs a command task under an executor, which takes resources of its own. */
export const commandExecutorMemory = 32;

export interface CommandExecutorOptions {
  context: ExecutorContext;
  framework: FrameworkInfo;
  info: TaskInfo;
  task: Task;
  containerId: string;
}

/** Apart from those of default executors, whose ids a framework may choose like a task's. */
export function commandKey(frameworkId: string, taskId: string): string {
  return `${frameworkId}/task/${taskId}`;
}

/** One command task in its own container. */
export class CommandExecutor implements Executor {
  readonly frameworkId: string;
  readonly executorId: string;
  readonly key: string;
  readonly #context: ExecutorContext;
  readonly #run: TaskRun;
  readonly #spec: ContainerSpec;
  #launched: StartedContainer | undefined;
  #timer: Timer | undefined;
  #destroyed = false;

  constructor(options: CommandExecutorOptions) {
    const { context, framework, info, task, containerId } = options;
    this.#context = context;
    this.frameworkId = task.framework_id.value;
    this.executorId = info.executor?.executor_id.value ?? info.task_id.value;
    this.key = commandKey(this.frameworkId, info.task_id.value);
    this.#run = new TaskRun({
      context,
      framework,
      info,
      task,
      containerId: { value: containerId },
      executorId: this.executorId,
      nested: false,
      ended: () => {
        this.#ended();
      },
    });
    const memory = parseResources(info.resources).scalars.get('mem');
    // A custom executor's command is run like a task's: see DIFFERENCES.md.
    const command = info.command ?? info.executor?.command;
    const container = info.container ?? info.executor?.container;
    this.#spec = {
      id: { value: containerId },
      frameworkId: this.frameworkId,
      executorId: this.executorId,
      taskId: info.task_id.value,
      ...(command === undefined ? {} : { command }),
      ...(container === undefined ? {} : { container }),
      ...(memory === undefined
        ? {}
        : { memory: (memory / 1000 + commandExecutorMemory) * 2 ** 20 }),
      user: command?.user ?? framework.user,
      ...(context.timings.commandExecutorWaits ? { waitsForAgent: true } : {}),
    };
  }

  get runs(): readonly TaskRun[] {
    return [this.#run];
  }

  launch(): void {
    if (this.#run.info.container?.type === 'DOCKER') {
      this.#run.failed({
        state: 'TASK_FAILED',
        reason: 'REASON_EXECUTOR_TERMINATED',
        message: 'Abnormal executor termination: unknown container',
      });
      return;
    }
    this.#context.runtime.launch(this.#spec, this.#events());
  }

  /** Takes up the container of a former life of the agent. */
  recover(started: StartedContainer, killed: boolean): void {
    this.#launched = started;
    const { state } = this.#run.task;
    if (isTerminal(state)) {
      this.#run.stop();
      this.#destroy();
      return;
    }
    this.#run.running(started, state !== 'TASK_STARTING');
    if (killed) this.#run.resumeKill();
    this.#context.runtime.recover(this.#spec, started, this.#events());
  }

  kill(_taskId: string, policy: KillPolicy | undefined, reason?: TaskStatusReason): void {
    if (this.#launched === undefined) this.#run.killedBeforeStart();
    else this.#run.kill(policy, reason);
  }

  shutdown(): void {
    this.kill(this.#run.id, undefined);
  }

  discard(done: () => void): void {
    this.detach();
    this.#destroyed = true;
    this.#context.runtime.destroy(this.#spec.id.value, done);
  }

  acknowledged(): void {
    // A command executor does not wait for acknowledgements.
  }

  detach(): void {
    this.#run.stop();
    this.#timer?.cancel();
  }

  spec(): ContainerSpec {
    return this.#spec;
  }

  statistics(spec: Pick<ContainerSpec, 'id' | 'memory'>): ResourceStatistics {
    return statisticsOf(spec, this.#context);
  }

  started(): StartedContainer | undefined {
    return this.#launched;
  }

  #events() {
    return {
      started: (started: StartedContainer) => {
        this.#started(started);
      },
      failed: (failure: LaunchFailure) => {
        this.#failed(failure);
      },
      exited: (status: number) => {
        this.#exited(status);
      },
      terminated: (_status: number, limit?: LimitExceeded) => {
        this.#terminated(limit);
      },
    };
  }

  #started(started: StartedContainer): void {
    this.#launched = started;
    if (this.#run.over) {
      this.#destroy();
      return;
    }
    this.#run.started = started;
    this.#run.starting();
    this.#timer = this.#context.clock.after(this.#context.timings.running, () => {
      if (!this.#run.over) this.#run.running(started);
    });
  }

  #failed({ kind, message }: LaunchFailure): void {
    this.#run.failed(
      kind === 'launch'
        ? {
            state: 'TASK_FAILED',
            reason: 'REASON_CONTAINER_LAUNCH_FAILED',
            message: `Failed to launch container: ${message}`,
          }
        : { state: 'TASK_FAILED', reason: 'REASON_EXECUTOR_TERMINATED', message },
    );
  }

  #exited(status: number): void {
    if (this.#run.over) return;
    // A command that ends at once was still running once, and the framework is told so.
    if (
      this.#run.task.state === 'TASK_STARTING' &&
      this.#launched !== undefined &&
      !this.#run.killed
    ) {
      this.#timer?.cancel();
      this.#run.running(this.#launched);
    }
    this.#run.exited(status);
  }

  #terminated(limit: LimitExceeded | undefined): void {
    this.#run.failed(terminationStatus(limit));
    this.#destroy();
  }

  #ended(): void {
    this.#timer?.cancel();
    if (this.#launched === undefined) {
      this.#destroy();
      return;
    }
    this.#timer = this.#context.clock.after(this.#context.timings.linger, () => {
      this.#destroy();
    });
  }

  #destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#timer?.cancel();
    this.#context.runtime.destroy(this.#spec.id.value, () => {
      const custom = this.#run.info.executor !== undefined;
      this.#context.executorGone(this, custom ? 0 : undefined);
    });
  }
}
