import type { Logger } from 'pino';
import type { Client } from '../../api/client/client.ts';
import type { Random } from '../../api/machinery/random.ts';
import { seededRandom } from '../../api/machinery/random.ts';
import type { ApiServer } from '../../api/server/server.ts';
import { SimulatedCluster } from '../../hack/emulator/cluster.ts';
import type { NetworkInfo } from '../../proto/mesos/generated/messages.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { SimulatedCosmd } from './cosmd.ts';
import type { NetworkOptions } from './faults.ts';
import { AddressLaws } from './laws/address-laws.ts';
import { BatchLaws } from './laws/batch-laws.ts';
import { LawBook, type Truth } from './laws/law-book.ts';
import { LeaderLaws, leaseKey } from './laws/leader-laws.ts';
import { MemberLaws } from './laws/member-laws.ts';
import { MesosLaws } from './laws/mesos-laws.ts';
import { TaskLaws } from './laws/task-laws.ts';
import { simulatedNetworks } from './networks.ts';
import { ObservedStore, type StoreWrite } from './store.ts';
import { Coverage, Trace } from './trace.ts';
import { traceOfCall, traceOfCommit, traceOfWrite } from './trace-lines.ts';
import { openUserApi } from './user.ts';
import { Wire } from './wire.ts';
import { Ensemble } from './zookeeper/ensemble.ts';
import type { Transaction } from './zookeeper/tree.ts';

export interface WorldOptions {
  seed: number;
  agents: number;
  /** Lines of the trace that can be read afterwards. */
  keepTrace: number;
  logger?: Logger;
}

/** Processes of cosmd that may run at a time; one of them leads. */
const slots = 2;
const latencyMs = 3;

