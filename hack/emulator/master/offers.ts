import type {
  ExecutorInfo,
  OfferID,
  OfferOperation,
  SchedulerCallAccept,
  SchedulerCallDecline,
  Task,
  TaskInfo,
  TaskStatusReason,
} from '../../../proto/mesos/generated/messages.ts';
import {
  allocatedResources,
  minus,
  parseResources,
  plus,
  sum,
  type Quantities,
} from '../resources.ts';
import { addFilter } from './allocator.ts';
import {
  stateFor,
  taskKey,
  type AgentRecord,
  type FrameworkRecord,
  type MasterState,
  type OfferRecord,
  type TaskRecord,
} from './state.ts';
import { validateGroup, validateTask, type LaunchContext } from './validation.ts';

export function decline(
  m: MasterState,
  framework: FrameworkRecord,
  { offer_ids, filters }: SchedulerCallDecline,
): void {
  for (const id of offer_ids ?? []) {
    const record = m.offers.get(id.value);
    // An offer that is gone or somebody else's is silently ignored.
    if (record?.framework !== framework) continue;
    m.removeOffer(record);
    giveBack(m, record, record.resources, filters?.refuse_seconds);
  }
}

export function accept(
  m: MasterState,
  framework: FrameworkRecord,
  { offer_ids, operations, filters }: SchedulerCallAccept,
): void {
  const records = (offer_ids ?? []).flatMap((id) => m.offers.get(id.value) ?? []);
  const problem = validateOffers(m, framework, offer_ids ?? []);
  const first = records[0];
  if (problem !== undefined || first === undefined) {
    for (const record of records) {
      if (record.framework !== framework) continue;
      m.removeOffer(record);
      m.recover(framework, record.agent, record.resources);
    }
    const message = `Task launched with invalid offers: ${problem ?? 'No offers specified'}`;
    for (const task of (operations ?? []).flatMap(tasksOf)) {
      reject(
        m,
        framework,
        task,
        stateFor(framework, 'TASK_DROPPED'),
        'REASON_INVALID_OFFERS',
        message,
      );
    }
    for (const operation of operations ?? []) {
      if (tasksOf(operation).length === 0) {
        dropOperation(framework, operation, problem ?? 'No offers specified');
      }
    }
    return;
  }
  for (const record of records) m.removeOffer(record);
  const launch = new Launch(m, framework, first, sum(records.map(({ resources }) => resources)));
  for (const operation of operations ?? []) launch.apply(operation);
  giveBack(m, first, launch.left, filters?.refuse_seconds);
}

function validateOffers(
  m: MasterState,
  framework: FrameworkRecord,
  ids: readonly OfferID[],
): string | undefined {
  const seen = new Set<string>();
  let first: OfferRecord | undefined;
  for (const { value } of ids) {
    if (seen.has(value)) return `Duplicate offer ${value} in offer list`;
    seen.add(value);
  }
  for (const { value } of ids) {
    const record = m.offers.get(value);
    if (record === undefined) return `Offer ${value} is no longer valid`;
    if (record.framework !== framework) {
      return `Offer ${value} has invalid framework ${record.framework.id} while framework ${framework.id} is expected`;
    }
    if (first !== undefined && first.role !== record.role) {
      return `Aggregated offers must be allocated to the same role. Offer ${value} uses role '${record.role}' but another is using role '${first.role}'`;
    }
    if (first !== undefined && first.agent !== record.agent) {
      return `Aggregated offers must belong to one single agent. Offer ${value} uses agent ${record.agent.id} and agent ${first.agent.id}`;
    }
    first ??= record;
  }
  return undefined;
}

function tasksOf({ launch, launch_group }: OfferOperation): TaskInfo[] {
  return launch?.task_infos ?? launch_group?.task_group.tasks ?? [];
}

function giveBack(
  m: MasterState,
  { framework, agent, role }: OfferRecord,
  resources: Quantities,
  refuseSeconds: number | undefined,
): void {
  m.recover(framework, agent, resources);
  addFilter(m, framework, agent, role, resources, refuseSeconds);
}

function reject(
  m: MasterState,
  framework: FrameworkRecord,
  task: TaskInfo,
  state: Task['state'],
  reason: TaskStatusReason,
  message: string,
): void {
  const { task_id, agent_id } = task;
  m.sendStatus(framework, m.masterStatus({ task_id, state, reason, message, agent_id }));
}

/** Mesos tells of an invalid operation only if it has an id; the others are seen in later offers. */
function dropOperation(framework: FrameworkRecord, { id }: OfferOperation, message: string): void {
  if (id === undefined) return;
  framework.stream?.send({
    type: 'UPDATE_OPERATION_STATUS',
    update_operation_status: { status: { operation_id: id, state: 'OPERATION_ERROR', message } },
  });
}

/** Applies the operations of one ACCEPT in order, keeping what is left of the offers. */
class Launch {
  left: Quantities;
  readonly #m: MasterState;
  readonly #framework: FrameworkRecord;
  readonly #agent: AgentRecord;
  readonly #role: string;

