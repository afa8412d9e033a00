import type { Logger } from 'pino';
import type { Client, ResourceClient } from '../../api/client/client.ts';
import { rfc3339, sleep, timestamp, type Clock } from '../../api/machinery/clock.ts';
import { jsonEqual } from '../../api/machinery/json.ts';
import { agentResource, isNear, type Agent, type AgentStatus } from '../../api/v1/agent.ts';
import type { Task } from '../../api/v1/task.ts';
import type { InverseOffer, Offer } from '../../proto/mesos/generated/messages.ts';
import type { MasterClient } from '../../proto/mesos/operator-client.ts';
import {
  agentNetworks,
  networksGained,
  SeenNetworks,
  type AgentNetworks,
} from '../network/agent-networks.ts';
import type { UnknownNetworks } from '../network/unknown-networks.ts';
import { Controller, type Result } from '../runtime/controller.ts';
import type { Informer } from '../runtime/informer.ts';
import type { Runnable } from '../runtime/runnable.ts';
import {
  agentName,
  factsOfMaster,
  factsOfOffer,
  factsOfStatus,
  maintenanceOf,
  mergeFacts,
  statusOf,
  type AgentFacts,
} from './agent-facts.ts';
import { Wakeup } from './wakeup.ts';

export interface AgentsOptions {
  client: Client;
  informer: Pick<Informer<Agent>, 'get' | 'list' | 'synced'>;
  master: Pick<MasterClient, 'getAgents'>;
  unknownNetworks: UnknownNetworks;
  clock: Clock;
  logger: Logger;
  /** An agent that was away has returned. */
  onReturned: (agentId: string) => void;
}

/** Least time between two writes of one Agent's status, and between two questions to the master. */
const quietMs = 60_000;
/** The master is asked at least so often. */
const pollMs = 600_000;

/**
 * What is known of the agents, from offers and from the master, and the Agent objects that show it. What
 * placement asks comes from memory; the objects follow, each at most once a minute.
 */
export class Agents implements Runnable {
  readonly name = 'agents';
  readonly #options: AgentsOptions;
  readonly #agents: ResourceClient<Agent>;
  readonly #controller: Controller;
  readonly #facts = new Map<string, AgentFacts>();
  /** Agent ids by the name of their object. */
  readonly #names = new Map<string, string>();
  readonly #written = new Map<string, number>();
  readonly #seenNetworks = new SeenNetworks();
  readonly #ask: Wakeup;

