import type {
  InverseOffer,
  SchedulerCallAcceptInverseOffers,
  Unavailability,
} from '../../../proto/mesos/generated/messages.ts';
import { findMachine } from './machines.ts';
import type { AgentRecord, FrameworkRecord, MasterState } from './state.ts';

/** Asks every framework that uses a machine of the schedule to leave it. */
export function sendInverseOffers(m: MasterState): void {
  if (m.maintenance.schedule.windows === undefined) return;
  const batches = new Map<FrameworkRecord, InverseOffer[]>();
  for (const agent of m.agents.values()) {
    const machine = findMachine(m, agent);
    if (machine === undefined || agent.link === undefined) continue;
    for (const framework of m.frameworks.values()) {
      if (!mayAsk(m, framework, agent)) continue;
      const offer = newInverseOffer(m, framework, agent, machine.unavailability);
      agent.inverseOffers.set(framework.id, offer);
      m.inverseOffers.set(offer.id.value, { offer, framework, agent });
      batches.set(framework, [...(batches.get(framework) ?? []), offer]);
    }
  }
  for (const [framework, inverse_offers] of batches) {
    framework.stream?.send({ type: 'INVERSE_OFFERS', inverse_offers: { inverse_offers } });
  }
}

/** ACCEPT_INVERSE_OFFERS and DECLINE_INVERSE_OFFERS; ids that nobody knows are ignored. */
export function answerInverseOffers(
  m: MasterState,
  framework: FrameworkRecord,
  { inverse_offer_ids, filters }: SchedulerCallAcceptInverseOffers,
  status: 'ACCEPT' | 'DECLINE',
): void {
  for (const { value } of inverse_offer_ids ?? []) {
    const record = m.inverseOffers.get(value);
    if (record?.framework !== framework) continue;
    const { agent } = record;
    m.inverseOffers.delete(value);
    agent.inverseOffers.delete(framework.id);
    agent.inverseStatuses.set(framework.id, {
      status,
      framework_id: { value: framework.id },
      timestamp: { nanoseconds: m.clock.now() * 1_000_000 },
    });
    const wait = Math.max(0, filters?.refuse_seconds ?? 5) * 1000;
    framework.inverseFilters.set(agent.id, m.clock.monotonic() + wait);
  }
}

/** The agent is gone or its schedule has changed: what was asked is taken back. */
export function rescindInverseOffers(m: MasterState, agent: AgentRecord): void {
  for (const [frameworkId, { id }] of agent.inverseOffers) {
    m.inverseOffers.delete(id.value);
    m.frameworks.get(frameworkId)?.stream?.send({
      type: 'RESCIND_INVERSE_OFFER',
      rescind_inverse_offer: { inverse_offer_id: id },
    });
  }
  agent.inverseOffers.clear();
}

/** The framework is away or removed. */
export function forgetInverseOffers(m: MasterState, framework: FrameworkRecord): void {
  for (const agent of m.agents.values()) {
    const offer = agent.inverseOffers.get(framework.id);
    if (offer === undefined) continue;
    m.inverseOffers.delete(offer.id.value);
    agent.inverseOffers.delete(framework.id);
  }
}

function mayAsk(m: MasterState, framework: FrameworkRecord, agent: AgentRecord): boolean {
  if (framework.stream === undefined || agent.inverseOffers.has(framework.id)) return false;
  if ((framework.inverseFilters.get(agent.id) ?? 0) > m.clock.monotonic()) return false;
  return (
    [...agent.tasks.values()].some(({ task }) => task.framework_id.value === framework.id) ||
    [...agent.executors.values()].some(({ frameworkId }) => frameworkId === framework.id) ||
    [...agent.offers].some((offer) => offer.framework === framework)
  );
}

function newInverseOffer(
  m: MasterState,
  framework: FrameworkRecord,
  agent: AgentRecord,
  unavailability: Unavailability,
): InverseOffer {
  const { hostname, port = 5051 } = agent.info;
  return {
    id: { value: m.nextOfferId() },
    url: { scheme: 'http', address: { hostname, ip: agent.ip, port }, path: '/slave(1)' },
    framework_id: { value: framework.id },
    agent_id: { value: agent.id },
    unavailability,
  };
}
