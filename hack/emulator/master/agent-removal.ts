import type { Task } from '../../../proto/mesos/generated/messages.ts';
import { nothing } from '../resources.ts';
import { rescindInverseOffers } from './inverse-offers.ts';
import { stateFor, type AgentRecord, type MasterState } from './state.ts';
import { isPartitionAware, loseTasks } from './tasks.ts';

/** Silent for too long: its tasks may come back with it. */
export function markUnreachable(m: MasterState, agent: AgentRecord): void {
  const since = m.clock.now() * 1_000_000;
  m.registry.write({ unreachable: agent.id, since });
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
  m.registry.write({ dismiss: agent.id });
  withdrawOffers(m, agent);
  closeLink(agent);
  forget(m, agent);
  m.forgetDraining(agent.id);
  m.publish(() => ({ type: 'AGENT_REMOVED', agent_removed: { agent_id: { value: agent.id } } }));
}

/** MARK_AGENT_GONE: the operator says that the agent never comes back. */
export function markGone(m: MasterState, id: string): boolean {
  const { admitted, gone } = m.registry.read();
  const agent = m.agents.get(id);
  if (!admitted.has(id)) return false;
  m.registry.write({ dismiss: id });
  m.registry.write({ set: { gone: [...gone, id] } });
  // One that a new leader still waits for is waited for no more.
  m.recoveredAgents.delete(id);
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
  m.forgetDraining(id);
  link?.send({ type: 'SHUTDOWN', message: 'Agent has been marked gone' });
  return true;
}

export function withdrawOffers(m: MasterState, agent: AgentRecord): void {
  for (const offer of [...agent.offers].reverse()) {
    m.removeOffer(offer, true);
    m.recover(offer.framework, agent, offer.resources);
  }
}

function forget(m: MasterState, agent: AgentRecord): void {
  rescindInverseOffers(m, agent);
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
