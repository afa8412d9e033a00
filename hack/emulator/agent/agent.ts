import type { Clock } from '../../../api/machinery/clock.ts';
import type { Random } from '../../../api/machinery/random.ts';
import type {
  AgentInfo,
  FrameworkInfo,
  Task,
  TaskState,
  TaskStatus,
} from '../../../proto/mesos/generated/messages.ts';
import { newTask } from '../master/offers.ts';
import { hasCapability, isTerminal } from '../master/state.ts';
import { addStatus } from '../master/tasks.ts';
import type { Link, ToAgent, ToMaster } from '../protocol.ts';
import type { Checkpoint, CheckpointContent } from './checkpoint.ts';
import { CommandExecutor, commandKey, type Executor } from './command-executor.ts';
import { DefaultExecutor } from './default-executor.ts';
import { recoverExecutor, saveExecutor } from './recovery.ts';
import type { Runtime } from './runtime.ts';
import { defaultExecutorTimings, type ExecutorContext, type ExecutorTimings } from './task-run.ts';
import { UpdateStreams } from './updates.ts';

export interface AgentOptions {
  clock: Clock;
  random: Random;
  /** Without id: the master gives one, unless the checkpoint has it. */
  info: AgentInfo;
  /** The advertised address. */
  ip: string;
  runtime: Runtime;
  checkpoint?: Checkpoint;
  timings?: Partial<ExecutorTimings> & { updateRetryMin?: number; updateRetryMax?: number };
  /** The master does not want the agent any more; its tasks are ended when this is called. */
  onShutdown?: () => void;
}

/** A Mesos agent without its process: fed with messages of the master and events of containers. */
export class Agent {
  readonly info: AgentInfo;
  readonly ip: string;
  readonly executors = new Map<string, Executor>();
  readonly frameworks = new Map<string, FrameworkInfo>();
  id: string | undefined;
  readonly #options: AgentOptions;
  readonly #context: ExecutorContext;
  readonly #updates: UpdateStreams;
  /** Terminal tasks that the framework has not acknowledged, without an executor. */
  readonly #finished = new Map<string, Task>();
  #link: Link<ToMaster> | undefined;
  #stopped = false;
  #saving = false;

  constructor(options: AgentOptions) {
    const { clock, random, timings = {} } = options;
    this.#options = options;
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
    if (this.id === undefined) link.send({ type: 'REGISTER', agent: this.info, ip: this.ip });
    else link.send(this.#reregistration(this.id));
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

  /** Ends the process only: containers go on, and a later life takes them up from the checkpoint. */
  stop(): void {
    if (this.#stopped) return;
    this.#saveNow();
    this.#stopped = true;
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
    const live = [...this.executors.values()].flatMap(({ runs }) => runs.map(({ task }) => task));
    return [...live, ...this.#finished.values()];
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
        this.#executorOf(message.framework_id, message.task_id)?.kill(
          message.task_id,
          message.kill_policy,
        );
        this.#save();
        break;
      case 'ACKNOWLEDGE':
        this.#acknowledge(message);
        break;
      case 'SHUTDOWN_EXECUTOR': {
        const { framework_id, executor_id } = message;
        const executor =
          this.executors.get(`${framework_id}/${executor_id}`) ??
          this.executors.get(commandKey(framework_id, executor_id));
        executor?.shutdown();
        this.#save();
        break;
      }
      case 'SHUTDOWN_FRAMEWORK':
        this.#shutdownFramework(message.framework_id);
        break;
      case 'SHUTDOWN':
        this.terminate(() => this.#options.onShutdown?.());
        break;
    }
  }

  #reregistered(unknown: readonly { framework: FrameworkInfo; task_id: string }[]): void {
    // Mesos sends what is unacknowledged when it resumes and once more on registration.
    this.#updates.resume();
    this.#updates.resume();
    for (const { framework, task_id } of unknown) {
      this.#updates.add(framework.id?.value ?? '', {
        task_id: { value: task_id },
        state: hasCapability(framework, 'PARTITION_AWARE') ? 'TASK_DROPPED' : 'TASK_LOST',
        reason: 'REASON_RECONCILIATION',
        source: 'SOURCE_AGENT',
        message: 'Reconciliation: task unknown to the agent',
        agent_id: { value: this.id ?? '' },
        timestamp: this.#options.clock.now() / 1000,
        uuid: this.#uuid(),
      });
    }
    this.#save();
  }

