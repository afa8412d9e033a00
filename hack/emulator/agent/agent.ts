import type {
  AgentInfo,
  DrainConfig,
  FrameworkInfo,
  Task,
  TaskState,
  TaskStatus,
} from '../../../proto/mesos/generated/messages.ts';
import { newTask } from '../master/offers.ts';
import { isTerminal } from '../master/state.ts';
import { addStatus } from '../master/tasks.ts';
import type { Link, ToAgent, ToMaster } from '../protocol.ts';
import type { CheckpointContent } from './checkpoint.ts';
import { CommandExecutor, type Executor } from './command-executor.ts';
import { DefaultExecutor } from './default-executor.ts';
import { drainPolicy, type Draining } from './draining.ts';
import type { AgentOptions } from './options.ts';
import { PendingSave } from './pending-save.ts';
import { recoverExecutor, saveExecutor } from './recovery.ts';
import { droppedStatus, reregistration } from './registration.ts';
import { forwarded, TaskTable } from './task-table.ts';
import { defaultExecutorTimings, type ExecutorContext } from './task-run.ts';
import { UpdateStreams } from './updates.ts';

export type { AgentOptions } from './options.ts';

/** A Mesos agent without its process: fed with messages of the master and events of containers. */
export class Agent {
  readonly info: AgentInfo;
  readonly ip: string;
  readonly frameworks = new Map<string, FrameworkInfo>();
  /** Milliseconds since the epoch. */
  readonly started: number;
  id: string | undefined;
  /** Set once the master said DRAIN, until the agent's next life. */
  draining: Draining | undefined;
  readonly #options: AgentOptions;
  readonly #context: ExecutorContext;
  readonly #updates: UpdateStreams;
  readonly #tasks = new TaskTable();
  #link: Link<ToMaster> | undefined;
  #stopped = false;
  /** It does not register before it has heard of its executors. */
  #recovering = false;
  readonly #saves: PendingSave;

