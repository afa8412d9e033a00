import { controllerOf, objectKey } from '../../api/machinery/metadata.ts';
import type { Task } from '../../api/v1/task.ts';
import type { Constraint } from '../../api/v1/template.ts';
import type { Resource } from '../../proto/mesos/generated/messages.ts';
import { hasNetwork, type AgentNetworks } from '../network/agent-networks.ts';
import {
  ResourceLedger,
  containerDemand,
  executorDemand,
  portDemand,
  taskDemand,
  type Carving,
  type Demand,
  type Shortage,
} from './resources.ts';

/**
 * Placement: a pure function from offers, waiting tasks and what runs to launches and reasons.
 * Tasks of a job are spread over agents; ties go to an agent that is known to have the networks, then to
 * that with more free cores, then by name.
 */

export interface AgentIdentity {
  agentId: string;
  hostname: string;
  /** Attributes in text form. */
  attributes: Readonly<Record<string, string>>;
  /** Where it answers HTTP. */
  address?: AgentAddress | undefined;
}

export interface AgentAddress {
  hostname: string;
  ip?: string;
  port: number;
}

/** Everything that one agent offers to one role at the moment. */
export interface AgentOffer extends AgentIdentity {
  role: string;
  offerIds: readonly string[];
  resources: readonly Resource[];
  unschedulable: boolean;
  /** Of which networks it is known that the agent has them, or not; others are eligible. */
  networks: AgentNetworks;
}

/** A live task that counts for Unique and MaxPerDomain: bound, neither dead nor unreachable. */
export interface PlacedTask {
  /** `namespace/job`. */
  job: string;
  agent: AgentIdentity;
}

export interface PlacementInput {
  /** In the order in which they are served. */
  tasks: readonly Task[];
  offers: readonly AgentOffer[];
  placed: readonly PlacedTask[];
  cniNameOf: (network: string, task: Task) => string;
  /** Placements at most; the tasks after them are left for the next time. All if absent. */
  most?: number;
}

export interface Placement {
  task: Task;
  offer: AgentOffer;
  /** Resources of each container, by its name. */
  containers: ReadonlyMap<string, Resource[]>;
  /** Resources of the default executor, for a group. */
  executor: Resource[];
  /** Host ports by port name, for a task on the network of its agent. */
  ports: readonly { name: string; hostPort: number }[];
}

export interface Unplaced {
  task: Task;
  /** `0 of 3 offered agents fit: 2 short of cpus, 1 without network data-net (agent3)`. */
  message: string;
}

export function place(input: PlacementInput): { placements: Placement[]; unplaced: Unplaced[] } {
  const candidates = input.offers.map((offer) => ({
    offer,
    ledger: new ResourceLedger(offer.resources),
  }));
  const spreads = new Spreads(input.placed);
  const placements: Placement[] = [];
  const unplaced: Unplaced[] = [];
  // What did not fit its like will not fit it: free resources only shrink, and spreads only grow.
  const hopeless = new Map<string, string>();
  for (const task of input.tasks) {
    if (placements.length === input.most) break;
    const like = templateKey(task);
    const known = like === undefined ? undefined : hopeless.get(like);
    if (known !== undefined) {
      unplaced.push({ task, message: known });
      continue;
    }
    const job = objectKey({ namespace: task.metadata.namespace, name: task.spec.job });
    const demand = taskDemand(task.spec);
    const spread = spreads.of(job);
    const networks = (task.spec.networks ?? []).map(({ name }) => ({
      name,
      cniName: input.cniNameOf(name, task),
    }));
    const refusals: Refusal[] = [];
    const fitting = candidates.filter(({ offer, ledger }) => {
      const refusal = refuse(task, networks, offer, spread) ?? shortage(ledger.shortages(demand));
      if (refusal !== undefined) refusals.push(refusal);
      return refusal === undefined;
    });
    const best = choose(fitting, spread, networks);
    if (best === undefined) {
      const message = explain(refusals, candidates.length);
      unplaced.push({ task, message });
      if (like !== undefined) hopeless.set(like, message);
      continue;
    }
    placements.push(take(task, best.offer, best.ledger));
    spread.add(best.offer);
  }
  return { placements, unplaced };
}

