import { rfc3339 } from '../../api/machinery/clock.ts';
import { setCondition, type ConditionInput } from '../../api/machinery/conditions.ts';
import type { AgentStatus } from '../../api/v1/agent.ts';
import type {
  Attribute,
  MasterResponseGetAgentsAgent,
  Offer,
  Resource,
  Unavailability,
  ValueRange,
} from '../../proto/mesos/generated/messages.ts';
import type { NetworkSource } from '../network/agent-networks.ts';
import type { AgentAddress, AgentIdentity } from './placement.ts';

/** What is known of an agent, from an offer or from the master: pure functions. */

export interface AgentFacts extends AgentIdentity {
  address?: AgentAddress | undefined;
  active: boolean;
  version?: string | undefined;
  /** Totals; offers only have what is free. */
  resources?: AgentStatus['resources'];
  /** Announced maintenance; absent if the source does not say. */
  maintenance?: Maintenance | 'None' | undefined;
}

type Maintenance = NonNullable<AgentStatus['unavailability']>;

/** mesos.v1.Unavailability: an offer has it while maintenance of its agent is scheduled. */
export function maintenanceOf(unavailability: Unavailability): Maintenance {
  const { start, duration } = unavailability;
  return {
    start: rfc3339(start.nanoseconds / 1e6),
    ...(duration === undefined ? {} : { durationSeconds: duration.nanoseconds / 1e9 }),
  };
}

const defaultPort = 5051;

export function factsOfOffer(offer: Offer): AgentFacts {
  const { hostname, url, unavailability } = offer;
  const address: AgentAddress | undefined =
    url === undefined
      ? undefined
      : {
          hostname: url.address.hostname ?? hostname,
          ...(url.address.ip === undefined ? {} : { ip: url.address.ip }),
          port: url.address.port,
        };
  return {
    agentId: offer.agent_id.value,
    hostname,
    attributes: attributesOf(offer.attributes),
    active: true,
    maintenance: unavailability === undefined ? 'None' : maintenanceOf(unavailability),
    ...(address === undefined ? {} : { address }),
  };
}

/** Undefined for an agent without an id, which has not registered. */
export function factsOfMaster(agent: MasterResponseGetAgentsAgent): AgentFacts | undefined {
  const { agent_info: info, active, version, pid, total_resources: total } = agent;
  if (info.id === undefined) return undefined;
  // "slave(1)@10.0.0.1:5051"
  const [, ip] = /@\[?([^@\]]+?)\]?:\d+$/.exec(pid ?? '') ?? [];
  return {
    agentId: info.id.value,
    hostname: info.hostname,
    attributes: attributesOf(info.attributes),
    active: active && agent.deactivated !== true,
    version,
    address: {
      hostname: info.hostname,
      ...(ip === undefined ? {} : { ip }),
      port: info.port ?? defaultPort,
    },
    resources: totalsOf(total ?? info.resources ?? []),
  };
}

/** What is stored of an agent that has not been seen since we started. */
export function factsOfStatus(status: AgentStatus | undefined): AgentFacts | undefined {
  const {
    id,
    hostname,
    address,
    attributes = {},
    active = false,
    version,
    resources,
  } = status ?? {};
  if (id === undefined || hostname === undefined) return undefined;
  return {
    agentId: id,
    hostname,
    attributes,
    active,
    version,
    resources,
    maintenance: status?.unavailability ?? 'None',
    ...(address === undefined ? {} : { address: { hostname, ...withoutUndefined(address) } }),
  };
}

function withoutUndefined(address: NonNullable<AgentStatus['address']>): {
  ip?: string;
  port: number;
} {
  const { ip, port } = address;
  return ip === undefined ? { port } : { ip, port };
}

/** The facts with what a source that says less has left out. */
export function mergeFacts(known: AgentFacts | undefined, seen: AgentFacts): AgentFacts {
  return {
    ...seen,
    version: seen.version ?? known?.version,
    resources: seen.resources ?? known?.resources,
    maintenance: seen.maintenance ?? known?.maintenance,
    address: seen.address ?? known?.address,
  };
}

