import type { Offer } from '../../../proto/mesos/generated/messages.ts';
import { allocatedResources, contains, nothing, plus, type Quantities } from '../resources.ts';
import { sendInverseOffers } from './inverse-offers.ts';
import { findMachine } from './machines.ts';
import {
  frameworkRoles,
  type AgentRecord,
  type FrameworkRecord,
  type MasterState,
  type OfferRecord,
} from './state.ts';

/** Mesos' --min_allocatable_resources: at least one of them, in thousandths. */
const minimum = { cpus: 10, mem: 32_000 };

/**
 * Offers what is free on the given agents, the whole rest of an agent to one framework at a time:
 * the one with the smallest dominant share first, as Mesos' hierarchical allocator does.
 */
export function allocate(m: MasterState): void {
  offerResources(m);
  sendInverseOffers(m);
}

function offerResources(m: MasterState): void {
  const candidates = [...m.frameworks.values()].flatMap((framework) =>
    framework.stream === undefined
      ? []
      : frameworkRoles(framework.info)
          .filter((role) => !framework.suppressed.has(role))
          .map((role) => ({ framework, role })),
  );
  if (candidates.length === 0) return;
  const total = candidates.length > 1 ? clusterTotal(m) : nothing;
  const offers = new Map<FrameworkRecord, Offer[]>();
  for (const agent of shuffled(m, m.agents.values())) {
    if (agent.link === undefined || m.deactivated.has(agent.id)) continue;
    if (!allocatable(agent.available)) continue;
    if (candidates.length > 1) {
      candidates.sort((a, b) => share(a.framework, total) - share(b.framework, total));
    }
    const chosen = candidates.find(({ framework, role }) => !filtered(m, framework, role, agent));
    if (chosen === undefined) continue;
    const { framework, role } = chosen;
    const record = makeOffer(m, framework, agent, role);
    const batch = offers.get(framework);
    if (batch === undefined) offers.set(framework, [record.offer]);
    else batch.push(record.offer);
  }
  for (const [framework, batch] of offers) {
    framework.stream?.send({ type: 'OFFERS', offers: { offers: batch } });
  }
}

/** Offers at the next turn, for everything free. */
export function allocateSoon(m: MasterState): void {
  m.allocateSoon(() => {
    allocate(m);
  });
}

/** Refused resources are not offered again to this framework and role for a while. */
export function addFilter(
  m: MasterState,
  framework: FrameworkRecord,
  agent: AgentRecord,
  role: string,
  resources: Quantities,
  refuseSeconds: number | undefined,
): void {
  const seconds = refuseSeconds ?? 5;
  if (!(seconds > 0)) return;
  const key = `${agent.id} ${role}`;
  // Mesos keeps a filter for at least one allocation interval and caps it at a year.
  const wait = Math.max(m.timings.allocationInterval, Math.min(seconds, 31_536_000) * 1000);
  const filters = framework.filters.get(key) ?? [];
  filters.push({ resources, expires: m.clock.monotonic() + wait });
  framework.filters.set(key, filters);
}

export function clearFilters(framework: FrameworkRecord, roles: readonly string[]): void {
  if (roles.length === 0) framework.filters.clear();
  for (const key of [...framework.filters.keys()]) {
    if (roles.includes(key.slice(key.indexOf(' ') + 1))) framework.filters.delete(key);
  }
}

function filtered(
  m: MasterState,
  framework: FrameworkRecord,
  role: string,
  agent: AgentRecord,
): boolean {
  const key = `${agent.id} ${role}`;
  const filters = framework.filters.get(key);
  if (filters === undefined) return false;
  const now = m.clock.monotonic();
  const live = filters.filter(({ expires }) => expires > now);
  if (live.length === 0) framework.filters.delete(key);
  else framework.filters.set(key, live);
  return live.some(({ resources }) => contains(resources, agent.available));
}

function makeOffer(
  m: MasterState,
  framework: FrameworkRecord,
  agent: AgentRecord,
  role: string,
): OfferRecord {
  const resources = agent.available;
  const executors = [...agent.executors.values()]
    .filter(({ frameworkId }) => frameworkId === framework.id)
    .map(({ info }) => info.executor_id);
  const { hostname, attributes, port } = agent.info;
  const machine = findMachine(m, agent);
  const offer: Offer = {
    id: { value: m.nextOfferId() },
    framework_id: { value: framework.id },
    agent_id: { value: agent.id },
    hostname,
    url: {
      scheme: 'http',
      address: { hostname, ip: agent.ip, port: port ?? 5051 },
      path: '/slave(1)',
    },
    resources: allocatedResources(resources, role),
    ...(attributes === undefined ? {} : { attributes }),
    ...(executors.length === 0 ? {} : { executor_ids: executors }),
    ...(machine === undefined ? {} : { unavailability: machine.unavailability }),
    allocation_info: { role },
  };
  const record: OfferRecord = { offer, framework, agent, role, resources };
  m.offers.set(offer.id.value, record);
  framework.offers.add(record);
  agent.offers.add(record);
  m.allocate(framework, agent, resources);
  return record;
}

function allocatable({ scalars }: Quantities): boolean {
  return (scalars.get('cpus') ?? 0) >= minimum.cpus || (scalars.get('mem') ?? 0) >= minimum.mem;
}

function clusterTotal(m: MasterState): Quantities {
  let total = nothing;
  for (const agent of m.agents.values()) total = plus(total, agent.total);
  return total;
}

function share({ allocated }: FrameworkRecord, total: Quantities): number {
  let dominant = 0;
  for (const [name, value] of allocated.scalars) {
    dominant = Math.max(dominant, value / (total.scalars.get(name) ?? Infinity));
  }
  return dominant;
}

function shuffled<T>(m: MasterState, items: Iterable<T>): T[] {
  return [...items]
    .map((item) => ({ item, at: m.random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
