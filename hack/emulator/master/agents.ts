import type { AgentInfo } from '../../../proto/mesos/generated/messages.ts';
import type { Link, ToAgent, ToMaster } from '../protocol.ts';
import { minus, parseResources, plus } from '../resources.ts';
import { markUnreachable, removeAgent, withdrawOffers } from './agent-removal.ts';
import { allocateSoon } from './allocator.ts';
import { startDraining } from './drain.ts';
import { scheduleRemoval } from './frameworks.ts';
import { rescindInverseOffers } from './inverse-offers.ts';
import { isDown } from './machines.ts';
import { usedBy } from './offers.ts';
import {
  isTerminal,
  newFramework,
  taskKey,
  type AgentRecord,
  type MasterState,
  type TaskRecord,
} from './state.ts';
import { knownOf, loseTasks } from './tasks.ts';
import { agentView } from './views.ts';

type Register = Extract<ToMaster, { type: 'REGISTER' }>;
type Reregister = Extract<ToMaster, { type: 'REREGISTER' }>;

/** A new agent, or one that lost its memory: it gets a new id. */
export function register(
  m: MasterState,
  link: Link<ToAgent>,
  message: Register,
): AgentRecord | undefined {
  if (isDown(m, { hostname: message.agent.hostname, ip: message.ip })) {
    link.send({ type: 'SHUTDOWN', message: 'Machine is `DOWN`' });
    return undefined;
  }
  for (const old of m.agents.values()) {
    if (old.ip === message.ip && old.info.port === message.agent.port) {
      removeAgent(m, old, 'a new agent registered at the same address');
    }
  }
  const agent = addAgent(m, m.nextAgentId(), message.agent, message.ip, link);
  link.send({ type: 'REGISTERED', agent_id: agent.id });
  allocateSoon(m);
  return agent;
}

/** An agent that knows its id, with the tasks it still has. Undefined if it is not wanted. */
export function reregister(
  m: MasterState,
  link: Link<ToAgent>,
  message: Reregister,
): AgentRecord | undefined {
  const id = message.agent.id?.value ?? m.nextAgentId();
  const { unreachable, gone } = m.registry.read();
  if (isDown(m, { hostname: message.agent.hostname, ip: message.ip })) {
    link.send({ type: 'SHUTDOWN', message: 'Machine is `DOWN`' });
    return undefined;
  }
  if (gone.includes(id)) {
    link.send({ type: 'SHUTDOWN', message: 'Agent has been marked gone' });
    return undefined;
  }
  const known = m.agents.get(id);
  const agent = known ?? addAgent(m, id, message.agent, message.ip, link);
  if (known !== undefined) {
    known.link?.close();
    known.link = link;
    known.reregistered = m.clock.now();
    known.missedPings = 0;
  }
  recoverFrameworks(m, agent, message);
  const missing = reconcileTasks(m, agent, message);
  agent.available = minus(agent.total, usedBy(agent));
  link.send({ type: 'REREGISTERED', unknown: missing });
  for (const kill of agent.missedKills.splice(0)) link.send(kill);
  if (unreachable.has(id)) announceReturn(m, agent);
  startDraining(m, agent);
  // One that was only disconnected is offered at the next interval.
  if (known === undefined) allocateSoon(m);
  return agent;
}

function addAgent(
  m: MasterState,
  id: string,
  info: AgentInfo,
  ip: string,
  link: Link<ToAgent>,
): AgentRecord {
  const total = parseResources(info.resources);
  const agent: AgentRecord = {
    id,
    info: { ...info, id: { value: id } },
    ip,
    link,
    registered: m.clock.now(),
    reregistered: undefined,
    missedPings: 0,
    total,
    available: total,
    tasks: new Map(),
    executors: new Map(),
    offers: new Set(),
    missedKills: [],
    inverseOffers: new Map(),
    inverseStatuses: new Map(),
    drainStarted: undefined,
  };
  m.agents.set(id, agent);
  m.publish(() => ({ type: 'AGENT_ADDED', agent_added: { agent: agentView(m, agent) } }));
  m.recoveredAgents.delete(id);
  if (!m.registry.read().admitted.has(id)) m.registry.write({ admit: id, agent: agent.info });
  return agent;
}

