import type { Logger } from 'pino';
import { timestamp, type Clock } from '../../api/machinery/clock.ts';
import { objectKey } from '../../api/machinery/metadata.ts';
import type { Random } from '../../api/machinery/random.ts';
import type { AddressClaim } from '../../api/v1/address-claim.ts';
import type { Agent } from '../../api/v1/agent.ts';
import { frameworkResource, type Framework } from '../../api/v1/framework.ts';
import type { Job } from '../../api/v1/job.ts';
import type { Network } from '../../api/v1/network.ts';
import { isDead, mesosTaskIds, phaseOf, taskResource, type Task } from '../../api/v1/task.ts';
import type { SchedulerEvent } from '../../proto/mesos/generated/messages.ts';
import type { MasterClient } from '../../proto/mesos/operator-client.ts';
import type { SchedulerTransport } from '../../proto/mesos/transport.ts';
import type { ClaimView } from '../network/claim-view.ts';
import { addressGate } from '../network/claims.ts';
import { UnknownNetworks } from '../network/unknown-networks.ts';
import type { Controller } from '../runtime/controller.ts';
import type { EventRecorder } from '../runtime/event-recorder.ts';
import type { Informer } from '../runtime/informer.ts';
import type { Leadership } from '../runtime/leadership.ts';
import { runAll } from '../runtime/manager.ts';
import type { Runnable } from '../runtime/runnable.ts';
import { Agents } from './agents.ts';
import { Brake, defaultBrake, type BrakeLimits } from './brake.ts';
import { Burial, buryAll } from './burial.ts';
import { acceptInverseCall, type FrameworkConfig } from './calls.ts';
import { Consequences } from './consequences.ts';
import { ContentView, type ContentInformers } from './content-view.ts';
import { usesContents } from './contents.ts';
import { StoppedError, FencedWriter } from './fenced-writer.ts';
import { FrameworkRecord } from './framework-record.ts';
import { concernedBy, gateReporter } from './gate-reporter.ts';
import { Killer } from './killer.ts';
import { Launcher } from './launcher.ts';
import { isGated, launchGate, type LaunchGate } from './launch-gate.ts';
import { LaunchLog, launchSettlesMs } from './launches.ts';
import { lifecycleController, needsStep } from './lifecycle-controller.ts';
import { isLive, isWaiting } from './lifecycle.ts';
import { networkNames } from './network-names.ts';
import { Orphans, type OrphanPolicy } from './orphans.ts';
import { Reconciler } from './reconciler.ts';
import type { Session } from './session.ts';
import { SubscriptionLoop, type Readiness } from './subscription-loop.ts';
import { TaskView } from './task-view.ts';
import { reportUnschedulable } from './unschedulable-report.ts';
import { UpdateProcessor } from './updates.ts';

export interface SchedulerConfig extends FrameworkConfig {
  orphans: OrphanPolicy;
  brake?: BrakeLimits;
}

export interface SchedulerOptions {
  /** The term under which everything is done: its client is fenced. */
  leadership: Pick<Leadership, 'client' | 'stillHolding' | 'verify'>;
  transport: SchedulerTransport;
  master: Pick<MasterClient, 'getAgents'>;
  /** Made anew for this term, and run beside the scheduler. */
  informers: {
    /** With claimTaskIndexers. */
    tasks: Pick<Informer<Task>, 'synced' | 'onChange' | 'byIndex'>;
    agents: Pick<Informer<Agent>, 'synced' | 'onChange' | 'get' | 'list'>;
    networks: Pick<Informer<Network>, 'synced' | 'onChange' | 'get'>;
    jobs: Pick<Informer<Job>, 'synced' | 'get'>;
    frameworks: Pick<Informer<Framework>, 'synced' | 'onChange'>;
    claims: Pick<Informer<AddressClaim>, 'synced'>;
  };
  /** As the informers, but only Tasks that refer to Secrets and ConfigMaps wait for them. */
  contents: ContentInformers;
  /** Follows the claims' informer already; the claims loop puts into it what it writes. */
  claims: ClaimView;
  config: SchedulerConfig;
  clock: Clock;
  random: Random;
  logger: Logger;
  events: Pick<EventRecorder, 'record'>;
}

