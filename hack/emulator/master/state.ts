import type { Clock, Timer } from '../../../api/machinery/clock.ts';
import type { Random } from '../../../api/machinery/random.ts';
import type {
  AgentInfo,
  AllocatorInverseOfferStatus,
  Base64,
  DrainInfo,
  ExecutorInfo,
  FrameworkInfo,
  InverseOffer,
  MasterEvent,
  MasterInfo,
  Offer,
  SchedulerEvent,
  Task,
  TaskStatus,
} from '../../../proto/mesos/generated/messages.ts';
import type { Link, ToAgent } from '../protocol.ts';
import { isEmpty, minus, nothing, plus, type Quantities } from '../resources.ts';
import type { Maintenance, Registry } from './registry.ts';

/** Timings are Mesos' defaults; tests shorten them. All in milliseconds. */
export interface MasterTimings {
  allocationInterval: number;
  heartbeatInterval: number;
  agentPingTimeout: number;
  maxAgentPingTimeouts: number;
  agentReregisterTimeout: number;
}

export const defaultTimings: MasterTimings = {
  allocationInterval: 1_000,
  heartbeatInterval: 15_000,
  agentPingTimeout: 15_000,
  maxAgentPingTimeouts: 5,
  agentReregisterTimeout: 600_000,
};

/** The subscribed end of a framework: what the HTTP layer (or a simulation) gives the master. */
export interface EventStream {
  readonly id: string;
  send(event: SchedulerEvent): void;
  end(): void;
}

/** A subscriber of the operator API. */
export interface OperatorStream {
  send(event: MasterEvent): void;
  end(): void;
}

export interface TaskRecord {
  readonly task: Task;
  readonly role: string;
  readonly resources: Quantities;
}

export interface ExecutorRecord {
  readonly frameworkId: string;
  readonly info: ExecutorInfo;
  readonly role: string;
  readonly resources: Quantities;
}

export interface OfferRecord {
  readonly offer: Offer;
  readonly framework: FrameworkRecord;
  readonly agent: AgentRecord;
  readonly role: string;
  readonly resources: Quantities;
}

export interface InverseOfferRecord {
  readonly offer: InverseOffer;
  readonly framework: FrameworkRecord;
  readonly agent: AgentRecord;
}

export interface OfferFilter {
  readonly resources: Quantities;
  readonly expires: number;
}

export interface FrameworkRecord {
  readonly id: string;
  info: FrameworkInfo;
  stream: EventStream | undefined;
  heartbeat: Timer | undefined;
  removal: Timer | undefined;
  /** Known only from agents that registered with a new leader, not subscribed since. */
  recovered: boolean;
  registered: number;
  reregistered: number;
  unregistered: number | undefined;
  readonly tasks: Map<string, TaskRecord>;
  readonly unreachable: Map<string, TaskRecord>;
  readonly completed: TaskRecord[];
  readonly offers: Set<OfferRecord>;
  readonly suppressed: Set<string>;
  /** By `<agent id> <role>`. */
  readonly filters: Map<string, OfferFilter[]>;
  /** By agent id, until when (monotonic) the framework is not asked to leave it again. */
  readonly inverseFilters: Map<string, number>;
  /** Offered and used, for fairness. */
  allocated: Quantities;
}

export interface AgentRecord {
  readonly id: string;
  info: AgentInfo;
  ip: string;
  link: Link<ToAgent> | undefined;
  registered: number;
  reregistered: number | undefined;
  missedPings: number;
  total: Quantities;
  available: Quantities;
  readonly tasks: Map<string, TaskRecord>;
  readonly executors: Map<string, ExecutorRecord>;
  readonly offers: Set<OfferRecord>;
  /** Kills that a disconnected agent missed. */
  readonly missedKills: Extract<ToAgent, { type: 'KILL_TASK' }>[];
  /** Outstanding, by framework id. */
  readonly inverseOffers: Map<string, InverseOffer>;
  /** What frameworks answered to inverse offers, by framework id. */
  readonly inverseStatuses: Map<string, AllocatorInverseOfferStatus>;
  /** When it was told to drain, milliseconds since the epoch. */
  drainStarted: number | undefined;
}