/** A new leader learns of frameworks from the agents that run their tasks. */
function recoverFrameworks(m: MasterState, agent: AgentRecord, message: Reregister): void {
  for (const info of message.frameworks) {
    const id = info.id?.value;
    if (id === undefined) continue;
    if (m.completedFrameworks.has(id)) {
      agent.link?.send({ type: 'SHUTDOWN_FRAMEWORK', framework_id: id });
      continue;
    }
    if (m.frameworks.has(id)) continue;
    const framework = newFramework(id, info, m.clock.now());
    framework.recovered = true;
    m.frameworks.set(id, framework);
    scheduleRemoval(m, framework);
  }
}

/** Takes over what the agent has; returns what the master thought it had besides. */
function reconcileTasks(m: MasterState, agent: AgentRecord, message: Reregister) {
  const named = new Set<string>();
  for (const task of message.tasks) {
    const frameworkId = task.framework_id.value;
    const key = taskKey(frameworkId, task.task_id.value);
    named.add(key);
    const framework = m.frameworks.get(frameworkId);
    if (framework === undefined || agent.tasks.has(key)) continue;
    const record: TaskRecord = {
      task,
      role: task.resources?.[0]?.allocation_info?.role ?? '*',
      resources: parseResources(task.resources),
    };
    framework.unreachable.delete(task.task_id.value);
    m.addTask(framework, agent, record);
    if (!isTerminal(task.state)) {
      framework.allocated = plus(framework.allocated, record.resources);
    }
  }
  for (const { framework_id, role, info } of message.executors) {
    const framework = m.frameworks.get(framework_id);
    const key = taskKey(framework_id, info.executor_id.value);
    named.add(key);
    if (framework === undefined || agent.executors.has(key)) continue;
    const resources = parseResources(info.resources);
    agent.executors.set(key, { frameworkId: framework_id, info, role, resources });
    framework.allocated = plus(framework.allocated, resources);
  }
  for (const [key, executor] of agent.executors) {
    if (named.has(key)) continue;
    agent.executors.delete(key);
    const framework = m.frameworks.get(executor.frameworkId);
    if (framework !== undefined) m.recover(framework, agent, executor.resources);
  }
  return [...agent.tasks].flatMap(([key, { task }]) => {
    const framework = m.frameworks.get(task.framework_id.value);
    return named.has(key) || framework === undefined
      ? []
      : [{ framework: framework.info, task_id: task.task_id.value }];
  });
}

/** Tasks that were unreachable live on, for frameworks with and without PARTITION_AWARE alike. */
function announceReturn(m: MasterState, agent: AgentRecord): void {
  m.registry.write({ reachable: agent.id });
  for (const { task } of [...agent.tasks.values()].reverse()) {
    const framework = m.frameworks.get(task.framework_id.value);
    if (framework === undefined) continue;
    m.sendStatus(
      framework,
      m.masterStatus({
        ...knownOf(task),
        state: task.state,
        reason: 'REASON_AGENT_REREGISTERED',
        message: 'Unreachable agent re-reregistered',
      }),
    );
  }
}

/** The connection broke: offers are withdrawn, tasks stay for frameworks that checkpoint. */
export function disconnected(m: MasterState, agent: AgentRecord, link: Link<ToAgent>): void {
  if (agent.link !== link) return;
  agent.link = undefined;
  withdrawOffers(m, agent);
  rescindInverseOffers(m, agent);
  for (const framework of m.frameworks.values()) {
    if (framework.info.checkpoint === true) continue;
    loseTasks(m, framework, agent, {
      state: 'TASK_LOST',
      reason: 'REASON_AGENT_DISCONNECTED',
      message: `Agent ${agent.info.hostname} disconnected`,
    });
  }
}

/** One round of pings to every agent; those that missed too many become unreachable. */
export function pingAgents(m: MasterState): void {
  for (const agent of [...m.agents.values()]) {
    // A pong sets it back: the count is of rounds since the last one.
    agent.missedPings += 1;
    if (agent.missedPings >= m.timings.maxAgentPingTimeouts) {
      markUnreachable(m, agent);
      continue;
    }
    agent.link?.send({ type: 'PING' });
  }
}

export function pong(agent: AgentRecord): void {
  agent.missedPings = 0;
}