/** A whole cluster in one thread: everything that is random in it follows from the seed. */
export class World implements Truth {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly trace: Trace;
  readonly coverage = new Coverage();
  readonly book = new LawBook();
  readonly store: ObservedStore;
  readonly ensemble: Ensemble;
  readonly mesos: SimulatedCluster;
  readonly tasks: TaskLaws;
  readonly wire: Wire;
  /** Agents that an operator has given up, and that have not come back as others yet. */
  readonly gone = new Set<number>();
  /** CNI networks by the agents that were not configured with them. */
  readonly #lacking = new Map<number, Set<string>>();
  readonly #options: WorldOptions;
  readonly #network: NetworkOptions;
  readonly #laws: {
    leader: LeaderLaws;
    mesos: MesosLaws;
    members: MemberLaws;
    addresses: AddressLaws;
    batch: BatchLaws;
  };
  readonly #running: (SimulatedCosmd | undefined)[] = Array.from({ length: slots });
  readonly #all: SimulatedCosmd[] = [];
  #user: { client: Client; server: ApiServer } | undefined;
  #holder: string | undefined;

  constructor(options: WorldOptions) {
    const { seed, agents } = options;
    this.#options = options;
    const stream = (n: number): Random => seededRandom(seed * 31 + n);
    this.clock = new VirtualClock({ random: stream(1) });
    this.random = stream(2);
    this.trace = new Trace(() => this.clock.monotonic(), options.keepTrace);
    this.store = new ObservedStore(this.clock);
    this.ensemble = new Ensemble({
      clock: this.clock,
      random: stream(3),
      sessionTimeoutMs: 30_000,
    });
    this.mesos = new SimulatedCluster({
      clock: this.clock,
      random: stream(4),
      agents,
      latency: 1,
      networks: simulatedNetworks,
      lacks: (agent, network) => this.#lacking.get(agent)?.has(network) === true,
      timings: { agentPingTimeout: 2_000, maxAgentPingTimeouts: 3 },
    });
    this.#network = { clock: this.clock, random: stream(5), latencyMs };
    this.wire = new Wire(this.random, () => this.now());
    this.tasks = new TaskLaws(this.book, this);
    this.#laws = {
      leader: new LeaderLaws(this.book, this),
      mesos: new MesosLaws(this.book, this, this.tasks),
      members: new MemberLaws(this.book, this.tasks),
      addresses: new AddressLaws(this.book, this),
      batch: new BatchLaws(this.book, this, this.tasks),
    };
    this.store.onWrite = (write) => this.#wrote(write);
    this.ensemble.onCommit = (transaction, before) => {
      const writer = this.#sessionOf(transaction)?.identity;
      this.trace.add(traceOfCommit(writer, transaction));
      this.#laws.leader.committed(writer, transaction, before);
      this.#laws.members.committed(transaction, before);
    };
  }

  async start(): Promise<void> {
    this.mesos.start();
    const opening = openUserApi(this.store, this.clock);
    await this.clock.advance(50);
    this.#user = await opening;
    for (let slot = 0; slot < slots; slot += 1) this.startCosmd(slot);
  }

  stop(): void {
    for (const cosmd of this.#all) cosmd.kill();
    this.mesos.stop();
  }

  get user(): Client {
    if (this.#user === undefined) throw new Error('the world has not started');
    return this.#user.client;
  }

  now(): number {
    return this.clock.monotonic();
  }

  holder(): string | undefined {
    return this.#holder;
  }

  runningTasks(): ReadonlySet<string> {
    const { agents } = this.mesos;
    const running = new Set<string>();
    for (let agent = 0; agent < agents.size; agent += 1) {
      for (const id of agents.runningTasks(agent)) running.add(id);
    }
    return running;
  }

  networksOf(mesosTaskId: string): readonly NetworkInfo[] {
    return this.mesos.agents.networksOf(mesosTaskId);
  }

  /** The agent has a network no more. The first one keeps all, so that there is a place for everything. */
  takeNetwork(agent: number, network: string): boolean {
    if (agent === 0) return false;
    this.#lacking.set(agent, (this.#lacking.get(agent) ?? new Set()).add(network));
    return true;
  }

  /** People have no session, and a process may have none any more. */
  #sessionOf({ sessionId }: Transaction): SimulatedCosmd | undefined {
    if (sessionId === 0n) return undefined;
    return this.#all.find(({ zookeeper }) => zookeeper.sessionId === sessionId);
  }

  /** Processes that were started and not killed. */
  alive(): SimulatedCosmd[] {
    return this.#running.filter((cosmd) => cosmd !== undefined);
  }

  /** The one that leads, or the first one that runs. */
  leader(): SimulatedCosmd | undefined {
    const alive = this.alive();
    return alive.find(({ identity }) => identity === this.#holder) ?? alive[0];
  }

  startCosmd(slot: number): void {
    if (this.#running[slot] !== undefined) return;
    const number = this.#all.length;
    const identity = `cosmd-${number}`;
    const { logger, seed } = this.#options;
    const cosmd = new SimulatedCosmd({
      identity,
      seed: seed * 101 + number,
      store: this.store,
      ensemble: this.ensemble,
      mesos: this.mesos,
      network: this.#network,
      brake: { members: 2, percent: 40, windowSeconds: 60 },
      coverage: this.coverage,
      observer: {
        said: (event) => this.#laws.mesos.said(event),
        left: (call) => this.#laws.mesos.left(identity, call),
        arrived: (call) => {
          this.trace.add(traceOfCall(identity, call));
          this.#laws.mesos.arrived(call);
          this.#laws.addresses.arrived(call);
        },
      },
      perturb: (event) => this.wire.events(event),
      ofAgents: (answer) => this.wire.answer(answer),
      ...(logger === undefined ? {} : { logger: logger.child({ process: identity }) }),
    });
    cosmd.zookeeper.onWrite = (operations) =>
      this.#laws.members.left(identity, operations, cosmd.store.seen());
    this.#running[slot] = cosmd;
    this.#all.push(cosmd);
    this.trace.add(`${identity} starts`);
    void cosmd.run();
  }

  /** It is gone; another one takes its place after `ms`. */
  killCosmd(cosmd: SimulatedCosmd, restartMs: number): void {
    const slot = this.#running.indexOf(cosmd);
    if (slot < 0) return;
    this.trace.add(`${cosmd.identity} dies`);
    this.#running[slot] = undefined;
    cosmd.kill();
    this.clock.after(restartMs, () => this.startCosmd(slot));
  }

  /** It is told to stop, and does. */
  stopCosmd(cosmd: SimulatedCosmd, restartMs: number): void {
    const slot = this.#running.indexOf(cosmd);
    if (slot < 0) return;
    this.trace.add(`${cosmd.identity} stops`);
    cosmd.stop();
    this.clock.after(restartMs, () => {
      if (this.#running[slot] !== cosmd) return;
      this.#running[slot] = undefined;
      cosmd.kill();
      this.startCosmd(slot);
    });
  }

  #wrote(write: StoreWrite): void {
    if (write.key === leaseKey) this.#holder = holderOf(write);
    this.trace.add(traceOfWrite(write, this.store));
    this.#laws.leader.wrote(write);
    this.tasks.wrote(write);
    this.#laws.addresses.wrote(write);
    this.#laws.batch.wrote(write);
  }
}

function holderOf({ after }: StoreWrite): string | undefined {
  const spec = after?.['spec'];
  if (typeof spec !== 'object' || spec === null || !('holderIdentity' in spec)) return undefined;
  return typeof spec.holderIdentity === 'string' ? spec.holderIdentity : undefined;
}