export interface MasterOptions {
  clock: Clock;
  random: Random;
  info: MasterInfo;
  registry: Registry;
  timings?: Partial<MasterTimings>;
}

const terminalStates: ReadonlySet<string> = new Set([
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
]);

export function isTerminal(state: string | undefined): boolean {
  return state !== undefined && terminalStates.has(state);
}

/** Everything a leading master knows. Decisions are in the modules beside this one. */
export class MasterState {
  readonly clock: Clock;
  readonly random: Random;
  readonly info: MasterInfo;
  readonly registry: Registry;
  readonly timings: MasterTimings;
  readonly frameworks = new Map<string, FrameworkRecord>();
  readonly completedFrameworks = new Map<string, FrameworkRecord>();
  readonly agents = new Map<string, AgentRecord>();
  readonly offers = new Map<string, OfferRecord>();
  readonly inverseOffers = new Map<string, InverseOfferRecord>();
  readonly subscribers = new Set<OperatorStream>();
  /** How often things happened, by the name of the metric. */
  readonly counters = new Map<string, number>();
  readonly startTime: number;
  /** Agents that a former leader admitted and that have not come back to this one yet. */
  recoveredAgents = new Map<string, AgentInfo>();
  #draining: Readonly<Record<string, DrainInfo>>;
  #deactivated: ReadonlySet<string>;
  #maintenance: Maintenance;
  #frameworks = 0;
  #agents = 0;
  #offers = 0;
  #allocation: Timer | undefined;

  constructor(options: MasterOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.info = options.info;
    this.registry = options.registry;
    this.timings = { ...defaultTimings, ...options.timings };
    this.startTime = options.clock.now() / 1000;
    const { draining, deactivated, maintenance } = options.registry.read();
    this.#draining = draining;
    this.#deactivated = new Set(deactivated);
    this.#maintenance = maintenance;
  }

  /** Agents that drain or are drained, by id. */
  get draining(): Readonly<Record<string, DrainInfo>> {
    return this.#draining;
  }

  /** Ids of agents of which nothing is offered. */
  get deactivated(): ReadonlySet<string> {
    return this.#deactivated;
  }

  get maintenance(): Maintenance {
    return this.#maintenance;
  }

  setDraining(
    draining: Readonly<Record<string, DrainInfo>>,
    deactivated: ReadonlySet<string>,
  ): void {
    this.#draining = draining;
    this.#deactivated = deactivated;
    this.registry.write({ set: { draining: { ...draining }, deactivated: [...deactivated] } });
  }

