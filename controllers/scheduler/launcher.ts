import { objectKey } from '../../api/machinery/metadata.ts';
import type { Task } from '../../api/v1/task.ts';
import type { Offer } from '../../proto/mesos/generated/messages.ts';
import type { AgentNetworks } from '../network/agent-networks.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { declineCall, reviveCall, suppressCall } from './calls.ts';
import { demandFor } from './demand.ts';
import { LaunchRunner, type LaunchRunnerOptions } from './launch-runner.ts';
import { withoutNetwork } from './network-names.ts';
import { OfferStore, type OfferGroup } from './offers.ts';
import {
  place,
  type AgentIdentity,
  type AgentOffer,
  type PlacedTask,
  type Placement,
  type Unplaced,
} from './placement.ts';
import type { Session } from './session.ts';
import { jobKey } from './task-view.ts';
import { UnschedulableLog } from './unschedulable.ts';
import { pause, Wakeup } from './wakeup.ts';

export interface LauncherOptions extends LaunchRunnerOptions {
  agents: {
    find(agentId: string): AgentIdentity | undefined;
    isUnschedulable(agentId: string): boolean;
    networks(agentId: string): AgentNetworks;
  };
  roles: readonly string[];
  /** The launch of the Task is over, whatever came of it. */
  onSettled: (key: string) => void;
  /** The task has found no agent for a while. */
  onUnschedulable: (unplaced: Unplaced) => void;
}

/** What comes within this time is placed together. */
const batchMs = 5;
/** Tasks placed at a time: bounds the time that one pass keeps others waiting. */
const maxPlacements = 500;
/** While tasks wait, offers that none of them wants are given back after this time. */
const holdMs = 5_000;
const refuseUnfitSeconds = 5;
/** No launch is tried for this time after the store did not answer. */
const storeAwayMs = 2_000;
/** SUPPRESS keeps offers away and REVIVE clears refusals, so this one may be long. */
const refuseIdleSeconds = 600;