/** Equal for Tasks that are launched with the same template. */
function templateKey(task: Task): string | undefined {
  const owner = controllerOf(task);
  return owner === undefined ? undefined : `${owner.uid} ${task.spec.revision}`;
}

interface Candidate {
  offer: AgentOffer;
  ledger: ResourceLedger;
}

/** A network that a task joins. */
interface Joined {
  name: string;
  cniName: string;
}

/** Spread comes first: else a job would stay on the first agent that has shown to have its networks. */
function choose(
  fitting: readonly Candidate[],
  spread: Spread,
  networks: readonly Joined[],
): Candidate | undefined {
  const doubts = ({ offer }: Candidate): number =>
    networks.filter(({ cniName }) => hasNetwork(offer.networks, cniName) === 'Unknown').length;
  const better = (a: Candidate, b: Candidate): number =>
    spread.count('agentId', a.offer.agentId) - spread.count('agentId', b.offer.agentId) ||
    doubts(a) - doubts(b) ||
    b.ledger.total('cpus') - a.ledger.total('cpus') ||
    (a.offer.hostname < b.offer.hostname ? -1 : 1);
  return fitting.reduce<Candidate | undefined>(
    (best, candidate) => (best === undefined || better(candidate, best) < 0 ? candidate : best),
    undefined,
  );
}

/** Where the tasks of one job are: how many have which value of an attribute. */
class Spread {
  readonly #agents: AgentIdentity[] = [];
  readonly #counts = new Map<string, Map<string, number>>();