/** Time in which an agent that returned has told the master of its tasks. */
const agentSettlesMs = 10_000;

export interface Scheduler extends Runnable {
  /** For /readyz. */
  ready(): Readiness;
}

/** The Mesos framework: to be made for one term of leadership and run until it ends. */
export function createScheduler(options: SchedulerOptions): Scheduler {
  return new MesosScheduler(options);
}

/** Wires the parts together; what each decides is in its own file. */
class MesosScheduler implements Scheduler {
  readonly name = 'scheduler';
  readonly #options: SchedulerOptions;
  readonly #stop = new AbortController();
  readonly #view = new TaskView();
  readonly #launches = new LaunchLog();
  readonly #contents: ContentView;
  readonly #record: FrameworkRecord;
  readonly #writer: FencedWriter<NonNullable<Task['status']>, Task>;
  readonly #agents: Agents;
  readonly #launcher: Launcher;
  readonly #killer: Killer;
  readonly #reconciler: Reconciler;
  readonly #brake: Brake;
  readonly #updates: UpdateProcessor;
  readonly #lifecycle: Controller;
  readonly #gateReporter: Controller;
  readonly #subscription: SubscriptionLoop;
  #session: Session | undefined;
  #fenced: Error | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    const { leadership, config, clock, random, logger, informers } = options;
    const { client } = leadership;
    const signal = this.#stop.signal;
    const onFenced = (error: Error): void => this.#stopFenced(error);
    const fencing = { clock, random, signal, onFenced };
    const view = this.#view;
    const launches = this.#launches;
    const cniNameOf = networkNames(informers);
    const session = (): Session | undefined => this.#session;
    this.#record = new FrameworkRecord({
      client: client.of(frameworkResource),
      name: config.clusterName,
      ...fencing,
    });
    this.#writer = new FencedWriter({ client: client.of(taskResource), known: view, ...fencing });
    const writer = this.#writer;
    this.#agents = new Agents({
      client,
      informer: informers.agents,
      master: options.master,
      unknownNetworks: new UnknownNetworks(clock),
      clock,
      logger,
      onReturned: (agentId) => this.#agentReturned(agentId),
    });
    this.#killer = new Killer({ session, clock, random });
    this.#reconciler = new Reconciler({ session, view, launches, clock, random });
    this.#lifecycle = lifecycleController({
      view,
      writer,
      launches,
      killer: this.#killer,
      burial: new Burial({ writer, record: this.#record, events: options.events, clock }),
      clock,
      logger,
    });
    this.#contents = new ContentView(options.contents);
    const gate = (task: Task): LaunchGate =>
      launchGate(addressGate(task, options.claims, cniNameOf), this.#contents.of(task));
    const gating = { view, writer, launches, gate, events: options.events, clock, logger };
    this.#gateReporter = gateReporter(gating);
    this.#launcher = new Launcher({
      gate,
      view,
      writer,
      launches,
      agents: this.#agents,
      roles: config.roles,
      cniNameOf,
      clock,
      logger,
      onLaunched: (keys) => this.#launched(keys),
      onSettled: (key) => this.#settled(key),
      onUnschedulable: (unplaced) => void reportUnschedulable(gating, unplaced),
    });
    const orphans = new Orphans({
      policy: config.orphans,
      killer: this.#killer,
      record: this.#record,
      events: options.events,
      logger,
    });
    const consequences = new Consequences({
      view,
      agents: this.#agents,
      killer: this.#killer,
      reconciler: this.#reconciler,
      events: options.events,
      jobs: informers.jobs,
      stored: (taskId) => this.#brake.stored(taskId),
    });
    this.#updates = new UpdateProcessor({
      writer,
      launches,
      cniNameOf: (name, task) => cniNameOf(name, task) ?? name,
      clock,
      logger,
      signal,
      onApplied: (applied) => consequences.applied(applied),
      onOrphan: (update) => {
        this.#brake.stored(update.task_id.value);
        orphans.reported(update);
      },
      onRefused: (update, key, error) => consequences.refused(update, key, error),
    });
    this.#brake = new Brake({
      view,
      record: this.#record,
      limits: config.brake ?? defaultBrake,
      clock,
      logger,
      receive: (update, from) => this.#updates.receive(update, from),
      onHeld: (framework, message) =>
        options.events.record(framework, 'Warning', 'ReplacingHeld', message),
    });
    this.#subscription = new SubscriptionLoop({
      transport: options.transport,
      config,
      record: this.#record,
      verifyLease: () => leadership.verify(),
      mayAct: () => !signal.aborted && leadership.stillHolding(),
      liveTasks: () => this.#liveTasks(),
      startsSuppressed: () => view.waitingCount === 0,
      buryAll: () => buryAll(view.live(), writer, timestamp(clock)),
      onBegin: (begun, suppressed) => this.#begin(begun, suppressed),
      onEvent: (from, event) => this.#event(from, event),
      onEnd: () => this.#end(),
      clock,
      random,
      logger,
    });
  }

  ready(): Readiness {
    return this.#subscription.readiness;
  }

  /** Rejects with the refusal if the store says that somebody else leads. */
  async run(signal: AbortSignal): Promise<void> {
    const { informers, logger } = this.#options;
    const abort = (): void => this.#stop.abort();
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    const stopFollowing: (() => void)[] = [];
    try {
      await Promise.all(Object.values(informers).map((informer) => informer.synced(signal)));
      if (signal.aborted) return;
      stopFollowing.push(...this.#follow());
      const parts = [this.#agents, this.#lifecycle, this.#launcher, this.#killer];
      await runAll(
        [...parts, this.#gateReporter, this.#reconciler, this.#brake, this.#subscription],
        this.#stop.signal,
        logger,
      );
    } finally {
      abort();
      signal.removeEventListener('abort', abort);
      for (const stop of stopFollowing) stop();
    }
    if (this.#fenced !== undefined) throw this.#fenced;
  }

  #stopFenced(error: Error): void {
    this.#fenced ??= error;
    this.#options.logger.error({ err: error }, 'somebody else leads: the scheduler stops');
    this.#stop.abort();
  }

  #follow(): (() => void)[] {
    const { tasks, frameworks, agents, networks } = this.#options.informers;
    const { clusterName } = this.#options.config;
    this.#view.onChange((task, previous) => this.#taskChanged(task, previous));
    this.#options.claims.onChange((claim) => this.#claimChanged(claim));
    return [
      this.#view.follow(tasks),
      this.#contents.onChange((namespace) => this.#contentsChanged(namespace)),
      // What an operator changes may make place for what waits.
      agents.onChange(() => this.#launcher.wake()),
      networks.onChange(() => this.#launcher.wake()),
      frameworks.onChange(({ type, object }) => {
        if (object.metadata.name !== clusterName) return;
        if (type === 'deleted') this.#frameworkDeleted(object);
        else this.#record.observed(object);
        this.#subscription.reviewed();
        this.#brake.reviewed();
      }),
    ];
  }

  /** A Task that waits for the address may have got it, or has somebody else to wait for. */
  #claimChanged(claim: AddressClaim): void {
    for (const task of concernedBy(claim, this.#options.informers.tasks)) {
      this.#gateReporter.enqueue(objectKey(task.metadata));
    }
    this.#launcher.wake();
  }

  /** What a Task waits for may be there now, or be gone. */
  #contentsChanged(namespace: string): void {
    const concerned = [...this.#view.waiting()].filter(
      (task) => task.metadata.namespace === namespace && usesContents(task),
    );
    for (const task of concerned) this.#gateReporter.enqueue(objectKey(task.metadata));
    if (concerned.length > 0) this.#launcher.wake();
  }

  #taskChanged(task: Task, previous: Task | undefined): void {
    const key = objectKey(task.metadata);
    this.#agents.taskChanged(task, previous);
    if (isWaiting(task) && isGated(task)) this.#gateReporter.enqueue(key);
    if (isWaiting(task) && (previous === undefined || !isWaiting(previous))) {
      this.#launcher.arrived();
    }
    if (needsStep(task, this.#launches)) this.#lifecycle.enqueue(key);
    if (isDead(task) && previous !== undefined && !isDead(previous)) {
      for (const { taskId } of mesosTaskIds(task)) {
        this.#killer.forget(taskId);
        this.#reconciler.answered(taskId);
      }
    }
    if (previous !== undefined && isWaiting(previous)) this.#askIfBoundUnseen(key, task);
  }

  /** Bound, though we have not launched it: a write of ours, or of a leader before, whose answer was lost. */
  #askIfBoundUnseen(key: string, task: Task | undefined): void {
    if (task === undefined || !isLive(task) || phaseOf(task) !== 'Launching') return;
    if (this.#launches.get(key) === undefined) this.#reconciler.ask(task, 0);
  }

  #begin(session: Session, suppressed: boolean): void {
    this.#session = session;
    this.#launcher.begin(session, suppressed);
    this.#killer.begin();
    this.#brake.begin();
    this.#reconciler.begin();
    this.#agents.refresh();
  }

  #end(): void {
    this.#session = undefined;
    this.#launcher.end();
  }

  async #event(session: Session, event: SchedulerEvent): Promise<void> {
    const { offers = [] } = event.offers ?? {};
    for (const offer of offers) this.#agents.offered(offer);
    if (offers.length > 0) this.#launcher.offered(offers);
    const { inverse_offers: inverse = [] } = event.inverse_offers ?? {};
    for (const offer of inverse) this.#agents.inverselyOffered(offer);
    if (inverse.length > 0) {
      // Nothing hangs on the answer: what has to leave is stored with the Agent.
      void session.call(acceptInverseCall(inverse.map(({ id }) => id.value)));
    }
    if (event.rescind !== undefined) this.#launcher.rescinded(event.rescind.offer_id.value);
    if (event.failure?.agent_id !== undefined && event.failure.executor_id === undefined) {
      this.#agents.failed(event.failure.agent_id.value);
    }
    if (event.update === undefined) return;
    const { status } = event.update;
    if (!this.#brake.intercept(status, session)) this.#updates.receive(status, session);
    await this.#updates.hasRoom(this.#stop.signal);
  }

  /** Mesos says by itself what still runs there, and nothing about what ended with the agent. */
  #agentReturned(agentId: string): void {
    this.#reconciler.askAboutUnreachable(
      (task) => task.status?.mesos?.agentId === agentId,
      agentSettlesMs,
    );
  }

  #launched(keys: readonly string[]): void {
    for (const key of keys) {
      const task = this.#view.get(key);
      if (task === undefined || this.#launches.get(key) === undefined) continue;
      this.#reconciler.ask(task, launchSettlesMs);
    }
  }

  #settled(key: string): void {
    const task = this.#view.get(key);
    if (task === undefined) return;
    if (needsStep(task, this.#launches)) this.#lifecycle.enqueue(key);
    this.#askIfBoundUnseen(key, task);
  }

  #liveTasks(): { count: number; frameworkIds: readonly string[] } {
    const ids = new Set<string>();
    for (const task of this.#view.live()) {
      const id = task.status?.mesos?.frameworkId;
      if (id !== undefined) ids.add(id);
    }
    return { count: this.#view.liveCount, frameworkIds: [...ids] };
  }

  #frameworkDeleted(framework: Framework): void {
    this.#record.deleted(framework);
    const session = this.#session;
    if (session === undefined) return;
    this.#record.subscribed(session).catch((error: unknown) => {
      if (error instanceof StoppedError) return;
      this.#options.logger.error({ err: error }, 'the deleted Framework could not be restored');
    });
  }
}