  #reregistration(id: string): ToMaster {
    const executors = [...this.executors.values()].flatMap((executor) =>
      executor instanceof DefaultExecutor
        ? [{ framework_id: executor.frameworkId, role: executor.role, info: executor.info }]
        : [],
    );
    return {
      type: 'REREGISTER',
      agent: { ...this.info, id: { value: id } },
      ip: this.ip,
      frameworks: [...this.frameworks.values()],
      // Tasks whose end is acknowledged are of no interest any more. A copy: the master's record
      // of them is its own.
      tasks: structuredClone(
        this.tasks().filter(
          ({ state, framework_id, task_id }) =>
            !isTerminal(state) ||
            this.#updates.head(framework_id.value, task_id.value) !== undefined,
        ),
      ),
      executors,
    };
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
    this.executors.set(executor.key, executor);
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
    this.executors.set(key, executor);
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
    const task = this.#task(framework_id, task_id);
    if (next !== undefined && task !== undefined) forwarded(task, next);
    if (isTerminal(status.state)) {
      this.#finished.delete(`${framework_id}/${task_id}`);
      this.#executorOf(framework_id, task_id)?.acknowledged(task_id, status);
    }
    this.#save();
  }

  #task(frameworkId: string, taskId: string): Task | undefined {
    return (
      this.#finished.get(`${frameworkId}/${taskId}`) ??
      this.#executorOf(frameworkId, taskId)?.runs.find(({ id }) => id === taskId)?.task
    );
  }

  #executorOf(frameworkId: string, taskId: string): Executor | undefined {
    const own = this.executors.get(commandKey(frameworkId, taskId));
    if (own !== undefined) return own;
    return [...this.executors.values()].find(
      (executor) =>
        executor.frameworkId === frameworkId && executor.runs.some(({ id }) => id === taskId),
    );
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
      this.#finished.set(`${frameworkId}/${task.task_id.value}`, task);
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
    this.executors.delete(key);
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
    for (const key of [...this.#finished.keys()]) {
      if (key.startsWith(`${frameworkId}/`)) this.#finished.delete(key);
    }
    for (const [key, executor] of this.executors) {
      if (executor.frameworkId !== frameworkId) continue;
      executor.discard(() => {
        this.executors.delete(key);
        this.#save();
      });
    }
  }

  #discardAll(done: () => void): void {
    let left = this.executors.size;
    for (const id of this.frameworks.keys()) this.#updates.dropFramework(id);
    this.frameworks.clear();
    this.#finished.clear();
    if (left === 0) done();
    for (const [key, executor] of [...this.executors]) {
      executor.discard(() => {
        this.executors.delete(key);
        this.#save();
        if (--left === 0) done();
      });
    }
  }

  #recover(saved: CheckpointContent): void {
    this.id = saved.agentId;
    for (const info of saved.frameworks) this.#remember(info);
    for (const task of saved.finished) {
      this.#finished.set(`${task.framework_id.value}/${task.task_id.value}`, task);
    }
    for (const { framework_id, statuses } of saved.updates) {
      for (const status of statuses) this.#updates.add(framework_id, status);
    }
    for (const executor of saved.executors) {
      recoverExecutor(executor, this.frameworks, this.#context, (recovered) => {
        this.executors.set(recovered.key, recovered);
      });
    }
    this.#save();
  }

  /** Once for all that happens in one turn; a crash in between is like one just before. */
  #save(): void {
    const { checkpoint, clock } = this.#options;
    if (checkpoint === undefined || this.#saving || this.#stopped) return;
    this.#saving = true;
    clock.after(0, () => {
      this.#saving = false;
      if (!this.#stopped) this.#saveNow();
    });
  }

  #saveNow(): void {
    this.#options.checkpoint?.save(() => this.#snapshot());
  }

  #snapshot(): CheckpointContent {
    return {
      ...(this.id === undefined ? {} : { agentId: this.id }),
      frameworks: [...this.frameworks.values()],
      executors: [...this.executors.values()].map(saveExecutor),
      updates: this.#updates.snapshot(),
      finished: [...this.#finished.values()],
    };
  }
}

/** The status now on its way to the framework; what a reconciliation will answer. */
function forwarded(task: Task, status: TaskStatus): void {
  task.status_update_state = status.state;
  if (status.uuid !== undefined) task.status_update_uuid = status.uuid;
}
