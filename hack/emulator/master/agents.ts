import type { AgentInfo, Task } from '../../../proto/mesos/generated/messages.ts';
import type { Link, ToAgent, ToMaster } from '../protocol.ts';
import { minus, nothing, parseResources, plus } from '../resources.ts';
import { allocateSoon } from './allocator.ts';
import { scheduleRemoval } from './frameworks.ts';
import { usedBy } from './offers.ts';
import {
  isTerminal,
  newFramework,
  stateFor,
  taskKey,
  type AgentRecord,
  type MasterState,
  type TaskRecord,
} from './state.ts';
import { isPartitionAware, knownOf, loseTasks } from './tasks.ts';

type Register = Extract<ToMaster, { type: 'REGISTER' }>;
type Reregister = Extract<ToMaster, { type: 'REREGISTER' }>;

/** A new agent, or one that lost its memory: it gets a new id. */
export function register(m: MasterState, link: Link<ToAgent>, message: Register): AgentRecord {
  for (const old of [...m.agents.values()]) {
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
  if (unreachable[id] !== undefined) announceReturn(m, agent);
  allocateSoon(m);
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
  };
  m.agents.set(id, agent);
  if (m.recoveredAgents.has(id)) {
    m.recoveredAgents = new Map([...m.recoveredAgents].filter(([other]) => other !== id));
  }
  const content = m.registry.read();
  if (content.admitted[id] === undefined) {
    m.registry.write({ ...content, admitted: { ...content.admitted, [id]: agent.info } });
  }
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
  const content = m.registry.read();
  const unreachable = Object.fromEntries(
    Object.entries(content.unreachable).filter(([id]) => id !== agent.id),
  );
  m.registry.write({ ...content, unreachable });
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

export function markUnreachable(m: MasterState, agent: AgentRecord): void {
  const since = m.clock.now() * 1_000_000;
  const content = m.registry.read();
  m.registry.write({ ...content, unreachable: { ...content.unreachable, [agent.id]: since } });
  const frameworks = [...m.frameworks.values()];
  for (const framework of frameworks) {
    loseTasks(m, framework, agent, {
      state: stateFor(framework, 'TASK_UNREACHABLE'),
      reason: 'REASON_AGENT_REMOVED',
      message: 'health check timed out',
      unreachable_time: { nanoseconds: since },
    });
  }
  withdrawOffers(m, agent);
  closeLink(agent);
  forget(m, agent);
}

/** One that was only silent connects again, and so learns what it is taken for. */
function closeLink(agent: AgentRecord): void {
  const { link } = agent;
  agent.link = undefined;
  link?.close();
}

/** The agent left for good, or another took its place: its tasks are lost, whatever they were. */
export function removeAgent(m: MasterState, agent: AgentRecord, why: string): void {
  for (const framework of m.frameworks.values()) {
    loseTasks(m, framework, agent, {
      state: 'TASK_LOST',
      reason: 'REASON_AGENT_REMOVED',
      message: `Agent ${agent.info.hostname} removed: ${why}`,
    });
  }
  const { admitted, ...content } = m.registry.read();
  const rest = Object.fromEntries(Object.entries(admitted).filter(([id]) => id !== agent.id));
  m.registry.write({ ...content, admitted: rest });
  withdrawOffers(m, agent);
  closeLink(agent);
  forget(m, agent);
}

/** MARK_AGENT_GONE: the operator says that the agent never comes back. */
export function markGone(m: MasterState, id: string): boolean {
  const content = m.registry.read();
  const agent = m.agents.get(id);
  if (content.admitted[id] === undefined) return false;
  m.registry.write({ ...content, gone: [...content.gone, id] });
  if (agent === undefined) return true;
  for (const framework of m.frameworks.values()) {
    const state: Task['state'] = isPartitionAware(framework)
      ? 'TASK_GONE_BY_OPERATOR'
      : 'TASK_LOST';
    loseTasks(m, framework, agent, {
      state,
      reason: 'REASON_AGENT_REMOVED_BY_OPERATOR',
      message: 'Agent has been marked gone',
    });
  }
  withdrawOffers(m, agent);
  const { link } = agent;
  forget(m, agent);
  link?.send({ type: 'SHUTDOWN', message: 'Agent has been marked gone' });
  return true;
}

function withdrawOffers(m: MasterState, agent: AgentRecord): void {
  for (const offer of [...agent.offers].reverse()) {
    m.removeOffer(offer, true);
    m.recover(offer.framework, agent, offer.resources);
  }
}

function forget(m: MasterState, agent: AgentRecord): void {
  m.agents.delete(agent.id);
  agent.link = undefined;
  agent.available = nothing;
  for (const framework of m.frameworks.values()) {
    for (const key of [...framework.filters.keys()]) {
      if (key.startsWith(`${agent.id} `)) framework.filters.delete(key);
    }
    framework.stream?.send({ type: 'FAILURE', failure: { agent_id: { value: agent.id } } });
  }
}