  forgetDraining(id: string): void {
    if (this.#draining[id] === undefined && !this.#deactivated.has(id)) return;
    this.setDraining(
      Object.fromEntries(Object.entries(this.#draining).filter(([other]) => other !== id)),
      new Set([...this.#deactivated].filter((other) => other !== id)),
    );
  }

  setMaintenance(maintenance: Maintenance): void {
    this.#maintenance = maintenance;
    this.registry.write({ set: { maintenance } });
  }

  /** Tells the subscribers of the operator API; nothing is made for nobody. */
  publish(event: () => MasterEvent): void {
    if (this.subscribers.size === 0) return;
    const published = event();
    for (const subscriber of this.subscribers) subscriber.send(published);
  }

  count(metric: string): void {
    this.counters.set(metric, (this.counters.get(metric) ?? 0) + 1);
  }

  nextFrameworkId(): string {
    return `${this.info.id}-${String(this.#frameworks++).padStart(4, '0')}`;
  }

  nextAgentId(): string {
    return `${this.info.id}-S${this.#agents++}`;
  }

  nextOfferId(): string {
    return `${this.info.id}-O${this.#offers++}`;
  }

  /** Once something changed that may lead to offers at once: batches what happens together. */
  allocateSoon(allocate: () => void): void {
    this.#allocation ??= this.clock.after(0, () => {
      this.#allocation = undefined;
      allocate();
    });
  }

  stopAllocating(): void {
    this.#allocation?.cancel();
    this.#allocation = undefined;
  }

  /** A status made by the master: without uuid, so never acknowledged nor repeated. */
  masterStatus(
    fields: Pick<TaskStatus, 'task_id' | 'state' | 'reason' | 'message'> & Partial<TaskStatus>,
  ): TaskStatus {
    return { ...fields, source: 'SOURCE_MASTER', timestamp: this.clock.now() / 1000 };
  }

  sendStatus(framework: FrameworkRecord, status: TaskStatus): void {
    framework.stream?.send({ type: 'UPDATE', update: { status } });
  }

  allocate(framework: FrameworkRecord, agent: AgentRecord, resources: Quantities): void {
    agent.available = minus(agent.available, resources);
    framework.allocated = plus(framework.allocated, resources);
  }

  recover(framework: FrameworkRecord, agent: AgentRecord, resources: Quantities): void {
    if (isEmpty(resources)) return;
    agent.available = plus(agent.available, resources);
    framework.allocated = minus(framework.allocated, resources);
  }

  /** Forgets an offer; its resources stay allocated until the caller recovers or uses them. */
  removeOffer(record: OfferRecord, rescind = false): void {
    this.offers.delete(record.offer.id.value);
    record.framework.offers.delete(record);
    record.agent.offers.delete(record);
    if (rescind) {
      record.framework.stream?.send({ type: 'RESCIND', rescind: { offer_id: record.offer.id } });
    }
  }

  addTask(framework: FrameworkRecord, agent: AgentRecord, record: TaskRecord): void {
    framework.tasks.set(record.task.task_id.value, record);
    agent.tasks.set(taskKey(framework.id, record.task.task_id.value), record);
  }

  /** `keep`: where a task that is no longer live is remembered. */
  removeTask(record: TaskRecord, keep: 'unreachable' | 'completed'): void {
    const { task } = record;
    const framework = this.frameworks.get(task.framework_id.value);
    const agent = this.agents.get(task.agent_id.value);
    agent?.tasks.delete(taskKey(task.framework_id.value, task.task_id.value));
    if (framework === undefined) return;
    framework.tasks.delete(task.task_id.value);
    if (agent !== undefined && !isTerminal(task.state)) {
      this.recover(framework, agent, record.resources);
    }
    if (keep === 'unreachable') {
      framework.unreachable.set(task.task_id.value, record);
    } else {
      framework.completed.push(record);
      if (framework.completed.length > maxCompletedTasks) framework.completed.shift();
    }
  }
}

/** Mesos' --max_completed_tasks_per_framework. */
const maxCompletedTasks = 1000;

export function taskKey(frameworkId: string, id: string): string {
  return `${frameworkId}/${id}`;
}

export function hasCapability(
  framework: FrameworkInfo,
  capability: NonNullable<NonNullable<FrameworkInfo['capabilities']>[number]['type']>,
): boolean {
  return framework.capabilities?.some(({ type }) => type === capability) ?? false;
}

/** A framework that does not know partitions hears TASK_LOST instead of the finer states. */
export function stateFor(framework: FrameworkRecord, state: Task['state']): Task['state'] {
  return hasCapability(framework.info, 'PARTITION_AWARE') ? state : 'TASK_LOST';
}

export function frameworkRoles(framework: FrameworkInfo): string[] {
  return hasCapability(framework, 'MULTI_ROLE') ? (framework.roles ?? []) : [framework.role ?? '*'];
}

export function newFramework(id: string, info: FrameworkInfo, now: number): FrameworkRecord {
  return {
    id,
    info: { ...info, id: { value: id } },
    stream: undefined,
    heartbeat: undefined,
    removal: undefined,
    recovered: false,
    registered: now,
    reregistered: now,
    unregistered: undefined,
    tasks: new Map(),
    unreachable: new Map(),
    completed: [],
    offers: new Set(),
    suppressed: new Set(),
    filters: new Map(),
    inverseFilters: new Map(),
    allocated: nothing,
  };
}

export function sameUuid(a: Base64 | undefined, b: Base64 | undefined): boolean {
  return a !== undefined && a === b;
}