  constructor(m: MasterState, framework: FrameworkRecord, first: OfferRecord, offered: Quantities) {
    this.#m = m;
    this.#framework = framework;
    this.#agent = first.agent;
    this.#role = first.role;
    this.left = offered;
  }

  apply(operation: OfferOperation): void {
    if (operation.type === 'LAUNCH') {
      for (const task of operation.launch?.task_infos ?? []) this.#launch(task);
    } else if (operation.type === 'LAUNCH_GROUP' && operation.launch_group !== undefined) {
      const { executor, task_group } = operation.launch_group;
      this.#launchGroup(executor, task_group.tasks ?? []);
    } else {
      const kind = operation.type ?? 'UNKNOWN';
      dropOperation(this.#framework, operation, `${kind} is not supported by this master`);
    }
  }

  #launch(task: TaskInfo): void {
    const problem = validateTask(task, this.#context());
    if (problem !== undefined) {
      reject(this.#m, this.#framework, task, 'TASK_ERROR', 'REASON_TASK_INVALID', problem);
      return;
    }
    if (task.executor !== undefined) this.#useExecutor(task.executor);
    const allocated = this.#useTask(task, task.executor);
    this.#agent.link?.send({
      type: 'RUN_TASK',
      framework: this.#framework.info,
      task: allocated,
      role: this.#role,
    });
  }

  #launchGroup(executor: ExecutorInfo, tasks: readonly TaskInfo[]): void {
    const problem = validateGroup(tasks, executor, this.#context());
    if (problem !== undefined) {
      for (const task of tasks) {
        reject(this.#m, this.#framework, task, 'TASK_ERROR', 'REASON_TASK_GROUP_INVALID', problem);
      }
      return;
    }
    const info = this.#useExecutor(executor);
    this.#agent.link?.send({
      type: 'RUN_TASK_GROUP',
      framework: this.#framework.info,
      executor: info,
      tasks: tasks.map((task) => this.#useTask(task, executor)),
      role: this.#role,
    });
  }

  #context(): LaunchContext {
    return {
      agentId: this.#agent.id,
      role: this.#role,
      offered: this.left,
      taskExists: (id) => this.#framework.tasks.has(id),
      executorExists: (id) => this.#agent.executors.has(taskKey(this.#framework.id, id)),
    };
  }

  #useExecutor(executor: ExecutorInfo): ExecutorInfo {
    const key = taskKey(this.#framework.id, executor.executor_id.value);
    const running = this.#agent.executors.get(key);
    if (running !== undefined) return running.info;
    const resources = parseResources(executor.resources);
    const info: ExecutorInfo = {
      ...executor,
      framework_id: { value: this.#framework.id },
      resources: allocatedResources(resources, this.#role),
    };
    this.#agent.executors.set(key, {
      frameworkId: this.#framework.id,
      info,
      role: this.#role,
      resources,
    });
    this.left = minus(this.left, resources);
    return info;
  }

  #useTask(task: TaskInfo, executor: ExecutorInfo | undefined): TaskInfo {
    const resources = parseResources(task.resources);
    const allocated = {
      ...task,
      resources: (task.resources ?? []).map((resource) => ({
        ...resource,
        allocation_info: { role: this.#role },
      })),
    };
    const record: TaskRecord = {
      task: newTask(this.#framework.id, allocated, executor),
      role: this.#role,
      resources,
    };
    this.#m.addTask(this.#framework, this.#agent, record);
    const { task: added } = record;
    this.#m.publish(() => ({ type: 'TASK_ADDED', task_added: { task: structuredClone(added) } }));
    this.left = minus(this.left, resources);
    return allocated;
  }
}

/** The record of a task as the operator API shows it; a command task has no executor id. */
export function newTask(
  frameworkId: string,
  info: TaskInfo,
  executor: ExecutorInfo | undefined,
): Task {
  const { name, task_id, agent_id, resources, labels, discovery, container } = info;
  const { health_check, kill_policy } = info;
  return {
    name,
    task_id,
    framework_id: { value: frameworkId },
    ...(executor === undefined ? {} : { executor_id: executor.executor_id }),
    agent_id,
    state: 'TASK_STAGING',
    ...(resources === undefined ? {} : { resources }),
    statuses: [],
    ...(labels === undefined ? {} : { labels }),
    ...(discovery === undefined ? {} : { discovery }),
    ...(container === undefined ? {} : { container }),
    ...(health_check === undefined ? {} : { health_check }),
    ...(kill_policy === undefined ? {} : { kill_policy }),
  };
}

/** What tasks and executors of an agent use, to account for an agent that comes back. */
export function usedBy(agent: AgentRecord): Quantities {
  const tasks = [...agent.tasks.values()].filter(({ task }) => isLive(task));
  return plus(
    sum(tasks.map(({ resources }) => resources)),
    sum([...agent.executors.values()].map(({ resources }) => resources)),
  );
}

function isLive({ state }: Task): boolean {
  return ['TASK_STAGING', 'TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING'].includes(state);
}