  constructor(options: AgentOptions) {
    const { clock, random, timings = {} } = options;
    this.#options = options;
    this.started = clock.now();
    this.info = options.info;
    this.ip = options.ip;
    this.#updates = new UpdateStreams({
      clock,
      ...(timings.updateRetryMin === undefined ? {} : { retryMin: timings.updateRetryMin }),
      ...(timings.updateRetryMax === undefined ? {} : { retryMax: timings.updateRetryMax }),
      send: (frameworkId, status, latest) => {
        this.#sendUpdate(frameworkId, status, latest);
      },
    });
    this.#saves = new PendingSave(clock, options.checkpoint, () => this.#snapshot());
    this.#context = {
      clock,
      runtime: options.runtime,
      timings: { ...defaultExecutorTimings, ...timings },
      uuid: () => random.uuid(),
      report: (task, status) => {
        this.#report(task, status);
      },
      executorGone: ({ key }, status) => {
        this.#executorGone(key, status);
      },
      changed: () => {
        this.#save();
      },
    };
    const saved = options.checkpoint?.load();
    if (saved !== undefined) this.#recover(saved);
  }

  /** A connection to the leading master is open: the agent introduces itself. */
  connected(link: Link<ToMaster>): { receive(message: ToAgent): void; closed(): void } {
    this.#link = link;
    if (!this.#recovering) this.#introduce(link);
    return {
      receive: (message) => {
        if (this.#link === link && !this.#stopped) this.#receive(message);
      },
      closed: () => {
        if (this.#link !== link) return;
        this.#link = undefined;
        this.#updates.pause();
      },
    };
  }

  #introduce(link: Link<ToMaster>): void {
    if (this.id === undefined) link.send({ type: 'REGISTER', agent: this.info, ip: this.ip });
    else link.send(this.#reregistration(this.id));
  }

  /** Ends the process only: containers go on, and a later life takes them up from the checkpoint. */
  stop(): void {
    if (this.#stopped) return;
    this.#saves.now();
    this.#stopped = true;
    this.#saves.stop();
    this.#updates.pause();
    this.#updates.stop();
    for (const executor of this.executors.values()) executor.detach();
    this.#link?.close();
    this.#link = undefined;
  }

  /** SIGUSR1: ends the tasks without a word and tells the master that the agent leaves. */
  unregister(done: () => void): void {
    const link = this.#link;
    this.#discardAll(() => {
      link?.send({ type: 'UNREGISTER' });
      this.stop();
      done();
    });
  }

  /** Ends every task and container, then stops; for the end of the emulator. */
  terminate(done: () => void): void {
    this.#discardAll(() => {
      this.stop();
      done();
    });
  }

  tasks(): Task[] {
    return this.#tasks.all();
  }

  get executors(): ReadonlyMap<string, Executor> {
    return this.#tasks.executors;
  }

  /** Seconds. */
  get uptime(): number {
    return (this.#options.clock.now() - this.started) / 1000;
  }

  get isRegistered(): boolean {
    return this.#link !== undefined && this.id !== undefined;
  }

  #receive(message: ToAgent): void {
    switch (message.type) {
      case 'REGISTERED':
        this.id = message.agent_id;
        this.#save();
        this.#updates.resume();
        break;
      case 'REREGISTERED':
        this.#reregistered(message.unknown);
        break;
      case 'PING':
        this.#link?.send({ type: 'PONG' });
        break;
      case 'UPDATE_FRAMEWORK':
        this.#updates.resend(message.framework_id);
        break;
      case 'RUN_TASK':
        this.#runTask(message);
        break;
      case 'RUN_TASK_GROUP':
        this.#runGroup(message);
        break;
      case 'KILL_TASK':
        this.#tasks
          .executorOf(message.framework_id, message.task_id)
          ?.kill(message.task_id, message.kill_policy);
        this.#save();
        break;
      case 'ACKNOWLEDGE':
        this.#acknowledge(message);
        break;
      case 'SHUTDOWN_EXECUTOR': {
        const { framework_id, executor_id } = message;
        this.#tasks.executor(framework_id, executor_id)?.shutdown();
        this.#save();
        break;
      }
      case 'SHUTDOWN_FRAMEWORK':
        this.#shutdownFramework(message.framework_id);
        break;
      case 'DRAIN':
        this.#drainTasks(message.config);
        break;
      case 'SHUTDOWN':
        this.terminate(() => this.#options.onShutdown?.());
        break;
    }
  }

  /** Every task is killed with the grace of its own policy, or less if the master allows less. */
  #drainTasks(config: DrainConfig): void {
    this.draining = { config, since: this.#options.clock.now() };
    for (const executor of this.executors.values()) {
      for (const run of executor.runs) {
        executor.kill(run.id, drainPolicy(run.info, config), 'REASON_AGENT_DRAINING');
      }
    }
    this.#save();
  }

  #reregistered(unknown: readonly { framework: FrameworkInfo; task_id: string }[]): void {
    // Mesos sends what is unacknowledged when it resumes and once more on registration.
    this.#updates.resume();
    this.#updates.resume();
    for (const { framework, task_id } of unknown) {
      this.#updates.add(framework.id?.value ?? '', {
        ...droppedStatus(framework, task_id),
        agent_id: { value: this.id ?? '' },
        timestamp: this.#options.clock.now() / 1000,
        uuid: this.#uuid(),
      });
    }
    this.#save();
  }

  #reregistration(id: string): ToMaster {
    return reregistration({
      info: { ...this.info, id: { value: id } },
      ip: this.ip,
      frameworks: this.frameworks.values(),
      executors: this.executors.values(),
      tasks: this.tasks(),
      isPending: (frameworkId, taskId) => this.#updates.head(frameworkId, taskId) !== undefined,
    });
  }

  #runTask({ framework, task: info }: Extract<ToAgent, { type: 'RUN_TASK' }>): void {
    const frameworkId = this.#remember(framework);
    const executor = new CommandExecutor({
      context: this.#context,
      framework,
      info,
      task: newTask(frameworkId, info, info.executor),
      containerId: this.#options.random.uuid(),
    });
    this.#tasks.executors.set(executor.key, executor);
    this.#save();
    executor.launch();
  }

  #runGroup(message: Extract<ToAgent, { type: 'RUN_TASK_GROUP' }>): void {
    const frameworkId = this.#remember(message.framework);
    const key = `${frameworkId}/${message.executor.executor_id.value}`;
    const running = this.executors.get(key);
    const executor =
      running instanceof DefaultExecutor
        ? running
        : new DefaultExecutor({
            context: this.#context,
            framework: message.framework,
            info: message.executor,
            role: message.role,
            containerId: this.#options.random.uuid(),
          });
    this.#tasks.executors.set(key, executor);
    executor.addGroup(
      message.tasks.map((info) => ({
        info,
        task: newTask(frameworkId, info, message.executor),
        containerId: this.#options.random.uuid(),
      })),
    );
    this.#save();
    if (executor !== running) executor.launch();
  }

  #remember(framework: FrameworkInfo): string {
    const id = framework.id?.value ?? '';
    this.frameworks.set(id, framework);
    return id;
  }

  #acknowledge({ framework_id, task_id, uuid }: Extract<ToAgent, { type: 'ACKNOWLEDGE' }>): void {
    const status = this.#updates.acknowledge(framework_id, task_id, uuid);
    if (status === undefined) return;
    const next = this.#updates.head(framework_id, task_id);
    const task = this.#tasks.find(framework_id, task_id);
    if (next !== undefined && task !== undefined) forwarded(task, next);
    if (isTerminal(status.state)) {
      this.#tasks.acknowledged(framework_id, task_id);
      this.#tasks.executorOf(framework_id, task_id)?.acknowledged(task_id, status);
    }
    this.#save();
  }

  #report(task: Task, fields: Omit<TaskStatus, 'task_id'>): void {
    if (this.#stopped) return;
    const status: TaskStatus = {
      task_id: task.task_id,
      agent_id: task.agent_id,
      timestamp: this.#options.clock.now() / 1000,
      uuid: this.#uuid(),
      ...fields,
    };
    task.state = status.state;
    addStatus(task, status);
    const frameworkId = task.framework_id.value;
    if (this.#updates.head(frameworkId, task.task_id.value) === undefined) forwarded(task, status);
    if (isTerminal(status.state)) {
      this.#tasks.finished(task);
    }
    this.#updates.add(frameworkId, status);
    this.#save();
  }

  #uuid(): string {
    return Buffer.from(this.#options.random.uuid().replaceAll('-', ''), 'hex').toString('base64');
  }

  #sendUpdate(frameworkId: string, status: TaskStatus, latest: TaskState): void {
    this.#link?.send({
      type: 'UPDATE',
      framework_id: frameworkId,
      status,
      latest_state: latest,
    });
  }

  #executorGone(key: string, status: number | undefined): void {
    const executor = this.executors.get(key);
    if (executor === undefined || this.#stopped) return;
    this.#tasks.executors.delete(key);
    if (status !== undefined) {
      this.#link?.send({
        type: 'EXECUTOR_EXITED',
        framework_id: executor.frameworkId,
        executor_id: executor.executorId,
        status,
      });
    }
    this.#save();
  }

  #shutdownFramework(frameworkId: string): void {
    this.frameworks.delete(frameworkId);
    this.#updates.dropFramework(frameworkId);
    this.#tasks.forgetFinished(frameworkId);
    this.#discard(
      (executor) => executor.frameworkId === frameworkId,
      () => undefined,
    );
  }

  #discardAll(done: () => void): void {
    for (const id of this.frameworks.keys()) this.#updates.dropFramework(id);
    this.frameworks.clear();
    this.#tasks.forgetFinished();
    this.#discard(() => true, done);
  }

  #discard(matches: (executor: Executor) => boolean, done: () => void): void {
    this.#tasks.discard(matches, () => this.#save(), done);
  }

  #recover(saved: CheckpointContent): void {
    this.id = saved.agentId;
    for (const info of saved.frameworks) this.#remember(info);
    for (const task of saved.finished) this.#tasks.finished(task);
    for (const { framework_id, statuses } of saved.updates) {
      for (const status of statuses) this.#updates.add(framework_id, status);
    }
    for (const executor of saved.executors) {
      recoverExecutor(executor, this.frameworks, this.#context, (recovered) => {
        this.#tasks.executors.set(recovered.key, recovered);
      });
    }
    this.#save();
    if (saved.executors.length === 0) return;
    this.#recovering = true;
    this.#options.clock.after(this.#context.timings.recovery, () => {
      this.#recovering = false;
      if (this.#link !== undefined && !this.#stopped) this.#introduce(this.#link);
    });
  }

  #save(): void {
    if (!this.#stopped) this.#saves.soon();
  }

  #snapshot(): CheckpointContent {
    return {
      ...(this.id === undefined ? {} : { agentId: this.id }),
      frameworks: [...this.frameworks.values()],
      executors: [...this.executors.values()].map(saveExecutor),
      updates: this.#updates.snapshot(),
      finished: this.#tasks.unacknowledged(),
    };
  }
}
