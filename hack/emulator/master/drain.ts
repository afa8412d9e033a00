import type {
  DrainInfo,
  MasterCallDrainAgent,
  MasterResponseGetAgentsAgent,
} from '../../../proto/mesos/generated/messages.ts';
import { markGone, withdrawOffers } from './agent-removal.ts';
import { findMachine } from './machines.ts';
import type { AgentRecord, MasterState } from './state.ts';

/** DRAIN_AGENT: the agent's tasks are killed and it is offered no more. The text of a 400 if refused. */
export function drainAgent(m: MasterState, call: MasterCallDrainAgent): string | undefined {
  const id = call.agent_id.value;
  const agent = m.agents.get(id);
  if (agent !== undefined && findMachine(m, agent) !== undefined) {
    const { hostname, ip } = findMachine(m, agent)?.id ?? {};
    return `Agent ${id} is part of a maintenance schedule under Machine ${hostname ?? ''}(${ip ?? ''})`;
  }
  if (!isKnown(m, id)) return 'Unknown agent';
  const { max_grace_period: grace, mark_gone = false } = call;
  const info: DrainInfo = {
    state: 'DRAINING',
    config: {
      ...(grace === undefined
        ? {}
        : {
            max_grace_period: {
              nanoseconds: (grace.seconds ?? 0) * 1e9 + (grace.nanos ?? 0),
            },
          }),
      mark_gone,
    },
  };
  m.setDraining({ ...m.draining, [id]: info }, new Set([...m.deactivated, id]));
  if (agent === undefined) return undefined;
  withdrawOffers(m, agent);
  startDraining(m, agent);
  return undefined;
}

export function deactivateAgent(m: MasterState, id: string): string | undefined {
  if (!isKnown(m, id)) return 'Unknown agent';
  m.setDraining(m.draining, new Set([...m.deactivated, id]));
  const agent = m.agents.get(id);
  if (agent !== undefined) withdrawOffers(m, agent);
  return undefined;
}

export function reactivateAgent(m: MasterState, id: string): string | undefined {
  if (!m.deactivated.has(id)) return 'Agent is not deactivated';
  if (m.draining[id]?.state === 'DRAINING') return 'Agent is still in the DRAINING state';
  m.forgetDraining(id);
  const agent = m.agents.get(id);
  if (agent !== undefined) agent.drainStarted = undefined;
  // A real master allocates at its next interval.
  return undefined;
}

/** Tells an agent to drain, once the call is made and again whenever it registers. */
export function startDraining(m: MasterState, agent: AgentRecord): void {
  const info = m.draining[agent.id];
  if (info?.state !== 'DRAINING') return;
  agent.link?.send({ type: 'DRAIN', config: info.config });
  agent.drainStarted = m.clock.now();
  checkDrained(m, agent);
}

/** A draining agent without tasks is drained, and gone if that was asked for. */
export function checkDrained(m: MasterState, agent: AgentRecord): void {
  const info = m.draining[agent.id];
  if (info?.state !== 'DRAINING' || agent.tasks.size > 0) return;
  m.setDraining({ ...m.draining, [agent.id]: { ...info, state: 'DRAINED' } }, m.deactivated);
  if (info.config.mark_gone === true) markGone(m, agent.id);
}

/** What GET_AGENTS says of an agent's draining. */
export function drainOf(
  m: MasterState,
  agent: AgentRecord,
): Pick<MasterResponseGetAgentsAgent, 'drain_info' | 'estimated_drain_start_time'> {
  const info = m.draining[agent.id];
  const { drainStarted } = agent;
  return {
    ...(info === undefined ? {} : { drain_info: info }),
    ...(drainStarted === undefined
      ? {}
      : {
          estimated_drain_start_time: { nanoseconds: Math.floor(drainStarted / 1000) * 1e9 },
        }),
  };
}

function isKnown(m: MasterState, id: string): boolean {
  const { unreachable } = m.registry.read();
  return m.agents.has(id) || m.recoveredAgents.has(id) || unreachable.has(id);
}

/** Tasks end in several ways; what is drained by now is found here. */
export function checkDrains(m: MasterState): void {
  for (const id of Object.keys(m.draining)) {
    const agent = m.agents.get(id);
    if (agent !== undefined) checkDrained(m, agent);
  }
}