export function statusOf(
  facts: AgentFacts,
  unknownNetworks: readonly { cniName: string; until: string }[],
  networks: ReadonlyMap<string, NetworkSource>,
  before: { conditions: AgentStatus['conditions']; now: string },
): AgentStatus {
  const { agentId, hostname, attributes, active, version, resources, address } = facts;
  const { maintenance = 'None' } = facts;
  return {
    id: agentId,
    hostname,
    active,
    attributes: { ...attributes },
    ...(version === undefined ? {} : { version }),
    ...(resources === undefined ? {} : { resources }),
    ...(address === undefined
      ? {}
      : {
          address: {
            ...(address.ip === undefined ? {} : { ip: address.ip }),
            port: address.port,
          },
        }),
    ...(maintenance === 'None' ? {} : { unavailability: maintenance }),
    ...(networks.size === 0 ? {} : { networks: networksOf(networks) }),
    ...(unknownNetworks.length === 0 ? {} : { unknownNetworks: [...unknownNetworks] }),
    conditions: standing(facts, before.conditions, before.now),
  };
}

/** Ready after kstatus; an agent that is away is waited for: it may return. */
function standing(
  { active, maintenance = 'None' }: AgentFacts,
  known: AgentStatus['conditions'],
  now: string,
): NonNullable<AgentStatus['conditions']> {
  const leaves = maintenance === 'None' ? '' : `; maintenance begins at ${maintenance.start}`;
  const ready: ConditionInput = active
    ? { type: 'Ready', status: 'True', reason: 'Registered', message: `registered${leaves}` }
    : { type: 'Ready', status: 'False', reason: 'Away', message: 'unregistered or deactivated' };
  return setCondition(known, ready, now);
}

/** In the order of their names, so that equal knowledge compares equal. */
function networksOf(
  networks: ReadonlyMap<string, NetworkSource>,
): NonNullable<AgentStatus['networks']> {
  return [...networks.keys()]
    .sort()
    .map((cniName) => ({ cniName, source: networks.get(cniName) ?? 'Launch' }));
}

/**
 * Name of the Agent object: the host name in lower case. A second agent on the host, told apart by its
 * port, has the port appended. `holder` is who has the plain name, as far as is known.
 */
export function agentName(
  facts: Pick<AgentFacts, 'agentId' | 'hostname' | 'address'>,
  holder: (name: string) => { agentId?: string | undefined; port?: number | undefined } | undefined,
): string {
  const plain = objectName(facts.hostname);
  const known = holder(plain);
  const port = facts.address?.port ?? defaultPort;
  if (known?.agentId === undefined || known.agentId === facts.agentId) return plain;
  return (known.port ?? defaultPort) === port ? plain : `${plain}-${port}`;
}

/** A DNS subdomain of what an agent calls its host. */
function objectName(hostname: string): string {
  const name = hostname.toLowerCase().replace(/[^a-z0-9.-]+/g, '-');
  return name.replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '').slice(0, 240) || 'agent';
}

function attributesOf(attributes: readonly Attribute[] = []): Record<string, string> {
  return Object.fromEntries(attributes.map((attribute) => [attribute.name, text(attribute)]));
}

/** Attributes as Mesos writes them on a command line. */
function text({ text: value, scalar, ranges, set }: Attribute): string {
  if (value !== undefined) return value.value;
  if (scalar !== undefined) return String(scalar.value);
  if (ranges !== undefined) return `[${rangesText(ranges.range ?? [])}]`;
  return `{${(set?.item ?? []).join(',')}}`;
}

function totalsOf(resources: readonly Resource[]): NonNullable<AgentStatus['resources']> {
  const scalar = (name: string): number | undefined => {
    const found = resources.filter((one) => one.name === name && one.revocable === undefined);
    if (found.length === 0) return undefined;
    const milli = found.reduce((sum, one) => sum + Math.round((one.scalar?.value ?? 0) * 1000), 0);
    return milli / 1000;
  };
  const [cpus, memMiB, diskMiB] = [scalar('cpus'), scalar('mem'), scalar('disk')];
  const ranges = resources
    .filter(({ name }) => name === 'ports')
    .flatMap((ports) => ports.ranges?.range ?? []);
  return {
    ...(cpus === undefined ? {} : { cpus }),
    ...(memMiB === undefined ? {} : { memMiB }),
    ...(diskMiB === undefined ? {} : { diskMiB }),
    ...(ranges.length === 0 ? {} : { ports: rangesText(ranges) }),
  };
}

function rangesText(ranges: readonly ValueRange[]): string {
  return [...ranges]
    .sort((a, b) => a.begin - b.begin)
    .map(({ begin, end }) => (begin === end ? String(begin) : `${begin}-${end}`))
    .join(',');
}