  add(agent: AgentIdentity): void {
    this.#agents.push(agent);
    for (const [attribute, counts] of this.#counts) countIn(counts, agent, attribute);
  }

  count(attribute: string, value: string): number {
    let counts = this.#counts.get(attribute);
    if (counts === undefined) {
      counts = new Map();
      for (const agent of this.#agents) countIn(counts, agent, attribute);
      this.#counts.set(attribute, counts);
    }
    return counts.get(value) ?? 0;
  }
}

function countIn(counts: Map<string, number>, agent: AgentIdentity, attribute: string): void {
  const value = attributeOf(agent, attribute);
  if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
}

class Spreads {
  readonly #spreads = new Map<string, Spread>();

  constructor(placed: readonly PlacedTask[]) {
    for (const { job, agent } of placed) this.of(job).add(agent);
  }

  of(job: string): Spread {
    let spread = this.#spreads.get(job);
    if (spread === undefined) this.#spreads.set(job, (spread = new Spread()));
    return spread;
  }
}

/** Why an agent does not do. */
interface Refusal {
  reason: string;
  /** Host of the agent, if people will want to know which it is. */
  host?: string;
}

function refuse(
  task: Task,
  networks: readonly Joined[],
  offer: AgentOffer,
  spread: Spread,
): Refusal | undefined {
  if (offer.unschedulable) return { reason: 'unschedulable' };
  const { role } = task.spec;
  if (role !== undefined && role !== offer.role) return { reason: `not offered to role ${role}` };
  const lacking = networks.filter(({ cniName }) => hasNetwork(offer.networks, cniName) === 'No');
  if (lacking.length > 0) {
    const names = lacking.map(({ name }) => name).join(' and ');
    const noun = lacking.length === 1 ? 'network' : 'networks';
    return { reason: `without ${noun} ${names}`, host: offer.hostname };
  }
  for (const constraint of task.spec.constraints ?? []) {
    const reason = violates(constraint, offer, spread);
    if (reason !== undefined) return { reason };
  }
  return undefined;
}

/** The value of an attribute; hostname and agentId are attributes of every agent. */
export function attributeOf(agent: AgentIdentity, attribute: string): string | undefined {
  if (attribute === 'hostname') return agent.hostname;
  if (attribute === 'agentId') return agent.agentId;
  return Object.hasOwn(agent.attributes, attribute) ? agent.attributes[attribute] : undefined;
}

/** An agent without the attribute satisfies no constraint on it. */
function violates(
  { attribute, operator, values = [], max = 1 }: Constraint,
  agent: AgentIdentity,
  spread: Spread,
): string | undefined {
  const value = attributeOf(agent, attribute);
  if (value === undefined) return `without attribute ${attribute}`;
  switch (operator) {
    case 'Equals':
    case 'In':
      return values.includes(value) ? undefined : `${attribute} is not ${values.join(' or ')}`;
    case 'Unique':
    case 'MaxPerDomain': {
      const most = operator === 'Unique' ? 1 : max;
      if (spread.count(attribute, value) < most) return undefined;
      return operator === 'Unique'
        ? `${attribute} is not Unique`
        : `${attribute} already has ${most}`;
    }
  }
}

function shortage(short: readonly Shortage[]): Refusal | undefined {
  return short.length === 0 ? undefined : { reason: `short of ${short.join(' and ')}` };
}

/** Hosts named for one reason at most. */
const namedHosts = 3;

function explain(refusals: readonly Refusal[], offered: number): string {
  if (offered === 0) return 'no agent offers resources at the moment';
  const byReason = new Map<string, Refusal[]>();
  for (const refusal of refusals) {
    const same = byReason.get(refusal.reason);
    if (same === undefined) byReason.set(refusal.reason, [refusal]);
    else same.push(refusal);
  }
  const parts = [...byReason]
    .sort((a, b) => b[1].length - a[1].length)
    .map(([reason, same]) => `${same.length} ${reason}${hostsOf(same)}`);
  return `0 of ${offered} offered agents fit: ${parts.join(', ')}`;
}

function hostsOf(refusals: readonly Refusal[]): string {
  const hosts = refusals.flatMap(({ host }) => host ?? []).sort();
  if (hosts.length === 0) return '';
  const rest = hosts.length > namedHosts ? ' and others' : '';
  return ` (${hosts.slice(0, namedHosts).join(', ')}${rest})`;
}

function take(task: Task, offer: AgentOffer, ledger: ResourceLedger): Placement {
  const { containers } = task.spec;
  const ports = portDemand(task.spec);
  const executor = containers.length > 1 ? carve(ledger, executorDemand).resources : [];
  const pieces = new Map<string, Resource[]>();
  let free: number[] = [];
  containers.forEach((container, index) => {
    // The ports of the task are booked on its first container: they share one namespace.
    const demand: Demand = { ...containerDemand(container), ...(index === 0 ? ports : {}) };
    const carving = carve(ledger, demand);
    if (index === 0) free = carving.anyPorts;
    pieces.set(container.name, carving.resources);
  });
  return { task, offer, containers: pieces, executor, ports: assignPorts(task, free) };
}

/** The whole demand was checked before; a part of it that does not fit is an error of this file. */
function carve(ledger: ResourceLedger, demand: Demand): Extract<Carving, { ok: true }> {
  const carving = ledger.carve(demand);
  if (!carving.ok)
    throw new Error(`the ledger is short of ${carving.short.join(', ')} after it fitted`);
  return carving;
}

function assignPorts(task: Task, free: readonly number[]): Placement['ports'] {
  if ((task.spec.networks ?? []).length > 0) return [];
  const rest = [...free];
  return task.spec.containers.flatMap(({ ports = [] }) =>
    ports.map((port) => {
      const fixed = port.hostPort ?? port.containerPort ?? 0;
      return { name: port.name, hostPort: fixed === 0 ? (rest.shift() ?? 0) : fixed };
    }),
  );
}
