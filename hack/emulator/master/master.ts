import type { Timer } from '../../../api/machinery/clock.ts';
import type { SchedulerCall, SchedulerCallType } from '../../../proto/mesos/generated/messages.ts';
import type { Link, ToAgent, ToMaster } from '../protocol.ts';
import { removeAgent } from './agent-removal.ts';
import * as agents from './agents.ts';
import { allocate } from './allocator.ts';
import { checkDrains } from './drain.ts';
import * as frameworks from './frameworks.ts';
import { answerInverseOffers } from './inverse-offers.ts';
import { accept, decline } from './offers.ts';
import {
  MasterState,
  type AgentRecord,
  type EventStream,
  type FrameworkRecord,
  type MasterOptions,
} from './state.ts';
import * as tasks from './tasks.ts';

/** The metric that counts calls of a type. */
const metrics: Partial<Record<SchedulerCallType, string>> = {
  DECLINE: 'messages_decline_offers',
  KILL: 'messages_kill_task',
  ACKNOWLEDGE: 'messages_status_update_acknowledgement',
  RECONCILE: 'messages_reconcile_tasks',
  REVIVE: 'messages_revive_offers',
  SUPPRESS: 'messages_suppress_offers',
};

const agentMetrics: Partial<Record<ToMaster['type'], string>> = {
  EXECUTOR_EXITED: 'messages_exited_executor',
  UNREGISTER: 'messages_unregister_slave',
};

/**
 * A leading Mesos master: a state machine fed with calls of frameworks, messages of agents and
 * time. It does no I/O; what it has to say goes to event streams and agent links.
 */
export class Master {
  readonly state: MasterState;
  #timers: Timer[] = [];
  #running = false;

  constructor(options: MasterOptions) {
    this.state = new MasterState(options);
  }

  /** Begins to lead: agents that a former leader admitted are expected back. */
  start(): void {
    const m = this.state;
    this.#running = true;
    m.recoveredAgents = new Map(m.registry.read().admitted);
    this.#every(m.timings.allocationInterval, () => {
      checkDrains(m);
      allocate(m);
    });
    this.#every(m.timings.agentPingTimeout, () => {
      agents.pingAgents(m);
    });
    if (m.recoveredAgents.size > 0) {
      this.#timers.push(
        m.clock.after(m.timings.agentReregisterTimeout, () => {
          this.#giveUpRecovered();
        }),
      );
    }
  }

  /** Stops at once, as a killed process does: streams end, agents see their link close. */
  stop(): void {
    this.#running = false;
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    this.state.stopAllocating();
    for (const framework of this.state.frameworks.values()) {
      framework.heartbeat?.cancel();
      framework.removal?.cancel();
      framework.stream?.end();
      framework.stream = undefined;
    }
    for (const agent of this.state.agents.values()) agent.link?.close();
    for (const subscriber of this.state.subscribers) subscriber.end();
    this.state.subscribers.clear();
  }

  subscribe(stream: EventStream, call: SchedulerCall): string | undefined {
    if (call.subscribe === undefined) return undefined;
    return frameworks.subscribe(this.state, stream, call.subscribe);
  }

  streamClosed(frameworkId: string, stream: EventStream): void {
    if (this.#running) frameworks.streamClosed(this.state, frameworkId, stream);
  }

  /** A call other than SUBSCRIBE of a framework that is subscribed. */
  call(framework: FrameworkRecord, call: SchedulerCall): void {
    const m = this.state;
    const metric = metrics[call.type ?? 'UNKNOWN'];
    if (metric !== undefined) m.count(metric);
    switch (call.type) {
      case 'TEARDOWN':
        frameworks.removeFramework(m, framework);
        break;
      case 'ACCEPT':
        for (const { type } of call.accept?.operations ?? []) {
          if (type === 'LAUNCH') m.count('messages_launch_tasks');
        }
        if (call.accept !== undefined) accept(m, framework, call.accept);
        break;
      case 'DECLINE':
        if (call.decline !== undefined) decline(m, framework, call.decline);
        break;
      case 'REVIVE':
        frameworks.revive(m, framework, call.revive?.roles ?? []);
        break;
      case 'SUPPRESS':
        frameworks.suppress(framework, call.suppress?.roles ?? []);
        break;
      case 'KILL':
        if (call.kill !== undefined) tasks.kill(m, framework, call.kill);
        break;
      case 'ACKNOWLEDGE':
        if (call.acknowledge !== undefined) tasks.acknowledge(m, framework, call.acknowledge);
        checkDrains(m);
        break;
      case 'RECONCILE':
        tasks.reconcile(m, framework, call.reconcile?.tasks ?? []);
        break;
      case 'SHUTDOWN':
        if (call.shutdown !== undefined) {
          const { agent_id, executor_id } = call.shutdown;
          tasks.shutdownExecutor(m, framework, agent_id.value, executor_id.value);
        }
        break;
      case 'UPDATE_FRAMEWORK':
        if (call.update_framework !== undefined) {
          frameworks.updateInfo(framework, call.update_framework.framework_info);
          frameworks.setSuppressed(framework, call.update_framework.suppressed_roles ?? []);
          m.publish(() => frameworks.frameworkUpdated(framework));
        }
        break;
      case 'ACCEPT_INVERSE_OFFERS':
        answerInverseOffers(m, framework, call.accept_inverse_offers ?? {}, 'ACCEPT');
        break;
      case 'DECLINE_INVERSE_OFFERS':
        answerInverseOffers(m, framework, call.decline_inverse_offers ?? {}, 'DECLINE');
        break;
      // REQUEST has no effect in Mesos either.
      default:
        break;
    }
  }

  /** A new connection of an agent; the returned function takes what it says. */
  agentConnected(link: Link<ToAgent>): { receive(message: ToMaster): void; closed(): void } {
    const m = this.state;
    let agent: AgentRecord | undefined;
    return {
      receive: (message) => {
        if (!this.#running) return;
        if (message.type === 'REGISTER') {
          m.count('messages_register_slave');
          agent = agents.register(m, link, message);
        } else if (message.type === 'REREGISTER') {
          m.count('messages_reregister_slave');
          agent = agents.reregister(m, link, message);
        } else if (agent?.link === link) this.#fromAgent(agent, message);
      },
      closed: () => {
        if (this.#running && agent !== undefined) agents.disconnected(m, agent, link);
      },
    };
  }

  #fromAgent(agent: AgentRecord, message: ToMaster): void {
    const m = this.state;
    const metric = agentMetrics[message.type];
    if (metric !== undefined) m.count(metric);
    if (message.type === 'UPDATE') tasks.update(m, agent, message);
    else if (message.type === 'EXECUTOR_EXITED') tasks.executorExited(m, agent, message);
    else if (message.type === 'PONG') agents.pong(agent);
    else if (message.type === 'UNREGISTER') removeAgent(m, agent, 'the agent unregistered');
  }

  /** Agents that never came back to a new leader are unreachable from now on. */
  #giveUpRecovered(): void {
    const m = this.state;
    const since = m.clock.now() * 1_000_000;
    for (const unreachable of m.recoveredAgents.keys()) m.registry.write({ unreachable, since });
    m.recoveredAgents.clear();
  }

  #every(interval: number, work: () => void): void {
    const next = (): void => {
      const timer = this.state.clock.after(interval, () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
        if (!this.#running) return;
        work();
        next();
      });
      this.#timers.push(timer);
    };
    next();
  }
}