  constructor(options: AgentsOptions) {
    this.#options = options;
    this.#agents = options.client.of(agentResource);
    this.#ask = new Wakeup(options.clock);
    this.#controller = new Controller({
      name: this.name,
      reconcile: (name) => this.#reconcile(name),
      waitFor: [options.informer],
      clock: options.clock,
      logger: options.logger,
      concurrency: 8,
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#options.informer.synced(signal);
    if (signal.aborted) return;
    this.#load();
    await Promise.all([this.#controller.run(signal), this.#poll(signal)]);
  }

  find(agentId: string): AgentFacts | undefined {
    return this.#facts.get(agentId);
  }

  /** An operator has said so, or its maintenance is near. */
  isUnschedulable(agentId: string): boolean {
    const facts = this.#facts.get(agentId);
    if (facts === undefined) return false;
    const { maintenance = 'None' } = facts;
    if (maintenance !== 'None' && isNear(maintenance, this.#options.clock.now())) return true;
    return this.#options.informer.get(this.#nameOf(facts))?.spec.unschedulable === true;
  }

  networks(agentId: string): AgentNetworks {
    const { attributes = {} } = this.#facts.get(agentId) ?? {};
    const lacks = this.#options.unknownNetworks.of(agentId).keys();
    return agentNetworks(attributes, this.#seenNetworks.of(agentId), lacks);
  }

  /** Asks the master about all agents, soon. */
  refresh(): void {
    this.#ask.wake();
  }

  offered(offer: Offer): void {
    if (!this.#facts.has(offer.agent_id.value)) this.refresh();
    this.#observe(factsOfOffer(offer));
  }

  /** An inverse offer: Mesos asks for the agent back. */
  inverselyOffered({ agent_id: id, unavailability }: InverseOffer): void {
    const facts = id === undefined ? undefined : this.#facts.get(id.value);
    if (facts === undefined) this.refresh();
    else this.#observe({ ...facts, maintenance: maintenanceOf(unavailability) });
  }

  /** A FAILURE event about the agent itself. */
  failed(agentId: string): void {
    const facts = this.#facts.get(agentId);
    if (facts !== undefined) this.#observe({ ...facts, active: false });
    this.refresh();
  }

  /** Something that runs on it was reported: it is back if it was away. */
  reported(agentId: string): void {
    if (this.#facts.get(agentId)?.active === false) this.refresh();
  }

  lacksNetwork(agentId: string, cniName: string): void {
    this.#options.unknownNetworks.mark(agentId, cniName);
    this.#seenNetworks.remove(agentId, cniName);
    const facts = this.#facts.get(agentId);
    if (facts !== undefined) this.#controller.enqueue(this.#nameOf(facts));
  }

  /** An address that a task has got shows that its agent has the network. */
  taskChanged(task: Task, previous: Task | undefined): void {
    const agentId = task.status?.mesos?.agentId;
    if (agentId === undefined) return;
    const news = networksGained(task, previous).filter((cniName) =>
      this.#seenNetworks.add(agentId, cniName),
    );
    const facts = this.#facts.get(agentId);
    if (news.length > 0 && facts !== undefined) this.#controller.enqueue(this.#nameOf(facts));
  }

  #load(): void {
    const { informer, unknownNetworks, clock } = this.#options;
    for (const { metadata, status } of informer.list()) {
      const facts = factsOfStatus(status);
      if (facts === undefined) continue;
      for (const { cniName, until } of status?.unknownNetworks ?? []) {
        unknownNetworks.mark(facts.agentId, cniName, Date.parse(until) - clock.now());
      }
      for (const { cniName, source } of status?.networks ?? []) {
        if (source === 'Launch') this.#seenNetworks.add(facts.agentId, cniName);
      }
      this.#controller.enqueue(metadata.name);
      this.#names.set(metadata.name, facts.agentId);
      if (!this.#facts.has(facts.agentId)) this.#facts.set(facts.agentId, facts);
    }
  }

  #observe(seen: AgentFacts): void {
    const known = this.#facts.get(seen.agentId);
    const facts = mergeFacts(known, seen);
    if (known !== undefined && jsonEqual(known, facts)) return;
    const name = this.#nameOf(facts);
    const before = this.#names.get(name);
    // The agent came back under a new id: the old one is gone.
    if (before !== undefined && before !== facts.agentId) {
      this.#facts.delete(before);
      this.#seenNetworks.forget(before);
    }
    this.#facts.set(facts.agentId, facts);
    this.#names.set(name, facts.agentId);
    this.#controller.enqueue(name);
    if (known?.active === false && facts.active) this.#options.onReturned(facts.agentId);
  }

  #nameOf(facts: AgentFacts): string {
    return agentName(facts, (name) => {
      const agentId = this.#names.get(name);
      const holder = agentId === undefined ? undefined : this.#facts.get(agentId);
      return holder && { agentId: holder.agentId, port: holder.address?.port };
    });
  }

  async #reconcile(name: string): Promise<Result> {
    const facts = this.#facts.get(this.#names.get(name) ?? '');
    if (facts === undefined) return {};
    const { informer, clock } = this.#options;
    const object = informer.get(name);
    const unknown = this.#unknownNetworksOf(facts.agentId, object?.status);
    const status = statusOf(facts, unknown, this.networks(facts.agentId).has, {
      conditions: object?.status?.conditions,
      now: timestamp(clock),
    });
    if (jsonEqual(object?.status, status)) return {};
    const wait = (this.#written.get(name) ?? -Infinity) + quietMs - clock.monotonic();
    if (wait > 0) return { requeueAfterMs: wait };
    await this.#agents.updateStatus({ ...(object ?? (await this.#create(name))), status });
    this.#written.set(name, clock.monotonic());
    const lapses = this.#options.unknownNetworks.of(facts.agentId).values();
    return { requeueAfterMs: Math.min(...lapses, Infinity) < Infinity ? quietMs : undefined };
  }

  async #create(name: string): Promise<Agent> {
    const found = await this.#agents.find({ name });
    if (found !== undefined) return found;
    const apiVersion = 'mesocosm.dev/v1' as const;
    return this.#agents.create({ apiVersion, kind: 'Agent', metadata: { name }, spec: {} });
  }

  /** A deadline that is stored already is not moved by the milliseconds that passed since. */
  #unknownNetworksOf(
    agentId: string,
    stored: AgentStatus | undefined,
  ): { cniName: string; until: string }[] {
    const { unknownNetworks, clock } = this.#options;
    return [...unknownNetworks.of(agentId)].map(([cniName, leftMs]) => {
      const until = clock.now() + leftMs;
      const known = stored?.unknownNetworks?.find((one) => one.cniName === cniName);
      const same = known !== undefined && Math.abs(Date.parse(known.until) - until) < quietMs;
      return same ? known : { cniName, until: rfc3339(until) };
    });
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (await this.#ask.wait(signal, pollMs)) {
      await this.#askMaster(signal);
      await sleep(clock, quietMs, signal);
    }
  }

  async #askMaster(signal: AbortSignal): Promise<void> {
    try {
      const { agents = [] } = await this.#options.master.getAgents(signal);
      const seen = new Set<string>();
      for (const agent of agents) {
        const facts = factsOfMaster(agent);
        if (facts === undefined) continue;
        seen.add(facts.agentId);
        this.#observe(facts);
      }
      for (const facts of [...this.#facts.values()]) {
        if (!seen.has(facts.agentId)) this.#observe({ ...facts, active: false });
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#options.logger.warn({ err: error }, 'asking the master for its agents failed');
    }
  }
}
