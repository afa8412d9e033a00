import type { Timer } from '../../../api/machinery/clock.ts';
import type {
  ExecutorInfo,
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
import type { Executor } from './command-executor.ts';
import type {
  ContainerEvents,
  ContainerSpec,
  LaunchFailure,
  LimitExceeded,
  StartedContainer,
} from './runtime.ts';
import { statisticsOf } from './statistics.ts';
import { TaskRun, terminationStatus, type ExecutorContext } from './task-run.ts';

export interface DefaultExecutorOptions {
  context: ExecutorContext;
  framework: FrameworkInfo;
  info: ExecutorInfo;
  role: string;
  containerId: string;
}

export interface GroupTask {
  info: TaskInfo;
  task: Task;
  containerId: string;
}

/**
 * Mesos' default executor: task groups in nested containers, which share its namespace unless a
 * task names networks of its own. The end of one task, other than FINISHED, ends its whole group.
 */
export class DefaultExecutor implements Executor {
  readonly frameworkId: string;
  readonly executorId: string;
  readonly key: string;
  readonly info: ExecutorInfo;
  readonly role: string;
  readonly #context: ExecutorContext;
  readonly #framework: FrameworkInfo;
  readonly #containerId: string;
  readonly #groups: TaskRun[][] = [];
  readonly #unacknowledged = new Set<string>();
  #launched: StartedContainer | undefined;
  #waiting: TaskRun[][] = [];
  #timer: Timer | undefined;
  #over = false;
  #shuttingDown = false;

  constructor({ context, framework, info, role, containerId }: DefaultExecutorOptions) {
    this.#context = context;
    this.#framework = framework;
    this.#containerId = containerId;
    this.info = info;
    this.role = role;
    this.frameworkId = info.framework_id?.value ?? '';
    this.executorId = info.executor_id.value;
    this.key = `${this.frameworkId}/${this.executorId}`;
  }

  get runs(): readonly TaskRun[] {
    return this.#groups.flat();
  }

  launch(): void {
    this.#context.runtime.launch(this.spec(), this.#events());
  }

  addGroup(tasks: readonly GroupTask[]): void {
    const group = tasks.map((task) => this.#newRun(task));
    this.#groups.push(group);
    this.#timer?.cancel();
    for (const run of group) this.#unacknowledged.add(run.id);
    if (this.#launched === undefined) this.#waiting.push(group);
    else this.#join(group);
  }

  /** Takes up container and tasks of a former life of the agent. */
  recover(
    started: StartedContainer,
    groups: readonly (readonly (GroupTask & { started?: StartedContainer; killed: boolean })[])[],
  ): void {
    this.#launched = started;
    this.#context.runtime.recover(this.spec(), started, this.#events());
    for (const tasks of groups) {
      this.#groups.push(tasks.map((task) => this.#recoverRun(task)));
    }
    this.#exitIfDone();
  }

  kill(taskId: string, policy: KillPolicy | undefined, reason?: TaskStatusReason): void {
    const run = this.runs.find(({ id }) => id === taskId);
    if (run === undefined) return;
    if (this.#launched === undefined || run.started === undefined) this.#killGroupEarly(run);
    else run.kill(policy, reason);
  }

  shutdown(): void {
    this.#shuttingDown = true;
    if (this.#launched === undefined) {
      for (const run of this.runs) run.killedBeforeStart();
      return;
    }
    for (const run of this.runs) run.kill(undefined);
    this.#exitIfDone();
  }

  discard(done: () => void): void {
    this.detach();
    this.#over = true;
    for (const run of this.runs)
      this.#context.runtime.destroy(run.containerId.value, () => undefined);
    this.#context.runtime.destroy(this.#containerId, done);
  }

  acknowledged(taskId: string, status: TaskStatus): void {
    if (isTerminal(status.state)) this.#unacknowledged.delete(taskId);
    this.#exitIfDone();
  }

  detach(): void {
    for (const run of this.runs) run.stop();
    this.#timer?.cancel();
  }

  statistics(spec: Pick<ContainerSpec, 'id' | 'memory'>): ResourceStatistics {
    return statisticsOf(spec, this.#context);
  }

  started(): StartedContainer | undefined {
    return this.#launched;
  }

  spec(): ContainerSpec {
    const { container } = this.info;
    const memory = [this.info, ...this.runs.map(({ info }) => info)].reduce(
      (total, { resources }) => total + (parseResources(resources).scalars.get('mem') ?? 0),
      0,
    );
    return {
      id: { value: this.#containerId },
      frameworkId: this.frameworkId,
      executorId: this.executorId,
      ...(container === undefined ? {} : { container }),
      ...(memory === 0 ? {} : { memory: (memory / 1000) * 2 ** 20 }),
      user: this.#framework.user,
    };
  }

  groups(): readonly (readonly TaskRun[])[] {
    return this.#groups;
  }

  #newRun({ info, task, containerId }: GroupTask): TaskRun {
    return new TaskRun({
      context: this.#context,
      framework: this.#framework,
      info,
      task,
      containerId: { value: containerId, parent: { value: this.#containerId } },
      executorId: this.executorId,
      nested: true,
      ended: (run) => {
        this.#ended(run);
      },
    });
  }

  #recoverRun(saved: GroupTask & { started?: StartedContainer; killed: boolean }): TaskRun {
    const run = this.#newRun(saved);
    if (isTerminal(saved.task.state)) {
      run.stop();
      return run;
    }
    this.#unacknowledged.add(run.id);
    const { started } = saved;
    if (started === undefined) {
      this.#launchRun(run);
      return run;
    }
    run.running(started, true);
    if (saved.killed) run.resumeKill();
    this.#context.runtime.recover(this.#nestedSpec(run), started, this.#nestedEvents(run));
    return run;
  }

  #events(): ContainerEvents {
    return {
      started: (started) => {
        this.#launched = started;
        for (const group of this.#waiting.splice(0)) this.#start(group);
        this.#context.changed();
        this.#exitIfDone();
      },
      failed: (failure) => {
        this.#failed(failure);
      },
      exited: () => undefined,
      terminated: (status, limit) => {
        this.#terminated(status, limit);
      },
    };
  }

  #join(group: readonly TaskRun[]): void {
    const { memory } = this.spec();
    if (memory !== undefined) this.#context.runtime.resize(this.#containerId, memory);
    this.#start(group);
  }

  #start(group: readonly TaskRun[]): void {
    const live = group.filter(({ over }) => !over);
    for (const run of live) run.starting();
    for (const run of live) this.#launchRun(run);
  }

  #launchRun(run: TaskRun): void {
    this.#context.runtime.launch(this.#nestedSpec(run), this.#nestedEvents(run));
  }

  #nestedSpec({ info, containerId }: TaskRun): ContainerSpec {
    return {
      id: containerId,
      frameworkId: this.frameworkId,
      executorId: this.executorId,
      taskId: info.task_id.value,
      ...(info.command === undefined ? {} : { command: info.command }),
      ...(info.container === undefined ? {} : { container: info.container }),
      user: info.command?.user ?? this.#framework.user,
    };
  }

  #nestedEvents(run: TaskRun): ContainerEvents {
    return {
      started: (started) => {
        if (run.over) this.#context.runtime.destroy(run.containerId.value, () => undefined);
        else run.running(started);
      },
      failed: ({ message }) => {
        run.failed({
          state: 'TASK_FAILED',
          reason: 'REASON_CONTAINER_LAUNCH_FAILED',
          message: `Failed to launch container: ${message}`,
        });
      },
      exited: (status) => {
        run.exited(status);
      },
      terminated: (status) => {
        run.exited(status);
      },
    };
  }

  /** A group that has not started yet is dropped as a whole. */
  #killGroupEarly(run: TaskRun): void {
    for (const member of this.#groupOf(run)) member.killedBeforeStart();
  }

  #groupOf(run: TaskRun): readonly TaskRun[] {
    return this.#groups.find((group) => group.includes(run)) ?? [];
  }

  #ended(run: TaskRun): void {
    if (run.started !== undefined) {
      this.#context.runtime.destroy(run.containerId.value, () => undefined);
    }
    if (this.#over) return;
    if (run.task.state !== 'TASK_FINISHED') {
      for (const other of this.#groupOf(run)) {
        if (run.unhealthy) other.unhealthy = true;
        if (other.started !== undefined) other.kill(undefined);
        else if (!other.over && other !== run) other.killedBeforeStart();
      }
    }
    this.#context.changed();
    this.#exitIfDone();
  }

  #failed({ message }: LaunchFailure): void {
    this.#over = true;
    this.#context.executorGone(this, -1);
    for (const run of this.runs) {
      run.failed({
        state: 'TASK_FAILED',
        reason: 'REASON_CONTAINER_LAUNCH_FAILED',
        message: `Failed to launch container: ${message}`,
      });
    }
    this.#context.runtime.destroy(this.#containerId, () => undefined);
  }

  #terminated(status: number, limit: LimitExceeded | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.cancel();
    this.#context.executorGone(this, status);
    for (const run of this.runs) {
      run.failed(terminationStatus(limit));
      this.#context.runtime.destroy(run.containerId.value, () => undefined);
    }
    this.#context.runtime.destroy(this.#containerId, () => undefined);
  }

  /** The executor leaves once its tasks are over and the framework knows. */
  #exitIfDone(): void {
    const done = this.runs.every(({ over }) => over);
    if (this.#over || this.#launched === undefined || !done) return;
    if (this.#unacknowledged.size > 0 && !this.#shuttingDown) return;
    this.#timer?.cancel();
    const { executorExit, shutdownExit } = this.#context.timings;
    this.#timer = this.#context.clock.after(
      this.#shuttingDown ? shutdownExit : executorExit,
      () => {
        this.#over = true;
        this.#context.runtime.destroy(this.#containerId, () => {
          this.#context.executorGone(this, 0);
        });
      },
    );
  }
}