/** Places waiting tasks on offers, binds them in the store and only then has Mesos launch them. */
export class Launcher implements Runnable {
  readonly name = 'launcher';
  readonly #options: LauncherOptions;
  readonly #offers: OfferStore;
  readonly #wakeup: Wakeup;
  readonly #unschedulable: UnschedulableLog;
  /** Tasks whose launch is under way, and where. */
  readonly #assumed = new Map<string, PlacedTask>();
  readonly #runner: LaunchRunner;
  readonly #launching = new Set<Promise<void>>();
  #session: Session | undefined;
  #suppressed = true;
  /** When something waited last. */
  #busyAt = -Infinity;
  #revivedAt: number | undefined;
  #fruitless = 0;
  #pausedUntil = -Infinity;
  /** Without offers there is nothing to place, and reasons are looked for only now and then. */
  #explainAt = -Infinity;

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.#runner = new LaunchRunner(options);
    this.#offers = new OfferStore(options.clock);
    this.#wakeup = new Wakeup(options.clock);
    this.#unschedulable = new UnschedulableLog(options.clock);
  }

  /** A subscription has begun; `suppressed` is what it was opened with. */
  begin(session: Session, suppressed: boolean): void {
    this.#offers.clear();
    this.#session = session;
    this.#suppressed = suppressed;
    this.#revivedAt = undefined;
    this.#fruitless = 0;
    this.wake();
  }

  /** The subscription has ended, and its offers with it. */
  end(): void {
    this.#session = undefined;
    this.#offers.clear();
  }

  offered(offers: readonly Offer[]): void {
    for (const offer of offers) this.#offers.add(offer);
    this.wake();
  }

  rescinded(offerId: string): void {
    this.#offers.remove(offerId);
  }

  /** Something waits that did not wait before, or may have changed its mind. */
  arrived(): void {
    this.#fruitless = 0;
    this.wake();
  }

  wake(): void {
    this.#wakeup.wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    let checkInMs: number | undefined;
    while (await this.#wakeup.wait(signal, checkInMs)) {
      // What comes together is placed together.
      if (checkInMs === 0 || (await pause(clock, batchMs, signal))) checkInMs = this.#pass();
    }
    await Promise.all(this.#launching);
  }

  /** One look at everything; returns after how many milliseconds the next one is due. */
  #pass(): number | undefined {
    const session = this.#session;
    if (session?.isOpen !== true) return undefined;
    const now = this.#options.clock.monotonic();
    if (this.#pausedUntil > now) return this.#pausedUntil - now;
    const offered = this.#offers.size > 0;
    if (!offered && this.#explainAt > now) {
      return this.#adjustDemand(session, this.#hasWaiting(), this.#explainAt - now);
    }
    this.#explainAt = now + holdMs;
    const { placements, unplaced } = this.#place(this.#waiting());
    for (const group of byOffer(placements)) this.#start(session, group);
    for (const one of this.#unschedulable.worthSaying(unplaced, offered)) {
      this.#options.onUnschedulable(one);
    }
    if (placements.length > 0) this.#fruitless = 0;
    if (placements.length > 0) this.#busyAt = now;
    if (placements.length === maxPlacements) return 0;
    if (unplaced.length > 0) this.#decline(session, holdMs, refuseUnfitSeconds);
    return this.#adjustDemand(session, unplaced.length > 0, holdMs);
  }

  #hasWaiting(): boolean {
    for (const task of this.#options.view.waiting()) if (this.#isPlaceable(task)) return true;
    return false;
  }

  /** A task whose addresses are another's needs no offer yet. */
  #isPlaceable(task: Task): boolean {
    if (this.#assumed.has(objectKey(task.metadata))) return false;
    return this.#options.gate(task).kind === 'Open';
  }

  #waiting(): Task[] {
    const { view } = this.#options;
    return [...view.waiting()].filter((task) => this.#isPlaceable(task));
  }

  #place(tasks: readonly Task[]): { placements: Placement[]; unplaced: Unplaced[] } {
    if (tasks.length === 0) return { placements: [], unplaced: [] };
    const { cniNameOf } = this.#options;
    const rejected = tasks.flatMap((task) => withoutNetwork(task, cniNameOf));
    const without = new Set(rejected.map(({ task }) => task));
    const jobs = new Set(tasks.map(jobKey));
    const { placements, unplaced } = place({
      tasks: tasks.filter((task) => !without.has(task)),
      offers: this.#offers.groups().map((group) => this.#agentOffer(group)),
      placed: [...jobs].flatMap((job) => this.#placedOf(job)).concat(this.#assumedOf(jobs)),
      cniNameOf: (network, task) => cniNameOf(network, task) ?? network,
      most: maxPlacements,
    });
    return { placements, unplaced: [...rejected, ...unplaced] };
  }

  #agentOffer({ agentId, role, offers }: OfferGroup): AgentOffer {
    const { agents } = this.#options;
    const { hostname = agentId } = offers[0] ?? {};
    return {
      ...(agents.find(agentId) ?? { agentId, hostname, attributes: {} }),
      role,
      offerIds: offers.map(({ id }) => id.value),
      resources: offers.flatMap(({ resources = [] }) => resources),
      unschedulable: agents.isUnschedulable(agentId),
      networks: agents.networks(agentId),
    };
  }

  #placedOf(job: string): PlacedTask[] {
    const { view, agents } = this.#options;
    return [...view.placed(job)].flatMap((task) => {
      if (this.#assumed.has(objectKey(task.metadata))) return [];
      const { agentId = '', agentHostname: hostname = '' } = task.status?.mesos ?? {};
      return [{ job, agent: agents.find(agentId) ?? { agentId, hostname, attributes: {} } }];
    });
  }

  #assumedOf(jobs: ReadonlySet<string>): PlacedTask[] {
    return [...this.#assumed.values()].filter(({ job }) => jobs.has(job));
  }

  #start(session: Session, placements: readonly Placement[]): void {
    const [first] = placements;
    if (first === undefined) return;
    for (const id of first.offer.offerIds) this.#offers.remove(id);
    for (const { task, offer } of placements) {
      const key = objectKey(task.metadata);
      this.#assumed.set(key, { job: jobKey(task), agent: offer });
      this.#options.launches.bind(key);
    }
    const launch = this.#runner.run(session, placements).then(({ storeIsAway }) => {
      for (const { task } of placements) this.#settle(objectKey(task.metadata));
      if (storeIsAway) this.#pausedUntil = this.#options.clock.monotonic() + storeAwayMs;
      this.#launching.delete(launch);
      this.wake();
    });
    this.#launching.add(launch);
  }

  #settle(key: string): void {
    const { launches, onSettled } = this.#options;
    this.#assumed.delete(key);
    if (launches.isBinding(key)) launches.settle(key);
    onSettled(key);
  }

  /** Returns when to look again, after `longestMs` at most if something waits. */
  #adjustDemand(session: Session, waiting: boolean, longestMs: number): number | undefined {
    const { clock, roles } = this.#options;
    const now = clock.monotonic();
    if (waiting) this.#busyAt = now;
    const demand = demandFor({
      waiting,
      offers: this.#offers.size,
      suppressed: this.#suppressed,
      now,
      busyAt: this.#busyAt,
      revivedAt: this.#revivedAt,
      fruitless: this.#fruitless,
    });
    switch (demand.kind) {
      case 'Wait':
        return waiting ? Math.min(demand.checkInMs ?? longestMs, longestMs) : demand.checkInMs;
      case 'Revive':
        this.#suppressed = false;
        this.#revivedAt = now;
        this.#fruitless += 1;
        void session.call(reviveCall(roles));
        return longestMs;
      case 'Suppress':
        if (!this.#suppressed) void session.call(suppressCall(roles));
        this.#suppressed = true;
        this.#decline(session, 0, refuseIdleSeconds);
        return undefined;
    }
  }

  #decline(session: Session, olderThanMs: number, refuseSeconds: number): void {
    const old = this.#offers.takeOlderThan(olderThanMs);
    if (old.length > 0) void session.call(declineCall(old, refuseSeconds));
  }
}

function byOffer(placements: readonly Placement[]): Iterable<Placement[]> {
  const groups = new Map<AgentOffer, Placement[]>();
  for (const placement of placements) {
    const group = groups.get(placement.offer);
    if (group === undefined) groups.set(placement.offer, [placement]);
    else group.push(placement);
  }
  return groups.values();
}
